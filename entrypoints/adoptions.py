"""What is done once to a table that another program has filled: adopting it, joining rows, and wrapping hashes."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import tzinfo

from ..adapters.sql.adoption import adopting, findings, left, rows
from ..adapters.sql.adoption.states import decided
from ..adapters.sql.products.product import DriverMissing
from ..adapters.system_clock import SystemClock
from ..domain.ports.reading import UserSearch
from ..domain.use_cases.wrapping import WrapHashes
from ..domain.users import Standing
from .databases import (
    Migrations,
    bring_up_to_date,
    check_has_tables,
    check_is_private,
    database_invalid,
    database_url,
    open_sql,
    place_of,
)
from .settings import Settings
from .stores import argon2_hasher, open_store

AdoptionFindings = findings.AdoptionFindings
AdoptionReport = adopting.AdoptionReport
FoundState = findings.FoundState
Left = rows.Left
Joining = left.Joining
CannotJoin = left.CannotJoin


@contextmanager
def open_adoption(
    settings: Settings, zone: tzinfo | None, states: Mapping[str | None, Standing]
) -> Iterator[adopting.Adoption]:
    """The adoption of the table that the settings name, whose times are in *zone*, or in the machine's.

    *states* says what texts mean that are not our states. Raises SettingInvalid, OSError.
    """
    check_has_tables(settings, "adopt")
    place = place_of(settings)
    if place is not None:
        if not place.is_there:
            raise place.invalid(f"there is no database at {place.file}")
        # A dry run writes nothing: it may look at a read-only copy.
        place.check_file_readable()
    try:
        opened = adopting.Adoption.open(database_url(settings), zone, argon2_hasher(settings), decided(states))
    except (ValueError, DriverMissing) as error:
        raise database_invalid(error) from None
    try:
        check_is_private(settings, opened.exposures)
        yield opened
    except sqlite3.Error as error:
        raise OSError(f"the temporary file of the report: {error}") from None
    finally:
        opened.close()


@contextmanager
def open_joining(settings: Settings) -> Iterator[Joining]:
    """Opens the joining of accounts and rows left out, in the database that the settings name.

    Raises SettingInvalid, StoreUnavailable, OSError.
    """
    check_has_tables(settings, "adopt")
    database = open_sql(settings)
    try:
        bring_up_to_date(Migrations(settings, database), is_made=False)
        yield Joining(database, SystemClock())
    finally:
        database.close()


@contextmanager
def open_wrapping(settings: Settings) -> Iterator[WrapHashes]:
    """Opens the wrapping of weak hashes in the store that the settings name. Raises SettingInvalid, StoreUnavailable,
    OSError."""
    store = open_store(settings, is_made=False)
    try:
        yield WrapHashes(store[UserSearch], store.work, argon2_hasher(settings), SystemClock())
    finally:
        store.close()
