"""What the guard sees of sessions reaches a real SQLite file in the background, and nobody waits for it."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar, cast

import pytest
from attrs import define, evolve, field, frozen
from sqlalchemy import Connection

from menshen.adapters.background_last_seen import INTERVAL_SECONDS, BackgroundLastSeen
from menshen.adapters.conformance.last_seen import RAN_OUT, START, LastSeenContract, last_seen_of
from menshen.adapters.conformance.sessions import new_session
from menshen.adapters.conformance.steps import SessionSteps, UserSteps
from menshen.adapters.conformance.users import new_user
from menshen.adapters.memory.fakes import FakeClock
from menshen.adapters.sql.database import Database
from menshen.adapters.sql.failures import Repeatable
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.outside import LastSeen
from menshen.domain.ports.stores import Store
from menshen.domain.ports.writing import Transaction
from menshen.domain.sessions import Session, SessionEnd, SessionId
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.stores import open_store

from .patience import until

T = TypeVar("T")

QUICK = 0.02
NEVER = 3600.0
MINUTE = timedelta(minutes=1)


@define
class Watched:
    """The work of a store: how often there was some, what was to be seen or ended, and whether it can be reached."""

    store: Store
    told: list[list[tuple[SessionId, datetime]]] = field(factory=list)
    ended: list[list[SessionId]] = field(factory=list)
    calls: int = 0
    failure: Exception | None = None

    @property
    def sessions(self) -> SessionSteps:
        return SessionSteps(self.store)

    def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
        self.calls += 1
        return self.store.work.transact(lambda tx: work(cast(Transaction, _WatchedTransaction(self, tx))))


@frozen
class _WatchedTransaction:
    """One whose sessions are seen by way of it."""

    watched: Watched
    inner: Transaction

    @property
    def sessions(self) -> "_WatchedTransaction":
        return self

    def see(self, seen: Collection[tuple[SessionId, datetime]], now: datetime) -> None:
        self.watched.told.append(list(seen))
        if self.watched.failure is not None:
            raise self.watched.failure
        self.inner.sessions.see(seen, now)

    def end(self, session_ids: Collection[SessionId], end: SessionEnd) -> int:
        self.watched.ended.append(list(session_ids))
        if self.watched.failure is not None:
            raise self.watched.failure
        return self.inner.sessions.end(session_ids, end)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accounts.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = open_store(Settings(database_url=f"sqlite:///{path}"))
    yield store
    store.close()


@pytest.fixture
def users(store: Store) -> UserSteps:
    return UserSteps(store)


@pytest.fixture
def sessions(store: Store) -> SessionSteps:
    return SessionSteps(store)


@pytest.fixture
def session(users: UserSteps, sessions: SessionSteps) -> Session:
    session = new_session(users.add(new_user()).id, started_at=START)
    sessions.add(session)
    return session


def until_seen(sessions: SessionSteps, session: Session, at: datetime) -> None:
    until(lambda: last_seen_of(sessions, session) == at)


class TestBackgroundLastSeen(LastSeenContract):
    @pytest.fixture
    def background(self, store: Store) -> Iterator[BackgroundLastSeen]:
        background = BackgroundLastSeen(store.work, FakeClock(START), QUICK)
        yield background
        background.close()

    @pytest.fixture
    def last_seen(self, background: BackgroundLastSeen) -> LastSeen:
        return background

    @pytest.fixture
    def wait(self, background: BackgroundLastSeen) -> Callable[[], None]:
        return background.close


class TestTheThread:
    @pytest.fixture
    def watched(self, store: Store) -> Watched:
        return Watched(store)

    @pytest.fixture
    def make(self, watched: Watched) -> Iterator[Callable[[float], BackgroundLastSeen]]:
        made: list[BackgroundLastSeen] = []

        def make(interval: float) -> BackgroundLastSeen:
            made.append(BackgroundLastSeen(watched, FakeClock(START), interval))
            return made[-1]

        yield make
        for each in made:
            each.close()

    def test_in_production_it_writes_once_a_second(self) -> None:
        assert INTERVAL_SECONDS == 1.0

    def test_what_was_noted_is_written_within_the_interval(
        self, make: Callable[[float], BackgroundLastSeen], sessions: SessionSteps, session: Session
    ) -> None:
        last_seen = make(QUICK)
        for minute in (1, 2, 3):
            last_seen.note(session.id, START + minute * MINUTE)
            until_seen(sessions, session, START + minute * MINUTE)

    def test_before_the_interval_is_over_nothing_is_written(
        self, make: Callable[[float], BackgroundLastSeen], watched: Watched, session: Session
    ) -> None:
        last_seen = make(0.5)
        begin = time.monotonic()
        last_seen.note(session.id, START + MINUTE)
        until(lambda: bool(watched.told))
        assert time.monotonic() - begin >= 0.5

    def test_closing_writes_what_waits_at_once(
        self, make: Callable[[float], BackgroundLastSeen], sessions: SessionSteps, session: Session
    ) -> None:
        last_seen = make(NEVER)
        last_seen.note(session.id, START + MINUTE)
        assert last_seen_of(sessions, session) == START
        last_seen.close()
        assert last_seen_of(sessions, session) == START + MINUTE

    def test_several_notes_of_one_session_become_one_write(
        self, make: Callable[[float], BackgroundLastSeen], watched: Watched, session: Session
    ) -> None:
        other = new_session(session.user_id, started_at=START)
        watched.sessions.add(other)
        last_seen = make(NEVER)
        for minute in range(1, 6):
            last_seen.note(session.id, START + minute * MINUTE)
        last_seen.note(other.id, START + MINUTE)
        last_seen.close()
        assert watched.told == [[(session.id, START + 5 * MINUTE), (other.id, START + MINUTE)]]

    def test_what_is_written_is_not_written_again(
        self, make: Callable[[float], BackgroundLastSeen], watched: Watched, session: Session
    ) -> None:
        last_seen = make(NEVER)
        last_seen.note(session.id, START + MINUTE)
        last_seen.close()
        last_seen.close()
        assert len(watched.told) == 1

    def test_there_is_no_thread_before_the_first_note_and_none_after_closing(
        self, make: Callable[[float], BackgroundLastSeen], watched: Watched, session: Session
    ) -> None:
        last_seen = make(QUICK)
        assert running() == []
        last_seen.note(session.id, START + MINUTE)
        last_seen.note(session.id, START + MINUTE)
        [thread] = running()
        assert thread.daemon
        last_seen.close()
        assert running() == []

    def test_closing_what_was_never_used_writes_nothing(
        self, make: Callable[[float], BackgroundLastSeen], watched: Watched
    ) -> None:
        make(QUICK).close()
        assert watched.told == []

    @pytest.mark.parametrize(
        ("failure", "level"), [(StoreUnavailable("down"), logging.WARNING), (RuntimeError("a fault"), logging.ERROR)]
    )
    def test_a_store_that_fails_is_told_in_the_log_and_does_not_stop_it(
        self,
        make: Callable[[float], BackgroundLastSeen],
        watched: Watched,
        session: Session,
        caplog: pytest.LogCaptureFixture,
        failure: Exception,
        level: int,
    ) -> None:
        last_seen = make(QUICK)
        watched.failure = failure
        last_seen.note(session.id, START + MINUTE)
        until(lambda: bool(caplog.records))
        [record] = caplog.records
        assert (record.name, record.levelno) == ("menshen.last_seen", level)
        assert record.getMessage() == "the last-seen times of 1 sessions were not written"
        watched.failure = None
        last_seen.note(session.id, START + 2 * MINUTE)
        until_seen(watched.sessions, session, START + 2 * MINUTE)

    def test_closing_does_not_fail_where_the_store_is_down(
        self,
        make: Callable[[float], BackgroundLastSeen],
        watched: Watched,
        session: Session,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        last_seen = make(NEVER)
        watched.failure = StoreUnavailable("down")
        last_seen.note(session.id, START + MINUTE)
        last_seen.close()
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert watched.sessions.by_id(session.id) == session

    def test_an_end_is_written_once_however_often_it_was_noted(
        self, make: Callable[[float], BackgroundLastSeen], watched: Watched, session: Session
    ) -> None:
        other = new_session(session.user_id, started_at=START, name="a")
        watched.sessions.add(other)
        last_seen = make(NEVER)
        for each in (session, other, session):
            last_seen.note_end(each.id, RAN_OUT)
        assert watched.sessions.by_id(session.id) == session
        last_seen.close()
        last_seen.close()
        # In the order of the ids, so that two processes do not deadlock.
        assert watched.ended == [["a"], [session.id]]

    def test_an_end_is_written_within_the_interval_and_what_could_not_be_is_told(
        self,
        make: Callable[[float], BackgroundLastSeen],
        watched: Watched,
        session: Session,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        last_seen = make(QUICK)
        watched.failure = StoreUnavailable("down")
        last_seen.note_end(session.id, RAN_OUT)
        until(lambda: bool(caplog.records))
        assert caplog.records[0].getMessage() == "the ends of 1 sessions were not written"
        assert watched.sessions.by_id(session.id) == session
        watched.failure = None
        last_seen.note_end(session.id, RAN_OUT)
        until(lambda: watched.sessions.by_id(session.id) == evolve(session, end=RAN_OUT))

    def test_what_the_store_undoes_is_done_again(
        self,
        make: Callable[[float], BackgroundLastSeen],
        sessions: SessionSteps,
        session: Session,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        attempt, tries = Database.attempt, 0

        @contextmanager
        def undone_at_first(database: Database, *, is_vital: bool) -> Iterator[Connection]:
            nonlocal tries
            tries += 1
            with attempt(database, is_vital=is_vital) as connection:
                yield connection
                if tries == 1:
                    raise Repeatable("a deadlock")

        monkeypatch.setattr(Database, "attempt", undone_at_first)
        last_seen = make(NEVER)
        last_seen.note(session.id, START + MINUTE)
        last_seen.close()
        assert tries == 2
        assert last_seen_of(sessions, session) == START + MINUTE

    def test_nobody_waits_while_the_database_is_locked(
        self, make: Callable[[float], BackgroundLastSeen], path: Path, watched: Watched, session: Session
    ) -> None:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        last_seen = make(QUICK)
        last_seen.note(session.id, START + MINUTE)
        until(lambda: watched.calls > 0)
        begin = time.monotonic()
        for minute in range(2, 102):
            last_seen.note(session.id, START + minute * MINUTE)
        assert time.monotonic() - begin < 0.5
        assert watched.sessions.by_id(session.id) == session
        other.close()
        until_seen(watched.sessions, session, START + 101 * MINUTE)


def running() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "menshen-last-seen"]
