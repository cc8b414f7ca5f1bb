"""Opening the store that the settings name."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any

from attrs import evolve

from ..adapters.argon2_hasher import Argon2PasswordHasher
from ..adapters.memory.store import MemoryStore, MemoryUnitOfWork
from ..adapters.sql.database import Database
from ..adapters.sql.products.every import PRODUCTS
from ..adapters.sql.unit_of_work import SqlUnitOfWork
from ..domain.ports.stores import Parts, Store
from .databases import (
    Migrations,
    bring_up_to_date,
    check_is_private,
    database_invalid,
    database_url,
    of_place,
    open_sql,
    place_of,
    scheme_of,
)
from .settings import MEMORY_URL, PREFIX, SettingInvalid, Settings
from .wiring import READERS, WRITERS

GROUP = "menshen.stores"
"""The entry-point group in which other packages offer stores: the name is the scheme of the URL, the object a
StoreOpener."""

NO_OTHERS: Mapping[type, Callable[[MemoryStore], Any]] = {}

StoreOpener = Callable[[str, int], Store]
"""Opens the store at a URL, with at most that many connections. Raises ValueError for an unusable URL, or
StoreUnavailable."""


def open_store(
    settings: Settings, *, is_checked: bool = True, is_made: bool = True, say: Callable[[str], None] = lambda line: None
) -> Store:
    """The store that the settings name, with the schema that this menshen needs.

    If *is_made*, an embedded database is made and migrated, and this is *said*. A database on a server, which others
    may use too, is refused if it is behind. Without *is_checked* nothing is checked, and a server may be down. Raises
    SettingInvalid, StoreUnavailable.
    """
    if settings.database_url == MEMORY_URL:
        return memory_store(MemoryStore())
    scheme = scheme_of(settings)
    if scheme not in PRODUCTS:
        store = _offered(scheme, settings)
        with closed_on_failure(store.close):
            check_is_private(settings, store.exposures)
        return store
    database, place = open_sql(settings), place_of(settings)
    if is_checked:
        with closed_on_failure(database.close):
            bring_up_to_date(Migrations(settings, database, say), is_made=is_made)
        # Workers may be forked after this: no connection stays open that they would share.
        database.close()
    store = sql_store(database)
    if place is None:
        return store

    def weaknesses() -> list[str]:
        with of_place(place):
            return [*database.weaknesses(), *place.weaknesses()]

    return evolve(store, weaknesses=weaknesses)


def memory_store(rows: MemoryStore, others: Mapping[type, Callable[[MemoryStore], Any]] = NO_OTHERS) -> Store:
    """A store that loses everything with the process. *others* replace the usual adapters of their ports."""
    readers = {each.port: others.get(each.port, each.memory) for each in READERS}
    # A further port is one of a writer.
    writers = {each.port: each.memory for each in WRITERS} | {
        port: make for port, make in others.items() if port not in readers
    }
    return Store(
        part=Parts(readers, rows),
        work=MemoryUnitOfWork(rows, writers),
        is_embedded=True,
        weaknesses=lambda: [f"{MEMORY_URL} forgets everything when the process ends"],
    )


def sql_store(database: Database) -> Store:
    """The store on *database*, whose schema exists."""
    return Store(
        part=Parts({each.port: each.sql for each in READERS}, database),
        work=SqlUnitOfWork(database, {each.port: each.sql for each in WRITERS}),
        ping=database.ping,
        give_back=database.give_back,
        close=database.close,
        weaknesses=database.weaknesses,
        exposures=database.exposures,
        is_embedded=database.product.is_embedded,
    )


def argon2_hasher(settings: Settings) -> Argon2PasswordHasher:
    """The hasher with the configured cost."""
    return Argon2PasswordHasher(
        memory_kib=settings.argon2_memory_kib,
        time_cost=settings.argon2_time_cost,
        parallelism=settings.argon2_parallelism,
    )


@contextmanager
def closed_on_failure(close: Callable[[], None]) -> Iterator[None]:
    """Close what has been opened if a later step fails."""
    try:
        yield
    except BaseException:
        close()
        raise


def _offered(scheme: str, settings: Settings) -> Store:
    """A store that another package offers. Raises SettingInvalid."""
    offers = entry_points(group=GROUP)
    if scheme not in offers.names:
        known = ", ".join(sorted({"memory", *PRODUCTS, *offers.names}))
        raise SettingInvalid(f"{PREFIX}DATABASE_URL: it must begin with one of {known}, and ://")
    try:
        opener: StoreOpener = offers[scheme].load()
        return opener(database_url(settings), settings.database_connections)
    except (ImportError, AttributeError, ValueError) as error:
        raise database_invalid(error) from None
