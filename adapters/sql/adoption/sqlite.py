"""Adopting a table in an SQLite file. SQLite stores anything in any column."""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnClause, ColumnElement, Connection, create_engine
from sqlalchemy.pool import NullPool

from ....domain.errors import StoreUnavailable
from ..database import Database
from . import waiting
from .columns import TEXTS, WE_WRITE_NULL, Column, Columns
from .rows import Taken

_WE_LACK = tuple(name for name in WE_WRITE_NULL if name != "registration_time")
"""The columns that may stay NULL in our users; the registration time only for those adopted without one."""

# Without AUTOINCREMENT, SQLite gives the id of a deleted last user to the next one, who must not get the sessions.
_FORGET_SESSIONS = (
    "CREATE TRIGGER IF NOT EXISTS tr_x_user_deleted AFTER DELETE ON x_user"
    " BEGIN DELETE FROM x_session WHERE user_id = OLD.id; END"
)

_TAKE = (
    "UPDATE x_user SET is_account = 1, canonical_phone = ?, phone = COALESCE(?, phone), registration_time = ?"
    " WHERE id = ? AND NOT is_account"
)


class AdoptionOnSqlite:
    """Its columns have room for anything; but they can only be added, not changed."""

    def read_only(self, database: Database) -> Database:
        path = Path(database.engine.url.database or "")
        # Opened in the usual way, a file with another journal mode would be switched to ours.
        address = f"file:{quote(str(path.absolute()))}?mode=ro"
        engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(address, uri=True, timeout=waiting.PATIENCE_SECONDS),
            poolclass=NullPool,
            hide_parameters=True,
        )
        return Database.of(lambda: engine, database.product)

    def set_up(self, connection: Any) -> None:
        # Text that is not UTF-8 is read all the same.
        connection.text_factory = lambda content: content.decode("utf-8", "surrogateescape")

    def begin(self, database: Database) -> None:
        # The file is not ours yet and still has its old journal mode, in which readers would wait. If somebody keeps it
        # locked, the first change reports it.
        with suppress(StoreUnavailable), database.reading() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")

    def id_obstacles(self, found: Column) -> Iterator[str]:
        # The declared type is judged together with those of the other columns.
        yield from ()

    def column_obstacles(self, name: str, found: Column) -> Iterator[str]:
        if name in _WE_LACK and not found["nullable"]:
            yield f"x_user.{name} is NOT NULL, and menshen has users without: SQLite needs a new table for that"

    def table_obstacles(
        self, connection: Connection, columns: Columns, indexes: Collection[str], *, is_sound: bool
    ) -> Iterator[str]:
        # SQLAlchemy and SQLite interpret a declared type differently.
        declared = {row[1]: row[2].upper() for row in connection.exec_driver_sql("PRAGMA table_info(x_user)")}
        if declared.get("id", "INTEGER") != "INTEGER":
            # SQLite itself assigns numbers only to an INTEGER PRIMARY KEY.
            yield f"x_user.id is {declared['id']}: it must be INTEGER"
        for name in TEXTS:
            kind = declared.get(name, "")
            # A phone may be numeric. Any other text would be converted by SQLite, and 007 come back as 7.
            if name != "phone" and kind and _is_of_numbers(kind):
                yield f"x_user.{name} is {kind}, in which SQLite keeps no text as it is: SQLite needs a new table for that"

    def has_moments(self, columns: Columns) -> bool:
        return False

    def changes(self, connection: Connection, columns: Columns, new: Sequence[str]) -> Sequence[str]:
        return new

    def closing_statements(self) -> Sequence[str]:
        return [_FORGET_SESSIONS]

    def read_as(self, column: ColumnClause[Any]) -> ColumnElement[Any]:
        return column

    def take(self, connection: Connection, taken: Sequence[Taken]) -> int:
        rows = [
            (
                each.digits,
                each.digits,
                None if each.registered_at is None else each.registered_at.isoformat(" ", "microseconds"),
                each.id,
            )
            for each in taken
        ]
        return connection.exec_driver_sql(_TAKE, rows).rowcount


def _is_of_numbers(declared: str) -> bool:
    return "INT" in declared or not any(each in declared for each in ("CHAR", "CLOB", "TEXT"))
