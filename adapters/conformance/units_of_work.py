"""The contract of UnitOfWork, of Personal, and of the writers within one."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from threading import Barrier, Event

import pytest
from attrs import evolve, frozen

from ...domain.audit import AuditEvent
from ...domain.errors import Refusal
from ...domain.ports.reading import UserFilter
from ...domain.ports.writing import AuditPruning, SessionSweep, Transaction, UnitOfWork
from ...domain.sessions import EndReason, Session, SessionEnd, SessionKind
from ...domain.users import MAX_USER_ID, Phone, PhoneTaken, User, UserId, UserState
from .audit import all_of, new_event
from .part import PartOfContract
from .sessions import new_session, refreshing
from .steps import AuditSteps, SessionSteps, UserSteps
from .users import FIRST, another_user, erased, new_user, save

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
END = SessionEnd(START + timedelta(hours=1), EndReason.USER_FROZEN)


class _Failure(Exception):
    pass


@frozen
class _Before:
    """What is in the store before a piece of work: a user with two sessions, and one event."""

    user: User
    sessions: tuple[Session, Session]
    event: AuditEvent


def _writes_of_every_kind(before: _Before) -> list[Callable[[Transaction], object]]:
    first, second = before.sessions
    changed = evolve(before.user, fee_percentage=99, state=UserState.frozen(until=None, reason="a test"))
    return [
        lambda tx: tx.lock(before.user.id),
        lambda tx: tx.users.save(changed),
        lambda tx: tx.users.add(another_user()),
        lambda tx: tx.sessions.add(new_session(before.user.id)),
        lambda tx: tx.sessions.see([(second.id, START + timedelta(minutes=1))], START),
        lambda tx: tx.sessions.rotate(second.id, old=second.refreshing.digest, new=refreshing(b"\x01" * 32, 1)),
        lambda tx: tx.sessions.end([first.id], END),
        lambda tx: tx.audit.append(new_event(before.user.id)),
        lambda tx: tx[AuditPruning].prune(START + timedelta(days=1), 1),
        lambda tx: tx[SessionSweep].prune(START + timedelta(days=1), 1),
        lambda tx: tx[SessionSweep].erase_of(before.user.id),
        lambda tx: tx.users.save(erased(before.user)),
    ]


class UnitOfWorkContract(PartOfContract):
    """Subclasses give ``store``, which is empty."""

    @pytest.fixture
    def before(self, users: UserSteps, sessions: SessionSteps, audit: AuditSteps) -> _Before:
        user = users.add(new_user())
        before = _Before(user, (new_session(user.id), new_session(user.id)), new_event(user.id))
        for session in before.sessions:
            sessions.add(session)
        audit.append(before.event)
        return before

    def test_what_the_work_returns_is_returned(self, work: UnitOfWork) -> None:
        answer = object()
        assert work.transact(lambda tx: answer) is answer
        assert work.transact(lambda tx: None) is None

    def test_all_of_it_is_there_afterwards(
        self, work: UnitOfWork, users: UserSteps, sessions: SessionSteps, audit: AuditSteps, before: _Before
    ) -> None:
        changed = evolve(before.user, state=UserState.frozen(until=None, reason="a test"))
        session, event = new_session(before.user.id), new_event(before.user.id)

        def write(tx: Transaction) -> User:
            tx.lock(before.user.id)
            tx.users.save(changed)
            tx.sessions.add(session)
            assert tx.sessions.end([before.sessions[0].id], END) == 1
            tx.audit.append(event)
            return tx.users.add(another_user())

        added = work.transact(write)
        assert users.find(UserFilter(), after=FIRST, limit=10, now=START) == [changed, added]
        assert sessions.by_id(session.id) == session
        assert sessions.by_id(before.sessions[0].id) == evolve(before.sessions[0], end=END)
        assert all_of(audit) == [event, before.event]

    @pytest.mark.parametrize("steps", range(13))
    def test_nothing_of_it_is_there_where_it_raises_at_any_step(
        self,
        work: UnitOfWork,
        users: UserSteps,
        sessions: SessionSteps,
        audit: AuditSteps,
        before: _Before,
        steps: int,
    ) -> None:
        writes = _writes_of_every_kind(before)
        assert len(writes) == 12

        def fail(tx: Transaction, failure: type[BaseException]) -> None:
            for write in writes[:steps]:
                write(tx)
            raise failure

        for failure in (_Failure, PhoneTaken, KeyboardInterrupt):
            with pytest.raises(failure):
                work.transact(partial(fail, failure=failure))
        assert users.find(UserFilter(), after=FIRST, limit=10, now=START) == [before.user]
        assert users.by_phone(Phone("13800138000")) == before.user
        assert [sessions.by_id(session.id) for session in before.sessions] == list(before.sessions)
        assert len(sessions.live(before.user.id, SessionKind.USER, START)) == 2
        assert all_of(audit) == [before.event]

    def test_the_store_works_as_before_after_a_failure(
        self, work: UnitOfWork, users: UserSteps, before: _Before
    ) -> None:
        def fail(tx: Transaction) -> None:
            tx.lock(before.user.id)
            raise _Failure

        for _ in range(3):
            with pytest.raises(_Failure):
                work.transact(fail)
        changed = evolve(before.user, fee_percentage=50)
        save(work, changed)
        assert users.by_id(before.user.id) == changed

    def test_it_reads_its_own_writes(self, work: UnitOfWork, before: _Before) -> None:
        changed = evolve(before.user, user_name="李四", phone=Phone("13900139000"))
        session, event = new_session(before.user.id), new_event(before.user.id)
        later = START + timedelta(minutes=1)
        new = refreshing(b"\x01" * 32, 1)
        expected = evolve(session, refreshing=new, last_seen_at=later, end=END)

        def write_and_read(tx: Transaction) -> None:
            tx.lock(changed.id)
            tx.users.save(changed)
            assert tx.lock(changed.id) == tx.users.by_phone(Phone("13900139000")) == changed
            assert tx.users.by_phone(Phone("13800138000")) is None
            tx.sessions.add(session)
            assert session in tx.sessions.live(changed.id, SessionKind.USER, START)
            assert tx.sessions.rotate(session.id, old=session.refreshing.digest, new=new)
            assert not tx.sessions.rotate(session.id, old=session.refreshing.digest, new=new)
            tx.sessions.see([(session.id, later)], later)
            assert tx.sessions.end([session.id], END) == 1
            assert tx.sessions.end([session.id], END) == 0
            assert tx.sessions.by_id(session.id) == expected
            tx.audit.append(event)
            assert tx[AuditPruning].earliest(event.at) == event.at
            tx[SessionSweep].erase_of(changed.id)
            assert tx.sessions.by_id(session.id) is None

        work.transact(write_and_read)

    def test_a_transaction_knows_whom_it_has_locked(self, work: UnitOfWork, users: UserSteps) -> None:
        first, second, third = (users.add(another_user()) for _ in range(3))
        nobody = UserId(MAX_USER_ID)

        def lock(tx: Transaction) -> set[UserId]:
            assert tx.locked == set()
            assert tx.lock(nobody) is None
            tx.lock(third.id)
            tx.lock(first.id)
            tx.users.by_phone(Phone("13800138000"))
            return set(tx.locked)

        assert work.transact(lock) == {first.id, third.id}
        assert work.transact(lambda tx: tx.lock(second.id) and tx.locked) == {second.id}

    def test_what_is_personal_is_erased_and_the_user_stays(self, work: UnitOfWork, before: _Before) -> None:
        def erase(tx: Transaction) -> None:
            assert SessionSweep in tx.personal
            tx.lock(before.user.id)
            tx.erase_of(before.user.id)
            assert [tx.sessions.by_id(session.id) for session in before.sessions] == [None, None]
            assert tx.lock(before.user.id) == before.user

        work.transact(erase)

    def test_a_refusal_of_one_step_takes_nothing_of_the_others_back(
        self, work: UnitOfWork, users: UserSteps, audit: AuditSteps, before: _Before
    ) -> None:
        first, last = new_event(), new_event()

        def write(tx: Transaction) -> User:
            tx.audit.append(first)
            with pytest.raises(PhoneTaken):
                tx.users.add(new_user())
            tx.audit.append(last)
            return tx.users.add(another_user())

        added = work.transact(write)
        assert users.find(UserFilter(), after=FIRST, limit=10, now=START) == [before.user, added]
        assert all_of(audit) == [last, first, before.event]

    def test_a_refusal_comes_out_as_it_was_raised(self, work: UnitOfWork, before: _Before) -> None:
        refusal = PhoneTaken()

        def refuse(tx: Transaction) -> None:
            raise refusal

        with pytest.raises(Refusal) as refused:
            work.transact(refuse)
        assert refused.value is refusal

    def test_nobody_sees_a_part_of_it(
        self, work: UnitOfWork, sessions: SessionSteps, users: UserSteps, before: _Before
    ) -> None:
        """A freeze that ends the sessions: a reader finds either both or neither."""
        over = Event()
        seen: set[tuple[bool, bool]] = set()

        def look_on() -> None:
            while not over.is_set():
                presence = sessions.presence(before.user.id, before.sessions[0].id)
                assert presence is not None
                assert presence.session is not None
                seen.add((presence.user.fee_percentage == 99, presence.session.refreshing.rotations == 1))

        def change(forth: bool) -> None:
            first = before.sessions[0].refreshing
            new = evolve(first, digest=b"\x01" * 32, rotations=1)

            def write(tx: Transaction) -> None:
                tx.lock(before.user.id)
                tx.users.save(evolve(before.user, fee_percentage=99 if forth else 4))
                old, newer = (first, new) if forth else (new, first)
                assert tx.sessions.rotate(before.sessions[0].id, old=old.digest, new=newer)

            work.transact(write)

        with ThreadPoolExecutor(1) as pool:
            looker = pool.submit(look_on)
            try:
                for number in range(40):
                    change(number % 2 == 0)
            finally:
                over.set()
            looker.result(30)
        assert seen <= {(True, True), (False, False)}

    def test_a_locked_user_is_kept_from_others_until_the_end(
        self, work: UnitOfWork, users: UserSteps, before: _Before
    ) -> None:
        inside, got_in = Event(), Event()

        def first(tx: Transaction) -> bool:
            user = tx.lock(before.user.id)
            assert user is not None
            inside.set()
            # Until the other one gets the lock, which it must not, or has had the time to.
            overtaken = got_in.wait(0.1)
            tx.users.save(evolve(user, fee_percentage=50))
            return overtaken

        def second(tx: Transaction) -> int:
            user = tx.lock(before.user.id)
            got_in.set()
            assert user is not None
            return user.fee_percentage

        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(lambda: inside.wait(30) and work.transact(second))
            assert not work.transact(first)
            assert waiting.result(30) == 50

    def test_pieces_of_work_on_the_same_user_happen_one_after_the_other(
        self, work: UnitOfWork, users: UserSteps, before: _Before
    ) -> None:
        together = Barrier(8)
        times = 10

        def add_one(tx: Transaction) -> int:
            user = tx.lock(before.user.id)
            assert user is not None
            tx.users.save(evolve(user, fee_percentage=user.fee_percentage + 1))
            return user.fee_percentage

        def add(_number: int) -> list[int]:
            together.wait(timeout=30)
            return [work.transact(add_one) for _ in range(times)]

        with ThreadPoolExecutor(8) as pool:
            found = [percentage for each in pool.map(add, range(8)) for percentage in each]
        user = users.by_id(before.user.id)
        assert user is not None
        assert user.fee_percentage == before.user.fee_percentage + 8 * times
        assert sorted(found) == list(range(before.user.fee_percentage, user.fee_percentage))

    def test_of_many_who_count_the_sessions_first_one_finds_room(self, work: UnitOfWork, users: UserSteps) -> None:
        user = users.add(new_user())
        together = Barrier(8)
        numbers: Iterator[int] = count(1)

        def add_where_there_is_none(tx: Transaction) -> bool:
            tx.lock(user.id)
            if tx.sessions.live(user.id, SessionKind.USER, START):
                return False
            tx.sessions.add(new_session(user.id))
            tx.audit.append(new_event(user.id, at=START + timedelta(seconds=next(numbers))))
            return True

        def add(_number: int) -> bool:
            together.wait(timeout=30)
            return work.transact(add_where_there_is_none)

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(add, range(8))).count(True) == 1
