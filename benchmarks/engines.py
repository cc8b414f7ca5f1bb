"""The databases to measure, on servers set up as for production, and how they are filled."""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from attrs import field, frozen
from sqlalchemy import event, text

from menshen.adapters.sql.database import Database, open_database, sqlite_url

# Run as a script, the folder of this file is on the path, and there is no package.
if TYPE_CHECKING:
    from ..tests.integration.databases import DatabaseServer, MariaDbServer, PostgresServer, running, server_folder
    from ..tests.integration.filling import DEVICE_TYPES, analyze, fill_audit, fill_sessions, fill_users
    from ..tests.integration.stores import migrated
else:
    from menshen.tests.integration.databases import (
        DatabaseServer,
        MariaDbServer,
        PostgresServer,
        running,
        server_folder,
    )
    from menshen.tests.integration.filling import DEVICE_TYPES, analyze, fill_audit, fill_sessions, fill_users
    from menshen.tests.integration.stores import migrated

# The cache has room for a million users, as it should in production.
_POSTGRESQL = ("shared_buffers=2GB", "max_wal_size=8GB", "checkpoint_timeout=30min")
_MARIADB = (
    *("--innodb-buffer-pool-size=4G", "--innodb-log-file-size=1G"),
    *("--innodb-io-capacity=10000", "--innodb-io-capacity-max=20000"),
)

_REST_SECONDS = 300.0


class Engine(Protocol):
    """One product, and a place for databases."""

    @property
    def hurry(self) -> tuple[str, ...]:
        """Statements that make a connection write fast, but not durably."""
        ...

    def new_database(self) -> str:
        """The URL of an empty database, without tables."""
        ...

    def size(self, database: Database, table: str) -> int:
        """The bytes on disk of *table* with its indexes, or of the whole database."""
        ...

    def come_to_rest(self, database: Database) -> None:
        """Be durable again, and wait until no background work is left."""
        ...


@frozen
class _Sqlite:
    folder: Path
    hurry: tuple[str, ...] = (
        "PRAGMA journal_mode = OFF",
        "PRAGMA synchronous = OFF",
        "PRAGMA foreign_keys = OFF",
        "PRAGMA cache_size = -2000000",
    )
    _numbers: "count[int]" = field(factory=count, init=False)

    def new_database(self) -> str:
        return sqlite_url(self.folder / f"{next(self._numbers)}.sqlite3")

    def size(self, database: Database, table: str) -> int:
        pages, size_of_one = (_number(database, f"PRAGMA {name}") for name in ("page_count", "page_size"))
        return pages * size_of_one

    def come_to_rest(self, database: Database) -> None:
        # SQLite databases are not analyzed in production either. Sync now, or Linux would write the file back while
        # measuring.
        with Path(str(database.engine.url.database)).open("rb") as file:
            os.fsync(file.fileno())


@frozen
class _PostgreSql:
    server: DatabaseServer
    hurry: tuple[str, ...] = ("SET synchronous_commit = off", "SET session_replication_role = replica")

    def new_database(self) -> str:
        return self.server.new_database()

    def size(self, database: Database, table: str) -> int:
        return _number(database, f"SELECT pg_total_relation_size('{table}')")

    def come_to_rest(self, database: Database) -> None:
        analyze(database)
        _execute(database, "CHECKPOINT")


@frozen
class _MariaDb:
    server: DatabaseServer
    hurry: tuple[str, ...] = ("SET GLOBAL innodb_flush_log_at_trx_commit = 0", "SET SESSION foreign_key_checks = 0")

    def new_database(self) -> str:
        return self.server.new_database()

    def size(self, database: Database, table: str) -> int:
        name = f"{database.engine.url.database}/{table}"
        return _number(
            database, f"SELECT file_size FROM information_schema.innodb_sys_tablespaces WHERE name = '{name}'"
        )

    def come_to_rest(self, database: Database) -> None:
        analyze(database)
        _execute(database, "SET GLOBAL innodb_max_dirty_pages_pct = 0")
        end = time.monotonic() + _REST_SECONDS
        dirty = "SELECT variable_value FROM information_schema.global_status WHERE variable_name = '{}'"
        while _number(database, dirty.format("Innodb_buffer_pool_pages_dirty")) > 100:
            if time.monotonic() > end:
                raise RuntimeError("MariaDB does not come to rest")
            time.sleep(0.2)
        _execute(database, "SET GLOBAL innodb_max_dirty_pages_pct = DEFAULT")
        _execute(database, "SET GLOBAL innodb_flush_log_at_trx_commit = 1")


@contextmanager
def _sqlite() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory() as folder:
        yield _Sqlite(Path(folder))


@contextmanager
def _postgresql() -> Iterator[Engine]:
    with server_folder() as folder, running(PostgresServer(folder / "postgresql", _POSTGRESQL)) as server:
        yield _PostgreSql(server)


@contextmanager
def _mariadb() -> Iterator[Engine]:
    with server_folder() as folder, running(MariaDbServer(folder / "mariadb", _MARIADB)) as server:
        yield _MariaDb(server)


ENGINES = {"SQLite": _sqlite, "PostgreSQL": _postgresql, "MariaDB": _mariadb}


def filled(engine: Engine, users: int, now: datetime, password_hash: str) -> tuple[str, Mapping[str, float]]:
    """The URL of a database with that many users, their sessions and audit entries, and the bytes of a row of each."""

    def hurry(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for statement in engine.hurry:
            cursor.execute(statement)
        cursor.close()
        connection.commit()

    url = engine.new_database()
    migrated(url)
    database = open_database(url, connections=1, is_patient=True)
    event.listen(database.engine, "connect", hurry)
    sizes = {}
    for table, rows, fill in (
        ("x_user", users, partial(fill_users, password_hash=password_hash)),
        ("x_session", len(DEVICE_TYPES) * users, fill_sessions),
        ("x_audit", users, fill_audit),
    ):
        before = engine.size(database, table)
        fill(database, users, now)
        sizes[table] = (engine.size(database, table) - before) / rows
    engine.come_to_rest(database)
    database.close()
    return url, sizes


def _number(database: Database, statement: str) -> int:
    with database.reading() as connection:
        return int(connection.execute(text(statement)).scalar_one())


def _execute(database: Database, statement: str) -> None:
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(statement).close()
