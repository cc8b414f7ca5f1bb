"""The contract of LastSeen."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from ...domain.ports.outside import LastSeen
from ...domain.sessions import EndReason, Session, SessionEnd, SessionId
from .sessions import LOGGED_OUT, at_once, new_session
from .steps import SessionSteps, UserSteps
from .users import new_user

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
RAN_OUT = SessionEnd(START + timedelta(hours=1), EndReason.IDLE)


def last_seen_of(sessions: SessionSteps, session: Session) -> datetime:
    found = sessions.by_id(session.id)
    assert found is not None
    return found.last_seen_at


class LastSeenContract:
    """Subclasses give ``users`` and ``sessions``, ``last_seen`` over them, and ``wait``: until all is written."""

    @pytest.fixture
    def session(self, users: UserSteps, sessions: SessionSteps) -> Session:
        session = new_session(users.add(new_user()).id, started_at=START)
        sessions.add(session)
        return session

    def test_what_was_noted_is_written(
        self, last_seen: LastSeen, wait: Callable[[], None], sessions: SessionSteps, session: Session
    ) -> None:
        other = new_session(session.user_id, started_at=START)
        sessions.add(other)
        last_seen.note(session.id, START + timedelta(minutes=1))
        last_seen.note(other.id, START + timedelta(minutes=2))
        wait()
        assert last_seen_of(sessions, session) == START + timedelta(minutes=1)
        assert last_seen_of(sessions, other) == START + timedelta(minutes=2)

    def test_the_latest_use_counts(
        self, last_seen: LastSeen, wait: Callable[[], None], sessions: SessionSteps, session: Session
    ) -> None:
        for minute in (1, 2, 5, 3, 4):
            last_seen.note(session.id, START + timedelta(minutes=minute))
        wait()
        assert last_seen_of(sessions, session) == START + timedelta(minutes=5)

    def test_a_time_before_the_one_that_stands_changes_nothing(
        self, last_seen: LastSeen, wait: Callable[[], None], sessions: SessionSteps, session: Session
    ) -> None:
        last_seen.note(session.id, START - timedelta(minutes=1))
        wait()
        assert sessions.by_id(session.id) == session

    def test_a_session_that_has_ended_stays_as_it_ended(
        self, last_seen: LastSeen, wait: Callable[[], None], sessions: SessionSteps, session: Session
    ) -> None:
        sessions.end([session.id], LOGGED_OUT)
        last_seen.note(session.id, START + timedelta(minutes=1))
        wait()
        assert sessions.by_id(session.id) == evolve(session, end=LOGGED_OUT)

    def test_an_unknown_session_is_passed_over(
        self, last_seen: LastSeen, wait: Callable[[], None], sessions: SessionSteps, session: Session
    ) -> None:
        last_seen.note(SessionId("nobody's"), START + timedelta(minutes=1))
        last_seen.note(session.id, START + timedelta(minutes=1))
        wait()
        assert sessions.by_id(SessionId("nobody's")) is None
        assert last_seen_of(sessions, session) == START + timedelta(minutes=1)

    def test_many_may_note_at_once(
        self, last_seen: LastSeen, wait: Callable[[], None], sessions: SessionSteps, session: Session
    ) -> None:
        seen = [new_session(session.user_id, started_at=START) for _ in range(16)]
        for each in seen:
            sessions.add(each)
        at_once(lambda each: last_seen.note(each.id, START + timedelta(minutes=1)), seen)
        wait()
        assert {last_seen_of(sessions, each) for each in seen} == {START + timedelta(minutes=1)}

    def test_a_session_that_was_seen_to_have_run_out_has_ended(
        self, last_seen: LastSeen, wait: Callable[[], None], sessions: SessionSteps, session: Session
    ) -> None:
        other = new_session(session.user_id, started_at=START)
        sessions.add(other)
        for _ in range(2):
            last_seen.note_end(session.id, RAN_OUT)
        last_seen.note_end(SessionId("nobody's"), RAN_OUT)
        wait()
        assert sessions.by_id(session.id) == evolve(session, end=RAN_OUT)
        assert sessions.by_id(other.id) == other

    def test_an_end_from_before_stays(
        self, last_seen: LastSeen, wait: Callable[[], None], sessions: SessionSteps, session: Session
    ) -> None:
        sessions.end([session.id], LOGGED_OUT)
        last_seen.note_end(session.id, RAN_OUT)
        wait()
        assert sessions.by_id(session.id) == evolve(session, end=LOGGED_OUT)
