"""The password of the database is never shown, whatever goes wrong and however it is written."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from .databases import DatabaseServer, MariaDbServer
from .migrators import by_hand, told
from .servers import Server, free_port, menshen, only_line
from .spellings import by_somebody_else
from .stores import migrated

SECRET = "s3cret"

NOBODY_LISTENS = "127.0.0.1:1"


@pytest.fixture
def guarded(postgresql: DatabaseServer) -> Iterator[str]:
    """A database of PostgreSQL that asks this one user for the password, which is in the URL."""
    url = postgresql.new_database()
    migrated(url)
    name = f"guarded_{make_url(url).database}"
    [path] = by_somebody_else(url, "SHOW hba_file")
    rules = Path(str(path))
    before = rules.read_text()
    by_hand(url, f"CREATE ROLE {name} LOGIN SUPERUSER PASSWORD '{SECRET}'")
    rules.write_text(f"host all {name} 127.0.0.1/32 scram-sha-256\n{before}")
    by_somebody_else(url, "SELECT pg_reload_conf()")
    yield make_url(url).set(username=name, password=SECRET).render_as_string(hide_password=False)
    rules.write_text(before)
    by_somebody_else(url, "SELECT pg_reload_conf()")
    by_hand(url, f"DROP ROLE {name}")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://me:{SECRET}@{NOBODY_LISTENS}/accounts",
        f"mysql+pymysql://me:{SECRET}@{NOBODY_LISTENS}/accounts",
        f"postgresql+psycopg://me@{NOBODY_LISTENS}/accounts?password={SECRET}",
        f"mysql+pymysql://me@{NOBODY_LISTENS}/accounts?passwd={SECRET}",
        f"mysql+pymysql://me@{NOBODY_LISTENS}/accounts?password={SECRET}",
        # Written as it is not to be written.
        f"postgresql+psycopg://me:a@b:{SECRET}@{NOBODY_LISTENS}/accounts",
        f"postgresql+psycopg://me:a@{SECRET}@{NOBODY_LISTENS}/accounts",
        f"mysql+pymysql://me:a@b:{SECRET}@{NOBODY_LISTENS}/accounts",
        f"mysql+pymysql://me:a@{SECRET}@{NOBODY_LISTENS}/accounts",
        f"postgresql+psycopg://me:a@{SECRET}/b@{NOBODY_LISTENS}/accounts",
        f"mysql+pymysql://me:a@{SECRET}/b@{NOBODY_LISTENS}/accounts",
        f"postgresql+psycopg://me:a@{SECRET}/x?y@{NOBODY_LISTENS}/accounts",
        f"mysql+pymysql://me:a@{SECRET}/x?y@{NOBODY_LISTENS}/accounts",
        f"mysql+pymysql://me:a/b{SECRET}@{NOBODY_LISTENS}/accounts",
        f"postgresql+psycopg://me:a?b{SECRET}@{NOBODY_LISTENS}/accounts",
        f"postgresql+psycopg://me:a#b{SECRET}@{NOBODY_LISTENS}/accounts",
        f"postgresql+psycopg://me:[{SECRET}@{NOBODY_LISTENS}/accounts",
        # Options that nobody knows.
        f"mysql+pymysql://me:{SECRET}@{NOBODY_LISTENS}/accounts?colour=red",
        f"postgresql+psycopg://me:{SECRET}@{NOBODY_LISTENS}/accounts?colour=red",
        f"mysql+pymysql://me:{SECRET}@{NOBODY_LISTENS}/accounts?read_timeout=soon",
        f"oracle://me:{SECRET}@{NOBODY_LISTENS}/accounts",
        f"postgresql+psycopg2://me:{SECRET}@{NOBODY_LISTENS}/accounts",
        f"mysql+pymysql://me:{SECRET}@{NOBODY_LISTENS}/",
        f"postgresql+psycopg://me:{SECRET}@{NOBODY_LISTENS}",
    ],
)
@pytest.mark.filterwarnings("ignore:'passwd' is deprecated")
def test_what_cannot_be_reached_is_one_line_without_it(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for arguments in (("serve",), ("migrate",)):
        found = told(url, tmp_path, *arguments, PORT=str(free_port()))
        assert found.code in {1, 2}
        assert found.out == ""
        assert SECRET not in only_line(found.err) + caplog.text
    shown = told(url, tmp_path, "settings")
    assert (shown.code, shown.err) == (0, "")
    assert SECRET not in shown.out


def test_the_welcome_and_the_log_are_without_it(guarded: str, tmp_path: Path) -> None:
    server = Server(tmp_path / "server", {"MENSHEN_DATABASE_URL": guarded})
    server.start()
    try:
        with server.client() as client:
            token = client.register("13800138000").token
            by_hand(guarded, "ALTER TABLE x_user RENAME TO y_user")
            assert client.user_info(token).status == 503
            assert client.login("13800138000").status == 503
    finally:
        server.stop()
    assert ":***@" in server.out
    assert "the store failed" in server.log
    assert SECRET not in server.out + server.log
    assert "13800138000" not in server.out.replace('"phone": "13800138000"', "") + server.log


def test_a_wrong_one_and_a_wrong_database_are_told_without_it(
    guarded: str, mariadb: DatabaseServer, tmp_path: Path
) -> None:
    there = make_url(mariadb.new_database())
    wrong = {
        "password authentication failed": make_url(guarded).set(password=f"not {SECRET}"),
        "Access denied": there.set(password=f"not {SECRET}"),
        "does not exist": make_url(guarded).set(database="nowhere"),
        "Unknown database": there.set(database="nowhere"),
    }
    for words, url in wrong.items():
        done = told(url.render_as_string(hide_password=False), tmp_path, "migrate")
        assert (done.code, done.out) == (1, "")
        assert words in only_line(done.err)
        assert SECRET not in done.err


def test_signs_beyond_latin_1_are_what_mariadb_takes_them_for(mariadb: DatabaseServer, tmp_path: Path) -> None:
    url = mariadb.new_database()
    there = make_url(url)
    name, password = f"guarded_{there.database}", "密码é"
    assert isinstance(mariadb, MariaDbServer)
    # Our own user may not let others in; root comes by the socket.
    root = there.set(username="root", password="", query={"unix_socket": str(mariadb.folder / "socket")})
    by_hand(
        root.render_as_string(hide_password=False),
        f"CREATE USER {name}@'127.0.0.1' IDENTIFIED BY '{password}'",
        f"GRANT ALL ON {there.database}.* TO {name}@'127.0.0.1'",
    )
    named = there.set(username=name, password=password)
    in_the_query = there.set(username=name, password=None).update_query_dict({"password": password})
    for each in (named, in_the_query):
        done = told(each.render_as_string(hide_password=False), tmp_path, "migrate")
        assert (done.code, done.err) == (0, "")
    by_hand(url, f"DROP USER {name}@'127.0.0.1'")


def test_as_a_process(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://me:{SECRET}@{NOBODY_LISTENS}/accounts"
    done = menshen("serve", folder=tmp_path, DATABASE_URL=url, PORT=str(free_port()))
    assert (done.returncode, done.stdout) == (1, "")
    assert "refused" in only_line(done.stderr)
    assert SECRET not in done.stderr
