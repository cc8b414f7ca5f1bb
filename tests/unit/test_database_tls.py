"""The rule for TLS to a database, without a server."""

from collections.abc import Mapping

import pytest
from sqlalchemy import make_url

from menshen.adapters.sql.products import mariadb_tls, postgresql_tls
from menshen.adapters.sql.products.every import PRODUCTS
from menshen.adapters.sql.products.mariadb_tls import Tls
from menshen.adapters.sql.products.network import CLEAR, UNCHECKED, UNNAMED, is_loopback
from menshen.entrypoints.adoptions import open_adoption
from menshen.entrypoints.databases import open_migrations
from menshen.entrypoints.settings import SettingInvalid, Settings
from menshen.entrypoints.stores import open_store

from .cases import for_each

ROOTS = "/the/machines/authorities.pem"

HERE = ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"]

ELSEWHERE = [
    *("db", "db.example", "localhost.example", "127.0.0.1.example", "10.0.0.1", "fd00::1", "::ffff:10.0.0.1"),
    # Spellings that some resolvers take for an address, and names that a file of hosts may give to anybody.
    *("127.1", "2130706433", "0x7f.1", "0.0.0.0", "::", "localhost.localdomain", "ip6-localhost"),
]


@for_each("host", HERE)
def test_the_loopback_is_this_machine(host: str) -> None:
    assert is_loopback(host)


@for_each("host", [*ELSEWHERE, ""])
def test_nothing_else_is(host: str) -> None:
    assert not is_loopback(host)


def at(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def libpq(**environment: str) -> dict[str, str | None]:
    """The options that libpq knows, with what is in the environment."""
    known = ("host", "hostaddr", "service", "sslmode", "sslrootcert", "require_auth")
    return {**dict.fromkeys(known), **environment}


def postgresql(
    rest: str, surroundings: Mapping[str, str | None] = libpq(), roots: str | None = ROOTS
) -> postgresql_tls.Link:
    """The link for ``postgresql+psycopg://me:s3cret@REST``."""
    url = make_url(f"postgresql+psycopg://me:s3cret@{rest}")
    _, told = url.get_dialect()().create_connect_args(url)
    return postgresql_tls.link_of(told, surroundings, roots)


AS_IT_WAS = postgresql_tls.Link({})
VERIFIED = postgresql_tls.Link({"sslmode": "verify-full", "sslrootcert": ROOTS})


class TestPostgreSql:
    @for_each(
        "rest",
        [
            *(f"{at(host)}/accounts" for host in HERE),
            *("/accounts", "/accounts?host=/run/postgresql", "/accounts?host=@abstract"),
            *("/accounts?host=localhost,127.0.0.1,/run", "/accounts?host=localhost:1&host=127.0.0.1:2"),
            *("/accounts?hostaddr=127.0.0.1", "localhost/accounts?hostaddr=127.0.0.1"),
            # What is in the query counts.
            "db.example/accounts?host=localhost",
            *(
                f"localhost/accounts?sslmode={mode}"
                for mode in ("disable", "allow", "prefer", "require", "verify-full")
            ),
        ],
    )
    def test_on_this_machine_all_stays_as_it_is_written(self, rest: str) -> None:
        assert postgresql(rest) == AS_IT_WAS

    @for_each(
        "rest",
        [
            *(f"{at(host)}/accounts" for host in ELSEWHERE),
            *("localhost/accounts?host=db.example", "/accounts?host=db.example", "/accounts?hostaddr=10.0.0.1"),
            # One remote host of several is enough.
            *(
                "/accounts?host=localhost,db.example",
                "/accounts?host=/run&host=db.example:5433",
                "localhost,db/accounts",
            ),
            # An address to connect to, and a name to expect there.
            *("db.example/accounts?hostaddr=127.0.0.1", "localhost/accounts?hostaddr=10.0.0.1"),
            *("/accounts?host=/run&hostaddr=10.0.0.1", "/accounts?host=localhost&hostaddr=127.0.0.1,10.0.0.1"),
        ],
    )
    def test_over_a_network_certificate_and_name_are_verified(self, rest: str) -> None:
        assert postgresql(rest) == VERIFIED

    def test_what_the_environment_names_counts_where_the_url_names_nothing(self) -> None:
        assert postgresql("/accounts", libpq(host="db.example")) == VERIFIED
        assert postgresql("/accounts", libpq(hostaddr="10.0.0.1")) == VERIFIED
        assert postgresql("localhost/accounts", libpq(hostaddr="10.0.0.1")) == VERIFIED
        assert postgresql("/accounts", libpq(host="localhost")) == AS_IT_WAS
        assert postgresql("localhost/accounts", libpq(host="db.example")) == AS_IT_WAS

    def test_what_a_service_file_names_is_taken_for_a_network(self) -> None:
        # Its authority is in the file, or libpq's own.
        verified = postgresql_tls.Link({"sslmode": "verify-full"})
        assert postgresql("localhost/accounts?service=accounts") == verified
        assert postgresql("/accounts", libpq(service="accounts", host="db.example")) == verified
        assert postgresql("/accounts", libpq(service="accounts", host="/run")) == AS_IT_WAS

    @for_each(
        ("mode", "line", "more"),
        [
            ("disable", CLEAR, {"require_auth": "!password"}),
            ("require", UNCHECKED, {}),
            ("verify-ca", UNNAMED, {}),
        ],
    )
    def test_less_is_had_by_a_word_and_told(self, mode: str, line: str, more: dict[str, str]) -> None:
        expected = postgresql_tls.Link({"sslmode": mode, **more}, f"sslmode={mode}: {line}")
        assert postgresql(f"db.example/accounts?sslmode={mode}") == expected
        assert postgresql("db.example/accounts", libpq(sslmode=mode)) == expected

    @for_each("mode", ["prefer", "allow"])
    def test_tls_only_if_nobody_objects_is_refused(self, mode: str) -> None:
        with pytest.raises(ValueError, match=f"sslmode={mode} .*disable"):
            postgresql(f"db.example/accounts?sslmode={mode}")
        with pytest.raises(ValueError, match=f"sslmode={mode} "):
            postgresql("db.example/accounts", libpq(sslmode=mode))

    def test_the_url_comes_before_the_environment(self) -> None:
        found = postgresql("db.example/accounts?sslmode=verify-full", libpq(sslmode="disable"))
        assert found == VERIFIED

    def test_an_authority_that_is_named_is_believed_alone(self) -> None:
        alone = postgresql_tls.Link({"sslmode": "verify-full"})
        assert postgresql("db.example/accounts?sslrootcert=/ours.pem") == alone
        assert postgresql("db.example/accounts", libpq(sslrootcert="/ours.pem")) == alone
        # libpq has its own file.
        assert postgresql("db.example/accounts", roots=None) == alone

    def test_the_systems_authorities_are_the_machines(self) -> None:
        """libpq would ask its own OpenSSL, which knows of none."""
        assert postgresql("db.example/accounts?sslrootcert=system") == VERIFIED

    def test_a_password_goes_in_clear_only_by_a_word_of_its_own(self) -> None:
        found = postgresql("db.example/accounts?sslmode=disable&require_auth=password")
        assert found.arguments == {"sslmode": "disable"}
        # libpq 15 has no such option.
        assert postgresql("db.example/accounts?sslmode=disable", {}).arguments == {"sslmode": "disable"}

    @for_each("name", ["hostaddr", "sslmode", "sslrootcert", "service"])
    def test_what_is_there_twice_is_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match=f"{name} is there more than once"):
            postgresql(f"localhost/accounts?{name}=a&{name}=b")


def mariadb(rest: str) -> mariadb_tls.Link:
    """The link for ``mysql+pymysql://me:s3cret@REST``."""
    url = make_url(f"mysql+pymysql://me:s3cret@{rest}")
    return mariadb_tls.link_of({**url.translate_connect_args(), **url.query})


class TestMariaDb:
    @for_each(
        "rest",
        [
            *(f"{at(host)}/accounts" for host in HERE),
            *("/accounts", "db.example/accounts?host=localhost", "/accounts?unix_socket=/run/mysqld/mysqld.sock"),
            *("db.example/accounts?unix_socket=/run/s", "localhost/accounts?read_default_file=/my.cnf"),
            "localhost/accounts?ssl_disabled=false",
        ],
    )
    def test_on_this_machine_all_stays_as_it_was(self, rest: str) -> None:
        assert mariadb(rest) == mariadb_tls.Link()

    @for_each(
        "rest",
        [
            *(f"{at(host)}/accounts" for host in ELSEWHERE),
            *("localhost/accounts?host=db.example", "db.example/accounts?ssl_disabled=false"),
            # The contents of the file are unknown.
            *("/accounts?read_default_file=/my.cnf", "/accounts?read_default_group=client"),
            *(
                "db/accounts?ssl_verify_cert=true",
                "db/accounts?ssl_verify_identity=1",
                "db/accounts?ssl_check_hostname=on",
            ),
        ],
    )
    def test_over_a_network_certificate_and_name_are_verified(self, rest: str) -> None:
        assert mariadb(rest) == mariadb_tls.Link(Tls(verifies_certificate=True, verifies_name=True))

    def test_what_is_named_is_used(self) -> None:
        words = {
            "ca": "/ca.pem",
            "capath": "/cas",
            "cert": "/c.pem",
            "key": "/k.pem",
            "key_password": "pw",
            "cipher": "X",
        }
        rest = "&".join(f"ssl_{name}={value}" for name, value in words.items())
        expected = Tls(
            verifies_certificate=True,
            verifies_name=True,
            ca="/ca.pem",
            ca_folder="/cas",
            certificate="/c.pem",
            key="/k.pem",
            key_password="pw",
            cipher="X",
        )
        for host in ("db.example", "localhost"):
            assert mariadb(f"{host}/accounts?{rest}") == mariadb_tls.Link(expected)
        assert "pw" not in repr(expected).replace("key_password", "")

    @for_each(
        ("rest", "certificate", "name"),
        [
            ("ssl_cert=/c.pem", False, False),
            ("ssl_verify_cert=false", False, False),
            ("ssl_verify_cert=true", True, False),
            ("ssl_verify_identity=true", True, True),
            ("ssl_ca=/ca.pem", True, True),
            ("ssl_ca=/ca.pem&ssl_check_hostname=false", True, False),
        ],
    )
    def test_a_word_asks_for_tls_on_this_machine_too(self, rest: str, certificate: bool, name: bool) -> None:
        found = mariadb(f"localhost/accounts?{rest}")
        assert found.tls is not None
        assert (found.tls.verifies_certificate, found.tls.verifies_name, found.exposure) == (certificate, name, None)

    @for_each("word", ["true", "1", "yes", "on", "TRUE"])
    def test_it_is_off_by_a_word_and_told(self, word: str) -> None:
        found = mariadb(f"db.example/accounts?ssl_disabled={word}&ssl_ca=/ca.pem")
        assert found == mariadb_tls.Link(is_clear=True, exposure=f"ssl_disabled=true: {CLEAR}")
        assert mariadb(f"localhost/accounts?ssl_disabled={word}") == mariadb_tls.Link(is_clear=True)

    @for_each(
        ("rest", "line", "verifies"),
        [
            ("ssl_verify_cert=false", f"ssl_verify_cert=false: {UNCHECKED}", (False, False)),
            ("ssl_verify_identity=false", f"ssl_verify_identity=false: {UNNAMED}", (True, False)),
            ("ssl_check_hostname=no", f"ssl_verify_identity=false: {UNNAMED}", (True, False)),
            # A name that is to be verified needs a certificate that is.
            ("ssl_verify_cert=false&ssl_verify_identity=true", None, (True, True)),
        ],
    )
    def test_less_is_had_by_a_word_and_told(self, rest: str, line: str | None, verifies: tuple[bool, bool]) -> None:
        found = mariadb(f"db.example/accounts?{rest}")
        assert found.tls is not None
        assert ((found.tls.verifies_certificate, found.tls.verifies_name), found.exposure) == (verifies, line)

    @for_each(
        ("rest", "words"),
        [
            ("ssl_disabled=perhaps", "ssl_disabled must be true or false"),
            ("ssl_verify_cert=required", "ssl_verify_cert must be true or false"),
            ("ssl_ca=/a&ssl_ca=/b", "ssl_ca is there more than once"),
            ("host=a&host=b", "host is there more than once"),
            ("ssl_key=/k.pem", "ssl_key needs ssl_cert"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, rest: str, words: str) -> None:
        with pytest.raises(ValueError, match=words):
            mariadb(f"db.example/accounts?{rest}")

    @for_each("option", ["ssl=true", "auth_plugin_map=x", "ssl_mode=DISABLED"])
    def test_what_a_url_cannot_say_is_refused(self, option: str) -> None:
        with pytest.raises(SettingInvalid, match=f"MENSHEN_DATABASE_URL: .*{option.partition('=')[0]}"):
            open_store(Settings(database_url=f"mysql+pymysql://me@localhost/accounts?{option}"))


EXPOSED = [
    "postgresql+psycopg://me:s3cret@db.example/accounts?sslmode=disable",
    "postgresql+psycopg://me:s3cret@db.example/accounts?sslmode=require",
    "mysql+pymysql://me:s3cret@db.example/accounts?ssl_disabled=true",
    "mariadb://me:s3cret@db.example/accounts?ssl_verify_cert=false",
]


@pytest.mark.parametrize("url", EXPOSED)
class TestRequired:
    """If TLS is required, no command connects without it: the name does not resolve, and is never looked up."""

    def test_a_store_is_not_opened(self, url: str) -> None:
        for is_checked in (False, True):
            with pytest.raises(SettingInvalid, match=r"^MENSHEN_REQUIRE_TLS: ssl\w+=\w+: ") as refusal:
                open_store(Settings(database_url=url, require_tls=True), is_checked=is_checked)
            assert "s3cret" not in str(refusal.value)

    def test_its_tables_are_not_migrated_nor_adopted(self, url: str) -> None:
        settings = Settings(database_url=url, require_tls=True)
        with pytest.raises(SettingInvalid, match="MENSHEN_REQUIRE_TLS"), open_migrations(settings):
            pass
        with pytest.raises(SettingInvalid, match="MENSHEN_REQUIRE_TLS"), open_adoption(settings, None, {}):
            pass

    def test_without_that_it_is_told(self, url: str) -> None:
        store = open_store(Settings(database_url=url), is_checked=False)
        [line] = store.exposures
        store.close()
        assert line.startswith(("sslmode=", "ssl_"))


@for_each(
    "url",
    [
        "postgresql+psycopg://me@db.example/accounts",
        "postgresql+psycopg://me@localhost/accounts?sslmode=disable",
        "mysql+pymysql://me@db.example/accounts",
        "mysql+pymysql://me@localhost/accounts?ssl_disabled=true",
        "memory://",
    ],
)
def test_what_is_private_is_opened_where_tls_is_required(url: str) -> None:
    store = open_store(Settings(database_url=url, require_tls=True), is_checked=False)
    assert tuple(store.exposures) == ()
    store.close()


def test_a_file_is_on_no_network() -> None:
    assert PRODUCTS["sqlite"].exposures(make_url("sqlite:////srv/accounts.sqlite3")) == []
