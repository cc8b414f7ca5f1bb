"""What the in-memory repositories share: the rows, and the one lock under which every step happens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any, TypeVar

from attrs import define, field, frozen

from ...domain.audit import AuditEntry, AuditId
from ...domain.ports import AuditLog, SessionRepository, Transaction, UserRepository
from ...domain.sessions import Session, SessionId
from ...domain.users import User, UserId

T = TypeVar("T")


@define
class MemoryStore:
    """The rows of one store. Everything is gone with the process."""

    users: dict[UserId, User] = field(factory=dict)
    sessions: dict[SessionId, Session] = field(factory=dict)
    audit: dict[AuditId, AuditEntry] = field(factory=dict)
    audit_entries_ever: int = 0
    _lock: RLock = field(factory=RLock)
    _undo: list[tuple[dict[Any, Any], Any, Any]] = field(factory=list)
    _depth: int = 0

    @contextmanager
    def step(self) -> Iterator[None]:
        """What is done within happens at one moment, whole or, where the block is left by an exception, not at all."""
        with self._lock:
            mark = len(self._undo)
            self._depth += 1
            try:
                yield
            except BaseException:
                while len(self._undo) > mark:
                    table, key, row = self._undo.pop()
                    if row is None:
                        table.pop(key, None)
                    else:
                        table[key] = row
                raise
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._undo.clear()

    def put(self, table: dict[Any, Any], key: object, row: object) -> None:
        """Write one row. Only within a step."""
        self._undo.append((table, key, table.get(key)))
        table[key] = row

    def remove(self, table: dict[Any, Any], key: object) -> None:
        """Delete one row that is there. Only within a step."""
        self._undo.append((table, key, table.pop(key)))


@frozen
class MemoryUnitOfWork:
    """UnitOfWork over a MemoryStore and its repositories, which it gives to each piece of work."""

    store: MemoryStore
    users: UserRepository
    sessions: SessionRepository
    audit: AuditLog

    def transact(self, work: Callable[[Transaction], T]) -> T:
        with self.store.step():
            return work(self)
