"""What differs between the database products when a table is taken over."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import ColumnClause, ColumnElement, Connection, Dialect

from ..database import Database
from .columns import Column, Columns
from .mariadb import AdoptionOnMariaDb
from .postgresql import AdoptionOnPostgreSql
from .rows import Taken
from .sqlite import AdoptionOnSqlite


class AdoptionProduct(Protocol):
    """One database product: what its tables may be like, and how they and their rows are changed."""

    def read_only(self, database: Database) -> Database:
        """*database*, opened in a way that leaves it as it is."""
        ...

    def set_up(self, connection: Any) -> None:
        """Set up a new *connection* of the driver's.

        Neither may what an old table holds stop the work, nor what somebody else does to it make us wait without an end.
        """
        ...

    def begin(self, database: Database) -> None:
        """What is done before the first change, so that the adoption and who reads meanwhile do not wait for each other."""
        ...

    def id_obstacles(self, found: Column) -> Iterator[str]:
        """A line for each thing about the primary key that somebody has to mend first."""
        ...

    def column_obstacles(self, name: str, found: Column) -> Iterator[str]:
        """A line for each such thing about one of the columns."""
        ...

    def table_obstacles(
        self, connection: Connection, columns: Columns, indexes: Collection[str], *, is_sound: bool
    ) -> Iterator[str]:
        """A line for each such thing about the table as a whole. *is_sound*: nothing else has been found yet."""
        ...

    def has_moments(self, columns: Columns) -> bool:
        """Whether registration times are moments, which are shown to us in UTC, and no wall-clock times."""
        ...

    def changes(self, connection: Connection, columns: Columns, new: Sequence[str]) -> Sequence[str]:
        """What ``ALTER TABLE x_user`` is told, one statement each, so that the columns become ours; *new* is among it."""
        ...

    def closing_statements(self) -> Sequence[str]:
        """What is done when all our tables are there; each can be done again."""
        ...

    def read_as(self, column: ColumnClause[Any]) -> ColumnElement[Any]:
        """How *column* is read, so that nothing that it holds makes reading fail."""
        ...

    def take(self, connection: Connection, taken: Sequence[Taken]) -> int:
        """Make accounts of these rows; returns of how many."""
        ...


_PRODUCTS: Mapping[str, AdoptionProduct] = {
    "sqlite": AdoptionOnSqlite(),
    "postgresql": AdoptionOnPostgreSql(),
    "mariadb": AdoptionOnMariaDb(),
}


def product_of(dialect: Dialect) -> AdoptionProduct:
    """The product that SQLAlchemy speaks this dialect with."""
    return _PRODUCTS[dialect.name]
