"""Waiting for others who use the table: for their locks, to try again what they were in the way of, and to be alone."""

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
"""How long a step is repeated, and another adoption waited for."""

LOCK_SECONDS = 10.0
"""How long one try waits for a lock that somebody has on the table, or on a row."""


def repeated(act: Callable[[], T]) -> T:
    """What *act* returns, once nobody is in its way. Raises StoreUnavailable where somebody is for a minute."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return act()
        except (Repeatable, NotTaken) as error:
            # Not taken: somebody may just have registered a number that was free when we looked.
            cause = error.__cause__
        if time.monotonic() > end:
            raise StoreUnavailable(
                "something else keeps x_user from being changed; stop it, and adopt again"
            ) from cause
        time.sleep(secrets.randbelow(1000) / 1000 * 0.2)


@contextmanager
def alone(database: Database) -> Iterator[Callable[[], None]]:
    """Nobody else adopts or migrates meanwhile; what comes is to be called now and then, and raises if that has ended.

    Raises StoreUnavailable where another does so for a minute. Where there is one writer at a time, each transaction is
    alone, and looks for itself what has been done.
    """
    if database.product.has_one_writer:
        yield lambda: None
        return
    end = time.monotonic() + PATIENCE_SECONDS
    with database.reading() as connection:
        # Nothing but the lock is held meanwhile: no transaction that has read or written anything.
        connection.execution_options(isolation_level="AUTOCOMMIT")
        while not database.product.lock_all(connection):
            connection.rollback()
            if time.monotonic() > end:
                raise StoreUnavailable("another process has been changing the tables of the database for a minute")
            time.sleep(0.1)
        try:
            yield lambda: _ask(connection)
        finally:
            # The lock goes with the connection.
            connection.invalidate()


def _ask(connection: Connection) -> None:
    # Also, a connection that is used is not closed for idleness.
    connection.exec_driver_sql("SELECT 1").scalar()
