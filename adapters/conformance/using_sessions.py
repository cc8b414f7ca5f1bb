"""The contract of SessionWriter, Presences and SessionSweep: how sessions are used and deleted."""

from datetime import timedelta

import pytest
from attrs import evolve

from ...domain.ports.writing import Transaction, UnitOfWork
from ...domain.sessions import SessionId, SessionKind
from ...domain.users import User
from .sessions import LOGGED_OUT, MOMENT, START, UNKNOWN, OfOneUser, at_once, new_session, refreshing
from .steps import SessionSteps


class UsingSessionsContract(OfOneUser):
    """Refresh tokens, and last use. Subclasses give ``store``, which is empty."""

    def test_a_digest_is_replaced_where_the_old_one_stands(
        self, sessions: SessionSteps, user: User, other: User
    ) -> None:
        # The same digest in both: only the session that was named changes.
        session, untouched = new_session(user.id), new_session(other.id)
        sessions.add(session)
        sessions.add(untouched)
        new = refreshing(b"\x01" * 32, 1, START + timedelta(hours=1))
        assert sessions.rotate(session.id, old=session.refreshing.digest, new=new)
        assert sessions.by_id(session.id) == evolve(session, refreshing=new)
        assert sessions.by_id(untouched.id) == untouched
        newer = refreshing(b"\x02" * 32, 2, START + timedelta(hours=2))
        assert sessions.rotate(session.id, old=new.digest, new=newer)
        assert sessions.by_id(session.id) == evolve(session, refreshing=newer)

    @pytest.mark.parametrize("old", [b"\x01" * 32, b"", b"\x00" * 31, b"\x00" * 32, b"\x00" * 31 + b"\xff\x00"])
    def test_where_another_digest_stands_nothing_changes(self, sessions: SessionSteps, user: User, old: bytes) -> None:
        session = new_session(user.id)
        sessions.add(session)
        assert not sessions.rotate(session.id, old=old, new=refreshing(b"\x02" * 32, 1))
        assert sessions.by_id(session.id) == session

    def test_a_session_that_has_ended_gets_no_new_digest(self, sessions: SessionSteps, user: User) -> None:
        session = new_session(user.id)
        sessions.add(session)
        sessions.end([session.id], LOGGED_OUT)
        assert not sessions.rotate(session.id, old=session.refreshing.digest, new=refreshing(b"\x01" * 32, 1))
        assert sessions.by_id(session.id) == evolve(session, end=LOGGED_OUT)

    def test_an_unknown_session_gets_no_new_digest(self, sessions: SessionSteps, user: User) -> None:
        assert not sessions.rotate(UNKNOWN, old=refreshing().digest, new=refreshing(b"\x01" * 32, 1))
        assert sessions.by_id(UNKNOWN) is None

    def test_of_many_rotations_at_once_one_counts(self, sessions: SessionSteps, user: User) -> None:
        session = new_session(user.id)
        sessions.add(session)
        new = [refreshing(bytes([number]) * 32, number) for number in range(1, 9)]
        old = session.refreshing.digest
        counted = at_once(lambda each: sessions.rotate(session.id, old=old, new=each), new)
        assert counted.count(True) == 1
        assert sessions.by_id(session.id) == evolve(session, refreshing=new[counted.index(True)])

    def test_all_that_have_not_ended_come_one_batch_after_another(
        self, sessions: SessionSteps, user: User, other: User
    ) -> None:
        mine = [new_session(each.id, kind=kind) for each in (user, other) for kind in SessionKind for _ in range(2)]
        mine.append(new_session(user.id, lasts=MOMENT))
        # The clock was put back since.
        mine.append(new_session(user.id, started_at=START + timedelta(days=1000)))
        ended = new_session(user.id)
        for session in (*mine, ended):
            sessions.add(session)
        sessions.end([ended.id], LOGGED_OUT)
        found: list[SessionId] = []
        last: SessionId | None = SessionId("")
        while last is not None:
            page = sessions.unended(after=last, limit=3)
            assert len(page.ids) <= 3
            found += page.ids
            last = page.last
        assert sorted(found) == sorted(session.id for session in mine)
        assert len(set(found)) == len(found)

    def test_the_last_use_moves_forward_and_never_back(self, sessions: SessionSteps, user: User) -> None:
        session, other = new_session(user.id), new_session(user.id)
        sessions.add(session)
        sessions.add(other)
        later = START + timedelta(hours=1)
        sessions.see([(session.id, later)], later)
        for earlier in (later - MOMENT, START, START - timedelta(days=1)):
            sessions.see([(session.id, earlier)], later)
        assert sessions.by_id(session.id) == evolve(session, last_seen_at=later)
        assert sessions.by_id(other.id) == other
        sessions.see([(session.id, later + MOMENT)], later + MOMENT)
        assert sessions.by_id(session.id) == evolve(session, last_seen_at=later + MOMENT)

    def test_many_are_seen_at_one_moment_and_unknown_ones_passed_over(self, sessions: SessionSteps, user: User) -> None:
        added = [new_session(user.id) for _ in range(3)]
        for session in added:
            sessions.add(session)
        times = [START + timedelta(minutes=minute) for minute in range(3)]
        seen = [(session.id, time) for session, time in zip(added, times, strict=True)]
        sessions.see([(UNKNOWN, times[2]), *seen], times[2])
        for session, time in zip(added, times, strict=True):
            assert sessions.by_id(session.id) == evolve(session, last_seen_at=time)
        assert sessions.by_id(UNKNOWN) is None
        sessions.see([], times[2])

    def test_of_two_times_of_one_session_the_later_counts(self, sessions: SessionSteps, user: User) -> None:
        session = new_session(user.id)
        sessions.add(session)
        later = START + timedelta(hours=1)
        sessions.see([(session.id, later), (session.id, START + MOMENT)], later)
        assert sessions.by_id(session.id) == evolve(session, last_seen_at=later)

    def test_a_session_that_has_ended_is_not_seen_any_more(self, sessions: SessionSteps, user: User) -> None:
        session, live = new_session(user.id), new_session(user.id)
        sessions.add(session)
        sessions.add(live)
        sessions.end([session.id], LOGGED_OUT)
        sessions.see([(session.id, START + MOMENT), (live.id, START + MOMENT)], START + MOMENT)
        assert sessions.by_id(session.id) == evolve(session, end=LOGGED_OUT)
        assert sessions.by_id(live.id) == evolve(live, last_seen_at=START + MOMENT)

    def test_a_use_brings_no_session_back_that_was_idle_too_long(self, sessions: SessionSteps, user: User) -> None:
        session = new_session(user.id, idle_ttl=timedelta(hours=1))
        sessions.add(session)
        late = session.idle_at - MOMENT
        sessions.see([(session.id, late)], session.idle_at)
        assert sessions.by_id(session.id) == session
        sessions.see([(session.id, late)], late)
        assert sessions.by_id(session.id) == evolve(session, last_seen_at=late)

    def test_a_session_past_its_absolute_end_is_not_seen_any_more(self, sessions: SessionSteps, user: User) -> None:
        session = new_session(user.id, lasts=timedelta(hours=1))
        sessions.add(session)
        sessions.see([(session.id, START + MOMENT)], session.expires_at)
        assert sessions.by_id(session.id) == session

    def test_a_thousand_sessions_are_seen_and_end_at_one_moment(
        self, sessions: SessionSteps, work: UnitOfWork, user: User
    ) -> None:
        added = [new_session(user.id) for _ in range(1000)]

        def add_all(tx: Transaction) -> None:
            for session in added:
                tx.sessions.add(session)

        work.transact(add_all)
        later = START + timedelta(minutes=1)
        sessions.see([(session.id, later) for session in added], later)
        assert [each.last_seen_at for each in sessions.live(user.id, SessionKind.USER, later)] == [later] * 1000
        assert sessions.end([session.id for session in added], LOGGED_OUT) == 1000
        assert sessions.live(user.id, SessionKind.USER, later) == []
