"""Before serving, a store is checked for ways to lose acknowledged data; a sound one reports none."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event, make_url

from menshen.adapters.sql.database import open_database
from menshen.entrypoints.stores import sql_store

from .databases import DatabaseServer, MariaDbServer, PostgresServer, running, server_folder
from .migrators import Told, told
from .servers import free_port, only_line, serving
from .spellings import by_somebody_else
from .stores import migrated


@pytest.fixture(scope="module")
def durable_postgresql() -> Iterator[DatabaseServer]:
    """A PostgreSQL as it comes."""
    with server_folder() as folder, running(PostgresServer(folder / "postgresql")) as started:
        yield started


@pytest.fixture(scope="module")
def durable_mariadb() -> Iterator[DatabaseServer]:
    """A MariaDB as it is to be where it has a binary log."""
    settings = ("--log-bin", "--sync-binlog=1", "--server-id=1")
    with server_folder() as folder, running(MariaDbServer(folder / "mariadb", settings)) as started:
        yield started


@pytest.fixture(autouse=True)
def _nothing_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """`serve` comes to its end when all is ready."""
    monkeypatch.setattr("menshen.entrypoints.server.run", lambda *_, **__: None)


class TestPostgreSql:
    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, durable_postgresql: DatabaseServer) -> str:
        return _new_database(durable_postgresql)

    def test_as_it_comes_it_loses_nothing(self, url: str, tmp_path: Path) -> None:
        _assert_silent(url, tmp_path)

    @pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
    def test_what_is_set_for_the_server_is_told(self, url: str, tmp_path: Path, setting: str) -> None:
        _for_the_server(url, f"ALTER SYSTEM SET {setting} = off", setting, "off")
        try:
            _assert_told(url, tmp_path, f"PostgreSQL's {setting} is off", "acknowledged")
        finally:
            _for_the_server(url, f"ALTER SYSTEM RESET {setting}", setting, "on")
        _assert_silent(url, tmp_path)

    @pytest.mark.parametrize("whose", ["DATABASE {database}", "ROLE menshen", "ROLE menshen IN DATABASE {database}"])
    def test_what_is_set_for_us_alone_is_told(self, url: str, tmp_path: Path, whose: str) -> None:
        whom = whose.format(database=make_url(url).database)
        by_somebody_else(url, f"ALTER {whom} SET synchronous_commit = off")
        try:
            _assert_told(url, tmp_path, "PostgreSQL's synchronous_commit is off", "acknowledged")
        finally:
            by_somebody_else(url, f"ALTER {whom} RESET synchronous_commit")
        _assert_silent(url, tmp_path)

    @pytest.mark.parametrize("level", ["local", "remote_write", "remote_apply"])
    def test_how_replicas_are_waited_for_is_the_operators_matter(self, url: str, tmp_path: Path, level: str) -> None:
        by_somebody_else(url, f"ALTER ROLE menshen SET synchronous_commit = {level}")
        try:
            _assert_silent(url, tmp_path)
        finally:
            by_somebody_else(url, "ALTER ROLE menshen RESET synchronous_commit")

    def test_a_narrow_encoding_is_told(self, durable_postgresql: DatabaseServer, tmp_path: Path) -> None:
        first = durable_postgresql.new_database()
        name = f"{make_url(first).database}_narrow"
        by_somebody_else(first, f"CREATE DATABASE {name} ENCODING LATIN1 TEMPLATE template0")
        narrow = make_url(first).set(database=name).render_as_string(hide_password=False)
        migrated(narrow)
        _assert_told(narrow, tmp_path, "encoding is LATIN1")

    def test_each_weakness_is_a_line_and_the_first_a_refusal(self, postgresql: DatabaseServer, tmp_path: Path) -> None:
        lines = _served(_new_database(postgresql), tmp_path).err.splitlines()
        assert len(lines) == 3
        assert {line.split(" is ")[0].split("'s ")[1] for line in lines} == {
            *("fsync", "synchronous_commit", "full_page_writes")
        }


class TestMariaDb:
    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, durable_mariadb: DatabaseServer) -> str:
        return _new_database(durable_mariadb)

    def test_as_it_should_be_it_loses_nothing(self, url: str, tmp_path: Path) -> None:
        _assert_silent(url, tmp_path)

    @pytest.mark.parametrize(
        ("setting", "weak", "lost"),
        [
            ("innodb_flush_log_at_trx_commit", "0", "acknowledged"),
            ("innodb_flush_log_at_trx_commit", "2", "acknowledged"),
            ("sync_binlog", "0", "replicas"),
            ("sync_binlog", "1000", "replicas"),
            ("sql_mode", "''", "cut"),
            ("sql_mode", "'ONLY_FULL_GROUP_BY'", "cut"),
        ],
    )
    def test_what_is_set_for_the_server_is_told(
        self, url: str, tmp_path: Path, setting: str, weak: str, lost: str
    ) -> None:
        [before] = by_somebody_else(url, f"SELECT @@global.{setting}")
        by_somebody_else(url, f"SET GLOBAL {setting} = {weak}")
        try:
            _assert_told(url, tmp_path, f"MariaDB's {setting}", lost)
        finally:
            by_somebody_else(url, f"SET GLOBAL {setting} = {before!r}")
        _assert_silent(url, tmp_path)

    def test_without_a_binary_log_nobody_syncs_it(self, mariadb: DatabaseServer, tmp_path: Path) -> None:
        url = _new_database(mariadb)
        assert by_somebody_else(url, "SELECT @@global.log_bin, @@global.sync_binlog") == [0, 0]
        _assert_told(url, tmp_path, "innodb_flush_log_at_trx_commit is 0")

    def test_a_narrow_character_set_is_told(self, durable_mariadb: DatabaseServer, tmp_path: Path) -> None:
        url = durable_mariadb.new_database()
        by_somebody_else(url, f"ALTER DATABASE {make_url(url).database} CHARACTER SET latin1")
        migrated(url)
        _assert_told(url, tmp_path, "character set is not utf8mb4", "lose characters")


class TestEmbedded:
    def test_memory_says_that_it_forgets(self, tmp_path: Path) -> None:
        _assert_told("memory://", tmp_path, "memory:// forgets everything")

    def test_a_file_loses_nothing(self, tmp_path: Path) -> None:
        _assert_silent(f"sqlite:///{tmp_path}/accounts.sqlite3", tmp_path)

    def test_a_file_that_is_not_synced_would_be_told(self, tmp_path: Path) -> None:
        database = open_database(f"sqlite:///{tmp_path}/accounts.sqlite3", connections=1)
        event.listen(database.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = NORMAL"))
        [line] = sql_store(database).weaknesses()
        database.close()
        assert "synchronous is 1" in line
        assert "acknowledged" in line

    def test_a_file_system_without_a_wal_is_told(self, tmp_path: Path) -> None:
        database = open_database(f"sqlite:///{tmp_path}/accounts.sqlite3", connections=1)
        # This way to a file, for those on a network, has no memory to share, without which there is no WAL.
        address = f"file:{tmp_path}/accounts.sqlite3?vfs=unix-dotfile"
        event.listen(
            database.engine, "do_connect", lambda *_: sqlite3.connect(address, uri=True, check_same_thread=False)
        )
        [line] = sql_store(database).weaknesses()
        database.close()
        assert "journal_mode is delete" in line
        assert "acknowledged" in line


class TestAsAProcess:
    def test_it_warns_and_serves(self, postgresql: DatabaseServer, tmp_path: Path) -> None:
        with serving(tmp_path / "server", DATABASE_URL=_new_database(postgresql)) as server:
            warnings = [line for line in server.log.splitlines() if "warning" in line]
        assert len(warnings) == 3
        assert all("acknowledged" in line for line in warnings)


def _new_database(server: DatabaseServer) -> str:
    url = server.new_database()
    migrated(url)
    return url


def _served(url: str, folder: Path, **settings: str) -> Told:
    return told(url, folder, "serve", PORT=str(free_port()), **settings)


def _assert_silent(url: str, folder: Path) -> None:
    for required in ("false", "true"):
        found = _served(url, folder, REQUIRE_DURABLE=required)
        assert (found.code, found.err) == (0, "")
        assert "menshen listens" in found.out


def _assert_told(url: str, folder: Path, *words: str) -> None:
    """That it serves with one line of warning that has the *words* or, where nothing may be lost, does not."""
    served = _served(url, folder)
    assert served.code == 0
    assert "menshen listens" in served.out
    line = only_line(served.err)
    assert line.startswith("menshen: warning: ")
    assert not [word for word in words if word not in line], line
    before = sorted(folder.rglob("*"))
    refused = _served(url, folder, REQUIRE_DURABLE="true")
    assert (refused.code, refused.out) == (2, "")
    assert only_line(refused.err) == line.replace("warning: ", "MENSHEN_REQUIRE_DURABLE: ")
    assert sorted(folder.rglob("*")) == before


def _for_the_server(url: str, statement: str, setting: str, wanted: str) -> None:
    """Change postgresql.conf, and wait until a new connection sees it."""
    by_somebody_else(url, statement)
    by_somebody_else(url, "SELECT pg_reload_conf()")
    for _ in range(500):
        if by_somebody_else(url, f"SHOW {setting}") == [wanted]:
            return
    raise AssertionError(f"{setting} is not {wanted}")
