"""Waiting for others who use the table: for their locks, retrying what they blocked, and excluding other adoptions."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection

from ....domain.errors import StoreUnavailable
from ..database import Database
from ..failures import NotTaken, Repeatable

T = TypeVar("T")

PATIENCE_SECONDS = 60.0
"""How long a step is retried, and how long another adoption is waited for."""

LOCK_SECONDS = 10.0
"""How long one try waits for somebody's lock on the table or on a row."""


def repeated(act: Callable[[], T]) -> T:
    """What *act* returns, once nobody blocks it. Raises StoreUnavailable if it is blocked for a minute."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return act()
        except (Repeatable, NotTaken) as error:
            # Not taken: somebody may just have registered a number that was free when we checked.
            cause = error.__cause__
        if time.monotonic() > end:
            raise StoreUnavailable(
                "something else keeps x_user from being changed; stop it, and adopt again"
            ) from cause
        time.sleep(secrets.randbelow(1000) / 1000 * 0.2)


@contextmanager
def alone(database: Database) -> Iterator[Callable[[], None]]:
    """Keeps others from adopting or migrating meanwhile. The yielded callable must be called now and then, and raises
    if this protection has ended.

    Raises StoreUnavailable if another does so for a minute. On products with one writer at a time, each transaction is
    alone anyway, and checks what has been done.
    """
    if database.product.has_one_writer:
        yield lambda: None
        return
    end = time.monotonic() + PATIENCE_SECONDS
    with database.reading() as connection:
        # Only the lock is held meanwhile: no transaction that has read or written anything.
        connection.execution_options(isolation_level="AUTOCOMMIT")
        while not database.product.lock_all(connection):
            connection.rollback()
            if time.monotonic() > end:
                raise StoreUnavailable("another process has been changing the tables of the database for a minute")
            time.sleep(0.1)
        try:
            yield lambda: _ask(connection)
        finally:
            # The lock ends with the connection.
            connection.invalidate()


def _ask(connection: Connection) -> None:
    # This also keeps the connection from being closed for idleness.
    connection.exec_driver_sql("SELECT 1").scalar()
