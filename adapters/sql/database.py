"""Opening a database, and the two ways to use it: reading, and writing in one transaction."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from attrs import evolve, frozen
from sqlalchemy import URL, Connection, Engine, ExceptionContext, PoolProxiedConnection, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from ...domain.errors import StoreUnavailable
from ..own_process import PerProcess
from .changes import forget_old
from .failures import DAMAGED, Repeatable, final, translated, undone_by_a_lost_connection
from .own_engine import OwnEngine, own_engine
from .products.every import PRODUCTS
from .products.product import WAIT_SECONDS, WRITES, Product
from .products.reserve import NoReserve, Reserve
from .products.sqlite import file_of

T = TypeVar("T")

_log = logging.getLogger("menshen.store")

_MIGRATION_SECONDS = 60.0
"""How long to wait for another process that migrates the same database."""


_NONE = NoReserve()

REPEAT_SECONDS = 2.0
"""No further try begins after this, so that every call ends within 5 seconds."""

_TOUCH = text("UPDATE menshen_version SET version_num = version_num")
"""A write that changes nothing, to a row that always exists."""


def check_answers(connection: Connection | PoolProxiedConnection, *, is_asked_for: bool) -> None:
    """Raises StoreUnavailable if a row is not the one that was asked for, and closes the connection.

    This happens on a connection that somebody else uses as well: no answer from it can be trusted.
    """
    if not is_asked_for:
        connection.invalidate()
        _log.error("the store answered what was not asked: two processes may be using one connection")
        raise StoreUnavailable("the store answered what was not asked")


@frozen
class Database:
    """Connections to a relational database. Foreign errors are raised as StoreUnavailable, with their cause."""

    _own: PerProcess[OwnEngine]
    product: Product
    reserve: Reserve = _NONE
    exposures: Sequence[str] = ()
    """A line for each way in which others can read or change the network traffic."""

    @classmethod
    def of(cls, make: Callable[[], Engine], product: Product, reserve: Reserve = _NONE) -> "Database":
        """The database of *product* that the engines from *make* connect to."""

        def lose_if_read_only(context: ExceptionContext) -> None:
            error = context.sqlalchemy_exception
            if isinstance(error, DBAPIError) and product.is_read_only(error):
                # And the rest of the pool: as long as it has such connections, nothing can be written, even if the
                # server accepts writes again or another one does.
                context.is_disconnect = True

        def watched() -> Engine:
            engine = make()
            event.listen(engine, "handle_error", lose_if_read_only)
            return engine

        return cls(own_engine(watched, closes_at_fork=product.is_embedded), product, reserve)

    @property
    def engine(self) -> Engine:
        """The engine of this process. Raises StoreUnavailable if a fork has left none that can be used."""
        return self._own().engine

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for statements that only read."""
        with final(), self._reading() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        own = self._own()
        with translated(self.product), own.connect(own.engine) as connection, undone_by_a_lost_connection():
            yield connection

    def read(self, work: Callable[[Connection], T]) -> T:
        def step() -> T:
            with self._reading() as connection:
                return work(connection)

        return _again(step)

    def own(self) -> OwnEngine:
        """That of this process, and who uses it just now. Raises StoreUnavailable as ``engine`` does."""
        return self._own()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with final(), self.attempt() as connection:
            yield connection

    @contextmanager
    def attempt(self, *, is_vital: bool = False) -> Iterator[Connection]:
        """One transaction, as ``writing``, but raises Repeatable if it was undone and may be tried again.

        *is_vital*: it may use up the reserve. Raises Full.
        """
        own = self._own()
        if not is_vital:
            self.reserve.check()
        engine = own.engine.execution_options(**{WRITES: True})
        with self._turn(own), translated(self.product), own.connect(engine) as connection:
            with undone_by_a_lost_connection():
                transaction = connection.begin()
            with transaction:
                with undone_by_a_lost_connection():
                    yield connection
                transaction.commit()

    @contextmanager
    def _turn(self, own: OwnEngine) -> Iterator[None]:
        # A product with one writer at a time polls while it waits, which is not fair. So the threads of this process
        # queue here, and only different processes compete in the database.
        if not self.product.has_one_writer:
            yield
            return
        if not own.queue.acquire(timeout=WAIT_SECONDS):
            raise StoreUnavailable("too many writes are waiting")
        try:
            yield
        finally:
            own.queue.release()

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """A transaction in which nobody else migrates. Raises StoreUnavailable if another does so for a minute."""
        end = time.monotonic() + _MIGRATION_SECONDS
        own = self._own()
        with final(), translated(self.product), own.connect(own.engine) as connection:
            try:
                while not self.product.lock_all(connection):
                    connection.rollback()
                    if time.monotonic() > end:
                        raise StoreUnavailable("another process has been migrating the database for a minute")
                    time.sleep(0.1)
                yield connection
                connection.commit()
            finally:
                # The lock ends with the connection.
                connection.invalidate()

    def give_back(self) -> None:
        """Delete old changes, and return the space of deleted rows to the disk, as far as the product can."""
        own = self._own()
        is_more = True
        while is_more:
            with final(), self.attempt(is_vital=True) as connection:
                is_more = forget_old(connection)
        is_more = True
        while is_more:
            with self._turn(own), final(), translated(self.product), own.connect(own.engine) as connection:
                is_more = self.product.give_back(connection)

    def weaknesses(self) -> list[str]:
        """A line for each setting of the database that allows acknowledged data to be lost.

        Raises StoreUnavailable if the data is damaged already.

        Called before there is work. It leaves no connection open, which a process forked afterwards would share.
        """
        with self.reading() as connection:
            connection.detach()
            damage = self.product.damage(connection)
            if damage is not None:
                raise StoreUnavailable(f"{DAMAGED}: {damage}")
            return self.product.weaknesses(connection)

    def ping(self) -> None:
        """Raises StoreUnavailable if nothing can be written: the disk is full, the server is gone or now a replica."""

        def touch() -> None:
            with self.attempt() as connection:
                connection.execute(_TOUCH)

        _again(touch)

    def close(self) -> None:
        self.engine.dispose()


def sqlite_url(path: Path) -> str:
    """The URL of the SQLite file at *path*, with any characters in the path."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def sqlite_file(url: str) -> str:
    """The path of the SQLite file at *url*. Raises ValueError for an unusable URL."""
    try:
        return file_of(make_url(url))
    except ArgumentError:
        raise ValueError("it must be sqlite:///PATH") from None


def open_database(url: str, *, connections: int, is_patient: bool = False) -> Database:
    """Open the database at *url*, with at most *connections* at a time.

    An SQLite file that does not exist is made at the first use, with access for its owner only. *is_patient*:
    statements have no time limit, as in a migration. Raises ValueError for a URL of an unknown product, or
    DriverMissing.
    """
    try:
        parsed = make_url(url)
        product = PRODUCTS[parsed.get_backend_name()]
    except (ArgumentError, KeyError, NoSuchModuleError):
        raise ValueError("it must begin with sqlite:///, postgresql+psycopg:// or mysql+pymysql://") from None
    except ValueError:
        raise ValueError(_UNREADABLE) from None
    # A password with an @ may be parsed as part of the host, which errors name, up to a path or a query with another @.
    if not product.is_embedded and url.count("@") > 1:
        raise ValueError(_UNREADABLE)
    database = Database.of(
        lambda: product.engine(parsed, connections, is_patient=is_patient), product, product.reserve(parsed)
    )
    # Report errors in the URL now, and not at the first use.
    _ = database.engine
    return evolve(database, exposures=product.exposures(parsed))


# Nothing of such a URL is quoted: it may be part of the password.
_UNREADABLE = "it cannot be read: in a name or a password, signs such as @ and : must be written as %40 and %3A"


def _again(step: Callable[[], T]) -> T:
    """Do *step*, and once more if it was undone at once because the server was restarted since the last use."""
    begin = time.monotonic()
    with final():
        try:
            return step()
        except Repeatable:
            if time.monotonic() - begin > REPEAT_SECONDS:
                raise
        return step()
