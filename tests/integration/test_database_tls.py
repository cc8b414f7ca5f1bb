"""Over a network a database is reached by verified TLS, and its password is sent to nobody else.

All servers are on the loopback. ``db.example`` resolves to it without being a loopback name.
"""

import os
import pwd
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from sqlalchemy import URL, make_url

from menshen.adapters.sql.database import open_database
from menshen.adapters.sql.products import mariadb_tls, postgresql_tls
from menshen.adapters.sql.products.impatient_psycopg import surroundings
from menshen.adapters.sql.products.mariadb_tls import Tls

from .certificates import Authority, Signed
from .databases import QUICK_MARIADB, QUICK_POSTGRES, MariaDbServer, PostgresServer, running, server_folder
from .fake_databases import SSL_REQUEST, mariadb_without_tls, postgresql_without_tls, serving_nobody
from .migrators import Told, by_hand, told
from .servers import free_port, only_line
from .spellings import shown

SECRET = "s3cret"


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Names that lead to the loopback, as if it were a network; a home without files of libpq; and no server that runs."""
    real = socket.getaddrinfo

    def found(host: Any, *more: Any, **named: Any) -> Any:
        return real("127.0.0.1" if str(host).endswith(".example") else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("menshen.entrypoints.server.run", lambda *_, **__: None)


@frozen
class Secured:
    """A database on a server that has TLS, as ``db.example``."""

    url: URL
    authority: str
    """The option of a URL that names the file of an authority."""

    off: dict[str, str]
    """What turns TLS off."""

    hint: str
    is_by_tls: str
    """The server's expression for whether this connection uses TLS."""

    def at(self, host: str, **query: str) -> str:
        return self.url.set(host=host).update_query_dict(query).render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with server_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority.new(folder / "ours")


@pytest.fixture(scope="module")
def ours(authority: Authority) -> str:
    return str(authority.root.certificate)


@pytest.fixture(scope="module")
def theirs(folder: Path) -> str:
    return str(Authority.new(folder / "theirs").root.certificate)


@pytest.fixture(scope="module")
def server_certificate(authority: Authority) -> Signed:
    return authority.sign("db.example")


@pytest.fixture(scope="module")
def secured_postgresql(folder: Path, server_certificate: Signed) -> Iterator[Secured]:
    # It takes no key that others than its user could read.
    key = shutil.copy(server_certificate.key, folder / "postgresql.key")
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(key, owner.pw_uid, owner.pw_gid)
    settings = ("ssl=on", f"ssl_cert_file={server_certificate.certificate}", f"ssl_key_file={key}")
    with running(PostgresServer(folder / "postgresql", (*QUICK_POSTGRES, *settings))) as server:
        yield Secured(
            make_url(server.new_database()).set(password=SECRET),
            "sslrootcert",
            {"sslmode": "disable"},
            postgresql_tls.HINT,
            "(SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())",
        )


@pytest.fixture(scope="module")
def mariadb_server(folder: Path, ours: str, server_certificate: Signed) -> Iterator[MariaDbServer]:
    files = {"ca": ours, "cert": server_certificate.certificate, "key": server_certificate.key}
    settings = tuple(f"--ssl-{name}={path}" for name, path in files.items())
    server = MariaDbServer(folder / "mariadb", (*QUICK_MARIADB, *settings))
    with running(server):
        yield server


@pytest.fixture(scope="module")
def secured_mariadb(mariadb_server: MariaDbServer) -> Secured:
    url = mariadb_server.new_database()
    name = make_url(url).database
    root = URL.create("mysql+pymysql", "root", query={"unix_socket": str(mariadb_server.folder / "socket")})
    by_hand(
        root.render_as_string(),
        f"CREATE USER me@'127.0.0.1' IDENTIFIED BY '{SECRET}'; GRANT ALL ON {name}.* TO me@'127.0.0.1'",
        f"CREATE USER known@'127.0.0.1' IDENTIFIED BY '{SECRET}' REQUIRE X509; GRANT ALL ON {name}.* TO known@'127.0.0.1'",
    )
    return Secured(
        make_url(url).set(username="me", password=SECRET),
        "ssl_ca",
        {"ssl_disabled": "true"},
        mariadb_tls.HINT,
        "(SELECT variable_value <> '' FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher')",
    )


@pytest.fixture(params=["postgresql", "mariadb"])
def secured(request: pytest.FixtureRequest) -> Secured:
    found: Secured = request.getfixturevalue(f"secured_{request.param}")
    return found


def by_tls(secured: Secured, url: str) -> bool:
    database = open_database(url, connections=1)
    try:
        [found] = shown(database, [secured.is_by_tls])
    finally:
        database.close()
    return bool(found)


def served(url: str, folder: Path, **settings: str) -> Told:
    return told(url, folder, "serve", PORT=str(free_port()), **settings)


class TestReal:
    def test_a_server_whose_certificate_is_signed_for_its_name_is_worked_with(
        self, secured: Secured, ours: str, tmp_path: Path
    ) -> None:
        url = secured.at("db.example", **{secured.authority: ours})
        assert told(url, tmp_path, "migrate", REQUIRE_TLS="true").code == 0
        assert by_tls(secured, url)
        found = served(url, tmp_path, REQUIRE_TLS="true")
        assert found.code == 0
        assert not [line for line in found.err.splitlines() if "TLS" in line or "ssl" in line]

    def test_whom_the_machine_believes_we_believe(
        self, secured: Secured, ours: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", ours)
        assert by_tls(secured, secured.at("db.example"))

    def test_one_that_somebody_else_has_signed_for_is_refused(
        self, secured: Secured, theirs: str, tmp_path: Path
    ) -> None:
        self.assert_refused(secured, secured.at("db.example", **{secured.authority: theirs}), tmp_path)

    def test_one_that_none_has_signed_for_whom_the_machine_believes_is_refused(
        self, secured: Secured, tmp_path: Path
    ) -> None:
        self.assert_refused(secured, secured.at("db.example"), tmp_path)

    def test_one_of_another_name_is_refused(self, secured: Secured, ours: str, tmp_path: Path) -> None:
        self.assert_refused(secured, secured.at("other.example", **{secured.authority: ours}), tmp_path)

    def assert_refused(self, secured: Secured, url: str, folder: Path) -> None:
        for command in ("migrate", "serve"):
            found = told(url, folder, command, PORT=str(free_port()))
            assert (found.code, found.out) == (1, "")
            line = only_line(found.err)
            assert "certificate" in line
            assert secured.hint in line
            assert SECRET not in line

    def test_without_tls_by_a_word_it_warns_and_where_tls_is_required_refuses(
        self, secured: Secured, tmp_path: Path
    ) -> None:
        url = secured.at("db.example", **secured.off)
        assert told(url, tmp_path, "migrate").code == 0
        assert not by_tls(secured, url)
        [line] = [line for line in served(url, tmp_path).err.splitlines() if "TLS" in line]
        assert line.startswith("menshen: warning: ")
        refused = served(url, tmp_path, REQUIRE_TLS="true")
        assert (refused.code, refused.out) == (2, "")
        assert only_line(refused.err) == line.replace("warning: ", "MENSHEN_REQUIRE_TLS: ")
        assert SECRET not in line

    def test_on_the_loopback_it_is_as_it_was(self, secured: Secured, tmp_path: Path) -> None:
        url = secured.at("127.0.0.1")
        assert told(url, tmp_path, "migrate", REQUIRE_TLS="true").code == 0
        assert by_tls(secured, url)
        assert not by_tls(secured, secured.at("127.0.0.1", **secured.off))


class TestPostgreSql:
    def test_a_file_of_libpqs_comes_before_the_machines(
        self, secured_postgresql: Secured, ours: str, theirs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", theirs)
        (tmp_path / ".postgresql").mkdir()
        shutil.copy(ours, tmp_path / ".postgresql" / "root.crt")
        assert by_tls(secured_postgresql, secured_postgresql.at("db.example"))

    def test_an_address_beside_the_name_is_where_it_is(self, secured_postgresql: Secured, ours: str) -> None:
        """The name is looked for in the certificate all the same."""
        query = {"sslrootcert": ours, "hostaddr": "127.0.0.1"}
        assert by_tls(secured_postgresql, secured_postgresql.at("db.example", **query))
        # Each of several.
        assert by_tls(secured_postgresql, secured_postgresql.at("nobody.example,db.example", **query | _TWICE))

    def test_what_the_environment_says_counts(
        self, secured_postgresql: Secured, ours: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = secured_postgresql.at("")
        monkeypatch.setenv("PGHOST", "db.example")
        assert told(url, tmp_path, "migrate").code == 1
        monkeypatch.setenv("PGSSLROOTCERT", ours)
        assert told(url, tmp_path, "migrate").code == 0
        assert by_tls(secured_postgresql, url)
        monkeypatch.setenv("PGSSLMODE", "disable")
        assert told(url, tmp_path, "migrate").code == 0
        assert told(url, tmp_path, "migrate", REQUIRE_TLS="true").code == 2

    def test_what_nobody_has_said_is_not_in_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert surroundings()["sslmode"] is None
        monkeypatch.setenv("PGSSLMODE", "require")
        assert surroundings()["sslmode"] == "require"
        assert "require_auth" in surroundings()

    @pytest.mark.parametrize("query", ["", "&hostaddr=127.0.0.1"])
    def test_one_that_has_no_tls_is_told_nothing(self, query: str, tmp_path: Path) -> None:
        with serving_nobody(postgresql_without_tls) as fake:
            url = f"postgresql+psycopg://me:{SECRET}@db.example:{fake.port}/accounts?sslnegotiation=postgres{query}"
            found = told(url, tmp_path, "migrate")
        assert fake.heard == SSL_REQUEST
        assert (found.code, found.out) == (1, "")
        assert postgresql_tls.HINT in only_line(found.err)
        assert SECRET not in found.err

    def test_one_that_asks_for_the_password_as_it_is_does_not_hear_it(self, tmp_path: Path) -> None:
        with serving_nobody(postgresql_without_tls) as fake:
            url = f"postgresql+psycopg://me:{SECRET}@db.example:{fake.port}/accounts?sslmode=disable"
            found = told(url, tmp_path, "migrate")
        assert b"accounts" in fake.heard
        assert SECRET.encode() not in fake.heard
        assert found.code == 1
        assert SECRET not in only_line(found.err)


_TWICE = {"hostaddr": "127.0.0.1,127.0.0.1"}


class TestMariaDb:
    def test_one_that_has_no_tls_is_told_nothing(self, tmp_path: Path) -> None:
        with serving_nobody(mariadb_without_tls("mysql_clear_password")) as fake:
            url = f"mysql+pymysql://me:{SECRET}@db.example:{fake.port}/accounts"
            found = told(url, tmp_path, "migrate")
        assert fake.heard == b""
        assert (found.code, found.out) == (1, "")
        assert mariadb_tls.HINT in only_line(found.err)
        assert SECRET not in found.err

    @pytest.mark.parametrize("plugin", ["mysql_clear_password", "dialog"])
    @pytest.mark.parametrize("at", ["127.0.0.1", "localhost", "db.example"])
    def test_one_that_asks_for_the_password_as_it_is_does_not_hear_it(
        self, at: str, plugin: str, tmp_path: Path
    ) -> None:
        words = "?ssl_disabled=true" if at == "db.example" else ""
        with serving_nobody(mariadb_without_tls(plugin)) as fake:
            found = told(f"mysql+pymysql://me:{SECRET}@{at}:{fake.port}/accounts{words}", tmp_path, "migrate")
        assert b"accounts" in fake.heard
        assert SECRET.encode() not in fake.heard
        assert found.code == 1
        line = only_line(found.err)
        assert f"({plugin})" in line
        assert SECRET not in line

    @pytest.mark.parametrize("plugin", ["mysql_clear_password", "dialog"])
    def test_on_a_socket_of_the_system_nobody_listens(self, plugin: str, tmp_path: Path) -> None:
        with serving_nobody(mariadb_without_tls(plugin), tmp_path / "socket") as fake:
            told(f"mysql+pymysql://me:{SECRET}@/accounts?unix_socket={tmp_path}/socket", tmp_path, "migrate")
        assert fake.heard.endswith(SECRET.encode() + b"\0")

    def test_a_certificate_of_ours_is_shown(
        self, secured_mariadb: Secured, authority: Authority, ours: str, tmp_path: Path
    ) -> None:
        mine = authority.sign("us")
        known = {"ssl_ca": ours, "ssl_cert": str(mine.certificate), "ssl_key": str(mine.key)}
        url = make_url(secured_mariadb.at("db.example", ssl_ca=ours)).set(username="known")
        without = told(url.render_as_string(hide_password=False), tmp_path, "migrate")
        assert "Access denied" in only_line(without.err)
        assert by_tls(secured_mariadb, url.update_query_dict(known).render_as_string(hide_password=False))

    @pytest.mark.parametrize("words", ["ssl_ca=/no/ca.pem", "ssl_ca={empty}", "ssl_cert={empty}", "ssl_cipher=none"])
    def test_a_file_that_cannot_be_used_is_told_before_anything_is_done(self, words: str, tmp_path: Path) -> None:
        (tmp_path / "empty.pem").touch()
        url = f"mysql+pymysql://me:{SECRET}@db.example/accounts?{words.format(empty=tmp_path / 'empty.pem')}"
        found = told(url, tmp_path, "migrate")
        assert (found.code, found.out) == (2, "")
        assert f"MENSHEN_DATABASE_URL: {words.partition('=')[0]}" in only_line(found.err)
        assert SECRET not in found.err

    def test_an_authority_that_is_replaced_counts_at_the_next_connection(
        self, ours: str, theirs: str, tmp_path: Path
    ) -> None:
        believed = tmp_path / "believed.pem"
        shutil.copy(ours, believed)
        tls = Tls(verifies_certificate=True, verifies_name=True, ca=str(believed))
        before = tls.context()
        assert tls.context() is before
        shutil.copy(theirs, believed)
        assert tls.context().get_ca_certs() != before.get_ca_certs()
        believed.unlink()
        with pytest.raises(ValueError, match="ssl_ca cannot be used: No such file"):
            tls.context()
