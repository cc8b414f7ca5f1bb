"""What differs between the database products when a table is adopted."""

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
    """One database product: what its tables may look like, and how they and their rows are changed."""

    def read_only(self, database: Database) -> Database:
        """*database*, opened in a way that does not change it."""
        ...

    def set_up(self, connection: Any) -> None:
        """Set up a new *connection* of the driver.

        The contents of an old table must not stop the work, and other users of it must not make us wait endlessly.
        """
        ...

    def begin(self, database: Database) -> None:
        """Called before the first change, so that the adoption and concurrent readers do not wait for each other."""
        ...

    def id_obstacles(self, found: Column) -> Iterator[str]:
        """A line for each thing about the primary key that somebody has to fix first."""
        ...

    def column_obstacles(self, name: str, found: Column) -> Iterator[str]:
        """A line for each such thing about one of the columns."""
        ...

    def table_obstacles(
        self, connection: Connection, columns: Columns, indexes: Collection[str], *, is_sound: bool
    ) -> Iterator[str]:
        """A line for each such thing about the table as a whole. *is_sound*: nothing else has been found so far."""
        ...

    def has_moments(self, columns: Columns) -> bool:
        """Whether registration times are moments, which are read in UTC, and not wall-clock times."""
        ...

    def changes(self, connection: Connection, columns: Columns, new: Sequence[str]) -> Sequence[str]:
        """The clauses of ``ALTER TABLE x_user``, one for each statement, that make the columns ours; they add *new*."""
        ...

    def closing_statements(self) -> Sequence[str]:
        """The statements to run once all our tables exist; each can be repeated."""
        ...

    def read_as(self, column: ColumnClause[Any]) -> ColumnElement[Any]:
        """An expression that reads *column* without failing, whatever it contains."""
        ...

    def take(self, connection: Connection, taken: Sequence[Taken]) -> int:
        """Make these rows accounts; returns how many."""
        ...


_PRODUCTS: Mapping[str, AdoptionProduct] = {
    "sqlite": AdoptionOnSqlite(),
    "postgresql": AdoptionOnPostgreSql(),
    "mariadb": AdoptionOnMariaDb(),
}


def product_of(dialect: Dialect) -> AdoptionProduct:
    """The product for a dialect of SQLAlchemy."""
    return _PRODUCTS[dialect.name]
