"""Stores for tests: a database with its tables, at any URL."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, delete

from menshen.adapters.sql.database import Database, open_database
from menshen.adapters.sql.migrating import migrate
from menshen.adapters.sql.tables import metadata
from menshen.domain.ports.stores import Store
from menshen.domain.ports.writing import Transaction
from menshen.entrypoints.stores import sql_store


def migrated(url: str) -> None:
    """Make the tables at *url*."""
    patient = open_database(url, connections=1, is_patient=True)
    migrate(patient)
    patient.close()


@contextmanager
def opened(url: str, connections: int = 10) -> Iterator[Database]:
    """The database at *url*, with its tables."""
    migrated(url)
    database = open_database(url, connections=connections)
    try:
        yield database
    finally:
        database.close()


def emptied(database: Database) -> Store:
    """The store on *database*, without a row; ids go on where they were."""
    with database.writing() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(delete(table))
    return sql_store(database)


def connection_of(tx: Transaction) -> Connection:
    """The connection that a transaction on a database runs on."""
    found = tx.users.step.connection  # type: ignore[attr-defined] # the adapter's own; the port has none
    assert isinstance(found, Connection)
    return found
