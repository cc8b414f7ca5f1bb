"""Opening a database, and the two ways to work with it: read, and write in one transaction."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from attrs import evolve, frozen
from sqlalchemy import URL, Connection, Engine, ExceptionContext, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from ...domain.errors import StoreUnavailable
from ..own_process import PerProcess
from .failures import DAMAGED, Repeatable, final, translated, undone_by_a_lost_connection
from .own_engine import OwnEngine, own_engine
from .products.mariadb import MariaDb
from .products.postgresql import PostgreSql
from .products.product import WAIT_SECONDS, WRITES, Product
from .products.reserve import NoReserve, Reserve
from .products.sqlite import Sqlite, file_of

T = TypeVar("T")

_log = logging.getLogger("menshen.store")

_MIGRATION_SECONDS = 60.0
"""How long to wait for another who migrates the same database."""


_NONE = NoReserve()

REPEAT_SECONDS = 2.0
"""No further try begins after this, so that every answer comes within 5 seconds."""

_TOUCH = text("UPDATE menshen_version SET version_num = version_num")
"""A write that changes nothing, of a row that is always there."""


def check_answers(connection: Connection, *, is_asked_for: bool) -> None:
    """Raises StoreUnavailable where a row is not the one that was asked for, and lets go of the connection.

    That is what a connection gives which somebody else uses as well: nothing that it says may be believed.
    """
    if not is_asked_for:
        connection.invalidate()
        _log.error("the store answered what was not asked: two processes may be using one connection")
        raise StoreUnavailable("the store answered what was not asked")


@frozen
class Database:
    """Connections to a relational database. Foreign errors leave it as StoreUnavailable, with their cause."""

    _own: PerProcess[OwnEngine]
    product: Product
    reserve: Reserve = _NONE
    exposures: Sequence[str] = ()
    """A line for each way in which others can read or change what goes over the network."""

    @classmethod
    def of(cls, make: Callable[[], Engine], product: Product, reserve: Reserve = _NONE) -> "Database":
        """The database of *product* to which what *make* makes leads."""

        def lose_if_read_only(context: ExceptionContext) -> None:
            error = context.sqlalchemy_exception
            if isinstance(error, DBAPIError) and product.is_read_only(error):
                # The pool with it: as long as it has such connections, nothing can be written, though the server may
                # take it again, or another one does.
                context.is_disconnect = True

        def watched() -> Engine:
            engine = make()
            event.listen(engine, "handle_error", lose_if_read_only)
            return engine

        return cls(own_engine(watched, closes_at_fork=product.is_embedded), product, reserve)

    @property
    def engine(self) -> Engine:
        """That of this process. Raises StoreUnavailable where a fork has left none that could be used."""
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

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with final(), self.attempt() as connection:
            yield connection

    @contextmanager
    def attempt(self, *, is_vital: bool = False) -> Iterator[Connection]:
        """One transaction, as ``writing``, but raises Repeatable where it was undone and may be tried again.

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
        # Where there is one writer at a time, its own waiting polls and is not fair: so the threads of this process
        # queue here, and only different processes meet in the database.
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
        """A transaction in which nobody else migrates. Raises StoreUnavailable where another does for a minute."""
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
                # The lock goes with the connection.
                connection.invalidate()

    def give_back(self) -> None:
        """Give the disk the room that removed rows have left, as far as the product can."""
        own = self._own()
        is_more = True
        while is_more:
            with self._turn(own), final(), translated(self.product), own.connect(own.engine) as connection:
                is_more = self.product.give_back(connection)

    def weaknesses(self) -> list[str]:
        """A line for each setting of the database under which something acknowledged can be lost.

        Raises StoreUnavailable where what it keeps is damaged already.

        It is asked before there is work, and leaves no connection behind, which a process that is forked then would share.
        """
        with self.reading() as connection:
            connection.detach()
            damage = self.product.damage(connection)
            if damage is not None:
                raise StoreUnavailable(f"{DAMAGED}: {damage}")
            return self.product.weaknesses(connection)

    def ping(self) -> None:
        """Raises StoreUnavailable when nothing can be written: the disk full, the server a replica by now, or gone."""

        def touch() -> None:
            with self.attempt() as connection:
                connection.execute(_TOUCH)

        _again(touch)

    def close(self) -> None:
        self.engine.dispose()


def sqlite_url(path: Path) -> str:
    """The URL of the SQLite file at *path*, whatever characters the path has."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def sqlite_file(url: str) -> str:
    """The path of the SQLite file at *url*. Raises ValueError for one that cannot be meant."""
    try:
        return file_of(make_url(url))
    except ArgumentError:
        raise ValueError("it must be sqlite:///PATH") from None


def open_database(url: str, *, connections: int, is_patient: bool = False) -> Database:
    """Open the database at *url*, with at most *connections* at a time.

    An SQLite file that is not there is made at the first use, for its owner alone. *is_patient*: a statement may take as
    long as it takes, as those of a migration do. Raises ValueError for a URL of no product that we know, DriverMissing.
    """
    try:
        parsed = make_url(url)
        product = PRODUCTS[parsed.get_backend_name()]
    except (ArgumentError, KeyError, NoSuchModuleError):
        raise ValueError("it must begin with sqlite:///, postgresql+psycopg:// or mysql+pymysql://") from None
    except ValueError:
        raise ValueError(_UNREADABLE) from None
    # What begins as a password may be read as a host, which errors name, up to a path or a query that has another @.
    if not product.is_embedded and url.count("@") > 1:
        raise ValueError(_UNREADABLE)
    database = Database.of(
        lambda: product.engine(parsed, connections, is_patient=is_patient), product, product.reserve(parsed)
    )
    # What is wrong with the URL is said now, and not at the first use.
    _ = database.engine
    return evolve(database, exposures=product.exposures(parsed))


# Nothing of such a URL is quoted: it may be a part of the password.
_UNREADABLE = "it cannot be read: in a name or a password, signs such as @ and : must be written as %40 and %3A"

PRODUCTS: Mapping[str, Product] = {
    "sqlite": Sqlite(),
    "postgresql": PostgreSql(),
    "mysql": MariaDb(),
    "mariadb": MariaDb(),
}
"""By the scheme of the URL."""


def _again(step: Callable[[], T]) -> T:
    """Do *step*, and once more where it was undone at once: by a server that was restarted since it was asked last."""
    begin = time.monotonic()
    with final():
        try:
            return step()
        except Repeatable:
            if time.monotonic() - begin > REPEAT_SECONDS:
                raise
        return step()
