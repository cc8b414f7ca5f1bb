"""SQLite."""

import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from attrs import frozen
from sqlalchemy import URL, Connection, Engine, Executable, Index, Table, create_engine, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from ..tables import VERSION_TABLE
from .product import CHANGE_TRIGGERS, WAIT_SECONDS, WATCHED, WRITES, in_other_words
from .reserve import FileReserve, Reserve

_BUSY = frozenset({"SQLITE_BUSY", "SQLITE_BUSY_RECOVERY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_BUSY_TIMEOUT"})

_FULL = frozenset({"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_WRITE"})
"""The second is reported for the index of the log, which a first connection makes and many changes enlarge; the third
for a quota, among others."""

CHECK_SECONDS = 2.0
"""How long a file is checked when it is opened. A file too large for that time is checked in part."""

_STEPS_BETWEEN_LOOKS = 10_000

_PAGES_AT_ONCE = 256
_INCREMENTAL = 2
"""``PRAGMA auto_vacuum``."""

_HAS_TABLE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"

_TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('x_user', 'x_session')"

_DURABLE = 2
"""``PRAGMA synchronous = FULL``."""


@frozen
class Sqlite:
    """A file, and the library in this process."""

    is_embedded: bool = True
    has_one_writer: bool = True
    failure_ends_transaction: bool = False

    def engine(self, url: URL, connections: int, *, is_patient: bool) -> Engine:
        path = file_of(url)
        engine = create_engine(
            URL.create("sqlite", database=path),
            # Parameters are phone numbers and hashes, which do not belong in the text of an error.
            hide_parameters=True,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=WAIT_SECONDS,
            pool_use_lifo=True,
            connect_args={"timeout": WAIT_SECONDS, "check_same_thread": False},
        )

        def make(_dialect: object, _record: object, _arguments: object, _more: object) -> None:
            # SQLite gives its -wal and -shm files the mode of this one. If it exists or cannot be made, SQLite handles
            # that.
            with suppress(OSError):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))

        event.listen(engine, "do_connect", make)

        def set_up(connection: Any, _record: object) -> None:
            try:
                _set_up(connection)
            except sqlite3.OperationalError as error:
                # The first connection makes the files of the log, for which there may be no space.
                if not (_is_full(error) and FileReserve(path).give()):
                    raise
                _set_up(connection)

        event.listen(engine, "connect", set_up)
        event.listen(engine, "begin", _begin)
        return engine

    def exposures(self, url: URL) -> list[str]:
        return []

    def reserve(self, url: URL) -> Reserve:
        return FileReserve(file_of(url))

    def is_full(self, error: DBAPIError) -> bool:
        return isinstance(error.orig, sqlite3.OperationalError) and _is_full(error.orig)

    def give_back(self, connection: Connection) -> bool:
        raw: Any = connection.connection.dbapi_connection
        # It frees one page at each step, though it returns no rows.
        raw.executescript(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")
        is_more = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one() > 0
        can_more = connection.exec_driver_sql("PRAGMA auto_vacuum").scalar_one() == _INCREMENTAL
        if is_more and can_more:
            return True
        # The file shrinks at the next checkpoint of the log, which readers may delay to another time.
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return False

    def is_there(self, url: URL) -> bool:
        return os.path.exists(file_of(url))

    def may_be_repeated(self, error: DBAPIError) -> bool:
        return _name(error) in _BUSY

    def is_damaged(self, error: DBAPIError) -> bool:
        return (_name(error) or "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))

    def damage(self, connection: Connection) -> str | None:
        raw: Any = connection.connection.dbapi_connection
        end = time.monotonic() + CHECK_SECONDS
        raw.set_progress_handler(lambda: time.monotonic() > end, _STEPS_BETWEEN_LOOKS)
        try:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        except OperationalError as error:
            if _name(error) == "SQLITE_INTERRUPT":
                return None
            raise
        finally:
            raw.set_progress_handler(None, 0)
        return None if found == "ok" else " ".join(str(found).split())

    def is_read_only(self, error: DBAPIError) -> bool:
        return (_name(error) or "").startswith("SQLITE_READONLY")

    def is_duplicate(self, error: DBAPIError, index: Index) -> bool:
        # The error names the columns, not the index.
        columns = ", ".join(str(column) for column in index.columns)
        return _name(error) == "SQLITE_CONSTRAINT_UNIQUE" and str(error.orig) == f"UNIQUE constraint failed: {columns}"

    def cause(self, error: DBAPIError) -> BaseException | None:
        return in_other_words(error, str(_name(error))) if isinstance(error, IntegrityError) else error.orig

    def put(self, table: Table, row: Mapping[str, object]) -> Executable:
        return insert(table).values(row).on_conflict_do_update(index_elements=table.primary_key, set_=row)

    def change_function(self) -> Sequence[str]:
        return ()

    def change_triggers(self) -> Mapping[str, str]:
        differs = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in WATCHED)
        acts = {
            "tr_x_user_changed": ("UPDATE", "", "VALUES (OLD.id)"),
            "tr_x_user_gone": ("DELETE", "", "VALUES (OLD.id)"),
            "tr_x_session_changed": (
                f"UPDATE OF {', '.join(WATCHED)}",
                f" WHEN {differs}",
                "SELECT OLD.user_id UNION SELECT NEW.user_id",
            ),
            "tr_x_session_gone": ("DELETE", " WHEN OLD.ended_at IS NULL", "VALUES (OLD.user_id)"),
        }
        return {
            name: f"CREATE TRIGGER {name} AFTER {act} ON {CHANGE_TRIGGERS[name]} FOR EACH ROW{when}"
            f" BEGIN INSERT INTO x_change (user_id) {ids}; END"
            for name, (act, when, ids) in acts.items()
        }

    def change_triggers_there(self, connection: Connection) -> set[str]:
        return set(connection.exec_driver_sql(_TRIGGERS).scalars())

    def drop_change_trigger(self, name: str) -> str:
        return f"DROP TRIGGER {name}"

    def for_its_client(self, statement: str) -> str:
        return f"{statement};"

    def is_forbidden(self, error: DBAPIError) -> bool:
        return False

    def lock_all(self, connection: Connection) -> bool:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if _name(error) in _BUSY:
                return False
            raise
        return True

    def weaknesses(self, connection: Connection) -> list[str]:
        lines = []
        level = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
        if level < _DURABLE:
            lines.append(f"SQLite's synchronous is {level}: a power cut may take back what was acknowledged")
        # On a file system without support for WAL, as some on a network, SQLite uses another journal, without an error.
        journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        if journal != "wal":
            lines.append(
                f"SQLite's journal_mode is {journal}, as the file system has no WAL:"
                " a power cut may take back what was acknowledged, and who reads waits for who writes"
            )
        return lines


def _name(error: DBAPIError) -> str | None:
    name: str | None = getattr(error.orig, "sqlite_errorname", None)
    return name


def file_of(url: URL) -> str:
    """The path in such a URL. Raises ValueError if it names no file."""
    path = url.database
    if url.drivername not in {"sqlite", "sqlite+pysqlite"} or url.host or url.query:
        raise ValueError("it must be sqlite:///PATH")
    if not path or path == ":memory:" or path.startswith("file:"):
        raise ValueError("it must name a file: sqlite:///PATH")
    return path


def _is_full(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorname in _FULL


def _set_up(connection: Any) -> None:
    # The driver's own transactions begin too late; ours begin in _begin.
    connection.isolation_level = None
    is_new = connection.execute("PRAGMA page_count").fetchone() == (0,)
    if is_new:
        # In an existing file it would be a write, and wait for others. A file made without it keeps its free pages.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    # It changes the file permanently, and a file that is only inspected must stay as it is.
    if is_new or connection.execute(_HAS_TABLE, (VERSION_TABLE,)).fetchone() == (1,):
        _use_wal(connection)
    # In WAL, with NORMAL a power cut may undo what was acknowledged; FULL syncs before the answer.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _use_wal(connection: Any) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            # If several make the database at once, SQLite does not wait here, as it does everywhere else.
            if error.sqlite_errorname not in _BUSY or time.monotonic() > end:
                raise
        time.sleep(0.01)


def _begin(connection: Connection) -> None:
    # A transaction that begins as a reader and then writes can fail half-way with SQLITE_BUSY; one that begins as a
    # writer waits only at its start. Single reads need no transaction.
    if connection.get_execution_options().get(WRITES):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
