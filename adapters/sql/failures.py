"""Failures of a database: what may be retried, and what the adapter raises."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from ...domain.errors import StoreUnavailable
from .products.product import Product

_log = logging.getLogger("menshen.store")

DAMAGED = "the database is damaged, or none; was it copied while menshen ran? docs/stores.md says how to back it up"


class Repeatable(Exception):
    """The transaction was undone for a reason that may not occur at the next try. Never leaves this package."""


class Full(Exception):
    """The disk was full. Never leaves this package."""


class NotTaken(Exception):
    """A constraint was violated that is not ours; repositories translate ours. Never leaves this package."""


@contextmanager
def final() -> Iterator[None]:
    """Raises every failure as StoreUnavailable."""
    try:
        yield
    except Repeatable as error:
        _log_failure(error.__cause__)
        raise StoreUnavailable(str(error)) from error.__cause__
    except Full as error:
        raise StoreUnavailable(str(error)) from error.__cause__
    except NotTaken as error:
        _log_failure(error.__cause__)
        raise StoreUnavailable(str(error)) from error.__cause__


@contextmanager
def undone_by_a_lost_connection() -> Iterator[None]:
    """A connection lost before the commit has undone everything, and another connection may work."""
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Repeatable("the connection to the store was lost") from error.orig
        raise


@contextmanager
def translated(product: Product) -> Iterator[None]:
    """Translates the database's errors to one of these or StoreUnavailable; a column type's ValueError passes."""
    try:
        yield
    except SQLAlchemyError as error:
        if isinstance(error, StatementError) and isinstance(error.orig, ValueError):
            raise error.orig from None
        cause = product.cause(error) if isinstance(error, DBAPIError) else error
        if isinstance(error, DBAPIError) and product.is_damaged(error):
            _log_failure(cause)
            raise StoreUnavailable(DAMAGED) from cause
        if isinstance(error, IntegrityError):
            raise NotTaken("the store does not take it") from cause
        if isinstance(error, DBAPIError) and product.may_be_repeated(error):
            raise Repeatable("the store was busy") from cause
        _log_failure(cause)
        if isinstance(error, DBAPIError) and product.is_full(error):
            raise Full("the disk is full") from cause
        raise StoreUnavailable("the store did not answer") from cause


def _log_failure(cause: BaseException | None) -> None:
    _log.error("the store failed: %s: %s", type(cause).__name__, " ".join(str(cause).split()))
