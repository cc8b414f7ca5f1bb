"""Adopting a table in PostgreSQL."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, Connection, Text, cast, text

from . import waiting
from .columns import SECOND_DIGITS, WE_WRITE_NULL, Column, Columns, is_too_small, wider
from .rows import Taken
from .server import AdoptionOnServer

# In a table that was imported, the sequence may be behind the rows.
_ADVANCE_SEQUENCE = (
    "SELECT setval(pg_get_serial_sequence('x_user', 'id'), max(id)) FROM x_user"
    " HAVING max(id) > COALESCE(pg_sequence_last_value(pg_get_serial_sequence('x_user', 'id')::regclass), 0)"
)

_TAKE = (
    "UPDATE x_user SET is_account = true, canonical_phone = new.digits,"
    " phone = COALESCE(new.digits, x_user.phone), registration_time = new.at"
    " FROM unnest(%s::int[], %s::text[], %s::timestamp[]) AS new (id, digits, at)"
    " WHERE x_user.id = new.id AND NOT x_user.is_account"
)


class AdoptionOnPostgreSql(AdoptionOnServer):
    """It changes a column in place, and takes ids from a sequence."""

    def set_up(self, connection: Any) -> None:
        if connection.is_pooled:
            # The following settings belong to the session, and would stay in it for others.
            raise connection.OperationalError("adopt by a direct connection to PostgreSQL, not by a pooler")
        connection.execute(f"SET lock_timeout = '{waiting.LOCK_SECONDS:.0f}s'")
        # Times are cast to text, so that those that Python cannot represent can be read.
        connection.execute("SET datestyle = 'ISO'")
        connection.commit()

    def table_obstacles(
        self, connection: Connection, columns: Columns, indexes: Collection[str], *, is_sound: bool
    ) -> Iterator[str]:
        if is_sound and not connection.scalar(text("SELECT pg_get_serial_sequence('x_user', 'id')")):
            # A sequence that the column does not own cannot be advanced to its greatest id.
            yield "x_user.id does not own its sequence: ALTER SEQUENCE ... OWNED BY x_user.id"

    def has_moments(self, columns: Columns) -> bool:
        return False

    def changes(self, connection: Connection, columns: Columns, new: Sequence[str]) -> Sequence[str]:
        changed = (each for name, found in columns.items() for each in _changes_of(connection, name, found))
        return [*new, *changed]

    def closing_statements(self) -> Sequence[str]:
        return [_ADVANCE_SEQUENCE]

    def read_as(self, column: ColumnClause[Any]) -> ColumnElement[Any]:
        # It has times that Python cannot represent, such as infinity.
        return cast(column, Text).label(column.name) if column.name == "registration_time" else column

    def take(self, connection: Connection, taken: Sequence[Taken]) -> int:
        columns = ([each.id for each in taken], [each.digits for each in taken], [each.registered_at for each in taken])
        return connection.exec_driver_sql(_TAKE, columns).rowcount


def _changes_of(connection: Connection, name: str, found: Column) -> Iterator[str]:
    kind = found["type"]
    if is_too_small(name, kind):
        new = wider(name, kind, connection.dialect)
        yield f"ALTER COLUMN {name} TYPE {new} USING {name}::{new}"
    if name == "registration_time" and kind.precision is not None and kind.precision < SECOND_DIGITS:
        # PostgreSQL would round what we write.
        yield f"ALTER COLUMN {name} TYPE TIMESTAMP {'WITH' if kind.timezone else 'WITHOUT'} TIME ZONE"
    if name in WE_WRITE_NULL and not found["nullable"]:
        yield f"ALTER COLUMN {name} DROP NOT NULL"
