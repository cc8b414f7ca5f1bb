"""Room that is kept beside an SQLite file, what gets it, and how the disk gets back what was removed.

That it is enough on a disk which is really full is shown by ``tests/faults/f16_full_disk.py``.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from attrs import evolve

from menshen.adapters.conformance.audit import new_event
from menshen.adapters.sql.database import Database, open_database
from menshen.adapters.sql.migrating import migrate
from menshen.adapters.sql.reserve import RESERVE_BYTES, FileReserve
from menshen.adapters.sql.store import sql_store
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports import Transaction

MIB = 2**20
ROWS = 2000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accounts.sqlite3"


@pytest.fixture
def reserve(path: Path) -> FileReserve:
    return FileReserve(str(path))


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{path}", connections=4)
    migrate(database)
    yield database
    database.close()


def free(monkeypatch: pytest.MonkeyPatch, mebibytes: int) -> None:
    """Let the disk say that so much is free."""
    disk = SimpleNamespace(f_bavail=mebibytes * MIB // 4096, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda path: disk)


def append(tx: Transaction) -> None:
    tx.audit.append(evolve(new_event(), detail="x" * 150))


def fill(tx: Transaction) -> None:
    for _ in range(ROWS):
        append(tx)


class TestTheReserve:
    def test_the_first_write_makes_it_for_the_owner_alone(self, database: Database, reserve: FileReserve) -> None:
        assert not reserve.path.exists()
        sql_store(database).work.transact(append)
        found = reserve.path.stat()
        assert (found.st_size, found.st_mode & 0o777) == (RESERVE_BYTES, 0o600)
        # It is really there, and no hole.
        assert found.st_blocks * 512 >= RESERVE_BYTES

    def test_once_it_was_given_only_what_is_vital_is_done(
        self, database: Database, reserve: FileReserve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = sql_store(database)
        store.work.transact(append)
        free(monkeypatch, 0)
        store.work.transact(append)
        assert reserve.give()
        assert not reserve.give()
        with pytest.raises(StoreUnavailable, match="is full"):
            store.work.transact(append)
        with pytest.raises(StoreUnavailable, match="is full"):
            store.ping()
        store.work.transact(append, is_vital=True)
        assert store.audit.find(subject=None, before=None, limit=10)
        # As much as it takes and some more, or the next moment would give it again.
        free(monkeypatch, 8)
        with pytest.raises(StoreUnavailable, match="is full"):
            store.ping()
        free(monkeypatch, 9)
        store.ping()
        assert reserve.path.stat().st_size == RESERVE_BYTES

    def test_it_is_not_given_for_another_failure(self, database: Database, reserve: FileReserve) -> None:
        store = sql_store(database)
        store.work.transact(append)

        def fails(tx: Transaction) -> None:
            raise StoreUnavailable("the store did not answer")

        with pytest.raises(StoreUnavailable):
            store.work.transact(fails, is_vital=True)
        assert reserve.path.stat().st_size == RESERVE_BYTES

    def test_what_a_quota_left_of_it_is_not_kept(self, reserve: FileReserve, monkeypatch: pytest.MonkeyPatch) -> None:
        def exceeds(descriptor: int, offset: int, length: int) -> None:
            os.ftruncate(descriptor, length // 2)
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

        monkeypatch.setattr(os, "posix_fallocate", exceeds)
        with pytest.raises(StoreUnavailable, match="is full"):
            reserve.check()
        assert reserve.path.stat().st_size == 0

    def test_where_no_file_can_be_made_there_is_none(self, tmp_path: Path) -> None:
        there_is_none = FileReserve(str(tmp_path / "no such folder" / "accounts.sqlite3"))
        there_is_none.check()
        assert not there_is_none.give()


class TestGivingBack:
    def test_the_file_becomes_shorter_by_what_was_removed(self, database: Database, path: Path) -> None:
        store = sql_store(database)
        empty = path.stat().st_size
        store.work.transact(fill)
        with database.reading() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        full = path.stat().st_size
        assert full > empty + MIB // 4
        later = datetime.now(UTC) + timedelta(days=10_000)
        assert store.work.transact(lambda tx: tx.audit.prune(later, 10_000), is_vital=True) == ROWS
        assert path.stat().st_size == full
        store.give_back()
        assert path.stat().st_size < empty + MIB // 16
        assert path.with_name(f"{path.name}-wal").stat().st_size == 0

    def test_a_file_that_was_made_otherwise_keeps_its_pages(self, path: Path) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE before_menshen (id INTEGER)")
        connection.close()
        database = open_database(f"sqlite:///{path}", connections=1)
        migrate(database)
        store = sql_store(database)
        store.work.transact(fill)
        later = datetime.now(UTC) + timedelta(days=10_000)
        store.work.transact(lambda tx: tx.audit.prune(later, 10_000), is_vital=True)
        store.give_back()
        store.work.transact(append)
        database.close()
