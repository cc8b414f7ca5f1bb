"""The settings: one class, with the valid values of each. ``environment.py`` reads them."""

import re
from collections.abc import Callable
from datetime import timedelta, tzinfo
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from ..domain.device_policy import DevicePolicy
from ..domain.passwords import STRICT_MINIMUM
from ..domain.refresh_tokens import REUSE_GRACE
from .device_policies import device_policy_text, parse_device_policy

PREFIX = "MENSHEN_"

MEMORY_URL = "memory://"

IpNetwork = IPv4Network | IPv6Network


class SettingInvalid(Exception):
    """A setting has a value that cannot be used. The text is one line that names the setting."""


def _text(value: str) -> str:
    if not value:
        raise ValueError("it is empty")
    return value


def _whole(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) <= 12 and minimum <= int(value) <= maximum):
            raise ValueError(f"it must be a whole number from {minimum} to {maximum}")
        return int(value)

    return parse


def _switch(value: str) -> bool:
    if value.lower() not in _SWITCH:
        raise ValueError("it must be true or false")
    return _SWITCH[value.lower()]


_SWITCH = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def _choice(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"it must be one of {', '.join(choices)}")
        return value

    return parse


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MAX_DURATION = timedelta(days=3650)


def parse_duration(value: str) -> timedelta:
    """Seconds, or a number with ``s``, ``m``, ``h`` or ``d``. Raises ValueError with a text for the operator."""
    number, unit = (value[:-1], value[-1:]) if value[-1:] in _UNITS else (value, "s")
    if not (number.isascii() and number.isdigit() and len(number) <= 12):
        raise ValueError("it must be a duration such as 900, 15m, 12h or 7d")
    seconds = int(number) * _UNITS[unit]
    if not 1 <= seconds <= _MAX_DURATION.total_seconds():
        raise ValueError("it must be from 1 second to 3650 days")
    return timedelta(seconds=seconds)


_SHORTEST_IDLE = timedelta(minutes=5)


def _idle_duration(value: str) -> timedelta:
    # The last use of a session is stored to the minute.
    found = parse_duration(value)
    if found < _SHORTEST_IDLE:
        raise ValueError("it must be 5 minutes at least")
    return found


def _keep_alive_duration(value: str) -> timedelta:
    found = parse_duration(value)
    # The head of a request may take 10 seconds, and for the server the idle time before it counts as part of it.
    if not timedelta(seconds=10) <= found <= timedelta(hours=1):
        raise ValueError("it must be from 10 seconds to 1 hour")
    return found


def _retry_duration(value: str) -> timedelta:
    found = parse_duration(value)
    # If it were longer, a thief would be recognised too late.
    if not REUSE_GRACE <= found <= timedelta(days=1):
        raise ValueError("it must be from 10 seconds to 1 day")
    return found


def _zone(value: str) -> tzinfo:
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("it must be a time zone such as Asia/Shanghai") from None


def _origins(value: str) -> tuple[str, ...]:
    origins = tuple(part.strip() for part in value.split(",") if part.strip())
    if not all(map(_ORIGIN.fullmatch, origins)):
        raise ValueError("it must be origins as a browser spells them, such as https://app.example.com")
    return origins


# No path, lower case, and no default port.
_ORIGIN = re.compile(
    r"(?!http://[^/]*:80$|https://[^/]*:443$)[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?"
)


def _networks(value: str) -> tuple[IpNetwork, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError:
        raise ValueError("it must be addresses or networks, such as 127.0.0.1,10.0.0.0/8") from None


def _address(value: str) -> str:
    try:
        return str(ip_address("127.0.0.1" if value == "localhost" else value))
    except ValueError:
        raise ValueError("it must be an IP address, such as 127.0.0.1 or 0.0.0.0") from None


def without_password(url: str) -> str:
    """*url*, with its password masked."""
    masked = re.sub(r"(pass\w*=)[^&]*", r"\1***", url)
    return re.sub(r"(://[^:/@]*):.*@", r"\1:***@", masked)


def _mask(_value: str) -> str:
    return "********"


def _setting(
    parse: Callable[[str], Any],
    doc: str,
    *,
    default: Any,
    default_text: str | None = None,
    show: Callable[[Any], str] | None = None,
) -> Any:
    """A field that an operator may set.

    *default_text* is the default as text, if str() does not give it; *show* prints a value that has a secret.
    """
    return attrs.field(
        default=default,
        repr=show is None,
        metadata={"parse": parse, "doc": doc, "default_text": default_text, "show": show},
    )


@attrs.frozen(kw_only=True)
class Settings:
    """Every setting, with its default."""

    data_dir: Path = _setting(
        lambda value: Path(_text(value)),
        "The folder of the embedded database and of the secret that `serve` makes.",
        default=Path("menshen-data"),
        default_text="./menshen-data",
    )
    database_url: str | None = _setting(
        _text,
        "Where the accounts are kept: `sqlite:///PATH`, `postgresql+psycopg://...`, `mysql+pymysql://...` (MariaDB), or "
        "`memory://` for a demo that forgets everything (docs/stores.md).",
        default=None,
        default_text="`menshen.sqlite3` in the data folder",
        show=without_password,
    )
    database_url_file: Path | None = _setting(
        lambda value: Path(_text(value)),
        "A file that holds `DATABASE_URL` instead, as a secret of Docker or Kubernetes does; a line break at its end does "
        "not count.",
        default=None,
        default_text="",
    )
    database_connections: int = _setting(
        _whole(1, 1000), "How many connections to a database server each worker process may have.", default=10
    )
    require_durable: bool = _setting(
        _switch,
        "`true`: `serve` refuses to start where the database may lose what was acknowledged. `false`: it warns.",
        default=False,
        default_text="false",
    )
    require_tls: bool = _setting(
        _switch,
        "`true`: no command connects to a database over a network without TLS that verifies its certificate and name. `false`: "
        "`serve` warns.",
        default=False,
        default_text="false",
    )
    secret_key: str | None = _setting(
        _text,
        "The secret that signs the tokens, at least 32 bytes; the same on every machine.",
        default=None,
        default_text="made by `serve` in the data folder",
        show=_mask,
    )
    secret_key_file: Path | None = _setting(
        lambda value: Path(_text(value)),
        "A file that holds the secret instead; a line break at its end does not count.",
        default=None,
        default_text="",
    )
    host: str = _setting(_address, "The address that `serve` listens on.", default="127.0.0.1")
    port: int = _setting(_whole(1, 65535), "The port that `serve` listens on.", default=8000)
    keep_alive: timedelta = _setting(
        _keep_alive_duration,
        "How long `serve` keeps a connection open on which nothing is asked for, 10 seconds to 1 hour: longer than the proxy or "
        "balancer in front does, or it answers 502 now and then. (Other systems than Linux: 10 seconds.)",
        default=timedelta(seconds=75),
        default_text="75s",
    )
    workers: int = _setting(_whole(1, 64), "How many processes serve; one for each core is plenty.", default=1)
    access_token_ttl: timedelta = _setting(
        parse_duration,
        "How long an access token lasts: seconds, or a number with `m`, `h` or `d`; never longer than its session.",
        default=timedelta(days=7),
        default_text="7d",
    )
    refresh_token_ttl: timedelta = _setting(
        parse_duration,
        "How long a refresh token can be used; never shorter than its session may be idle.",
        default=timedelta(days=30),
        default_text="30d",
    )
    refresh_retry: timedelta = _setting(
        _retry_duration,
        "For how long a refresh whose answer was lost can be repeated, while nobody has used the token that it brought; 10 "
        "seconds at least, a day at most.",
        default=timedelta(minutes=10),
        default_text="10m",
    )
    session_ttl: timedelta | None = _setting(
        parse_duration,
        "How long a session lasts at the most.",
        default=None,
        default_text="30d, or `ACCESS_TOKEN_TTL` if longer",
    )
    session_idle_ttl: timedelta | None = _setting(
        _idle_duration,
        "How long a session lasts without being used; 5 minutes at least, known to the minute.",
        default=None,
        default_text="14d, or `ACCESS_TOKEN_TTL` if longer",
    )
    remember_session_ttl: timedelta = _setting(
        parse_duration,
        "The same as `SESSION_TTL`, for a login with `remember`; never shorter than that.",
        default=timedelta(days=180),
        default_text="180d",
    )
    remember_session_idle_ttl: timedelta = _setting(
        _idle_duration,
        "The same as `SESSION_IDLE_TTL`, for a login with `remember`; never shorter than that.",
        default=timedelta(days=60),
        default_text="60d",
    )
    device_policy: DevicePolicy | None = _setting(
        parse_device_policy,  # PolicyInvalid is a ValueError that says why
        "Which sessions live side by side: `multi`, `single`, or a table such as "
        '`{"phone": 1, "pc": 1, "total": 3, "overflow": "evict_oldest"}` (docs/device-policies.md).',
        default=None,
        default_text="what `MULTI_DEVICE_LOGIN` says",
    )
    multi_device_login: bool = _setting(
        _switch,
        "`true`: logins live side by side. `false`: the newest login of a user ends the others.",
        default=True,
        default_text="true",
    )
    end_sessions_by_password: bool = _setting(
        _switch,
        "`true`: a user signs other devices out with the password, or within 10 minutes of his login. `false`: at any time, for "
        "clients that cannot ask for it.",
        default=True,
        default_text="true",
    )
    always_http_200: bool = _setting(
        _switch,
        "`true`: every answer of register, login and user_info has HTTP status 200, for clients that know no other.",
        default=False,
        default_text="false",
    )
    time_zone: tzinfo | None = _setting(
        _zone,
        "The zone of `time` and `registration_time`, such as `Asia/Shanghai`.",
        default=None,
        default_text="the machine's",
    )
    language: str = _setting(
        _choice("zh", "en"), "The language of `msg` where the client asks for none: `zh` or `en`.", default="zh"
    )
    password_policy: str = _setting(
        _choice("contract", "strict"),
        "The rule for new passwords. `contract`: 6 to 32 characters. `strict`, for production: 8 to 128, none of the "
        "3,000 most common, none that holds the phone number or the user name.",
        default="contract",
    )
    password_min_length: int = _setting(
        _whole(STRICT_MINIMUM, 15), "The least length under `strict`, 8 to 15.", default=STRICT_MINIMUM
    )
    argon2_memory_kib: int = _setting(
        _whole(8 * 1024, 256 * 1024), "Memory of one password hash, in KiB (OWASP: 19 MiB).", default=19 * 1024
    )
    argon2_time_cost: int = _setting(_whole(1, 16), "Passes of one password hash (OWASP: 2).", default=2)
    argon2_parallelism: int = _setting(_whole(1, 16), "Lanes of one password hash (OWASP: 1).", default=1)
    issuer: str = _setting(_text, "`iss` of the tokens: who gives them out.", default="menshen")
    audience: str = _setting(_text, "`aud` of the tokens: whom they are for.", default="menshen-users")
    admin_audience: str = _setting(_text, "`aud` of the tokens of admins.", default="menshen-admins")
    admin_access_token_ttl: timedelta = _setting(
        parse_duration, "How long the token of an admin lasts.", default=timedelta(minutes=15), default_text="15m"
    )
    account_closing_grace: timedelta = _setting(
        parse_duration,
        "How long a closed account can be taken back by logging in, before it is erased.",
        default=timedelta(days=7),
        default_text="7d",
    )
    audit_retention: timedelta = _setting(
        parse_duration, "How long the audit log is kept.", default=timedelta(days=180), default_text="180d"
    )
    cors_origins: tuple[str, ...] = _setting(
        _origins,
        "The origins of browser apps that may call the API, such as `https://app.example.com`, separated by commas.",
        default=(),
        default_text="",
    )
    trusted_proxies: tuple[IpNetwork, ...] = _setting(
        _networks,
        "Addresses or networks of your own proxies, separated by commas. Only from these is `X-Forwarded-For` believed.",
        default=(),
        default_text="",
    )


def variable(field: "attrs.Attribute[Any]") -> str:
    """The environment variable for *field*."""
    return PREFIX + field.name.upper()


def shown(settings: Settings) -> dict[str, str]:
    """Every setting under its variable's name, as text; secrets masked."""
    table = {}
    for field in attrs.fields(Settings):
        value = getattr(settings, field.name)
        if field.metadata["show"] is not None and value is not None:
            table[variable(field)] = field.metadata["show"](value)
        elif value == field.default and field.metadata["default_text"] is not None:
            table[variable(field)] = field.metadata["default_text"].replace("`", "")
        else:
            table[variable(field)] = _written(value)
    return table


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    if isinstance(value, timedelta):
        return str(int(value.total_seconds()))
    if isinstance(value, DevicePolicy):
        return device_policy_text(value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def markdown() -> str:
    """``docs/settings.md``."""
    lines = [
        "# Settings",
        "",
        "All settings come from the environment. This page is made by `menshen settings --markdown`.",
        "",
        "| variable | default | what it is |",
        "|---|---|---|",
    ]
    for field in attrs.fields(Settings):
        default = field.metadata["default_text"]
        if default is None:
            default = _written(field.default)
        plain = default and "`" not in default and " " not in default
        lines.append(f"| `{variable(field)}` | {f'`{default}`' if plain else default} | {field.metadata['doc']} |")
    return "\n".join(lines) + "\n"
