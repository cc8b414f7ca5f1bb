"""The database that the settings name: where it is, how it is opened, and what is to be done to its tables."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from ..adapters.sql.database import PRODUCTS, Database, open_database, sqlite_file, sqlite_url
from ..adapters.sql.products.product import DriverMissing
from ..adapters.sql.schema import ForeignSchema, Schema
from ..domain.errors import StoreUnavailable
from .places import Place
from .settings import PREFIX, SettingInvalid, Settings

SERVING_THREADS = 64
"""How many requests a process works on at a time; most of them wait, for the disk or for their turn to hash."""


def database_url(settings: Settings) -> str:
    """Where the accounts are kept: what is set, or a file in the data folder."""
    return settings.database_url or sqlite_url(settings.data_dir / "menshen.sqlite3")


def place_of(settings: Settings) -> Place | None:
    """Where the file of an embedded database is. Raises SettingInvalid."""
    if scheme_of(settings) != "sqlite":
        return None
    try:
        path = sqlite_file(database_url(settings))
    except ValueError as error:
        raise database_invalid(error) from None
    return Place(Path(path), f"{PREFIX}DATA_DIR" if settings.database_url is None else f"{PREFIX}DATABASE_URL")


@frozen
class Migrations:
    """What is to be done to the tables of a database.

    The methods raise StoreUnavailable, and SettingInvalid where the tables are not ours, or their place cannot be used.
    """

    settings: Settings
    database: Database
    say: Callable[[str], None] = lambda line: None

    @property
    def place(self) -> Place | None:
        """Where they are, if that is on this machine."""
        return place_of(self.settings)

    def are_due(self) -> bool:
        self._check_place()
        with _ours(self.settings):
            return Schema(self.database).is_behind()

    def statements(self) -> str:
        """The SQL, to look at."""
        from ..adapters.sql.migrating import statements

        self._check_place()
        with _ours(self.settings):
            return statements(self.database)

    def carry_out(self) -> bool:
        """Once, whoever does so at the same time; whole, or such that the next call completes it.

        Returns whether it was this call that did.
        """
        # Alembic takes its time to load, and is needed once in a database's life.
        from ..adapters.sql.migrating import migrate

        place = self.place
        if place is None:
            with _ours(self.settings):
                return migrate(self.database)
        if self.settings.database_url is None:
            place.make_folder(self.say)
        place.check()
        was_there = place.is_there
        with _ours(self.settings):
            has_migrated = migrate(self.database)
        if not was_there:
            self.say(f"made the database {place.file}")
        return has_migrated

    def _check_place(self) -> None:
        if self.place is not None and self.place.is_there:
            self.place.check()


@contextmanager
def open_migrations(settings: Settings, say: Callable[[str], None] = lambda line: None) -> Iterator[Migrations]:
    """The migrations of the database that the settings name. Raises SettingInvalid."""
    check_has_tables(settings, "migrate")
    database = open_sql(settings, is_patient=True)
    try:
        yield Migrations(settings, database, say)
    finally:
        database.close()


@contextmanager
def of_place(place: Place | None) -> Iterator[None]:
    """Say of which file it is that the store does not answer."""
    try:
        yield
    except StoreUnavailable as error:
        if place is None:
            raise
        raise StoreUnavailable(f"{place.file}: {error}") from error.__cause__


@contextmanager
def _ours(settings: Settings) -> Iterator[None]:
    place = place_of(settings)
    try:
        with of_place(place):
            yield
    except ForeignSchema as error:
        raise database_invalid(error) if place is None else place.invalid(f"{place.file}: {error}") from None


def check_has_tables(settings: Settings, to: str) -> None:
    """Raises SettingInvalid where the store is no database that we reach by SQL."""
    if scheme_of(settings) not in PRODUCTS:
        raise SettingInvalid(f"{PREFIX}DATABASE_URL: this store has no tables to {to}")


def open_sql(settings: Settings, *, is_patient: bool = False) -> Database:
    """The database that the settings name, as it is. Raises SettingInvalid."""
    # An embedded database: more than there are threads that serve, as the event loop, the last-seen times and the
    # housekeeper need one each.
    connections = SERVING_THREADS + 3 if scheme_of(settings) == "sqlite" else settings.database_connections
    try:
        database = open_database(database_url(settings), connections=connections, is_patient=is_patient)
    except (ValueError, DriverMissing) as error:
        raise database_invalid(error) from None
    # Nobody has connected yet, so that no password has been told.
    check_is_private(settings, database.exposures)
    return database


def check_is_private(settings: Settings, exposures: Iterable[str]) -> None:
    """Raises SettingInvalid where others can read what goes to a store and may not."""
    if settings.require_tls:
        for line in exposures:
            raise SettingInvalid(f"{PREFIX}REQUIRE_TLS: {line}")


def bring_up_to_date(migrations: Migrations, *, is_made: bool) -> None:
    """Raises SettingInvalid where that is not ours to do."""
    place = migrations.place
    if not (is_made or place is None or place.is_there):
        raise place.invalid(f"there are no accounts in {place.file}: `menshen serve` makes them where it is run")
    if not migrations.are_due():
        return
    if place is None or not is_made:
        line = "the tables are not there or behind: run `menshen migrate`"
        raise database_invalid(ValueError(line)) if place is None else place.invalid(f"{place.file}: {line}")
    migrations.carry_out()


def scheme_of(settings: Settings) -> str:
    return database_url(settings).partition(":")[0].partition("+")[0]


def database_invalid(error: Exception) -> SettingInvalid:
    return SettingInvalid(f"{PREFIX}DATABASE_URL: {error}")
