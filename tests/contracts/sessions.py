"""The contract of SessionRepository."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Barrier

import pytest

from menshen.domain.device_policy import DevicePolicy
from menshen.domain.ports import SessionRepository, UserRepository
from menshen.domain.sessions import EndReason, Session, SessionEnd, SessionId
from menshen.domain.users import User, UserId

from .users import new_user

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
MANY = DevicePolicy(multi_device=True)
ONE = DevicePolicy(multi_device=False)

_numbers: Iterator[int] = count(1)


def new_session(user_id: UserId, *, started_at: datetime = START, lasts: timedelta = timedelta(days=7)) -> Session:
    return Session(
        id=SessionId(f"session-{next(_numbers)}"),
        user_id=user_id,
        started_at=started_at,
        expires_at=started_at + lasts,
    )


def stored(sessions: SessionRepository, session: Session) -> Session:
    """*session* as the repository holds it now."""
    presence = sessions.presence(session.user_id, session.id)
    assert presence is not None
    assert presence.session is not None
    return presence.session


class SessionRepositoryContract:
    """Subclasses give the fixtures ``users`` and ``sessions``: two empty repositories on one store."""

    @pytest.fixture
    def user(self, users: UserRepository) -> User:
        return users.add(new_user())

    @pytest.mark.parametrize("policy", [MANY, ONE])
    def test_a_session_that_was_admitted_comes_back_exactly(
        self, sessions: SessionRepository, user: User, policy: DevicePolicy
    ) -> None:
        session = new_session(user.id)
        sessions.admit(session, policy)
        presence = sessions.presence(user.id, session.id)
        assert presence is not None
        assert presence.user == user
        assert presence.session == session
        assert presence.session.started_at.utcoffset() == timedelta(0)
        assert presence.session.started_at.microsecond == 678901

    def test_sessions_live_side_by_side_under_the_multi_device_policy(
        self, sessions: SessionRepository, user: User
    ) -> None:
        admitted = [new_session(user.id, started_at=START + timedelta(hours=hour)) for hour in range(3)]
        for session in admitted:
            sessions.admit(session, MANY)
        assert [stored(sessions, session) for session in admitted] == admitted

    def test_the_newest_session_replaces_all_others_under_the_single_device_policy(
        self, sessions: SessionRepository, user: User
    ) -> None:
        others = [new_session(user.id), new_session(user.id)]
        for session in others:
            sessions.admit(session, MANY)
        newest = new_session(user.id, started_at=START + timedelta(minutes=1))
        sessions.admit(newest, ONE)
        assert stored(sessions, newest) == newest
        for session in others:
            assert stored(sessions, session).end == SessionEnd(newest.started_at, EndReason.REPLACED)

    def test_a_login_replaces_no_session_of_another_user(
        self, users: UserRepository, sessions: SessionRepository, user: User
    ) -> None:
        other = users.add(new_user("13900139000"))
        session = new_session(other.id)
        sessions.admit(session, ONE)
        sessions.admit(new_session(user.id), ONE)
        assert stored(sessions, session) == session

    def test_a_login_changes_no_session_that_is_over(self, sessions: SessionRepository, user: User) -> None:
        expired = new_session(user.id, lasts=timedelta(minutes=1))
        logged_out = new_session(user.id)
        for session in (expired, logged_out):
            sessions.admit(session, MANY)
        end = SessionEnd(START + timedelta(seconds=1), EndReason.LOGGED_OUT)
        assert sessions.end(logged_out.id, end)
        sessions.admit(new_session(user.id, started_at=expired.expires_at), ONE)
        assert stored(sessions, expired) == expired
        assert stored(sessions, logged_out).end == end

    def test_a_session_is_replaced_up_to_the_last_moment_of_its_life(
        self, sessions: SessionRepository, user: User
    ) -> None:
        session = new_session(user.id, lasts=timedelta(minutes=1))
        sessions.admit(session, MANY)
        last_moment = session.expires_at - timedelta(microseconds=1)
        sessions.admit(new_session(user.id, started_at=last_moment), ONE)
        assert stored(sessions, session).end == SessionEnd(last_moment, EndReason.REPLACED)

    def test_of_many_logins_at_once_one_session_lives_under_the_single_device_policy(
        self, sessions: SessionRepository, user: User
    ) -> None:
        newcomers = [new_session(user.id) for _ in range(8)]
        together = Barrier(len(newcomers))

        def admit(session: Session) -> None:
            together.wait(timeout=30)
            sessions.admit(session, ONE)

        with ThreadPoolExecutor(len(newcomers)) as pool:
            list(pool.map(admit, newcomers))
        ends = [stored(sessions, session).end for session in newcomers]
        assert ends.count(None) == 1
        assert ends.count(SessionEnd(START, EndReason.REPLACED)) == len(newcomers) - 1

    def test_a_session_ends_once(self, sessions: SessionRepository, user: User) -> None:
        session = new_session(user.id)
        sessions.admit(session, MANY)
        first = SessionEnd(START + timedelta(microseconds=1), EndReason.LOGGED_OUT)
        assert sessions.end(session.id, first)
        assert not sessions.end(session.id, SessionEnd(START + timedelta(days=1), EndReason.REPLACED))
        assert stored(sessions, session).end == first

    def test_of_many_ends_at_once_one_counts(self, sessions: SessionRepository, user: User) -> None:
        session = new_session(user.id)
        sessions.admit(session, MANY)
        ends = [SessionEnd(START + timedelta(seconds=second), EndReason.LOGGED_OUT) for second in range(4)]
        together = Barrier(len(ends))

        def end(how: SessionEnd) -> bool:
            together.wait(timeout=30)
            return sessions.end(session.id, how)

        with ThreadPoolExecutor(len(ends)) as pool:
            counted = list(pool.map(end, ends))
        assert counted.count(True) == 1
        assert stored(sessions, session).end == ends[counted.index(True)]

    @pytest.mark.parametrize("reason", EndReason)
    def test_an_end_keeps_its_reason_and_its_moment(
        self, sessions: SessionRepository, user: User, reason: EndReason
    ) -> None:
        session = new_session(user.id)
        sessions.admit(session, MANY)
        end = SessionEnd(datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), reason)
        assert sessions.end(session.id, end)
        found = stored(sessions, session).end
        assert found == end
        assert found is not None
        assert found.reason is reason

    def test_ending_one_session_leaves_the_others(self, sessions: SessionRepository, user: User) -> None:
        session, other = new_session(user.id), new_session(user.id)
        for each in (session, other):
            sessions.admit(each, MANY)
        assert sessions.end(session.id, SessionEnd(START, EndReason.LOGGED_OUT))
        assert stored(sessions, other) == other

    def test_an_unknown_session_cannot_end(self, sessions: SessionRepository, user: User) -> None:
        unknown = SessionId("nobody's")
        assert not sessions.end(unknown, SessionEnd(START, EndReason.LOGGED_OUT))
        presence = sessions.presence(user.id, unknown)
        assert presence is not None
        assert presence.session is None

    def test_nobody_is_present_where_there_is_no_such_user(self, sessions: SessionRepository, user: User) -> None:
        session = new_session(user.id)
        sessions.admit(session, MANY)
        assert sessions.presence(UserId(user.id + 1), session.id) is None

    def test_a_user_is_present_without_a_session(self, sessions: SessionRepository, user: User) -> None:
        presence = sessions.presence(user.id, SessionId("unknown"))
        assert presence is not None
        assert presence.user == user
        assert presence.session is None

    def test_the_session_of_another_user_is_not_told(
        self, users: UserRepository, sessions: SessionRepository, user: User
    ) -> None:
        other = users.add(new_user("13900139000"))
        session = new_session(other.id)
        sessions.admit(session, MANY)
        presence = sessions.presence(user.id, session.id)
        assert presence is not None
        assert presence.user == user
        assert presence.session is None

    def test_the_user_is_read_as_it_stands_now(
        self, users: UserRepository, sessions: SessionRepository, user: User
    ) -> None:
        session = new_session(user.id)
        sessions.admit(session, MANY)
        assert users.replace_password_hash(user.id, old=user.password_hash, new="a newer hash")
        presence = sessions.presence(user.id, session.id)
        assert presence is not None
        assert presence.user == users.by_id(user.id)
        assert presence.user.password_hash == "a newer hash"
