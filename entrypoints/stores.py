"""Which store the settings name, and how it is opened; with ``wiring.py``, what knows the adapters."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import tzinfo
from importlib.metadata import entry_points
from pathlib import Path

from attrs import frozen

from ..adapters.argon2_hasher import Argon2PasswordHasher
from ..adapters.memory.audit import MemoryAuditLog
from ..adapters.memory.sessions import MemorySessionRepository
from ..adapters.memory.store import MemoryStore, MemoryUnitOfWork
from ..adapters.memory.users import MemoryUserRepository
from ..adapters.sql import adoption, adoption_findings, adoption_left, adoption_rows, adoption_states
from ..adapters.sql.database import PRODUCTS, Database, open_database, sqlite_url
from ..adapters.sql.product import DriverMissing
from ..adapters.sql.schema import ForeignSchema, Schema
from ..adapters.sql.store import sql_store
from ..adapters.system_clock import SystemClock
from ..domain.ports import Store
from ..domain.use_cases.wrapping import WrapHashes
from ..domain.users import Standing
from .settings import MEMORY_URL, PREFIX, SettingInvalid, Settings

GROUP = "menshen.stores"
"""The entry-point group in which other packages offer stores: the name is the scheme of the URL, the object a StoreOpener."""

StoreOpener = Callable[[str, int], Store]
"""Opens the store at a URL, with at most so many connections. Raises ValueError for a URL that cannot be meant,
StoreUnavailable."""

SERVING_THREADS = 64
"""How many requests a process works on at a time; most of them wait, for the disk or for their turn to hash."""

AdoptionFindings = adoption_findings.AdoptionFindings
AdoptionReport = adoption.AdoptionReport
FoundState = adoption_findings.FoundState
Left = adoption_rows.Left
Joining = adoption_left.Joining
CannotJoin = adoption_left.CannotJoin


def make_data_dir(settings: Settings) -> Path:
    """The data folder, open to its owner alone if it had to be made."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return settings.data_dir


def database_url(settings: Settings) -> str:
    """Where the accounts are kept: what is set, or a file in the data folder."""
    return settings.database_url or sqlite_url(settings.data_dir / "menshen.sqlite3")


def open_store(settings: Settings, *, is_checked: bool = True) -> Store:
    """The store that the settings name, with the schema that this menshen needs.

    An embedded database is migrated; one on a server, which others may use too, is refused where it is behind. Without
    *is_checked* nothing is looked at, and a server may be down. Raises SettingInvalid, StoreUnavailable, OSError.
    """
    if settings.database_url == MEMORY_URL:
        return memory_store(MemoryStore())
    scheme = _scheme(settings)
    if scheme not in PRODUCTS:
        store = _offered(scheme, settings)
        with closed_on_failure(store.close):
            _check_is_private(settings, store.exposures)
        return store
    database = _open_sql(settings)
    if is_checked:
        with closed_on_failure(database.close):
            _bring_up_to_date(Migrations(settings, database))
        # Workers may be forked from here: nothing stays connected that they would share.
        database.close()
    return sql_store(database)


def memory_store(rows: MemoryStore) -> Store:
    """A store that forgets everything with the process."""
    users, sessions, audit = MemoryUserRepository(rows), MemorySessionRepository(rows), MemoryAuditLog(rows)
    return Store(
        users=users,
        sessions=sessions,
        audit=audit,
        work=MemoryUnitOfWork(rows, users, sessions, audit),
        is_embedded=True,
        weaknesses=lambda: [f"{MEMORY_URL} forgets everything when the process ends"],
    )


@frozen
class Migrations:
    """What is to be done to the tables of a database.

    The methods raise StoreUnavailable, OSError, and SettingInvalid where the tables are not ours.
    """

    settings: Settings
    database: Database

    def are_due(self) -> bool:
        with _ours():
            return Schema(self.database).is_behind()

    def statements(self) -> str:
        """The SQL, to look at."""
        from ..adapters.sql.migrating import statements

        with _ours():
            return statements(self.database)

    def carry_out(self) -> bool:
        """Once, whoever does so at the same time; whole, or such that the next call completes it.

        Returns whether it was this call that did.
        """
        # Alembic takes its time to load, and is needed once in a database's life.
        from ..adapters.sql.migrating import migrate

        if self.settings.database_url is None:
            make_data_dir(self.settings)
        with _ours():
            return migrate(self.database)


@contextmanager
def open_migrations(settings: Settings) -> Iterator[Migrations]:
    """The migrations of the database that the settings name. Raises SettingInvalid."""
    _check_has_tables(settings, "migrate")
    database = _open_sql(settings, is_patient=True)
    try:
        yield Migrations(settings, database)
    finally:
        database.close()


@contextmanager
def open_adoption(
    settings: Settings, zone: tzinfo | None, states: Mapping[str | None, Standing]
) -> Iterator[adoption.Adoption]:
    """The adoption of the table that the settings name, whose times are those of *zone*, or of the machine's.

    *states* says what texts mean that are no states of ours. Raises SettingInvalid, OSError.
    """
    _check_has_tables(settings, "adopt")
    try:
        opened = adoption.Adoption.open(
            database_url(settings), zone, argon2_hasher(settings), adoption_states.decided(states)
        )
    except (ValueError, DriverMissing) as error:
        raise _invalid(error) from None
    try:
        _check_is_private(settings, opened.exposures)
        yield opened
    except sqlite3.Error as error:
        raise OSError(f"the temporary file of the report: {error}") from None
    finally:
        opened.close()


@contextmanager
def open_joining(settings: Settings) -> Iterator[Joining]:
    """What joins an account of the database that the settings name with a row that its adoption has left.

    Raises SettingInvalid, StoreUnavailable, OSError.
    """
    _check_has_tables(settings, "adopt")
    database = _open_sql(settings)
    try:
        _bring_up_to_date(Migrations(settings, database))
        yield Joining(database, SystemClock())
    finally:
        database.close()


@contextmanager
def open_wrapping(settings: Settings) -> Iterator[WrapHashes]:
    """What wraps the weak hashes of the store that the settings name. Raises SettingInvalid, StoreUnavailable, OSError."""
    store = open_store(settings)
    try:
        yield WrapHashes(store.users, store.work, argon2_hasher(settings), SystemClock())
    finally:
        store.close()


def argon2_hasher(settings: Settings) -> Argon2PasswordHasher:
    """What makes hashes at the cost that is set."""
    return Argon2PasswordHasher(
        memory_kib=settings.argon2_memory_kib,
        time_cost=settings.argon2_time_cost,
        parallelism=settings.argon2_parallelism,
    )


@contextmanager
def closed_on_failure(close: Callable[[], None]) -> Iterator[None]:
    """Let go of what has been opened where it will not be used."""
    try:
        yield
    except BaseException:
        close()
        raise


@contextmanager
def _ours() -> Iterator[None]:
    try:
        yield
    except ForeignSchema as error:
        raise _invalid(error) from None


def _check_has_tables(settings: Settings, to: str) -> None:
    """Raises SettingInvalid where the store is no database that we reach by SQL."""
    if _scheme(settings) not in PRODUCTS:
        raise SettingInvalid(f"{PREFIX}DATABASE_URL: this store has no tables to {to}")


def _open_sql(settings: Settings, *, is_patient: bool = False) -> Database:
    """The database that the settings name, as it is. Raises SettingInvalid."""
    # An embedded database: more than there are threads that serve, as the event loop, the last-seen times and the
    # housekeeper need one each.
    connections = SERVING_THREADS + 3 if _scheme(settings) == "sqlite" else settings.database_connections
    try:
        database = open_database(database_url(settings), connections=connections, is_patient=is_patient)
    except (ValueError, DriverMissing) as error:
        raise _invalid(error) from None
    # Nobody has connected yet, so that no password has been told.
    _check_is_private(settings, database.exposures)
    return database


def _check_is_private(settings: Settings, exposures: Iterable[str]) -> None:
    """Raises SettingInvalid where others can read what goes to a store and may not."""
    if settings.require_tls:
        for line in exposures:
            raise SettingInvalid(f"{PREFIX}REQUIRE_TLS: {line}")


def _bring_up_to_date(migrations: Migrations) -> None:
    if not migrations.are_due():
        return
    if not migrations.database.product.is_embedded:
        raise SettingInvalid(f"{PREFIX}DATABASE_URL: the tables are not there or behind: run `menshen migrate`")
    migrations.carry_out()


def _scheme(settings: Settings) -> str:
    return database_url(settings).partition(":")[0].partition("+")[0]


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
        raise _invalid(error) from None


def _invalid(error: Exception) -> SettingInvalid:
    return SettingInvalid(f"{PREFIX}DATABASE_URL: {error}")
