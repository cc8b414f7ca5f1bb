"""Adopting a tutorial's database in place: first a report, then the columns, the rows, and the other tables."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import tzinfo
from functools import partial
from itertools import islice

from attrs import frozen
from sqlalchemy import Connection

from ....domain.ports.outside import StoredHashes
from ..changes import watch
from ..database import Database
from ..schema import VERSIONS, version_on
from .findings import AdoptionFindings
from .left import keep_numbers
from .obstacles import has_unique_phones, obstacles
from .opening import open_for_adoption, open_for_reading
from .rows import Left, Why, divided, judged
from .settling import settle_some, settled, unknown_states
from .states import StateDecisions
from .table import Shape, closing_statements, first_statements, last_statements, shape_of
from .taking import (
    BATCH,
    counted,
    holders,
    kept_numbers_of,
    numbers_of,
    some_rows,
    take_some,
    weak_accounts,
    zone_of,
)
from .waiting import alone, repeated

_KEEPS_APART = (
    "a unique index of its own keeps the spellings of x_user.phone apart, and rows that would stay as they are may be in"
    " the way of others: mend the rows that are listed, or drop that index"
)

Tell = Callable[[int, int], None]
"""Called now and then with the number of rows looked at, and of all rows to look at."""


@frozen
class AdoptionReport:
    """What an adoption would do."""

    obstacles: Sequence[str]
    """What somebody has to fix first; if the table itself cannot be used, nothing else is reported."""
    statements: Sequence[str]
    """What changes the table."""
    findings: AdoptionFindings
    is_due: bool
    """Whether there is anything to do."""


@frozen
class Adoption:
    """The adoption of the ``x_user`` at a URL. The methods raise StoreUnavailable."""

    url: str
    zone: tzinfo | None
    """The zone of the table's wall-clock times; None for the machine's."""
    hashes: StoredHashes
    states: StateDecisions
    _reading: Database

    @classmethod
    def open(cls, url: str, zone: tzinfo | None, hashes: StoredHashes, states: StateDecisions) -> "Adoption":
        """Open it for reading. Raises ValueError for an unusable URL, or DriverMissing."""
        return cls(url, zone, hashes, states, open_for_reading(url))

    @property
    def exposures(self) -> Sequence[str]:
        """A line for each way in which others can read or change the network traffic."""
        return self._reading.exposures

    def close(self) -> None:
        self._reading.close()

    def report(self, tell: Tell) -> AdoptionReport:
        """Look at everything, and change nothing."""
        with self._reading.reading() as connection:
            hindering = obstacles(connection)
            if hindering:
                return AdoptionReport(hindering, (), AdoptionFindings(self.hashes, self.states), is_due=False)
            shape = shape_of(connection)
            statements = [*first_statements(connection, shape), *last_statements(connection, shape)]
            is_behind = bool(statements) or version_on(connection) != VERSIONS[-1]
            keeps_apart = has_unique_phones(connection)
            findings = counted(connection, shape, self.hashes, self.states)
            findings.add_accounts(unknown_states(connection, shape))
        if shape.has_accounts:
            findings.weak = weak_accounts(self._reading, self.hashes)
        has_rivals = self._look_at_all(shape, findings, tell)
        if keeps_apart and has_rivals:
            hindering = [_KEEPS_APART]
        return AdoptionReport(
            hindering,
            statements,
            findings,
            is_due=is_behind or any((findings.taken, findings.weak, findings.kept, findings.settled)),
        )

    def _look_at_all(self, shape: Shape, findings: AdoptionFindings, tell: Tell) -> bool:
        """Returns whether a row that stays may have another row's number, in the spelling that the other will get."""
        has_rivals = False
        zone = zone_of(shape, self.zone)
        after = None
        while True:
            with self._reading.reading() as connection:
                rows = some_rows(connection, shape, after)
                found = [judged(row, zone, self.states) for row in rows]
                numbers, kept = numbers_of(found), kept_numbers_of(found)
                there = holders(connection, numbers | kept) if shape.has_accounts else {}
            if not rows:
                findings.kept = findings.free_numbers
                return has_rivals
            taken, left = divided(found, {**findings.holders(numbers), **there})
            accounts = set(there.values())
            has_rivals |= any(each.why is not Why.PHONE_INVALID and each.holder not in accounts for each in left)
            findings.hold(taken)
            findings.free(kept - there.keys())
            findings.add(rows, taken, left)
            after = rows[-1][0]
            tell(findings.seen, findings.candidates)

    def carry_out(self, tell: Tell) -> AdoptionFindings:
        """Adopt. If it is killed at any moment, the next call continues from there; no row is changed twice."""
        database = open_for_adoption(self.url)
        try:
            with alone(database) as check:
                shape = repeated(lambda: _bring_into_form(database))
                with database.reading() as connection:
                    findings = counted(connection, shape, self.hashes, self.states)
                    unknown = unknown_states(connection, shape)
                    findings.add_accounts(unknown)
                after = None
                while True:
                    check()
                    rows, taken, left = repeated(partial(take_some, database, shape, after, self.zone, self.states))
                    if not rows:
                        break
                    findings.add(rows, taken, left)
                    after = rows[-1][0]
                    tell(findings.seen, findings.candidates)
                for some in _batches(findings.left_rows()):
                    check()
                    findings.kept += repeated(partial(keep_numbers, database, some))
                self._settle(database, unknown)
                findings.is_watched = repeated(lambda: _complete(database))
        finally:
            database.close()
        return findings

    def _settle(self, database: Database, unknown: Iterable[str | None]) -> None:
        for text in unknown:
            meant = settled(text, self.states)
            while meant is not None and repeated(partial(settle_some, database, text, meant)):
                pass


def _batches(left: Iterator[Left]) -> Iterator[list[Left]]:
    while some := list(islice(left, BATCH)):
        yield some


def _bring_into_form(database: Database) -> Shape:
    with database.attempt() as connection:
        _run(connection, first_statements(connection, shape_of(connection)))
        return shape_of(connection)


def _complete(database: Database) -> bool:
    # Alembic is slow to load.
    from ..migrating import migrate_on

    with database.attempt() as connection:
        shape = shape_of(connection)
        _run(connection, last_statements(connection, shape))
        # The version is written last: before that, every other command refuses this database.
        migrate_on(connection)
        _run(connection, closing_statements(shape))
        # If it was migrated before and somebody has rebuilt the table since, they are gone.
        return watch(connection)


def _run(connection: Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        # A percent sign in a DEFAULT is not a parameter.
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
