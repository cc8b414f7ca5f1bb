"""What somebody has to fix in a tutorial's database before it is adopted. Nothing is guessed or dropped."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Inspector, column, inspect, select, table

from ..schema import VERSIONS, first_columns
from ..tables import VERSION_TABLE, metadata, users
from .columns import LAST
from .table import Shape, shape_of

_OURS = ("is_account", "canonical_phone", "state_until", "state_reason", "is_admin", LAST)
"""The columns that a tutorial's table does not have."""

_REQUIRED = ("id", "phone", "password")


def obstacles(connection: Connection) -> list[str]:
    """A line for each thing that somebody has to fix first."""
    there = inspect(connection)
    names = set(there.get_table_names())
    if "x_user" not in names:
        return ["the database holds no table x_user: there is nothing to adopt (`menshen migrate` makes our own)"]
    shape = shape_of(connection)
    found = [*_foreign_tables(connection, there, names), *_foreign_columns(shape, there)]
    further = shape.product.table_obstacles(connection, shape.columns, shape.indexes, is_sound=not found)
    return [*found, *further]


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
        yield from shape.product.column_obstacles(name, found)
        if name not in users.columns and not found["nullable"] and found["default"] is None:
            yield f"x_user.{name} is NOT NULL without a DEFAULT, and menshen knows nothing to write there: give it one"


def _id_obstacles(shape: Shape, there: Inspector) -> Iterator[str]:
    if there.get_pk_constraint("x_user")["constrained_columns"] != ["id"]:
        yield "x_user.id is not the primary key"
    else:
        yield from shape.product.id_obstacles(shape.columns["id"])


def has_unique_phones(connection: Connection) -> bool:
    """Whether the table has an index that makes phone numbers unique as they are spelled."""
    return {"phone"} in _unique(inspect(connection))


def _unique(there: Inspector) -> list[set[Any]]:
    """The sets of columns that the table's indexes make unique."""
    constraints: list[set[Any]] = [set(each["column_names"]) for each in there.get_unique_constraints("x_user")]
    return constraints + [set(each["column_names"]) for each in there.get_indexes("x_user") if each["unique"]]
