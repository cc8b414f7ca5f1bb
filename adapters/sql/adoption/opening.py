"""Opening a tutorial's database, whatever it contains and whoever else uses it."""

from sqlalchemy import event

from ..database import Database, open_database
from .product import product_of


def open_for_reading(url: str) -> Database:
    """The database at *url*, to be read only. Raises ValueError, DriverMissing."""
    database = open_database(url, connections=1, is_patient=True)
    return _prepared(product_of(database.engine.dialect).read_only(database))


def open_for_adoption(url: str) -> Database:
    """The database at *url*, to be adopted. Raises ValueError, DriverMissing."""
    # One for the lock, one for the work.
    database = _prepared(open_database(url, connections=2, is_patient=True))
    product_of(database.engine.dialect).begin(database)
    return database


def _prepared(database: Database) -> Database:
    product = product_of(database.engine.dialect)
    event.listen(database.engine, "connect", lambda connection, _record: product.set_up(connection))
    return database
