"""Adopting a table in MariaDB, or one that was in MySQL before."""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, Connection
from sqlalchemy.dialects.mysql import MEDIUMINT, SET, TINYINT
from sqlalchemy.types import TIMESTAMP

from ..tables import users
from . import waiting
from .columns import SECOND_DIGITS, TEXTS, WE_WRITE_NULL, Column, Columns, is_too_small, wider
from .rows import Taken
from .server import AdoptionOnServer

_COLLATION = "utf8mb4_nopad_bin"

_INDEXABLE = 757
"""Characters of a state, of 4 bytes each, that fit into a MariaDB index beside the 11 of a number."""

_INDEXABLE_OF_OLD = 191
"""The same in a table with one of the old row formats."""

_TAKE = (
    "UPDATE JSON_TABLE(%s, '$[*]' COLUMNS (id INT PATH '$[0]' ERROR ON ERROR,"
    " digits VARCHAR(11) PATH '$[1]' ERROR ON ERROR, at DATETIME(6) PATH '$[2]' ERROR ON ERROR)) AS new"
    " STRAIGHT_JOIN x_user ON x_user.id = new.id"
    " SET x_user.is_account = true, x_user.canonical_phone = new.digits,"
    " x_user.phone = COALESCE(new.digits, x_user.phone), x_user.registration_time = new.at"
    " WHERE NOT x_user.is_account"
)


class AdoptionOnMariaDb(AdoptionOnServer):
    """A change copies the whole table; its engine, character set and collation may be unsuitable for menshen."""

    def set_up(self, connection: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                # A table to be copied may contain dates such as 0000-00-00, which our other sessions refuse.
                "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ONLY_FULL_GROUP_BY,NO_ENGINE_SUBSTITUTION',"
                # One is for locks on the table, the other for locks on rows.
                f" lock_wait_timeout = {waiting.LOCK_SECONDS:.0f},"
                f" innodb_lock_wait_timeout = {waiting.LOCK_SECONDS:.0f}"
            )

    def column_obstacles(self, name: str, found: Column) -> Iterator[str]:
        yield from super().column_obstacles(name, found)
        if name in users.columns and "on update" in str(found["default"]).lower():
            yield f"x_user.{name} changes by itself with each UPDATE (ON UPDATE): take that from it"

    def _can_use(self, name: str, kind: Any) -> bool:
        # A SET is a String to SQLAlchemy.
        return super()._can_use(name, kind) and not isinstance(kind, SET)

    def table_obstacles(
        self, connection: Connection, columns: Columns, indexes: Collection[str], *, is_sound: bool
    ) -> Iterator[str]:
        """States too long for our index, found now because later the table would have been changed already."""
        if not is_sound or "state" not in columns or "ix_x_user_state" in indexes:
            return
        place = columns["state"]["type"].length
        if place is None:
            # It will become a VARCHAR of our length.
            ours: Any = users.c.state.type
            longest = connection.exec_driver_sql("SELECT MAX(CHAR_LENGTH(state)) FROM x_user").scalar()
            if (longest or 0) > ours.length:
                yield f"x_user.state holds a text of {longest} characters, and menshen has place for {ours.length}: shorten it"
            return
        row_format = connection.exec_driver_sql(
            "SELECT row_format FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'x_user'"
        ).scalar_one()
        most = _INDEXABLE_OF_OLD if row_format in {"Compact", "Redundant"} else _INDEXABLE
        if place > most:
            yield f"x_user.state has place for {place} characters, and an index for {most}: make it VARCHAR({most}) or less"

    def has_moments(self, columns: Columns) -> bool:
        found = columns.get("registration_time")
        return found is not None and isinstance(found["type"], TIMESTAMP)

    def changes(self, connection: Connection, columns: Columns, new: Sequence[str]) -> Sequence[str]:
        changes = [*new, *self._modified(connection, columns)]
        if not _is_converted(connection, columns):
            changes = ["ENGINE = InnoDB", f"CONVERT TO CHARACTER SET utf8mb4 COLLATE {_COLLATION}", *changes]
        # One statement: the table is copied once, and either all is done or nothing.
        return [", ".join(changes)] if changes else []

    def closing_statements(self) -> Sequence[str]:
        return []

    def read_as(self, column: ColumnClause[Any]) -> ColumnElement[Any]:
        return column

    def take(self, connection: Connection, taken: Sequence[Taken]) -> int:
        rows = [
            (each.id, each.digits, None if each.registered_at is None else each.registered_at.isoformat(" "))
            for each in taken
        ]
        return connection.exec_driver_sql(_TAKE, (json.dumps(rows),)).rowcount

    def _modified(self, connection: Connection, columns: Columns) -> Iterator[str]:
        for name, found in columns.items():
            kind = found["type"]
            if _is_too_small(name, kind):
                new = wider(name, kind, connection.dialect)
            elif name == "registration_time" and (kind.fsp or 0) < SECOND_DIGITS:
                # MariaDB stores no microseconds unless told to. A TIMESTAMP stays one: the rows left out have moments
                # in it.
                new = f"{'TIMESTAMP' if self.has_moments(columns) else 'DATETIME'}({SECOND_DIGITS})"
            elif name in WE_WRITE_NULL and not found["nullable"]:
                new = kind.compile(connection.dialect)
            else:
                continue
            default = "" if found["default"] is None else f" DEFAULT {found['default']}"
            comment = f" COMMENT {_quoted(found['comment'])}" if found.get("comment") else ""
            yield f"MODIFY COLUMN {name} {new} NULL{default}{comment}"


def _is_converted(connection: Connection, columns: Columns) -> bool:
    engine, collation = connection.exec_driver_sql(
        "SELECT engine, table_collation FROM information_schema.tables"
        " WHERE table_schema = DATABASE() AND table_name = 'x_user'"
    ).one()
    collations = {getattr(columns[name]["type"], "collation", None) for name in TEXTS if name in columns}
    return engine == "InnoDB" and collation == _COLLATION and collations <= {None, _COLLATION}


def _is_too_small(name: str, kind: Any) -> bool:
    if name == "mid" and isinstance(kind, TINYINT | MEDIUMINT):
        return True
    # MariaDB makes no index on a TEXT.
    return is_too_small(name, kind) or (name == "state" and kind.length is None)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
