"""What is in memory can be kept elsewhere, by a store that is built on that."""

from datetime import timedelta

import pytest
from attrs import evolve

from menshen.adapters.conformance.audit import START, new_event
from menshen.adapters.conformance.sessions import new_session
from menshen.adapters.conformance.steps import Steps
from menshen.adapters.conformance.users import another_user, new_user
from menshen.adapters.memory.store import Changes, MemoryStore
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.writing import SessionSweep, Transaction
from menshen.domain.users import PhoneTaken, UserId
from menshen.entrypoints.stores import memory_store


def test_what_a_piece_of_work_changes_is_kept_at_once() -> None:
    kept: list[Changes] = []
    rows = MemoryStore(keep=kept.append)
    store = memory_store(rows)
    user, other = Steps(store).users.add(new_user()), Steps(store).users.add(another_user())
    session = new_session(user.id)
    Steps(store).sessions.add(session)
    kept.clear()

    def write(tx: Transaction) -> None:
        tx.lock(user.id)
        tx.users.save(evolve(user, fee_percentage=5))
        tx.users.save(evolve(user, fee_percentage=6))
        tx[SessionSweep].erase_of(user.id)
        with pytest.raises(PhoneTaken):
            tx.users.save(evolve(user, phone=other.phone))
        assert kept == []

    store.work.transact(write)
    assert kept == [
        Changes(
            users={user.id: evolve(user, fee_percentage=6)},
            sessions={session.id: None},
            audit={},
            audit_entries_ever=0,
        )
    ]


def test_what_only_reads_or_is_undone_keeps_nothing() -> None:
    kept: list[Changes] = []
    store = memory_store(MemoryStore(keep=kept.append))
    store.users.by_id(UserId(1))
    store.work.transact(lambda tx: tx.lock(UserId(1)))
    with pytest.raises(ZeroDivisionError):
        store.work.transact(lambda tx: (tx.users.add(new_user()), 1 // 0))
    assert kept == []


def test_what_cannot_be_kept_has_not_happened() -> None:
    def refuse(changes: Changes) -> None:
        raise StoreUnavailable("the disk is full")

    rows = MemoryStore()
    store = memory_store(rows)
    user = Steps(store).users.add(new_user())
    rows.keep = refuse

    def write(tx: Transaction) -> None:
        tx.lock(user.id)
        tx.users.save(evolve(user, fee_percentage=5))
        tx.users.add(another_user())

    with pytest.raises(StoreUnavailable):
        store.work.transact(write)
    assert rows.users == {user.id: user}
    rows.keep = lambda changes: None
    assert Steps(store).users.add(another_user()).id > user.id


def test_what_was_kept_makes_the_same_store() -> None:
    again = MemoryStore()
    rows = MemoryStore(keep=again.apply)
    store = memory_store(rows)
    user = Steps(store).users.add(new_user())
    Steps(store).sessions.add(new_session(user.id))
    gone = new_session(user.id, lasts=timedelta(seconds=1))
    Steps(store).sessions.add(gone)
    Steps(store).audit.append(new_event())
    assert Steps(store).sessions.prune(gone.expires_at + timedelta(seconds=1), 10) == 1
    assert Steps(store).audit.prune(START + timedelta(days=1), 10) == 1
    assert (again.users, again.sessions, again.audit) == (rows.users, rows.sessions, rows.audit)
    assert again.audit_entries_ever == rows.audit_entries_ever == 1
