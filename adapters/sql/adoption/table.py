"""What has to be done to a tutorial's ``x_user`` so that it becomes ours: nothing is dropped, and no text is lost."""

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen
from sqlalchemy import Connection, Dialect, inspect
from sqlalchemy.schema import CreateColumn, CreateIndex
from sqlalchemy.types import CHAR, TIMESTAMP, SmallInteger, String

from ..tables import users

LAST = "device_policy"
"""The column that is added when all rows have been taken: a table without it is refused by every other command."""

TEXTS = ("phone", "user_name", "openid", "password", "state")
WE_WRITE_NULL = ("phone", "user_name", "openid", "mid", "registration_time")

_DIGITS = 6
"""Of a second; a time that we write comes back exactly."""

_COLLATION = "utf8mb4_nopad_bin"


# Without AUTOINCREMENT, SQLite gives the id of a deleted last user to the next one; the sessions must not go along.
_FORGET_SESSIONS = (
    "CREATE TRIGGER IF NOT EXISTS tr_x_user_deleted AFTER DELETE ON x_user"
    " BEGIN DELETE FROM x_session WHERE user_id = OLD.id; END"
)

# In a table that was imported, the sequence may be behind the rows.
_ADVANCE_SEQUENCE = (
    "SELECT setval(pg_get_serial_sequence('x_user', 'id'), max(id)) FROM x_user"
    " HAVING max(id) > COALESCE(pg_sequence_last_value(pg_get_serial_sequence('x_user', 'id')::regclass), 0)"
)


@frozen
class Shape:
    """The table as it is."""

    dialect: Dialect
    columns: Mapping[str, Mapping[str, Any]]
    """By name, as SQLAlchemy describes them."""
    indexes: frozenset[str]
    is_converted: bool
    """On MariaDB: whether engine, character set and collation are ours."""

    @property
    def has_accounts(self) -> bool:
        """Whether there is a column that says which rows are accounts."""
        return "is_account" in self.columns

    @property
    def has_moments(self) -> bool:
        """Whether registration times are moments, which MariaDB shows us in UTC, and no wall-clock times."""
        found = self.columns.get("registration_time")
        return self.dialect.name == "mariadb" and found is not None and isinstance(found["type"], TIMESTAMP)


def shape_of(connection: Connection) -> Shape:
    """The shape of ``x_user``, which is there."""
    there = inspect(connection)
    columns = {each["name"]: each for each in there.get_columns("x_user")}
    indexes = {str(each["name"]) for each in there.get_indexes("x_user")}
    is_converted = connection.dialect.name != "mariadb" or _is_converted(connection, columns)
    return Shape(connection.dialect, columns, frozenset(indexes), is_converted)


def _is_converted(connection: Connection, columns: Mapping[str, Any]) -> bool:
    engine, collation = connection.exec_driver_sql(
        "SELECT engine, table_collation FROM information_schema.tables"
        " WHERE table_schema = DATABASE() AND table_name = 'x_user'"
    ).one()
    collations = {getattr(columns[name]["type"], "collation", None) for name in TEXTS if name in columns}
    return engine == "InnoDB" and collation == _COLLATION and collations <= {None, _COLLATION}


def first_statements(shape: Shape) -> list[str]:
    """What brings the table into our form, but for the last column; nothing where that has been done."""
    name = shape.dialect.name
    changes = [f"ADD COLUMN {ddl}" for ddl in _new_columns(shape)]
    if name == "mariadb":
        if not shape.is_converted:
            changes = ["ENGINE = InnoDB", f"CONVERT TO CHARACTER SET utf8mb4 COLLATE {_COLLATION}", *changes]
        # One statement: the table is copied once, and either all is done or nothing.
        changes += _mariadb_changes(shape)
        changes = [", ".join(changes)] if changes else []
    elif name == "postgresql":
        changes += _postgresql_changes(shape)
    indexes = sorted(users.indexes, key=lambda index: str(index.name))
    return [
        *(f"ALTER TABLE x_user {change}" for change in changes),
        *(_compiled(CreateIndex(index), shape.dialect) for index in indexes if index.name not in shape.indexes),
    ]


def last_statements(shape: Shape) -> list[str]:
    """What makes the table one that menshen works with, once all its rows have been looked at."""
    if LAST in shape.columns:
        return []
    return [f"ALTER TABLE x_user ADD COLUMN {_compiled(CreateColumn(users.c[LAST]), shape.dialect)}"]


def closing_statements(shape: Shape) -> list[str]:
    """What is done when all our tables are there; each can be done again."""
    return {"sqlite": [_FORGET_SESSIONS], "postgresql": [_ADVANCE_SEQUENCE]}.get(shape.dialect.name, [])


def _new_columns(shape: Shape) -> Iterator[str]:
    for each in users.columns:
        if each.name == LAST or each.name in shape.columns:
            continue
        ddl = _compiled(CreateColumn(each), shape.dialect)
        # A table that says nothing of states says nothing against anybody.
        yield f"{ddl} DEFAULT '正常'" if each.name == "state" else ddl


def _mariadb_changes(shape: Shape) -> Iterator[str]:
    for name, found in shape.columns.items():
        kind = found["type"]
        if _is_too_small(name, kind):
            new = _wider(name, kind, shape.dialect)
        elif name == "registration_time" and (kind.fsp or 0) < _DIGITS:
            # MariaDB keeps no microseconds unless it is told to. A TIMESTAMP stays one: what is left is a moment.
            new = f"{'TIMESTAMP' if shape.has_moments else 'DATETIME'}({_DIGITS})"
        elif name in WE_WRITE_NULL and not found["nullable"]:
            new = kind.compile(shape.dialect)
        else:
            continue
        default = "" if found["default"] is None else f" DEFAULT {found['default']}"
        comment = f" COMMENT {_quoted(found['comment'])}" if found.get("comment") else ""
        yield f"MODIFY COLUMN {name} {new} NULL{default}{comment}"


def _postgresql_changes(shape: Shape) -> Iterator[str]:
    for name, found in shape.columns.items():
        kind = found["type"]
        if _is_too_small(name, kind):
            new = _wider(name, kind, shape.dialect)
            yield f"ALTER COLUMN {name} TYPE {new} USING {name}::{new}"
        if name == "registration_time" and kind.precision is not None and kind.precision < _DIGITS:
            # PostgreSQL would round what we write.
            yield f"ALTER COLUMN {name} TYPE TIMESTAMP {'WITH' if kind.timezone else 'WITHOUT'} TIME ZONE"
        if name in WE_WRITE_NULL and not found["nullable"]:
            yield f"ALTER COLUMN {name} DROP NOT NULL"


def _is_too_small(name: str, kind: Any) -> bool:
    """Whether a column has no place for all that we write, or pads it."""
    if name == "mid":
        return isinstance(kind, SmallInteger) or type(kind).__name__ in {"TINYINT", "MEDIUMINT"}
    if name not in TEXTS:
        return False
    if not isinstance(kind, String) or isinstance(kind, CHAR):
        return True
    if kind.length is None:
        # MariaDB makes no index on a TEXT.
        return name == "state" and type(kind).__module__.startswith("sqlalchemy.dialects.mysql")
    return bool(kind.length < (getattr(users.c[name].type, "length", None) or 0))


def _wider(name: str, kind: Any, dialect: Dialect) -> str:
    """The type for a column that is too small: ours, or a longer one where there was more place."""
    ours: Any = users.c[name].type
    if isinstance(kind, String) and (kind.length or 0) > ours.length:
        ours = String(kind.length)
    return str(ours.compile(dialect))


def _compiled(element: CreateColumn | CreateIndex, dialect: Dialect) -> str:
    return str(element.compile(dialect=dialect)).strip()


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
