"""The contract of UnitOfWork: what concurrent pieces of work see of each other, and what remains of them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext, suppress
from datetime import timedelta
from threading import Event
from typing import ClassVar

import pytest
from attrs import evolve

from ...domain.errors import StoreUnavailable
from ...domain.ports.reading import UserFilter
from ...domain.ports.stores import Store
from ...domain.ports.writing import AuditPruning, SessionSweep, Transaction
from ...domain.sessions import EndReason, SessionEnd, SessionKind
from ...domain.users import Phone, PhoneTaken, ReferrerUnknown, User, UserId
from .audit import START, all_of, new_event
from .part import PartOfContract
from .sessions import at_once, new_session, refreshing
from .steps import Steps
from .users import FIRST, LATER, NOBODY, another_user, new_user, save

MANY = 16
"""As many at once as a service has threads that do not wait."""


class _Failure(Exception):
    pass


class IsolationContract(PartOfContract):
    """Concurrent work. Subclasses give the fixture ``store``: an empty Store."""

    keeps_readers_waiting: ClassVar[bool] = False
    """Whether a reader waits for the end of another's work."""

    def test_of_many_who_register_one_number_at_once_one_leaves_a_trace(self, store: Store) -> None:
        def register(number: int) -> User | None:
            def write(tx: Transaction) -> User:
                tx.audit.append(new_event())
                user = tx.users.add(new_user(user_name=str(number)))
                tx.sessions.add(new_session(user.id, name=f"session of {number}"))
                return user

            for _ in range(10):
                # If there are more callers than connections, some may be refused for the moment.
                with suppress(StoreUnavailable):
                    try:
                        return store.work.transact(write)
                    except PhoneTaken:
                        return None
            raise AssertionError("the store had no time for this")

        for _ in range(3):
            events = len(all_of(Steps(store).audit))
            [user] = [each for each in at_once(register, range(MANY)) if each is not None]
            assert store.users.by_phone(Phone("13800138000")) == user
            assert len(store.sessions.live(user.id, SessionKind.USER, START)) == 1
            assert len(all_of(Steps(store).audit)) == events + 1
            assert (
                sum(bool(store.sessions.by_id(new_session(user.id, name=f"session of {n}").id)) for n in range(MANY))
                == 1
            )
            Steps(store).sessions.erase_of(user.id)
            save(store.work, evolve(user, phone=None))

    def test_of_many_who_change_to_one_number_at_once_one_gets_it(self, store: Store) -> None:
        users = [Steps(store).users.add(another_user()) for _ in range(8)]
        wanted = Phone("13800138000")

        def change(user: User) -> bool:
            try:
                save(store.work, evolve(user, phone=wanted))
            except PhoneTaken:
                return False
            return True

        changed = at_once(change, users)
        assert changed.count(True) == 1
        expected = [evolve(user, phone=wanted) if won else user for user, won in zip(users, changed, strict=True)]
        assert Steps(store).users.find(UserFilter(), after=FIRST, limit=100, now=LATER) == expected

    @pytest.mark.parametrize("_round", range(5))
    def test_an_end_is_final_whatever_happens_at_the_same_time(self, store: Store, _round: int) -> None:
        session = new_session(Steps(store).users.add(new_user()).id)
        Steps(store).sessions.add(session)
        end = SessionEnd(START, EndReason.KICKED)
        new = refreshing(b"\x01" * 32, 1)
        later = START + timedelta(minutes=1)
        steps: list[Callable[[], object]] = [
            lambda: Steps(store).sessions.see([(session.id, later)], later),
            lambda: Steps(store).sessions.end([session.id], end),
            lambda: Steps(store).sessions.rotate(session.id, old=session.refreshing.digest, new=new),
            lambda: store.work.transact(lambda tx: tx.sessions.end([session.id], end)),
        ]
        _, first, _, second = at_once(lambda step: step(), steps)
        assert {first, second} == {0, 1}
        found = store.sessions.by_id(session.id)
        assert found is not None
        assert found.end == end
        assert found.last_seen_at in {START, later}
        assert found.refreshing in (session.refreshing, new)
        assert not Steps(store).sessions.rotate(
            session.id, old=found.refreshing.digest, new=refreshing(b"\x02" * 32, 2)
        )

    def test_what_is_pruned_by_many_at_once_is_counted_once(self, store: Store) -> None:
        user = Steps(store).users.add(new_user())

        def fill(tx: Transaction) -> None:
            for _ in range(20):
                tx.sessions.add(new_session(user.id, lasts=timedelta(seconds=1)))
                tx.audit.append(new_event())

        store.work.transact(fill)
        before = START + timedelta(days=1)

        def prune(_number: int) -> tuple[int, int]:
            return store.work.transact(
                lambda tx: (tx[SessionSweep].prune(before, 20), tx[AuditPruning].prune(before, 20))
            )

        pruned = at_once(prune, range(4))
        assert [sum(counts) for counts in zip(*pruned, strict=True)] == [20, 20]
        assert all_of(Steps(store).audit) == []

    @pytest.mark.parametrize("is_undone", [False, True])
    def test_nobody_sees_anything_of_it_before_its_end(self, store: Store, is_undone: bool) -> None:
        user = Steps(store).users.add(new_user())
        changed = evolve(user, user_name="李四")
        session = new_session(user.id)

        def look() -> tuple[object, ...]:
            return (
                store.users.by_id(user.id),
                Steps(store).users.find(UserFilter(name_prefix="李"), after=FIRST, limit=10, now=LATER),
                store.users.by_phone(Phone("13900139000")),
                store.sessions.by_id(session.id),
                store.audit.find(subject=user.id, before=None, limit=10),
            )

        before = look()

        with ThreadPoolExecutor(1) as pool:

            def write(tx: Transaction) -> None:
                tx.lock(user.id)
                tx.users.save(changed)
                tx.users.add(new_user("13900139000"))
                tx.sessions.add(session)
                tx.audit.append(new_event(user.id))
                looking = pool.submit(look)
                if self.keeps_readers_waiting:
                    assert wait([looking], timeout=0.1).not_done
                else:
                    seen.append(looking.result(timeout=10))
                if is_undone:
                    raise _Failure

            seen: list[tuple[object, ...]] = []
            with pytest.raises(_Failure) if is_undone else nullcontext():
                store.work.transact(write)
        assert all(each == before for each in seen)
        assert (look() == before) is is_undone
        assert store.users.by_id(user.id) == (user if is_undone else changed)

    def test_pieces_of_work_that_wait_for_each_other_happen_once_or_not_at_all(self, store: Store) -> None:
        """Each locks what the other has: a store must resolve that, and may call one of them again."""
        users = [Steps(store).users.add(another_user()) for _ in range(2)]
        inside = [Event(), Event()]

        def add_one(tx: Transaction, user_id: UserId) -> None:
            user = tx.lock(user_id)
            assert user is not None
            tx.users.save(evolve(user, fee_percentage=user.fee_percentage + 1))

        def change_both(number: int) -> bool:
            first, second = (users[number].id, users[1 - number].id)

            def write(tx: Transaction) -> None:
                tx.audit.append(new_event(first))
                add_one(tx, first)
                inside[number].set()
                # Until the other one has its first lock too, unless they happen one after the other anyway.
                inside[1 - number].wait(0.1)
                add_one(tx, second)

            try:
                store.work.transact(write)
            except StoreUnavailable:
                return False
            return True

        done = at_once(change_both, [0, 1])
        assert any(done)
        for user in users:
            found = store.users.by_id(user.id)
            assert found is not None
            assert found.fee_percentage == user.fee_percentage + done.count(True)
        assert len(all_of(Steps(store).audit)) == done.count(True)

    @pytest.mark.parametrize("refused", ["a number that is taken", "a number to change to", "a referrer"])
    def test_work_goes_on_after_a_refusal_that_it_has_caught(self, store: Store, refused: str) -> None:
        user, other = Steps(store).users.add(new_user()), Steps(store).users.add(another_user())
        changed = evolve(user, user_name="李四")
        session, event = new_session(user.id), new_event(user.id)

        def be_refused(tx: Transaction) -> None:
            if refused == "a referrer":
                with pytest.raises(ReferrerUnknown):
                    tx.users.add(another_user_of_nobody)
            elif refused == "a number to change to":
                with pytest.raises(PhoneTaken):
                    tx.users.save(evolve(changed, phone=other.phone, user_name="王五"))
            else:
                with pytest.raises(PhoneTaken):
                    tx.users.add(new_user(user_name="王五"))

        another_user_of_nobody = evolve(another_user(), referrer_id=NOBODY)

        def write(tx: Transaction) -> User:
            tx.audit.append(event)
            tx.lock(user.id)
            tx.users.save(changed)
            for _ in range(3):
                be_refused(tx)
                assert tx.lock(user.id) == changed
                assert tx.users.by_phone(another_user_of_nobody.phone) is None
            tx.sessions.add(session)
            return tx.users.add(new_user("13900139000"))

        added = store.work.transact(write)
        assert Steps(store).users.find(UserFilter(), after=FIRST, limit=10, now=LATER) == [changed, other, added]
        assert store.sessions.by_id(session.id) == session
        assert all_of(Steps(store).audit) == [event]
