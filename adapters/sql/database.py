"""Opening a database, and the two ways to work with it: read, and write in one transaction."""

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from attrs import field, frozen
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError

from ...domain.errors import StoreUnavailable
from .tables import metadata

_log = logging.getLogger("menshen.store")

WAIT_SECONDS = 2.0
"""How long a write waits for those before it: once in this process, once for other processes. Then it is refused."""

_WRITES = "menshen_writes"


class ForeignSchema(Exception):
    """The database holds tables of our names that we did not make."""


class Connections(Protocol):
    """Where a repository gets a connection: a fresh one for each step, or that of a transaction it is part of."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection for one statement that only reads."""
        ...

    def writing(self) -> AbstractContextManager[Connection]:
        """One transaction, durable when the block is left, undone when it is left by an exception."""
        ...


@frozen
class OneTransaction:
    """Connections that are all the one of a transaction; who opened that one ends it."""

    connection: Connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        yield self.connection

    writing = reading


@frozen
class Database:
    """Connections to a relational database. Foreign errors leave it as StoreUnavailable, with their cause."""

    engine: Engine
    _queue: Lock = field(factory=Lock)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with _translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        # SQLite has one writer at a time. Its own waiting polls and is not fair, so the threads of this process queue
        # here, and only different processes meet in the database.
        if not self._queue.acquire(timeout=WAIT_SECONDS):
            raise StoreUnavailable("too many writes are waiting")
        try:
            with _translated(), self.engine.execution_options(**{_WRITES: True}).begin() as connection:
                yield connection
        finally:
            self._queue.release()

    def prepare(self) -> None:
        """Make the schema where there is none; several processes may do so at once. Raises ForeignSchema."""
        with self.writing() as connection:
            found = inspect(connection)
            present = sorted(set(found.get_table_names()) & set(metadata.tables))
            if not present:
                metadata.create_all(connection, checkfirst=False)
                return
            for name in present:
                columns = {column["name"] for column in found.get_columns(name)}
                if len(present) < len(metadata.tables) or not columns.issuperset(metadata.tables[name].columns.keys()):
                    raise ForeignSchema(f"the database holds a table {name} that this version of menshen did not make")

    def ping(self) -> None:
        """Raises StoreUnavailable when the database cannot be read."""
        with self.reading() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        self.engine.dispose()


def sqlite_url(path: Path) -> str:
    """The URL of the SQLite file at *path*, whatever signs the path has."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def open_database(url: str, *, connections: int) -> Database:
    """Open the SQLite database at *url*, with at most *connections* at a time.

    A file that is not there yet is made, for its owner alone. Raises ValueError for any other URL.
    """
    path = _file_of(url)
    # SQLite gives its -wal and -shm files the mode of this one. Where it is there, or cannot be made, SQLite says so.
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    engine = create_engine(
        URL.create("sqlite", database=path),
        # Parameters are phone numbers and hashes: they do not belong into the text of an error.
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=WAIT_SECONDS,
        pool_use_lifo=True,
        connect_args={"timeout": WAIT_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return Database(engine)


def _file_of(url: str) -> str:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("it must be sqlite:///PATH or memory://") from None
    path = parsed.database
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite"} or parsed.host or parsed.query:
        raise ValueError("it must be sqlite:///PATH or memory://")
    if not path or path == ":memory:" or path.startswith("file:"):
        raise ValueError("it must name a file: sqlite:///PATH")
    return path


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transactions begin too late; ours begin in _begin_sqlite.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    # In WAL, NORMAL acknowledges what a power cut may take back; FULL syncs before the answer.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that begins as a reader and then writes can fail half-way with SQLITE_BUSY; one that begins as a
    # writer waits at its start and nowhere else. Single reads need no transaction at all.
    if connection.get_execution_options().get(_WRITES):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        _log.error("the store failed: %s: %s", type(cause).__name__, cause)
        raise StoreUnavailable("the store did not answer") from cause
