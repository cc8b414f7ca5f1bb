"""Every setting: its default, its valid and its invalid values."""

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from menshen.domain.device_policy import DevicePolicy
from menshen.entrypoints.databases import database_url
from menshen.entrypoints.environment import read_settings
from menshen.entrypoints.guarding.route_rules import parse_rules
from menshen.entrypoints.settings import (
    SettingInvalid,
    Settings,
    variable,
)
from menshen.entrypoints.settings_page import markdown
from menshen.entrypoints.settings_text import shown

from .cases import examples, for_each

SECRET = "kZ3vQ8mT1xW6rB4nY7cJ2hL5pD9sF0gA"

DEFAULTS: dict[str, object] = {
    "data_dir": Path("menshen-data"),
    "database_url": None,
    "database_url_file": None,
    "database_connections": 10,
    "require_durable": False,
    "require_tls": False,
    "redis_url": None,
    "redis_url_file": None,
    "secret_key": None,
    "secret_key_file": None,
    "host": "127.0.0.1",
    "port": 8000,
    "keep_alive": timedelta(seconds=75),
    "workers": 1,
    "access_token_ttl": timedelta(days=7),
    "refresh_token_ttl": timedelta(days=30),
    "refresh_retry": timedelta(minutes=10),
    "session_ttl": None,
    "session_idle_ttl": None,
    "remember_session_ttl": timedelta(days=180),
    "remember_session_idle_ttl": timedelta(days=60),
    "device_policy": None,
    "multi_device_login": True,
    "end_sessions_by_password": True,
    "always_http_200": False,
    "time_zone": None,
    "language": "zh",
    "password_policy": "contract",
    "password_min_length": 8,
    "argon2_memory_kib": 19 * 1024,
    "argon2_time_cost": 2,
    "argon2_parallelism": 1,
    "remembered": 10_000,
    "issuer": "menshen",
    "audience": "menshen-users",
    "admin_audience": "menshen-admins",
    "admin_access_token_ttl": timedelta(minutes=15),
    "account_closing_grace": timedelta(days=7),
    "audit_retention": timedelta(days=180),
    "cors_origins": (),
    "trusted_proxies": (),
    "forward_rules": None,
    "forward_rules_file": None,
    "cookie": False,
    "login_page": None,
    "return_hosts": (),
}

SWITCHED = {"true": True, "True": True, "1": True, "yes": True, "on": True}
SWITCHED |= {"false": False, "FALSE": False, "0": False, "no": False, "off": False}

DURATIONS: dict[str, object] = {
    "1": timedelta(seconds=1),
    "900": timedelta(minutes=15),
    "900s": timedelta(minutes=15),
    "15m": timedelta(minutes=15),
    "12h": timedelta(hours=12),
    "30d": timedelta(days=30),
    "3650d": timedelta(days=3650),
}
IDLE_DURATIONS = {text: duration for text, duration in DURATIONS.items() if text != "1"}
IDLE_DURATIONS |= {"5m": timedelta(minutes=5), "300": timedelta(minutes=5)}

QQ = {"phone": 1, "pc": 1}
CINEMA = {"total": 5, "overflow": "evict_idle"}

GOOD: dict[str, dict[str, object]] = {
    "data_dir": {"/var/lib/menshen": Path("/var/lib/menshen"), ".": Path(), "数据": Path("数据")},
    "database_url": {"memory://": "memory://", "sqlite:////var/lib/a.db": "sqlite:////var/lib/a.db"},
    "database_url_file": {},
    "database_connections": {"1": 1, "1000": 1000},
    "require_durable": {**SWITCHED},
    "require_tls": {**SWITCHED},
    "redis_url": {
        url: url
        for url in (
            "redis://localhost",
            "rediss://redis.example.com:6380/0?ssl_ca_certs=/etc/menshen/ca.pem",
            "redis://[::1]:6379",
        )
    },
    "redis_url_file": {},
    "secret_key": {SECRET: SECRET},
    "secret_key_file": {"/run/secrets/key": Path("/run/secrets/key")},
    "host": {"0.0.0.0": "0.0.0.0", "::1": "::1", "localhost": "127.0.0.1"},
    "port": {"1": 1, "8080": 8080, "65535": 65535},
    "keep_alive": {"10": timedelta(seconds=10), "75s": timedelta(seconds=75), "1h": timedelta(hours=1)},
    "workers": {"1": 1, "64": 64},
    "access_token_ttl": DURATIONS,
    "refresh_token_ttl": DURATIONS,
    "refresh_retry": {"10": timedelta(seconds=10), "10m": timedelta(minutes=10), "1d": timedelta(days=1)},
    "session_ttl": DURATIONS,
    "session_idle_ttl": IDLE_DURATIONS,
    "remember_session_ttl": DURATIONS,
    "remember_session_idle_ttl": IDLE_DURATIONS,
    "device_policy": {
        "multi": DevicePolicy(),
        "single": DevicePolicy.single(),
        '{"phone": 1, "pc": 1}': DevicePolicy.from_table(QQ),
        '{"total": 5, "overflow": "evict_idle"}': DevicePolicy.from_table(CINEMA),
    },
    "multi_device_login": {**SWITCHED},
    "end_sessions_by_password": {**SWITCHED},
    "always_http_200": {**SWITCHED},
    "time_zone": {"Asia/Shanghai": ZoneInfo("Asia/Shanghai"), "UTC": ZoneInfo("UTC")},
    "language": {"zh": "zh", "en": "en"},
    "password_policy": {"contract": "contract", "strict": "strict"},
    "password_min_length": {"8": 8, "15": 15},
    "argon2_memory_kib": {"8192": 8192, "47104": 47104, "262144": 262144},
    "argon2_time_cost": {"1": 1, "16": 16},
    "argon2_parallelism": {"1": 1, "16": 16},
    "remembered": {"0": 0, "1000000": 1_000_000},
    "issuer": {"https://accounts.example": "https://accounts.example"},
    "audience": {"门神": "门神"},
    "admin_audience": {"门神": "门神"},
    "admin_access_token_ttl": DURATIONS,
    "account_closing_grace": DURATIONS,
    "audit_retention": DURATIONS,
    "cors_origins": {
        "": (),
        "https://app.example.com": ("https://app.example.com",),
        "http://localhost:5173, capacitor://localhost,": ("http://localhost:5173", "capacitor://localhost"),
        "http://[::1]:8080,https://h:8443": ("http://[::1]:8080", "https://h:8443"),
    },
    "trusted_proxies": {
        "": (),
        "127.0.0.1": (ip_network("127.0.0.1/32"),),
        "127.0.0.1, 10.0.0.0/8,": (ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8")),
        "::1,fd00::/8": (ip_network("::1/128"), ip_network("fd00::/8")),
    },
    "forward_rules": {
        "open GET /news; user /orders/**": parse_rules("open GET /news\nuser /orders/**"),
        "admin app.example.com/**\n# nothing else\n": parse_rules("admin app.example.com/**"),
    },
    "forward_rules_file": {},
    "cookie": {**SWITCHED},
    "login_page": {
        page: page for page in ("/", "/login?from=menshen", "https://app.example.com/", "http://localhost:8080/login")
    },
    "return_hosts": {
        "": (),
        "app.example.com, localhost:8080,": ("app.example.com", "localhost:8080"),
    },
}

NO_TEXT = [""]
NO_NUMBER = [
    "",
    " ",
    "one",
    "-1",
    "+1",
    " 1",
    "1 ",
    "1\n",
    "1.0",
    "1e1",
    "0x1",
    "1_0",
    "１",
    "٣",
    "²",
    "9" * 20,
    "9" * 5000,
]
NO_SWITCH = ["", " ", "maybe", "2", "-1", "true ", "truefalse", "y", "真"]

NO_DURATION = [
    *("", "0", "0d", "d", "s", "-1d", "+1d", "1.5h", "1w", "1D", "7 d", "7days", "１d", "٧d"),
    *("3651d", "315360001", "9" * 12 + "d", "9" * 13, "9" * 5000, "P7D", "7d\n"),
]

BAD: dict[str, list[str]] = {
    "data_dir": NO_TEXT,
    "database_url": NO_TEXT,
    "database_url_file": NO_TEXT,
    "database_connections": [*NO_NUMBER, "0", "1001"],
    "require_durable": ["", "maybe"],
    "require_tls": ["", "maybe"],
    "redis_url": [
        *(
            "",
            "localhost",
            "redis://",
            "redis:///0",
            "redis://:6379",
            "http://localhost",
            "unix:///run/redis",
            "redis://h:0",
        ),
        *("redis://h:x", "redis://h/a", "redis://h?socket_timeout=60", "rediss://h?ssl_cert_reqs=none", "redis://h\n"),
    ],
    "redis_url_file": NO_TEXT,
    "secret_key": NO_TEXT,
    "secret_key_file": NO_TEXT,
    "host": NO_TEXT,
    "port": [*NO_NUMBER, "0", "65536"],
    "keep_alive": [*NO_DURATION, "9", "3601", "2h"],
    "workers": [*NO_NUMBER, "0", "65"],
    "access_token_ttl": NO_DURATION,
    "refresh_token_ttl": NO_DURATION,
    "refresh_retry": [*NO_DURATION, "9", "86401", "2d"],
    "session_ttl": NO_DURATION,
    "session_idle_ttl": [*NO_DURATION, "1", "4m", "299"],
    "remember_session_ttl": NO_DURATION,
    "remember_session_idle_ttl": [*NO_DURATION, "1", "4m", "299"],
    "device_policy": ["", "MULTI", "double", "1", "{}", "[]", '{"phone": -1}', '{"fridge": 1}', "{" * 9_000],
    "multi_device_login": NO_SWITCH,
    "end_sessions_by_password": NO_SWITCH,
    "always_http_200": NO_SWITCH,
    "time_zone": [
        *("", "Asia/Nowhere", "+08:00", "../../etc/passwd", "/etc/localtime", "Asia", "Asia/Shanghai\n", "\udcff"),
        "x" * 5000,
    ],
    "language": ["", "fr", "ZH", "zh-CN", "zh,en"],
    "password_policy": ["", "Strict", "none", "strict "],
    "password_min_length": [*NO_NUMBER, "7", "16"],
    "argon2_memory_kib": [*NO_NUMBER, "8191", "262145"],
    "argon2_time_cost": [*NO_NUMBER, "0", "17"],
    "argon2_parallelism": [*NO_NUMBER, "0", "17"],
    "remembered": [*NO_NUMBER, "1000001"],
    "issuer": NO_TEXT,
    "audience": NO_TEXT,
    "admin_audience": NO_TEXT,
    "admin_access_token_ttl": NO_DURATION,
    "account_closing_grace": NO_DURATION,
    "audit_retention": NO_DURATION,
    "cors_origins": [
        "*",
        "null",
        "app.example.com",
        "https://app.example.com/",
        "https://app.example.com/x",
        "https://App.example.com",
        "https://app.example.com:443",
        "http://app.example.com:80",
        "https://*.example.com",
        "https://例子.example",
        "https://a.example https://b.example",
    ],
    "trusted_proxies": [
        "localhost",
        "256.0.0.1",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0 10.0.0.1",
        "*",
        "127.0.0.1;::1",
    ],
    "forward_rules": [
        "",
        ";",
        "# nothing",
        "news",
        "open",
        "open news",
        "everybody /news",
        "open /a/../b",
        "open /**; user /a",
    ],
    "forward_rules_file": NO_TEXT,
    "cookie": NO_SWITCH,
    "login_page": [
        *(
            "",
            "login",
            "//evil.example/",
            "/\\evil.example",
            "\\\\evil",
            "javascript:alert(1)",
            "https://a@b/",
            "ftp://a/",
        ),
        *("https://App.example.com/", "https://app.example.com", "/login#x", "/lo gin", "/login\n", "https:///login"),
    ],
    "return_hosts": [
        *(
            "https://app.example.com",
            "App.example.com",
            "app.example.com/",
            "*.example.com",
            "a@b",
            "app.example.com:443",
        ),
        *("a.example b.example", "a:0", "例子", "."),
    ],
}

FIELDS: dict[str, "attrs.Attribute[Any]"] = {field.name: field for field in attrs.fields(Settings)}


def name_of(setting: str) -> str:
    return variable(FIELDS[setting])


def pairs(table: dict[str, Any]) -> list[tuple[str, str]]:
    return [(setting, text) for setting, texts in table.items() for text in texts]


def test_these_tests_know_every_setting() -> None:
    assert list(DEFAULTS) == list(GOOD) == list(BAD) == list(FIELDS)


def test_an_empty_environment_gives_the_defaults() -> None:
    assert attrs.asdict(read_settings({}), recurse=False) == DEFAULTS
    assert read_settings({"PATH": "/bin", "PORT": "1", "menshen_port": "2"}) == Settings()


@for_each(("setting", "text"), pairs(GOOD))
def test_a_good_value_is_read(setting: str, text: str) -> None:
    read = read_settings({name_of(setting): text})
    assert attrs.asdict(read, recurse=False) == {**DEFAULTS, setting: GOOD[setting][text]}


@for_each(("setting", "text"), pairs(BAD))
def test_a_bad_value_is_refused_in_one_line_that_names_the_variable(setting: str, text: str) -> None:
    with pytest.raises(SettingInvalid) as refusal:
        read_settings({name_of(setting): text})
    line = str(refusal.value)
    assert line.startswith(name_of(setting))
    assert len(line.splitlines()) == 1
    assert len(line) < 300
    assert refusal.value.__cause__ is None
    line.encode()


@given(setting=st.sampled_from(sorted(FIELDS)), text=st.text() | st.text("0123456789smhd./,:-+", max_size=12))
@examples(200)
def test_any_text_is_taken_or_refused_in_one_line(setting: str, text: str) -> None:
    try:
        read_settings({name_of(setting): text})
    except SettingInvalid as refusal:
        line = str(refusal)
    else:
        line = name_of(setting)
    assert line.startswith(name_of(setting))
    assert len(line.splitlines()) == 1


def test_two_secrets_are_one_too_many() -> None:
    with pytest.raises(SettingInvalid) as refusal:
        read_settings({"MENSHEN_SECRET_KEY": SECRET, "MENSHEN_SECRET_KEY_FILE": "/run/secrets/key"})
    assert "MENSHEN_SECRET_KEY and MENSHEN_SECRET_KEY_FILE" in str(refusal.value)
    assert SECRET not in str(refusal.value)


def test_a_secret_is_never_shown() -> None:
    held = read_settings({"MENSHEN_SECRET_KEY": SECRET})
    assert SECRET not in repr(held) + str(held) + repr(shown(held))
    assert shown(held)["MENSHEN_SECRET_KEY"] == "********"
    assert shown(Settings())["MENSHEN_SECRET_KEY"] == "made by serve in the data folder"


def test_what_may_hold_a_secret_is_masked_and_nothing_else() -> None:
    assert [name for name, field in FIELDS.items() if field.metadata["show"]] == [
        "database_url",
        "redis_url",
        "secret_key",
    ]


@for_each(
    ("url", "told"),
    [
        ("postgresql+psycopg://me:s3cret@db:5432/a", "postgresql+psycopg://me:***@db:5432/a"),
        ("mysql+pymysql://me:s3cret@with@signs:@db/a?x=1", "mysql+pymysql://me:***@db/a?x=1"),
        ("postgresql://:s3cret@db/a", "postgresql://:***@db/a"),
        ("postgresql://db/a?user=me&password=s3cret&x=1", "postgresql://db/a?user=me&password=***&x=1"),
        ("postgresql://db:5432/a?password=sign@s3cret&x=1", "postgresql://db:5432/a?password=***&x=1"),
        ("mysql+pymysql://me@db/a?passwd=s3cret", "mysql+pymysql://me@db/a?passwd=***"),
        ("postgresql://me@db/a", "postgresql://me@db/a"),
        ("sqlite:////var/lib/me@home/a.db", "sqlite:////var/lib/me@home/a.db"),
    ],
)
def test_the_password_in_a_url_is_never_shown(url: str, told: str) -> None:
    held = read_settings({"MENSHEN_DATABASE_URL": url})
    assert held.database_url == url
    assert shown(held)["MENSHEN_DATABASE_URL"] == told
    assert "s3cret" not in repr(held) + str(held)


@for_each(
    ("url", "told"),
    [
        ("redis://:s3cret@redis:6379", "redis://:***@redis:6379"),
        ("rediss://me:s3cret@redis/0?ssl_password=s3cret", "rediss://me:***@redis/0?ssl_password=***"),
    ],
)
def test_the_password_of_the_redis_is_never_shown(url: str, told: str) -> None:
    held = read_settings({"MENSHEN_REDIS_URL": url})
    assert held.redis_url == url
    assert shown(held)["MENSHEN_REDIS_URL"] == told
    assert "s3cret" not in repr(held) + str(held)


def test_every_setting_is_shown_under_its_variable() -> None:
    assert list(shown(Settings())) == [name_of(setting) for setting in FIELDS]
    assert all(name.startswith("MENSHEN_") for name in shown(Settings()))
    assert shown(Settings())["MENSHEN_PORT"] == "8000"
    assert shown(Settings())["MENSHEN_ACCESS_TOKEN_TTL"] == "7d"
    assert shown(Settings())["MENSHEN_DATA_DIR"] == "./menshen-data"
    assert shown(Settings())["MENSHEN_DATABASE_URL"] == "menshen.sqlite3 in the data folder"


@for_each(("setting", "text"), [pair for pair in pairs(GOOD) if pair[0] != "secret_key"])
def test_what_is_shown_reads_back_as_the_same(setting: str, text: str) -> None:
    held = read_settings({name_of(setting): text})
    if held != Settings():
        assert read_settings({name_of(setting): shown(held)[name_of(setting)]}) == held


@for_each("data_dir", ["menshen-data", "/var/lib/menshen"])
def test_the_database_is_in_the_data_folder_unless_told_otherwise(data_dir: str) -> None:
    held = read_settings({"MENSHEN_DATA_DIR": data_dir})
    assert database_url(held) == f"sqlite:///{data_dir}/menshen.sqlite3"
    elsewhere = read_settings({"MENSHEN_DATA_DIR": data_dir, "MENSHEN_DATABASE_URL": "memory://"})
    assert database_url(elsewhere) == "memory://"


def test_memory_is_that_of_one_process() -> None:
    with pytest.raises(SettingInvalid, match="MENSHEN_WORKERS"):
        read_settings({"MENSHEN_DATABASE_URL": "memory://", "MENSHEN_WORKERS": "2"})


@for_each("policy", ["multi", '{"total": 2}', '{"phone": 1}', '{"total": 1, "overflow": "reject_new"}'])
def test_single_by_one_name_and_many_by_the_other_contradict(policy: str) -> None:
    environ = {"MENSHEN_MULTI_DEVICE_LOGIN": "false", "MENSHEN_DEVICE_POLICY": policy}
    with pytest.raises(SettingInvalid) as refusal:
        read_settings(environ)
    assert "MENSHEN_MULTI_DEVICE_LOGIN=false contradicts MENSHEN_DEVICE_POLICY" in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


@for_each(
    ("multi_device_login", "policy"),
    [("false", "single"), ("false", '{"total": 1}'), ("true", "multi"), ("true", '{"phone": 1}')],
)
def test_two_names_may_say_the_same(multi_device_login: str, policy: str) -> None:
    held = read_settings({"MENSHEN_MULTI_DEVICE_LOGIN": multi_device_login, "MENSHEN_DEVICE_POLICY": policy})
    assert held.device_policy == read_settings({"MENSHEN_DEVICE_POLICY": policy}).device_policy


@for_each(
    "environ",
    [
        {"MENSHEN_AUDIENCE": "the same", "MENSHEN_ADMIN_AUDIENCE": "the same"},
        {"MENSHEN_AUDIENCE": "menshen-admins"},
        {"MENSHEN_ADMIN_AUDIENCE": "menshen-users"},
    ],
)
def test_users_and_admins_have_audiences_of_their_own(environ: dict[str, str]) -> None:
    with pytest.raises(SettingInvalid, match="MENSHEN_AUDIENCE and MENSHEN_ADMIN_AUDIENCE"):
        read_settings(environ)


def test_the_two_audiences_may_change_places() -> None:
    read_settings({"MENSHEN_AUDIENCE": "menshen-admins", "MENSHEN_ADMIN_AUDIENCE": "menshen-users"})


def test_a_policy_that_is_none_says_why() -> None:
    for text, why in {
        "double": "multi, single or a JSON object",
        '{"fridge": 1}': "'fridge' names no device type",
    }.items():
        with pytest.raises(SettingInvalid, match=why):
            read_settings({"MENSHEN_DEVICE_POLICY": text})


@for_each(
    ("name", "line"),
    [
        ("MENSHEN_PROT", "MENSHEN_PROT is no setting; did you mean MENSHEN_PORT?"),
        ("MENSHEN_REQUIRE_DURABEL", "MENSHEN_REQUIRE_DURABEL is no setting; did you mean MENSHEN_REQUIRE_DURABLE?"),
        ("MENSHEN_QQQQQQQQQQQQQQQQ", "MENSHEN_QQQQQQQQQQQQQQQQ is no setting"),
        ("MENSHEN_", "MENSHEN_ is no setting"),
        ("MENSHEN_PORT_80", "MENSHEN_PORT_80 is no setting; did you mean MENSHEN_PORT?"),
    ],
)
def test_a_variable_that_is_no_setting_is_refused_with_a_hint_and_without_its_value(name: str, line: str) -> None:
    with pytest.raises(SettingInvalid) as refusal:
        read_settings({name: SECRET, "PATH": "4"})
    assert str(refusal.value) == line


def test_what_kubernetes_sets_for_a_service_called_menshen_changes_nothing() -> None:
    said: list[str] = []
    environ = {
        "MENSHEN_SERVICE_HOST": "10.3.240.10",
        "MENSHEN_SERVICE_PORT": "8000",
        "MENSHEN_SERVICE_PORT_HTTP": "8000",
        "MENSHEN_PORT": "tcp://10.3.240.10:8000",
        "MENSHEN_PORT_8000_TCP": "tcp://10.3.240.10:8000",
        "MENSHEN_PORT_8000_TCP_PROTO": "tcp",
        "MENSHEN_PORT_8000_TCP_PORT": "8000",
        "MENSHEN_PORT_8000_TCP_ADDR": "10.3.240.10",
    }
    assert read_settings({**environ, "MENSHEN_WORKERS": "2"}, said.append) == Settings(workers=2)
    [line] = said
    assert line.startswith("MENSHEN_PORT (tcp://10.3.240.10:8000) is passed over")


@for_each("text", ["tcp://", "tcp:8000", "http://10.0.0.1:8000", "tcp://10.0.0.1:80 80"])
def test_another_text_is_no_port(text: str) -> None:
    with pytest.raises(SettingInvalid, match="MENSHEN_PORT"):
        read_settings({"MENSHEN_PORT": text})


def test_the_page_about_the_settings_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert page.read_text(encoding="utf-8") == markdown(), "make docs"


@for_each("setting", FIELDS)
def test_the_page_has_a_row_for_every_setting(setting: str) -> None:
    rows = [line for line in markdown().splitlines() if line.startswith(f"| `{name_of(setting)}` |")]
    assert len(rows) == 1
    assert rows[0].count(" | ") == 2
    assert FIELDS[setting].metadata["doc"] in rows[0]
