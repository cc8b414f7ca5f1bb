"""The database that the settings name: where it is, how it is opened, and how its tables are migrated."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from ..adapters.sql.changes import are_watched
from ..adapters.sql.database import Database, open_database, sqlite_file, sqlite_url
from ..adapters.sql.products.every import PRODUCTS
from ..adapters.sql.products.product import DriverMissing
from ..adapters.sql.schema import ForeignSchema, Schema
from ..domain.errors import StoreUnavailable
from .places import Place
from .settings import PREFIX, SettingInvalid, Settings

UNWATCHED = (
    "this user of the database may not create triggers, which tell what other programs change: so each request reads"
    " the database; docs/stores.md says what they need"
)

SERVING_THREADS = 64
"""How many requests a process handles at a time; most wait for the disk or for the hasher."""


def database_url(settings: Settings) -> str:
    """Where the accounts are kept: the setting, or a file in the data folder."""
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
    """The outstanding migrations of a database.

    The methods raise StoreUnavailable, and SettingInvalid if the tables are not ours or their place cannot be used.
    """

    settings: Settings
    database: Database
    say: Callable[[str], None] = lambda line: None

    @property
    def place(self) -> Place | None:
        """Where the tables are, if on this machine."""
        return place_of(self.settings)

    def are_due(self) -> bool:
        self._check_place()
        with _ours(self.settings):
            return Schema(self.database).is_behind()

    def statements(self) -> str:
        """The SQL, for review."""
        from ..adapters.sql.migrating import statements

        self._check_place()
        with _ours(self.settings):
            return statements(self.database)

    def carry_out(self) -> bool:
        """Migrate, once even if several do so at the same time; completely, or so that the next call completes it.

        Returns whether this call did it.
        """
        # Alembic is slow to load, and rarely needed.
        from ..adapters.sql.migrating import migrate

        place = self.place
        if place is None:
            with _ours(self.settings):
                has_migrated = migrate(self.database)
                if has_migrated and not self._are_watched():
                    self.say(UNWATCHED)
                return has_migrated
        if self.settings.database_url is None:
            place.make_folder(self.say)
        place.check()
        was_there = place.is_there
        with _ours(self.settings):
            has_migrated = migrate(self.database)
        if not was_there:
            self.say(f"made the database {place.file}")
        return has_migrated

    def watch_again(self) -> None:
        """Create the triggers of a database that is up to date, if somebody has dropped or not allowed them."""
        from ..adapters.sql.migrating import watch_alone

        with _ours(self.settings):
            if not self._are_watched() and watch_alone(self.database):
                self.say("made the triggers that tell what other programs change")

    def _are_watched(self) -> bool:
        with self.database.reading() as connection:
            return are_watched(connection)

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
    """Adds the file to the error if the store does not answer."""
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
    """Raises SettingInvalid if the store is not an SQL database."""
    if scheme_of(settings) not in PRODUCTS:
        raise SettingInvalid(f"{PREFIX}DATABASE_URL: this store has no tables to {to}")


def open_sql(settings: Settings, *, is_patient: bool = False) -> Database:
    """The database that the settings name, as it is. Raises SettingInvalid."""
    # For an embedded database, more than the serving threads, as the event loop, the last-seen times and the
    # housekeeper need one each.
    connections = SERVING_THREADS + 3 if scheme_of(settings) == "sqlite" else settings.database_connections
    try:
        database = open_database(database_url(settings), connections=connections, is_patient=is_patient)
    except (ValueError, DriverMissing) as error:
        raise database_invalid(error) from None
    # Before anything has connected, so that no password has been sent.
    check_is_private(settings, database.exposures)
    return database


def check_is_private(settings: Settings, exposures: Iterable[str]) -> None:
    """Raises SettingInvalid if others can read the traffic to a store and this is not allowed."""
    if settings.require_tls:
        for line in exposures:
            raise SettingInvalid(f"{PREFIX}REQUIRE_TLS: {line}")


def bring_up_to_date(migrations: Migrations, *, is_made: bool) -> None:
    """Raises SettingInvalid if migrating is left to the operator."""
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
