"""What is found out about a table of any size, in a small and constant amount of memory."""

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import define, field, frozen

from ....domain.passwords import HashKind
from ....domain.ports.outside import StoredHashes
from ....domain.users import Standing, UserState
from .rows import Left, Taken, Why, as_text, hash_kind
from .settling import settled
from .states import StateDecisions, without_blanks

_NEVER = datetime.min.replace(tzinfo=UTC)


def _temporary_file() -> sqlite3.Connection:
    # The empty name: SQLite makes a private file that nobody else can open, and removes it.
    file = sqlite3.connect("", isolation_level=None)
    file.executescript(
        """
        PRAGMA journal_mode = OFF;
        PRAGMA synchronous = OFF;
        CREATE TABLE held (phone INTEGER PRIMARY KEY, id INTEGER NOT NULL);
        CREATE TABLE free (phone INTEGER PRIMARY KEY);
        CREATE TABLE states (text TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE left_rows (n INTEGER PRIMARY KEY, id INTEGER NOT NULL, phone TEXT, why TEXT NOT NULL,
            holder INTEGER, balance TEXT, digits TEXT);
        BEGIN;
        """
    )
    return file


@frozen
class FoundState:
    """A text in the column of states; None for NULL."""

    text: str | None
    rows: int
    is_known: bool
    """Whether it is a state of ours, or becomes one."""
    becomes: str | None
    """The state that replaces it; None if it stays."""


@define(eq=False)
class AdoptionFindings:
    """Counts, and lists kept in a temporary file without a name, which is deleted with the process."""

    hashes: StoredHashes
    """Says which kind a hash is."""
    decisions: StateDecisions
    rows: int = 0
    """How many rows the table has, including accounts."""
    accounts: int = 0
    """How many of them were accounts before."""
    taken: int = 0
    without_phone: int = 0
    left: Counter[Why] = field(factory=Counter)
    weak: int = 0
    """How many weak hashes the adopted rows have, and the rows that had been accounts before."""
    kept: int = 0
    """How many numbers of rows left out can no longer be registered."""
    settled: int = 0
    """How many existing accounts get a known state in place of an unknown one."""
    is_watched: bool = True
    """Whether the triggers could be made that tell changes."""
    _kinds: Counter[HashKind] = field(factory=Counter, init=False)
    _file: sqlite3.Connection = field(init=False, factory=_temporary_file)

    def add(self, rows: Sequence[Sequence[Any]], taken: Sequence[Taken], left: Sequence[Left]) -> None:
        """Count *rows*, and how they were judged."""
        self.taken += len(taken)
        self.without_phone += sum(each.digits is None for each in taken)
        self.left.update(each.why for each in left)
        kinds = {row[0]: hash_kind(row[4], self.hashes) for row in rows}
        self._kinds.update(kinds.values())
        self.weak += sum(kinds[each.id].is_weak for each in taken)
        self._count_states(Counter(as_text(row[3]) for row in rows))
        self._file.executemany(
            "INSERT INTO left_rows (id, phone, why, holder, balance, digits) VALUES (?, ?, ?, ?, ?, ?)",
            [(each.id, each.phone, each.why, each.holder, each.balance, each.digits) for each in left],
        )

    def add_accounts(self, states: Counter[str | None]) -> None:
        """Count accounts whose states we do not know."""
        self._count_states({as_text(text): count for text, count in states.items()})
        self.settled = sum(count for text, count in states.items() if settled(text, self.decisions) is not None)

    def _count_states(self, states: Mapping[str | None, int]) -> None:
        self._file.executemany(
            "INSERT INTO states VALUES (?, ?) ON CONFLICT (text) DO UPDATE SET n = n + excluded.n",
            [(json.dumps(text), count) for text, count in states.items()],
        )

    def hold(self, taken: Sequence[Taken]) -> None:
        """Remember which row would have which number."""
        self._file.executemany(
            "INSERT OR IGNORE INTO held VALUES (?, ?)",
            [(int(each.digits), each.id) for each in taken if each.digits is not None],
        )

    def free(self, digits: Collection[str]) -> None:
        """Remember numbers of rows left out that no existing account has."""
        self._file.executemany("INSERT OR IGNORE INTO free VALUES (?)", [(int(each),) for each in digits])

    @property
    def free_numbers(self) -> int:
        """How many of these no adopted row gets."""
        [(count,)] = self._file.execute("SELECT count(*) FROM free WHERE phone NOT IN (SELECT phone FROM held)")
        return int(count)

    def holders(self, digits: Collection[str]) -> dict[str, int]:
        """Which rows would have these numbers."""
        asked = json.dumps([int(each) for each in digits])
        found = self._file.execute(
            "SELECT phone, id FROM held WHERE phone IN (SELECT value FROM json_each(?))", [asked]
        )
        return {str(phone): user_id for phone, user_id in found}

    @property
    def candidates(self) -> int:
        """How many rows there were to look at."""
        return self.rows - self.accounts

    @property
    def seen(self) -> int:
        """How many have been looked at."""
        return self.taken + self.left_in_all

    @property
    def left_in_all(self) -> int:
        return self.left.total()

    @property
    def states(self) -> Iterator[FoundState]:
        """Each state found, the most frequent first."""
        for spelled, count in self._file.execute("SELECT text, n FROM states ORDER BY n DESC, text"):
            text = json.loads(spelled)
            becomes = self.decisions.meant(text).text
            is_known = UserState(becomes or text or "").standing(_NEVER) is not Standing.UNKNOWN
            yield FoundState(text, count, is_known, becomes)

    @property
    def unused_decisions(self) -> Sequence[str | None]:
        """The texts for which there is a decision but no row."""
        there = {None if each.text is None else without_blanks(each.text) for each in self.states}
        return [text for text in self.decisions.standings if text not in there]

    @property
    def kinds(self) -> Sequence[tuple[HashKind, int]]:
        """Each kind of password hash with its count, the most frequent first."""
        return self._kinds.most_common()

    def left_rows(self, limit: int = -1) -> Iterator[Left]:
        """The rows left out, by id."""
        found = self._file.execute(
            "SELECT id, phone, why, holder, balance, digits FROM left_rows ORDER BY n LIMIT ?", (limit,)
        )
        for user_id, phone, because, holder, balance, digits in found:
            yield Left(user_id, phone, Why(because), holder, balance, digits)
