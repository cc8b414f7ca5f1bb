"""What has to be done to a tutorial's ``x_user`` so that it becomes ours: nothing is dropped, and no text is lost."""

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen
from sqlalchemy import Connection, Dialect, Inspector, column, inspect, select, table, text
from sqlalchemy.schema import CreateColumn, CreateIndex
from sqlalchemy.types import CHAR, INTEGER, TIMESTAMP, DateTime, Enum, Integer, Numeric, SmallInteger, String

from .schema import VERSION_TABLE, VERSIONS
from .tables import metadata, users

LAST = "device_policy"
"""The column that is added when all rows have been taken: a table without it is refused by every other command."""

_OURS = ("is_account", "canonical_phone", "state_until", "state_reason", "is_admin", LAST)
"""The columns that a tutorial's table does not have."""

_REQUIRED = ("id", "phone", "password")
_TYPES: dict[str, tuple[type[Any], ...]] = {
    "phone": (String, Integer),
    **dict.fromkeys(("user_name", "openid", "password", "state"), (String,)),
    **dict.fromkeys(("mid", "fee_percentage"), (Integer,)),
    "account_balance": (Numeric,),
    "registration_time": (DateTime,),
}
_TEXTS = ("phone", "user_name", "openid", "password", "state")
_WE_WRITE_NULL = ("phone", "user_name", "openid", "mid", "registration_time")

_WE_LACK = tuple(name for name in _WE_WRITE_NULL if name != "registration_time")
"""Those that a user of ours may lack for good; a registration time only those lack who came without."""

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
    collations = {getattr(columns[name]["type"], "collation", None) for name in _TEXTS if name in columns}
    return engine == "InnoDB" and collation == _COLLATION and collations <= {None, _COLLATION}


def obstacles(connection: Connection) -> list[str]:
    """A line for each thing that somebody has to mend first: we guess nothing, and drop nothing."""
    there = inspect(connection)
    names = set(there.get_table_names())
    if "x_user" not in names:
        return ["the database holds no table x_user: there is nothing to adopt (`menshen migrate` makes our own)"]
    found = [*_foreign_tables(connection, there, names), *_foreign_columns(shape_of(connection), there)]
    if connection.dialect.name == "sqlite":
        declared = {row[1]: row[2].upper() for row in connection.exec_driver_sql("PRAGMA table_info(x_user)")}
        if declared.get("id", "INTEGER") != "INTEGER":
            # To SQLAlchemy an INT is one, too; SQLite itself numbers only rows of an INTEGER PRIMARY KEY.
            found.append(f"x_user.id is {declared['id']}: it must be INTEGER")
    if connection.dialect.name == "postgresql" and not found:
        owned = connection.scalar(text("SELECT pg_get_serial_sequence('x_user', 'id')"))
        # What the column does not own cannot be brought forward to its greatest id.
        found += [] if owned else ["x_user.id does not own its sequence: ALTER SEQUENCE ... OWNED BY x_user.id"]
    return found


def _foreign_tables(connection: Connection, there: Inspector, names: set[str]) -> Iterator[str]:
    if VERSION_TABLE in names:
        version = connection.scalar(select(table(VERSION_TABLE, column("version_num"))))
        if version is not None and version not in VERSIONS:
            yield f"the database has version {version}, which this menshen does not know: it is an older one"
    for name in sorted(names & set(metadata.tables) - {"x_user"}):
        if not {each["name"] for each in there.get_columns(name)}.issuperset(metadata.tables[name].columns.keys()):
            yield f"the database holds a table {name} that menshen did not make: rename it"


def _foreign_columns(shape: Shape, there: Inspector) -> Iterator[str]:
    columns = shape.columns
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        yield f"x_user has no column {' and no column '.join(missing)}: it is no table of users that can log in"
        return
    if not shape.has_accounts:
        for name in _OURS:
            if name in columns:
                yield f"x_user has a column {name} of its own, which menshen needs for itself: rename it"
    yield from _id_obstacles(shape, there)
    for unique in _unique(there):
        if unique.intersection(users.columns.keys()) and unique not in ({"id"}, {"phone"}, {"canonical_phone"}):
            yield f"x_user has a unique index on {', '.join(sorted(map(str, unique)))}, where menshen allows equal values: drop it"
    for name, found in columns.items():
        if shape.dialect.name != "sqlite" and name in _TYPES:
            kind = found["type"]
            # MariaDB's SET is a String to SQLAlchemy.
            if not isinstance(kind, _TYPES[name]) or isinstance(kind, Enum) or type(kind).__name__ == "SET":
                yield f"x_user.{name} is {kind!r}, which menshen cannot use: change its type"
        if shape.dialect.name == "sqlite" and name in _WE_LACK and not found["nullable"]:
            yield f"x_user.{name} is NOT NULL, and menshen has users without: SQLite needs a new table for that"
        if name in users.columns and "on update" in str(found["default"]).lower():
            yield f"x_user.{name} changes by itself with each UPDATE (ON UPDATE): take that from it"
        if name not in users.columns and not found["nullable"] and found["default"] is None:
            yield f"x_user.{name} is NOT NULL without a DEFAULT, and menshen knows nothing to write there: give it one"


def _id_obstacles(shape: Shape, there: Inspector) -> Iterator[str]:
    found = shape.columns["id"]
    kind = found["type"]
    if there.get_pk_constraint("x_user")["constrained_columns"] != ["id"]:
        yield "x_user.id is not the primary key"
    elif shape.dialect.name == "sqlite":
        return
    elif not isinstance(kind, INTEGER) or getattr(kind, "unsigned", False):
        yield f"x_user.id is {kind!r}: it must be INTEGER"
    elif not (found.get("autoincrement") or found.get("identity")):
        yield "x_user.id does not count by itself: it must be AUTO_INCREMENT, or have a sequence"


def has_unique_phones(connection: Connection) -> bool:
    """Whether an index of the table's own keeps phone numbers apart, as they are spelled."""
    return {"phone"} in _unique(inspect(connection))


def _unique(there: Inspector) -> list[set[Any]]:
    """Which columns together have no value twice, by indexes of the table's own."""
    constraints: list[set[Any]] = [set(each["column_names"]) for each in there.get_unique_constraints("x_user")]
    return constraints + [set(each["column_names"]) for each in there.get_indexes("x_user") if each["unique"]]


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
        if name not in _TYPES:
            continue
        kind = found["type"]
        if _is_too_small(name, kind):
            new = _compiled_type(name, shape.dialect)
        elif name == "registration_time" and not isinstance(kind, TIMESTAMP) and not getattr(kind, "fsp", None):
            # MariaDB keeps no microseconds unless it is told to.
            new = "DATETIME(6)"
        elif name in _WE_WRITE_NULL and not found["nullable"]:
            new = kind.compile(shape.dialect)
        else:
            continue
        default = "" if found["default"] is None else f" DEFAULT {found['default']}"
        comment = f" COMMENT {_quoted(found['comment'])}" if found.get("comment") else ""
        yield f"MODIFY COLUMN {name} {new} NULL{default}{comment}"


def _postgresql_changes(shape: Shape) -> Iterator[str]:
    for name, found in shape.columns.items():
        if name not in _TYPES:
            continue
        if _is_too_small(name, found["type"]):
            new = _compiled_type(name, shape.dialect)
            yield f"ALTER COLUMN {name} TYPE {new} USING {name}::{new}"
        if name in _WE_WRITE_NULL and not found["nullable"]:
            yield f"ALTER COLUMN {name} DROP NOT NULL"


def _is_too_small(name: str, kind: Any) -> bool:
    """Whether a column has no place for all that we write, or pads it."""
    if name == "mid":
        return isinstance(kind, SmallInteger) or type(kind).__name__ in {"TINYINT", "MEDIUMINT"}
    if name not in _TEXTS:
        return False
    if not isinstance(kind, String) or isinstance(kind, CHAR):
        return True
    if kind.length is None:
        # MariaDB makes no index on a TEXT.
        return name == "state" and type(kind).__module__.startswith("sqlalchemy.dialects.mysql")
    return bool(kind.length < (getattr(users.c[name].type, "length", None) or 0))


def _compiled_type(name: str, dialect: Dialect) -> str:
    return str(users.c[name].type.compile(dialect))


def _compiled(element: CreateColumn | CreateIndex, dialect: Dialect) -> str:
    return str(element.compile(dialect=dialect)).strip()


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
