"""Stores with one fault each, such as real ones have had. The contract suite must find every one of them.

``test_own_store.py`` runs this file as a program: it runs each class until the fault is found, and prints as JSON which
test found it, and which methods of a store without a fault were called.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from datetime import datetime
from typing import Any, ClassVar, TypeVar

import pytest
from attrs import evolve, frozen

from menshen.adapters.conformance.stores import StoreContract
from menshen.adapters.memory.audit import MemoryAuditWriter
from menshen.adapters.memory.sessions import MemorySessionWriter
from menshen.adapters.memory.store import MemoryStore, MemoryUnitOfWork
from menshen.adapters.memory.users import MemoryUsers, MemoryUserWriter
from menshen.domain.audit import AuditEvent
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.reading import UserFilter, Users, UserSearch
from menshen.domain.ports.stores import Parts, Store
from menshen.domain.ports.writing import AuditWriter, SessionWriter, Transaction, UnitOfWork, UserWriter, personal_among
from menshen.domain.sessions import Refreshing, Session, SessionId
from menshen.domain.users import NewUser, Phone, PhoneTaken, User, UserId
from menshen.entrypoints.stores import memory_store
from menshen.entrypoints.wiring import READERS, WRITERS, StoredPort

T = TypeVar("T")


class FaultContract(StoreContract):
    """A store made of the adapters that a subclass names."""

    keeps_readers_waiting = True

    parts: ClassVar[Mapping[type, Callable[[MemoryStore], Any]]] = {}
    """What is not as it is in memory, by its port."""
    work_of: type[MemoryUnitOfWork] = MemoryUnitOfWork

    @pytest.fixture
    def store(self) -> Store:
        return store_of(self.parts, self.work_of)


def store_of(
    parts: Mapping[type, Callable[[MemoryStore], Any]], work_of: type[MemoryUnitOfWork] = MemoryUnitOfWork
) -> Store:
    """The store in memory, but for *parts*."""
    rows = MemoryStore()
    store = memory_store(rows, parts)
    assert isinstance(store.work, MemoryUnitOfWork)
    return evolve(store, work=work_of(rows, store.work.writers))


@frozen
class _Recorded:
    """Records which methods are called."""

    _name: str
    _of: Any
    _called: set[str]

    def __getattr__(self, name: str) -> Any:
        self._called.add(f"{self._name}.{name}")
        return getattr(self._of, name)


def methods_of_a_store() -> set[str]:
    """All that can be called, as it is written down."""
    ports = [UnitOfWork, *(each.port for each in (*READERS, *WRITERS))]
    return {f"{port.__name__}.{name}" for port in ports for name in dir(port) if not name.startswith("_")}


class TestNoFault(FaultContract):
    """No fault must be found here; the calls are recorded."""

    @pytest.fixture
    def store(self, called: set[str]) -> Store:
        def recorded(port: StoredPort) -> Callable[[MemoryStore], Any]:
            return lambda rows: _Recorded(port.port.__name__, port.memory(rows), called)

        store = store_of({each.port: recorded(each) for each in (*READERS, *WRITERS)})
        work: Any = _Recorded("UnitOfWork", store.work, called)
        return evolve(store, work=work)


class _FindsInAnyCase(MemoryUsers):
    def find(self, wanted: UserFilter, *, after: UserId, limit: int, now: datetime) -> Sequence[User]:
        if wanted.name_prefix is None:
            return super().find(wanted, after=after, limit=limit, now=now)
        everybody = super().find(evolve(wanted, name_prefix=None), after=after, limit=1000, now=now)
        prefix = wanted.name_prefix.casefold()
        return [user for user in everybody if (user.user_name or "").casefold().startswith(prefix)][:limit]


class TestFindsInAnyCase(FaultContract):
    parts: ClassVar[Any] = {UserSearch: _FindsInAnyCase}


class _PadsPhones(MemoryUsers):
    def by_phone(self, phone: Phone) -> User | None:
        return super().by_phone(Phone(phone.digits.rstrip(" ")))


class TestComparesAsIfPadded(FaultContract):
    parts: ClassVar[Any] = {Users: _PadsPhones}


class _CutsBlanks(MemorySessionWriter):
    def add(self, session: Session) -> None:
        super().add(evolve(session, user_agent=session.user_agent and session.user_agent.rstrip(" ")))


class TestCutsBlanks(FaultContract):
    parts: ClassVar[Any] = {SessionWriter: _CutsBlanks}


class _KeepsMilliseconds(MemorySessionWriter):
    def add(self, session: Session) -> None:
        at = session.started_at
        super().add(evolve(session, started_at=at.replace(microsecond=at.microsecond // 1000 * 1000)))


class TestKeepsMilliseconds(FaultContract):
    parts: ClassVar[Any] = {SessionWriter: _KeepsMilliseconds}


class _SavesAnybody(MemoryUserWriter):
    def save(self, user: User) -> None:
        with self.store.step():
            self.store.lock(user.id)
            super().save(user)


class TestSavesAnybody(FaultContract):
    parts: ClassVar[Any] = {UserWriter: _SavesAnybody}


class _ReadsThenWrites(_SavesAnybody):
    def add(self, user: NewUser) -> User:
        if self.by_phone(user.phone) is not None:
            raise PhoneTaken
        added = super().add(evolve(user, phone=Phone(os.urandom(8).hex())))
        # The way to a database and back.
        time.sleep(0.001)
        with self.store.step():
            self.store.put(self.store.users, added.id, evolve(added, phone=user.phone))
        return evolve(added, phone=user.phone)


class _RotatesWhateverStands(MemorySessionWriter):
    def rotate(self, session_id: SessionId, *, old: bytes, new: Refreshing) -> bool:
        with self.store.step():
            session = self.store.sessions.get(session_id)
            return session is not None and super().rotate(session_id, old=session.refreshing.digest, new=new)


class TestRotatesWhateverStands(FaultContract):
    parts: ClassVar[Any] = {SessionWriter: _RotatesWhateverStands}


class _ReusesIds(MemoryAuditWriter):
    def append(self, event: AuditEvent) -> None:
        with self.store.step():
            self.store.audit_entries_ever = max(self.store.audit, default=0)
            super().append(event)


class TestReusesIds(FaultContract):
    parts: ClassVar[Any] = {AuditWriter: _ReusesIds}


class _UndoesNothing(MemoryUnitOfWork):
    def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
        raised: list[BaseException] = []

        def all_of_it(tx: Transaction) -> T | None:
            try:
                return work(tx)
            except BaseException as error:  # noqa: BLE001 - raised again below
                raised.append(error)
                return None

        found: Any = super().transact(all_of_it, is_vital=is_vital)
        if raised:
            raise raised[0]
        # Of the type that the work has: it is None only where that was raised.
        return found  # type: ignore[no-any-return]


class TestUndoesNothing(FaultContract):
    work_of = _UndoesNothing


class _LocksNothing(MemoryUnitOfWork):
    def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
        parts, personal = Parts(self.writers, self.rows), personal_among(self.writers)
        return work(Transaction(part=parts, locking=self.rows.users.get, personal=personal))


class TestLocksNothing(FaultContract):
    # What is not locked could not be saved.
    parts: ClassVar[Any] = {UserWriter: _SavesAnybody}
    work_of = _LocksNothing


class TestReadsThenWrites(FaultContract):
    parts: ClassVar[Any] = {UserWriter: _ReadsThenWrites}
    work_of = _LocksNothing


class _IsPoisoned(MemoryUserWriter):
    poisoned: ClassVar[list[bool]] = []

    def add(self, user: NewUser) -> User:
        try:
            return super().add(user)
        except PhoneTaken:
            self.poisoned.append(True)
            raise


class _CommitsNoPoison(MemoryUnitOfWork):
    def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
        def unpoisoned(tx: Transaction) -> T:
            _IsPoisoned.poisoned.clear()
            found = work(tx)
            if _IsPoisoned.poisoned:
                raise StoreUnavailable("current transaction is aborted")
            return found

        return super().transact(unpoisoned, is_vital=is_vital)


class TestARefusalAbortsTheTransaction(FaultContract):
    parts: ClassVar[Any] = {UserWriter: _IsPoisoned}
    work_of = _CommitsNoPoison


class _Findings:
    """A plugin of pytest: the first test that fails in each class, and what was called."""

    def __init__(self) -> None:
        self.first: dict[str, str] = {}
        self.calls: set[str] = set()

    @pytest.fixture
    def called(self) -> set[str]:
        return self.calls

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            _, kind, test = report.nodeid.split("::", 2)
            self.first.setdefault(kind, test)


if __name__ == "__main__":
    findings = _Findings()
    # Without plugins that make each run slow and add nothing here.
    options = ["-q", "-x", "-c", os.devnull, "--tb=short", "--noconftest", "--assert=plain"]
    options += ["-p", "no:cacheprovider", "-p", "no:unraisableexception"]
    with redirect_stdout(sys.stderr):
        codes = [
            pytest.main([f"{__file__}::{kind}", *options], [findings])
            for kind in sorted(globals())
            if kind[:4] == "Test"
        ]
    print(
        json.dumps({"found": findings.first, "called": sorted(findings.calls), "methods": sorted(methods_of_a_store())})
    )
    sys.exit(0 if set(codes) <= {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED} else 1)
