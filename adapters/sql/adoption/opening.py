"""Opening a tutorial's database, whatever is in it and whoever else uses it."""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool

from ....domain.errors import StoreUnavailable
from ..database import Database, open_database
from ..products.sqlite import Sqlite
from . import repeating

LOCK_SECONDS = 10.0
"""How long one try waits for a lock that somebody has on the table, or on a row."""


def open_for_reading(url: str) -> Database:
    """The database at *url*, in which nothing is changed. Raises ValueError, DriverMissing."""
    database = open_database(url, connections=1, is_patient=True)
    if database.product.is_embedded:
        path = Path(database.engine.url.database or "")
        # Opened as others open it, a file of another journal mode would get ours.
        address = f"file:{quote(str(path.absolute()))}?mode=ro"
        engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(address, uri=True, timeout=repeating.PATIENCE_SECONDS),
            poolclass=NullPool,
            hide_parameters=True,
        )
        database = Database.of(lambda: engine, Sqlite())
    _prepare(database)
    return database


def open_for_adoption(url: str) -> Database:
    """The database at *url*, to be adopted. Raises ValueError, DriverMissing."""
    # One to hold the lock, one to work.
    database = open_database(url, connections=2, is_patient=True)
    _prepare(database)
    if database.product.is_embedded:
        # The file is not ours yet, and so has the mode that it had; whoever reads meanwhile would wait. Where somebody keeps
        # it locked, the first change says so.
        with suppress(StoreUnavailable), database.reading() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    return database


def _prepare(database: Database) -> None:
    """Let neither what an old table holds stop the work, nor what somebody else does to it make us wait for ever."""

    def take_any_text(connection: Any, _record: object) -> None:
        connection.text_factory = lambda content: content.decode("utf-8", "surrogateescape")

    def take_any_date(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ONLY_FULL_GROUP_BY,NO_ENGINE_SUBSTITUTION',"
                # The one is for locks on the table, the other for those on rows.
                f" lock_wait_timeout = {LOCK_SECONDS:.0f}, innodb_lock_wait_timeout = {LOCK_SECONDS:.0f}"
            )

    def take_any_time(connection: Any, _record: object) -> None:
        if connection.is_pooled:
            # What follows is for the session, and would stay in it for others.
            error = database.engine.dialect.loaded_dbapi.OperationalError
            raise error("adopt by a direct connection to PostgreSQL, not by a pooler")
        connection.execute(f"SET lock_timeout = '{LOCK_SECONDS:.0f}s'")
        # Times are cast to text, so that those which Python has none for can be read.
        connection.execute("SET datestyle = 'ISO'")
        connection.commit()

    listeners = {"sqlite": take_any_text, "mariadb": take_any_date, "postgresql": take_any_time}
    event.listen(database.engine, "connect", listeners[database.engine.dialect.name])
