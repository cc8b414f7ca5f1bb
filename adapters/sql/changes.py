"""The changes of users and sessions that triggers tell, whichever program makes them."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.exc import DBAPIError

from .products.every import PRODUCTS
from .products.product import CHANGE_TRIGGERS, Product
from .tables import changes

KEPT = 10_000
"""How many changes are kept."""


def are_watched(connection: Connection) -> bool:
    """Whether all the triggers are there, so that no change remains untold. The tables must exist.

    MariaDB shows triggers only to those who have the privilege TRIGGER; to others it seems as if there were none.
    """
    return CHANGE_TRIGGERS.keys() <= PRODUCTS[connection.dialect.name].change_triggers_there(connection)


def watch(connection: Connection) -> bool:
    """Create the triggers that are missing. If that is not allowed there are none afterwards. Returns are_watched."""
    product = PRODUCTS[connection.dialect.name]
    there = product.change_triggers_there(connection)
    missing = [statement for name, statement in product.change_triggers().items() if name not in there]
    if not missing:
        return True
    try:
        _create(connection, product, [*product.change_function(), *missing])
    except DBAPIError as error:
        if not product.is_forbidden(error):
            raise
        # Half of them would look as if nothing had been changed.
        for name in sorted(product.change_triggers_there(connection) & CHANGE_TRIGGERS.keys()):
            connection.exec_driver_sql(product.drop_change_trigger(name))
        return False
    return True


def script(dialect_name: str) -> list[str]:
    """What ``watch`` would run on new tables, for the product's own client."""
    product = PRODUCTS[dialect_name]
    return [product.for_its_client(each) for each in (*product.change_function(), *product.change_triggers().values())]


def forget_old(connection: Connection) -> bool:
    """Delete some of the changes that are not among the newest. Returns whether there are more."""
    newest_old = connection.scalar(select(changes.c.id).order_by(changes.c.id.desc()).offset(KEPT).limit(1))
    oldest = connection.scalar(select(func.min(changes.c.id)))
    if newest_old is None or oldest is None:
        return False
    # As many at a time as one statement may delete within its time.
    end: int = min(newest_old, oldest + KEPT)
    connection.execute(delete(changes).where(changes.c.id <= end))
    return bool(end < newest_old)


def _create(connection: Connection, product: Product, statements: Sequence[str]) -> None:
    if not product.failure_ends_transaction:
        _run(connection, statements)
        return
    connection.exec_driver_sql("SAVEPOINT before_triggers")
    try:
        _run(connection, statements)
    except DBAPIError:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT before_triggers")
        raise
    connection.exec_driver_sql("RELEASE SAVEPOINT before_triggers")


def _run(connection: Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        # A percent sign is not a parameter.
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
