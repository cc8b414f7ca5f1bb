"""Space that is reserved beside an SQLite file, what gets it, and how the space of deleted rows is returned.

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
from sqlalchemy.exc import DBAPIError

from menshen.adapters.conformance.audit import new_event
from menshen.adapters.sql.database import Database, open_database
from menshen.adapters.sql.migrating import migrate
from menshen.adapters.sql.products.reserve import RESERVE_BYTES, FileReserve
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.writing import AuditPruning, Transaction
from menshen.entrypoints.stores import sql_store

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
        Path(reserve.database).touch()
        with pytest.raises(StoreUnavailable, match="is full"):
            reserve.check()
        assert reserve.path.stat().st_size == 0

    @pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, None])
    def test_where_the_system_cannot_set_room_aside_it_is_written(
        self, reserve: FileReserve, monkeypatch: pytest.MonkeyPatch, number: int | None
    ) -> None:
        def cannot(*_arguments: int) -> None:
            assert number is not None
            raise OSError(number, os.strerror(number))

        Path(reserve.database).touch()
        if number is None:
            monkeypatch.delattr(os, "posix_fallocate")
        else:
            monkeypatch.setattr(os, "posix_fallocate", cannot)
        reserve.check()
        assert reserve.path.stat().st_blocks * 512 >= RESERVE_BYTES

    def test_it_is_where_a_link_leads(self, tmp_path: Path) -> None:
        there = tmp_path / "there"
        there.mkdir()
        (there / "accounts.sqlite3").touch()
        (tmp_path / "link").symlink_to(there / "accounts.sqlite3")
        FileReserve(str(tmp_path / "link")).check()
        assert (there / "accounts.sqlite3-reserve").stat().st_size == RESERVE_BYTES

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files for others")
    def test_root_makes_it_for_the_one_whose_database_it_is(self, reserve: FileReserve) -> None:
        Path(reserve.database).touch()
        os.chown(reserve.database, 65534, 65534)
        reserve.check()
        assert (reserve.path.stat().st_uid, reserve.path.stat().st_gid) == (65534, 65534)

    def test_a_quota_is_told_from_a_broken_disk_by_nothing(self, database: Database, reserve: FileReserve) -> None:
        """SQLite reports both in the same way; so the reserve is released for either, and restored if there is
        space."""
        sql_store(database).work.transact(append)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR_WRITE"
        raised = [DBAPIError("INSERT", {}, error)]

        def fails_once(tx: Transaction) -> None:
            if raised:
                raise raised.pop()
            append(tx)

        sql_store(database).work.transact(fails_once, is_vital=True)
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
        assert store.work.transact(lambda tx: tx[AuditPruning].prune(later, 10_000), is_vital=True) == ROWS
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
        store.work.transact(lambda tx: tx[AuditPruning].prune(later, 10_000), is_vital=True)
        store.give_back()
        store.work.transact(append)
        database.close()
