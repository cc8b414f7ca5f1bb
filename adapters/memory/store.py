"""What the in-memory repositories share: the rows, and the one lock under which every step happens."""

from collections.abc import Callable, Mapping
from datetime import datetime
from threading import RLock
from typing import Any, TypeVar

from attrs import define, field, frozen

from ...domain.audit import AuditEntry, AuditId
from ...domain.ports.stores import Parts
from ...domain.ports.writing import NotLocked, Transaction, personal_among
from ...domain.sessions import Session, SessionId
from ...domain.users import User, UserId

T = TypeVar("T")


@frozen
class Changes:
    """What a step has written: each row by its key, None for a deleted one."""

    users: Mapping[UserId, User | None]
    sessions: Mapping[SessionId, Session | None]
    audit: Mapping[AuditId, AuditEntry | None]
    audit_entries_ever: int
    marks: Mapping[str, datetime | None] = field(factory=dict)
    """Moments to remember, each under a name."""
    others: Mapping[str, Mapping[str, Any]] = field(factory=dict)
    """Rows of the tables that ``MemoryStore.table`` made, under their names."""


@define
class MemoryStore:
    """The rows of one store. They are lost with the process, unless *keep* keeps them.

    *keep* is called with the changes of a step before the step is over: if it raises, nothing has happened.
    """

    users: dict[UserId, User] = field(factory=dict)
    sessions: dict[SessionId, Session] = field(factory=dict)
    audit: dict[AuditId, AuditEntry] = field(factory=dict)
    audit_entries_ever: int = 0
    marks: dict[str, datetime] = field(factory=dict)
    others: dict[str, dict[str, Any]] = field(factory=dict)
    keep: Callable[[Changes], None] = lambda changes: None
    _lock: RLock = field(factory=RLock)
    _undo: list[tuple[dict[Any, Any], Any, Any]] = field(factory=list)
    _depth: int = 0
    _locked: set[UserId] = field(factory=set)
    """The users whom the transaction has locked or added."""

    def step(self) -> "_Step":
        """The block happens at one moment, as a whole, or not at all if it raises."""
        return _Step(self)

    def apply(self, changes: Changes) -> None:
        """Apply *changes*, without passing them to *keep*."""
        written: list[tuple[dict[Any, Any], Mapping[Any, Any]]] = [
            (self.users, changes.users),
            (self.sessions, changes.sessions),
            (self.audit, changes.audit),
            (self.marks, changes.marks),
            *((self.table(name), rows) for name, rows in changes.others.items()),
        ]
        for table, rows in written:
            for key, row in rows.items():
                if row is None:
                    table.pop(key, None)
                else:
                    table[key] = row
        self.audit_entries_ever = changes.audit_entries_ever

    def table(self, name: str) -> dict[str, Any]:
        """The rows of a noun that has no field here. They consist of plain values, so that *keep* can write them."""
        return self.others.setdefault(name, {})

    def lock(self, user_id: UserId) -> User | None:
        """The user, for a transaction to save. Only within a step."""
        if user_id in self.users:
            self._locked.add(user_id)
        return self.users.get(user_id)

    def check_locked(self, user_id: UserId) -> None:
        """Raises NotLocked."""
        if user_id not in self._locked:
            raise NotLocked

    def put(self, table: dict[Any, Any], key: object, row: object) -> None:
        """Write one row. Only within a step."""
        self._undo.append((table, key, table.get(key)))
        table[key] = row

    def remove(self, table: dict[Any, Any], key: object) -> None:
        """Delete one row that is there. Only within a step."""
        self._undo.append((table, key, table.pop(key)))

    def _take_back(self, mark: int) -> None:
        while len(self._undo) > mark:
            table, key, row = self._undo.pop()
            if row is None:
                table.pop(key, None)
            else:
                table[key] = row

    def _keep_changes(self) -> None:
        try:
            self.keep(self._changes())
        except BaseException:
            self._take_back(0)
            raise

    def _changes(self) -> Changes:
        def of(table: dict[Any, Any]) -> dict[Any, Any]:
            return {key: table.get(key) for written, key, _ in self._undo if written is table}

        others = {name: rows for name, table in self.others.items() if (rows := of(table))}
        return Changes(
            of(self.users), of(self.sessions), of(self.audit), self.audit_entries_ever, of(self.marks), others
        )


@define
class _Step:
    """One step of a store, which may be part of another. Not a generator: that takes longer than most reads."""

    store: MemoryStore
    mark: int = 0

    def __enter__(self) -> None:
        store = self.store
        store._lock.acquire()
        self.mark = len(store._undo)
        store._depth += 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        store = self.store
        try:
            if kind is not None:
                store._take_back(self.mark)
            elif store._depth == 1 and store._undo:
                store._keep_changes()
        finally:
            store._depth -= 1
            if store._depth == 0:
                store._undo.clear()
                store._locked.clear()
            store._lock.release()


@frozen
class MemoryUnitOfWork:
    """UnitOfWork over a MemoryStore. *writers* make the adapter for each port within a transaction."""

    rows: MemoryStore
    writers: Mapping[type, Callable[[MemoryStore], Any]]

    def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
        with self.rows.step():
            parts, personal = Parts(self.writers, self.rows), personal_among(self.writers)
            return work(Transaction(part=parts, locking=self.rows.lock, personal=personal))
