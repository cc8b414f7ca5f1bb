"""The contract of a store that keeps its data beyond the process."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from attrs import evolve

from ...domain.actors import Actor
from ...domain.device_policy import DevicePolicy
from ...domain.devices import Device, DeviceType
from ...domain.ports.reading import UserFilter
from ...domain.ports.stores import Store
from ...domain.ports.writing import SessionSweep, Transaction
from ...domain.sessions import EndReason, SessionEnd
from ...domain.users import PhoneTaken, UserState
from .audit import START, all_of, new_event
from .sessions import new_session, refreshing
from .steps import Steps
from .users import FIRST, LATER, another_user, erased, new_user, save


class _Failure(Exception):
    pass


class ReopenedStoreContract:
    """What outlives the process. Subclasses give the fixture ``reopen``: it opens one and the same store, empty at first.

    It is called several times in a test. A store that only one process may open is closed in between.
    """

    def test_users_are_what_they_were(self, reopen: Callable[[], Store]) -> None:
        store = reopen()
        first = Steps(store).users.add(new_user())
        second = Steps(store).users.add(another_user())
        third = Steps(store).users.add(another_user())
        changed = evolve(
            first,
            wechat_openid="oX-an_open.id",
            fee_percentage=7,
            is_admin=True,
            state=UserState.frozen(until=LATER, reason="欠费 𠮷 "),
            device_policy=DevicePolicy.from_table({"phone": 1, "tablet+pc": 2, "overflow": "reject_new"}),
        )
        save(store.work, changed)
        save(store.work, erased(second))
        store = reopen()
        assert Steps(store).users.find(UserFilter(), after=FIRST, limit=10, now=START) == [
            changed,
            erased(second),
            third,
        ]
        assert changed.phone is not None
        assert store.users.by_phone(changed.phone) == changed
        with pytest.raises(PhoneTaken):
            Steps(store).users.add(new_user())

    def test_sessions_are_what_they_were(self, reopen: Callable[[], Store]) -> None:
        store = reopen()
        user, other = Steps(store).users.add(new_user()), Steps(store).users.add(another_user())
        kept, rotated, ended, seen, forgotten = (new_session(user.id) for _ in range(5))
        for session in (kept, rotated, ended, seen, forgotten):
            Steps(store).sessions.add(evolve(session, user_id=other.id) if session is forgotten else session)
        new = refreshing(b"\x01" * 32, 1, START + timedelta(hours=1))
        end = SessionEnd(START, EndReason.REPLACED, Device(DeviceType.PC, name="𠮷 的电脑 "), Actor.service())
        assert Steps(store).sessions.rotate(rotated.id, old=rotated.refreshing.digest, new=new)
        assert Steps(store).sessions.end([ended.id], end) == 1
        Steps(store).sessions.see([(seen.id, START + timedelta(minutes=1))], START)
        Steps(store).sessions.erase_of(other.id)
        store = reopen()
        assert store.sessions.by_id(kept.id) == kept
        assert store.sessions.by_id(rotated.id) == evolve(rotated, refreshing=new)
        assert store.sessions.by_id(ended.id) == evolve(ended, end=end)
        assert store.sessions.by_id(seen.id) == evolve(seen, last_seen_at=START + timedelta(minutes=1))
        assert store.sessions.by_id(forgotten.id) is None
        assert not Steps(store).sessions.rotate(rotated.id, old=rotated.refreshing.digest, new=new)

    def test_no_id_is_given_again(self, reopen: Callable[[], Store]) -> None:
        store = reopen()
        user = Steps(store).users.add(another_user())
        Steps(store).audit.append(new_event())
        Steps(store).audit.append(new_event())
        numbers = [entry.id for entry in store.audit.find(subject=None, before=None, limit=10)]
        assert Steps(store).audit.prune(START + timedelta(days=1), 10) == 2
        store = reopen()
        store = reopen()
        assert all_of(Steps(store).audit) == []
        Steps(store).audit.append(new_event())
        [entry] = store.audit.find(subject=None, before=None, limit=10)
        assert entry.id > max(numbers)
        assert Steps(store).users.add(another_user()).id > user.id

    def test_what_was_undone_stays_undone(self, reopen: Callable[[], Store]) -> None:
        store = reopen()
        user, event = Steps(store).users.add(new_user()), new_event()
        session = new_session(user.id)
        Steps(store).sessions.add(session)
        Steps(store).audit.append(event)

        def fail(tx: Transaction) -> None:
            tx.lock(user.id)
            tx.users.save(evolve(user, fee_percentage=99))
            tx.users.add(another_user())
            tx[SessionSweep].erase_of(user.id)
            tx.audit.append(new_event())
            raise _Failure

        with pytest.raises(_Failure):
            store.work.transact(fail)
        store = reopen()
        assert Steps(store).users.find(UserFilter(), after=FIRST, limit=10, now=START) == [user]
        assert store.sessions.by_id(session.id) == session
        assert all_of(Steps(store).audit) == [event]

    def test_a_piece_of_work_is_kept_whole(self, reopen: Callable[[], Store]) -> None:
        store = reopen()
        user, event = Steps(store).users.add(new_user()), new_event()
        session = new_session(user.id)
        changed = evolve(user, user_name="李四")

        def write(tx: Transaction) -> None:
            tx.lock(user.id)
            tx.users.save(changed)
            with pytest.raises(PhoneTaken):
                tx.users.add(new_user())
            tx.sessions.add(session)
            tx.audit.append(event)

        store.work.transact(write)
        store = reopen()
        assert Steps(store).users.find(UserFilter(), after=FIRST, limit=10, now=START) == [changed]
        assert store.sessions.by_id(session.id) == session
        assert all_of(Steps(store).audit) == [event]
