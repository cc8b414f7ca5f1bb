"""What somebody has to mend in a tutorial's database before it is adopted: we guess nothing, and drop nothing."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Inspector, column, inspect, select, table, text
from sqlalchemy.types import INTEGER, DateTime, Enum, Integer, Numeric, String

from ..schema import VERSIONS, first_columns
from ..tables import VERSION_TABLE, metadata, users
from .table import LAST, TEXTS, WE_WRITE_NULL, Shape, shape_of

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

_WE_LACK = tuple(name for name in WE_WRITE_NULL if name != "registration_time")
"""Those that a user of ours may lack for good; a registration time only those lack who came without."""

_INDEXABLE = 757
"""Characters of a state, of 4 bytes each, that MariaDB takes into an index beside the 11 of a number."""

_INDEXABLE_OF_OLD = 191
"""The same in a table of one of the old row formats."""


def obstacles(connection: Connection) -> list[str]:
    """A line for each thing that somebody has to mend first."""
    there = inspect(connection)
    names = set(there.get_table_names())
    if "x_user" not in names:
        return ["the database holds no table x_user: there is nothing to adopt (`menshen migrate` makes our own)"]
    found = [*_foreign_tables(connection, there, names), *_foreign_columns(shape_of(connection), there)]
    if connection.dialect.name == "sqlite":
        found += _sqlite_obstacles(connection)
    if connection.dialect.name == "mariadb" and not found:
        found += _mariadb_obstacles(connection)
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
        if not {each["name"] for each in there.get_columns(name)}.issuperset(first_columns(name)):
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


def _sqlite_obstacles(connection: Connection) -> Iterator[str]:
    # What SQLAlchemy makes of a declared type is not what SQLite makes of it.
    declared = {row[1]: row[2].upper() for row in connection.exec_driver_sql("PRAGMA table_info(x_user)")}
    if declared.get("id", "INTEGER") != "INTEGER":
        # SQLite itself numbers only rows of an INTEGER PRIMARY KEY.
        yield f"x_user.id is {declared['id']}: it must be INTEGER"
    for name in TEXTS:
        kind = declared.get(name, "")
        # A phone may be a number. Of another text SQLite would make one, and 007 comes back as 7.
        if name != "phone" and kind and ("INT" in kind or not any(each in kind for each in ("CHAR", "CLOB", "TEXT"))):
            yield f"x_user.{name} is {kind}, in which SQLite keeps no text as it is: SQLite needs a new table for that"


def _mariadb_obstacles(connection: Connection) -> Iterator[str]:
    """What our index on the state has no place for; found out later, the table would have been changed already."""
    shape = shape_of(connection)
    if "state" not in shape.columns or "ix_x_user_state" in shape.indexes:
        return
    place = shape.columns["state"]["type"].length
    if place is None:
        # It will be a VARCHAR of our length.
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


def has_unique_phones(connection: Connection) -> bool:
    """Whether an index of the table's own keeps phone numbers apart, as they are spelled."""
    return {"phone"} in _unique(inspect(connection))


def _unique(there: Inspector) -> list[set[Any]]:
    """Which columns together have no value twice, by indexes of the table's own."""
    constraints: list[set[Any]] = [set(each["column_names"]) for each in there.get_unique_constraints("x_user")]
    return constraints + [set(each["column_names"]) for each in there.get_indexes("x_user") if each["unique"]]
