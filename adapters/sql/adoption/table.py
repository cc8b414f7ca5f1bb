"""What turns a tutorial's ``x_user`` into ours: nothing is dropped, and no text is lost."""

from collections.abc import Iterator, Sequence

from attrs import frozen
from sqlalchemy import Connection, Dialect, inspect
from sqlalchemy.schema import CreateColumn, CreateIndex

from ..tables import users
from .columns import LAST, Columns
from .product import AdoptionProduct, product_of


@frozen
class Shape:
    """The table as it is now."""

    product: AdoptionProduct
    columns: Columns
    indexes: frozenset[str]

    @property
    def has_accounts(self) -> bool:
        """Whether it has the column that says which rows are accounts."""
        return "is_account" in self.columns

    @property
    def has_moments(self) -> bool:
        """Whether registration times are moments, which are read in UTC, and not wall-clock times."""
        return self.product.has_moments(self.columns)


def shape_of(connection: Connection) -> Shape:
    """The shape of ``x_user``, which must exist."""
    there = inspect(connection)
    columns = {each["name"]: each for each in there.get_columns("x_user")}
    indexes = {str(each["name"]) for each in there.get_indexes("x_user")}
    return Shape(product_of(connection.dialect), columns, frozenset(indexes))


def first_statements(connection: Connection, shape: Shape) -> list[str]:
    """The statements that bring the table into our form, except for the last column; none if this has been done."""
    dialect = connection.dialect
    new = [f"ADD COLUMN {ddl}" for ddl in _new_columns(shape, dialect)]
    changes = shape.product.changes(connection, shape.columns, new)
    indexes = sorted(users.indexes, key=lambda index: str(index.name))
    return [
        *(f"ALTER TABLE x_user {change}" for change in changes),
        *(_compiled(CreateIndex(index), dialect) for index in indexes if index.name not in shape.indexes),
    ]


def last_statements(connection: Connection, shape: Shape) -> list[str]:
    """The statements that make the table usable for menshen, once all its rows have been looked at."""
    if LAST in shape.columns:
        return []
    return [f"ALTER TABLE x_user ADD COLUMN {_compiled(CreateColumn(users.c[LAST]), connection.dialect)}"]


def closing_statements(shape: Shape) -> Sequence[str]:
    """The statements to run once all our tables exist; each can be repeated."""
    return shape.product.closing_statements()


def _new_columns(shape: Shape, dialect: Dialect) -> Iterator[str]:
    for each in users.columns:
        if each.name == LAST or each.name in shape.columns:
            continue
        ddl = _compiled(CreateColumn(each), dialect)
        # Without a column of states, everybody is active.
        yield f"{ddl} DEFAULT '正常'" if each.name == "state" else ddl


def _compiled(element: CreateColumn | CreateIndex, dialect: Dialect) -> str:
    return str(element.compile(dialect=dialect)).strip()
