"""A service on a durable store, one of which suffers a fault."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from attrs import frozen
from sqlalchemy import URL, create_engine, text

from ..integration.databases import DatabaseServer, MariaDbServer, PostgresServer, server_folder
from ..integration.servers import COMMAND, Server
from ..integration.stores import migrated
from .checker import Findings, check
from .journal import Journal
from .load import Load

SQLITE, POSTGRESQL, MARIADB = "sqlite", "postgresql", "mariadb"
SERVERS = (POSTGRESQL, MARIADB)
STORES = (SQLITE, *SERVERS)

DURABLE: Mapping[str, Sequence[str]] = {
    POSTGRESQL: ("fsync=on", "synchronous_commit=on", "full_page_writes=on"),
    MARIADB: ("--innodb-flush-log-at-trx-commit=1", "--log-bin=binlog", "--sync-binlog=1"),
}
"""What RL-02 requires of a database server."""


_HASHES = """
import time
from menshen.entrypoints import stores
hasher = stores.Argon2PasswordHasher

class Hasher(hasher):
    def hash(self, password):
        time.sleep({seconds})
        return super().hash(password)

stores.Argon2PasswordHasher = lambda **_: Hasher(memory_kib=8, time_cost=1, parallelism=1)
from menshen.entrypoints.cli.main import entry_point
entry_point()
"""

CHEAP_HASHES: tuple[str, ...] = (sys.executable, "-c", _HASHES.format(seconds=0))
"""The service with hashes below what its settings allow: so that the time goes into the database, where the faults are,
and those who race come to it together, not one hash after the other."""

SLOW_HASHES: tuple[str, ...] = (sys.executable, "-c", _HASHES.format(seconds=0.08))
"""The service with hashes that take 80 ms, however fast the machine is."""


def database_server(store: str, folder: Path, settings: Sequence[str]) -> DatabaseServer:
    return PostgresServer(folder, settings) if store == POSTGRESQL else MariaDbServer(folder, settings)


@frozen
class Scene:
    """A running service, its database server, and the journal of its requests."""

    store: str
    service: Server
    url: str
    disk: Path
    """Where the database is."""
    journal: Journal
    _database: DatabaseServer | None

    @property
    def database(self) -> DatabaseServer:
        """The server; SQLite has none."""
        assert self._database is not None
        return self._database

    def load(self, threads: int = 4, pause: float = 0.0) -> Load:
        return Load(self.service.port, self.journal, threads, pause)

    def phones(self) -> list[str | None]:
        """The phones in the users' rows, without the service."""
        return [phone for (phone,) in self.rows("SELECT phone FROM x_user")]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        engine = create_engine(self.url)
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(text(statement))]
        finally:
            engine.dispose()

    def checked(self) -> Findings:
        """What the checker says about all requests so far."""
        return check(self.journal.operations(), self.service.port, self.phones)

    def is_sound(self) -> bool:
        """What SQLite says of its file."""
        return self.rows("PRAGMA integrity_check") == [("ok",)]


def execute(url: str | URL, statement: str) -> None:
    """Run a statement outside any transaction."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
    finally:
        engine.dispose()


@contextmanager
def _running(database: DatabaseServer) -> Iterator[None]:
    """It is stopped even if its start fails half-way."""
    try:
        database.start()
        yield
    finally:
        # Where nothing was started there is nothing to stop.
        with suppress(AttributeError):
            database.stop()


@contextmanager
def scene(
    store: str,
    *,
    settings: Sequence[str] | None = None,
    command: Sequence[str] = COMMAND,
    disk: Callable[[Path], AbstractContextManager[None]] = lambda _folder: nullcontext(),
    make: Callable[[str, Path, Sequence[str]], DatabaseServer] = database_server,
    **service_settings: str,
) -> Iterator[Scene]:
    """A service on a fresh *store*: *settings* of the database server, which is *made* in a folder on the *disk*, and
    of the service without their prefix."""
    with ExitStack() as stack:
        folder = stack.enter_context(server_folder())
        disk_folder = folder / "disk"
        disk_folder.mkdir()
        stack.enter_context(disk(disk_folder))
        database = None
        url = f"sqlite:///{disk_folder / 'menshen.sqlite3'}"
        named = {"MENSHEN_DATABASE_URL": url} | {f"MENSHEN_{name}": value for name, value in service_settings.items()}
        if store != SQLITE:
            database = make(store, disk_folder / "database", DURABLE[store] if settings is None else settings)
            stack.enter_context(_running(database))
            url = database.new_database()
            migrated(url)
            named["MENSHEN_DATABASE_URL"] = url
        service = Server(folder / "service", named, command)
        stack.callback(service.stop)
        service.start()
        journal = stack.enter_context(closing(Journal(folder / "journal")))
        yield Scene(store, service, url, disk_folder, journal, database)
