"""The contract of Sessions and SessionWriter: how sessions begin and end."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Barrier
from typing import TypeVar

import pytest
from attrs import evolve

from ...domain.actors import Actor
from ...domain.devices import Device, DeviceType
from ...domain.ports.writing import UnitOfWork
from ...domain.sessions import EndReason, Refreshing, Session, SessionEnd, SessionId, SessionKind
from ...domain.users import User, UserId, UserState
from .part import PartOfContract
from .steps import SessionSteps, UserSteps
from .users import another_user, new_user, save

T = TypeVar("T")
Each = TypeVar("Each")

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
LOGGED_OUT = SessionEnd(START + timedelta(seconds=1), EndReason.LOGGED_OUT)
UNKNOWN = SessionId("nobody's")

_numbers: Iterator[int] = count(1)


def refreshing(digest: bytes = b"\x00" * 31 + b"\xff", rotations: int = 0, at: datetime = START) -> Refreshing:
    recent = tuple(at - number * timedelta(microseconds=1) for number in range(1, min(rotations, 32)))
    return Refreshing(
        digest=digest,
        rotations=rotations,
        rotated_at=at,
        expires_at=at + timedelta(days=30),
        recent=recent,
        key_id=None if rotations == 2 else f"key-{rotations}",
    )


def new_session(
    user_id: UserId,
    *,
    started_at: datetime = START,
    lasts: timedelta = timedelta(days=7),
    idle_ttl: timedelta = timedelta(days=7),
    kind: SessionKind = SessionKind.USER,
    name: str | None = None,
) -> Session:
    return Session(
        id=SessionId(name or f"session-{next(_numbers)}"),
        user_id=user_id,
        kind=kind,
        device=Device(),
        started_at=started_at,
        last_seen_at=started_at,
        expires_at=started_at + lasts,
        idle_ttl=idle_ttl,
        refreshing=refreshing(at=started_at),
    )


def live_of(
    sessions: SessionSteps, user: User, now: datetime = START, kind: SessionKind = SessionKind.USER
) -> list[SessionId]:
    return [session.id for session in sessions.live(user.id, kind, now)]


def at_once(act: Callable[[Each], T], things: Sequence[Each]) -> list[T]:
    """What *act* returns for each of *things*, called at the same moment by one thread each."""
    together = Barrier(len(things))

    def run(thing: Each) -> T:
        together.wait(timeout=30)
        return act(thing)

    with ThreadPoolExecutor(len(things)) as pool:
        return list(pool.map(run, things))


class OfOneUser(PartOfContract):
    """Two users, ``user`` and ``other``. Subclasses give ``store``, which is empty."""

    @pytest.fixture
    def user(self, users: UserSteps) -> User:
        return users.add(new_user())

    @pytest.fixture
    def other(self, users: UserSteps) -> User:
        return users.add(another_user())


class KeepingSessionsContract(OfOneUser):
    """Subclasses give ``store``, which is empty."""

    @pytest.mark.parametrize(
        "change",
        [
            lambda session: session,
            lambda session: evolve(session, kind=SessionKind.ADMIN),
            lambda session: evolve(session, device=Device(DeviceType.PHONE, "标识" * 64, "𠮷 的手机 ")),
            lambda session: evolve(session, device=Device(DeviceType.MINI_PROGRAM, " ", "")),
            lambda session: evolve(session, address="2001:db8::ffff:192.0.2.1", user_agent="浏览器/1.0 " + "x" * 200),
            lambda session: evolve(session, last_seen_at=START + MOMENT, expires_at=START + timedelta(days=3650)),
            lambda session: evolve(session, idle_ttl=timedelta(days=3650)),
            lambda session: evolve(session, refreshing=refreshing(bytes(range(32)), 1_000_000, START + MOMENT)),
        ],
    )
    def test_an_added_session_comes_back_exactly(
        self, sessions: SessionSteps, user: User, change: Callable[[Session], Session]
    ) -> None:
        session = change(new_session(user.id))
        sessions.add(session)
        presence = sessions.presence(user.id, session.id)
        assert presence is not None
        assert presence.user == user
        found = sessions.by_id(session.id)
        assert found == presence.session == session
        assert sessions.live(user.id, session.kind, START) == [session]
        assert found is not None
        for time in (found.started_at, found.last_seen_at, found.expires_at, found.refreshing.rotated_at):
            assert time.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("device_type", DeviceType)
    def test_every_type_of_device_comes_back(self, sessions: SessionSteps, user: User, device_type: DeviceType) -> None:
        session = evolve(new_session(user.id), device=Device(device_type))
        sessions.add(session)
        assert sessions.by_id(session.id) == session

    def test_there_is_no_unknown_session(self, sessions: SessionSteps, user: User) -> None:
        sessions.add(new_session(user.id))
        assert sessions.by_id(UNKNOWN) is None
        assert sessions.by_id(SessionId("")) is None

    def test_the_live_ones_are_listed_in_the_order_in_which_they_started(
        self, sessions: SessionSteps, user: User
    ) -> None:
        for hour, name in [(2, "a"), (0, "c"), (3, "b"), (1, "d")]:
            sessions.add(new_session(user.id, started_at=START + timedelta(hours=hour), name=name))
        assert live_of(sessions, user, START + timedelta(hours=3)) == ["c", "d", "a", "b"]

    def test_the_live_ones_of_one_kind_and_one_user_are_listed(
        self, sessions: SessionSteps, user: User, other: User
    ) -> None:
        mine, admin = new_session(user.id), new_session(user.id, kind=SessionKind.ADMIN)
        for session in (mine, admin, new_session(other.id)):
            sessions.add(session)
        assert live_of(sessions, user) == [mine.id]
        assert live_of(sessions, user, kind=SessionKind.ADMIN) == [admin.id]
        assert live_of(sessions, other, kind=SessionKind.ADMIN) == []
        assert live_of(sessions, user, kind=SessionKind.UNKNOWN) == []

    def test_a_session_is_live_up_to_the_last_moment_of_its_life(self, sessions: SessionSteps, user: User) -> None:
        session = new_session(user.id, lasts=timedelta(minutes=1))
        sessions.add(session)
        assert live_of(sessions, user, session.expires_at - MOMENT) == [session.id]
        assert live_of(sessions, user, session.expires_at) == []

    def test_a_session_is_live_until_it_has_been_idle_too_long(self, sessions: SessionSteps, user: User) -> None:
        session = new_session(user.id, idle_ttl=timedelta(hours=1))
        sessions.add(session)
        assert live_of(sessions, user, session.idle_at - MOMENT) == [session.id]
        assert live_of(sessions, user, session.idle_at) == []
        sessions.see([(session.id, START + MOMENT)], START + MOMENT)
        assert live_of(sessions, user, session.idle_at) == [session.id]
        assert live_of(sessions, user, session.idle_at + MOMENT) == []

    def test_a_session_that_has_ended_is_not_live_even_before_its_end(self, sessions: SessionSteps, user: User) -> None:
        session, left = new_session(user.id), new_session(user.id)
        sessions.add(session)
        sessions.add(left)
        sessions.end([session.id], LOGGED_OUT)
        assert live_of(sessions, user, START) == [left.id]

    def test_nobody_is_present_where_there_is_no_such_user(self, sessions: SessionSteps, user: User) -> None:
        session = new_session(user.id)
        sessions.add(session)
        assert sessions.presence(UserId(user.id + 1), session.id) is None

    def test_a_user_is_present_without_a_session(self, sessions: SessionSteps, user: User) -> None:
        presence = sessions.presence(user.id, UNKNOWN)
        assert presence is not None
        assert presence.user == user
        assert presence.session is None

    def test_the_session_of_another_user_is_not_found(self, sessions: SessionSteps, user: User, other: User) -> None:
        session = new_session(other.id)
        sessions.add(session)
        presence = sessions.presence(user.id, session.id)
        assert presence is not None
        assert presence.user == user
        assert presence.session is None

    def test_user_and_session_are_read_as_they_stand_now(
        self, sessions: SessionSteps, work: UnitOfWork, user: User
    ) -> None:
        session = new_session(user.id)
        sessions.add(session)
        frozen = evolve(user, state=UserState.frozen(until=START, reason="欠费"), is_admin=True)
        save(work, frozen)
        sessions.end([session.id], LOGGED_OUT)
        presence = sessions.presence(user.id, session.id)
        assert presence is not None
        assert presence.user == frozen
        assert presence.session == evolve(session, end=LOGGED_OUT)


class EndingSessionsContract(OfOneUser):
    """How sessions end and are forgotten. Subclasses give ``store``, which is empty."""

    @pytest.mark.parametrize("reason", EndReason)
    def test_an_end_comes_back_exactly(self, sessions: SessionSteps, user: User, reason: EndReason) -> None:
        for by in (None, Device(DeviceType.PC, name="𠮷 的电脑 "), Device(DeviceType.OTHER)):
            for actor in (None, Actor.user(UserId(7)), Actor.operator("o" * 100)):
                session = new_session(user.id)
                sessions.add(session)
                end = SessionEnd(datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), reason, by, actor)
                assert sessions.end([session.id], end) == 1
                found = sessions.by_id(session.id)
                assert found == evolve(session, end=end)
                assert found is not None
                assert found.end is not None
                assert found.end.reason is reason
                assert found.end.at.utcoffset() == timedelta(0)

    def test_type_and_name_of_the_device_that_ended_it_are_kept(self, sessions: SessionSteps, user: User) -> None:
        session = new_session(user.id)
        sessions.add(session)
        sessions.end([session.id], SessionEnd(START, EndReason.REPLACED, Device(DeviceType.PC, "an id", "a name")))
        found = sessions.by_id(session.id)
        assert found is not None
        assert found.end == SessionEnd(START, EndReason.REPLACED, Device(DeviceType.PC, None, "a name"))

    def test_a_session_ends_once(self, sessions: SessionSteps, user: User) -> None:
        session = new_session(user.id)
        sessions.add(session)
        assert sessions.end([session.id], LOGGED_OUT) == 1
        later = SessionEnd(START + timedelta(days=1), EndReason.REPLACED, Device(DeviceType.PC), Actor.service())
        assert sessions.end([session.id], later) == 0
        assert sessions.by_id(session.id) == evolve(session, end=LOGGED_OUT)

    def test_only_sessions_that_had_not_ended_are_counted(
        self, sessions: SessionSteps, user: User, other: User
    ) -> None:
        ended, live, others, spared = (new_session(user_id) for user_id in (user.id, user.id, other.id, user.id))
        for session in (ended, live, others, spared):
            sessions.add(session)
        sessions.end([ended.id], LOGGED_OUT)
        kicked = SessionEnd(START + timedelta(days=1), EndReason.KICKED)
        assert sessions.end([live.id, UNKNOWN, ended.id, live.id, others.id], kicked) == 2
        assert sessions.by_id(live.id) == evolve(live, end=kicked)
        assert sessions.by_id(others.id) == evolve(others, end=kicked)
        assert sessions.by_id(ended.id) == evolve(ended, end=LOGGED_OUT)
        assert sessions.by_id(spared.id) == spared

    def test_nothing_ends_where_nothing_is_named_or_known(self, sessions: SessionSteps, user: User) -> None:
        session = new_session(user.id)
        sessions.add(session)
        assert sessions.end([], LOGGED_OUT) == 0
        assert sessions.end([UNKNOWN], LOGGED_OUT) == 0
        assert sessions.by_id(UNKNOWN) is None
        assert sessions.by_id(session.id) == session

    def test_of_many_ends_at_once_one_counts(self, sessions: SessionSteps, user: User) -> None:
        session = new_session(user.id)
        sessions.add(session)
        ends = [SessionEnd(START + timedelta(seconds=second), EndReason.LOGGED_OUT) for second in range(8)]
        counted = at_once(lambda end: sessions.end([session.id], end), ends)
        assert sorted(counted) == [0] * 7 + [1]
        assert sessions.by_id(session.id) == evolve(session, end=ends[counted.index(1)])

    def test_every_session_of_a_user_is_forgotten(
        self, users: UserSteps, sessions: SessionSteps, user: User, other: User
    ) -> None:
        mine = [new_session(user.id, kind=kind) for kind in (*SessionKind, SessionKind.USER)]
        theirs = new_session(other.id)
        for session in (*mine, theirs):
            sessions.add(session)
        sessions.end([mine[0].id], LOGGED_OUT)
        sessions.erase_of(user.id)
        sessions.erase_of(user.id)
        assert [sessions.by_id(session.id) for session in mine] == [None] * 4
        assert sessions.by_id(theirs.id) == theirs
        assert users.by_id(user.id) == user

    def test_sessions_whose_end_or_last_possible_end_is_past_are_pruned(
        self, sessions: SessionSteps, user: User
    ) -> None:
        before = START + timedelta(days=30)
        long_over = new_session(user.id, started_at=before - timedelta(days=8), lasts=timedelta(days=8) - MOMENT)
        ended = new_session(user.id, lasts=timedelta(days=365))
        ended_just_then = new_session(user.id, lasts=timedelta(days=365))
        over_just_then = new_session(user.id, lasts=timedelta(days=30))
        live = new_session(user.id, lasts=timedelta(days=365), idle_ttl=timedelta(days=365))
        for session in (long_over, ended, ended_just_then, over_just_then, live):
            sessions.add(session)
        sessions.end([ended.id], SessionEnd(before - MOMENT, EndReason.KICKED))
        sessions.end([ended_just_then.id], SessionEnd(before, EndReason.KICKED))
        assert sessions.prune(before, 10) == 2
        assert sessions.by_id(long_over.id) is sessions.by_id(ended.id) is None
        for session in (ended_just_then, over_just_then, live):
            assert sessions.by_id(session.id) is not None
        assert sessions.prune(before, 10) == 0

    def test_no_more_are_pruned_than_were_asked_for(self, sessions: SessionSteps, user: User) -> None:
        old = [new_session(user.id, lasts=timedelta(seconds=number)) for number in range(5)]
        for session in old:
            sessions.add(session)
        before = START + timedelta(days=1)
        assert [sessions.prune(before, 2) for _ in range(4)] == [2, 2, 1, 0]
        assert [sessions.by_id(session.id) for session in old] == [None] * 5
