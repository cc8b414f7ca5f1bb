"""What is deleted, and when: old sessions, old audit entries, accounts whose closing is due."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import pytest
from attrs import define, evolve, field

from menshen.adapters.memory.store import MemoryUnitOfWork
from menshen.adapters.memory.users import MemoryUsers
from menshen.domain.actors import Actor
from menshen.domain.audit import Action, AuditEvent
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.writing import Transaction, UnitOfWork
from menshen.domain.sessions import EndReason, SessionEnd, SessionId, SessionLoggedOut, SessionUnknown
from menshen.domain.use_cases.housekeeping import BATCH, KEEP_ENDED_SESSIONS, Pruned
from menshen.domain.users import Phone, User, UserId, UserState
from menshen.entrypoints.settings import Settings

from .cases import for_each
from .memory_house import MOMENT, OTHER_PHONE, House

T = TypeVar("T")

NOTHING = Pruned(sessions=0, audit_entries=0, accounts=0)
RETENTION = timedelta(days=180)


@define
class CountingWork:
    """A unit of work that counts what it is asked for."""

    work: UnitOfWork
    transactions: int = field(default=0)

    def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
        self.transactions += 1
        return self.work.transact(work, is_vital=is_vital)


def note(house: House, subject: int = 1, at_detail: str = "") -> None:
    event = AuditEvent(
        at=house.clock.time,
        actor=Actor.service(),
        action=Action.RENAME,
        subject=UserId(subject),
        detail=at_detail,
    )
    house.service.prune.work.transact(lambda tx: tx.audit.append(event))


def test_where_nothing_is_old_nothing_is_forgotten(house: House) -> None:
    house.register()
    house.login()
    sessions, events = dict(house.store.sessions), house.events
    assert house.service.prune() == NOTHING
    assert (house.store.sessions, house.events) == (sessions, events)


def test_an_ended_session_is_told_from_one_that_never_was_for_30_days(house: House) -> None:
    house = House(Settings(access_token_ttl=timedelta(days=90)))
    house.register()
    granted, live = house.login(), house.login()
    house.service.logout(granted.principal)
    house.pass_by(KEEP_ENDED_SESSIONS)
    assert house.service.prune() == NOTHING
    with pytest.raises(SessionLoggedOut):
        house.authenticate(granted)
    house.clock.move(MOMENT)
    assert house.service.prune() == evolve(NOTHING, sessions=1)
    with pytest.raises(SessionUnknown):
        house.authenticate(granted)
    house.authenticate(live)


def test_a_session_that_expired_is_kept_as_long(house: House) -> None:
    house.register()
    granted = house.login()
    house.pass_by(granted.session.expires_at + KEEP_ENDED_SESSIONS - house.clock.time)
    assert house.service.prune().sessions == 0
    house.clock.move(MOMENT)
    assert house.service.prune().sessions == 1
    assert not house.store.sessions


def test_audit_entries_are_kept_for_as_long_as_is_set() -> None:
    house = House(Settings(audit_retention=timedelta(days=10)))
    note(house, at_detail="old")
    house.clock.move(timedelta(days=1))
    note(house, at_detail="new")
    house.pass_by(timedelta(days=9))
    assert house.service.prune() == NOTHING
    house.clock.move(MOMENT)
    assert house.service.prune() == evolve(NOTHING, audit_entries=1)
    assert [event.detail for event in house.events] == ["new"]


def test_audit_entries_are_kept_for_180_days_by_default(house: House) -> None:
    note(house)
    house.pass_by(RETENTION)
    assert house.service.prune().audit_entries == 0
    house.clock.move(MOMENT)
    assert house.service.prune().audit_entries == 1


def test_accounts_whose_closing_is_due_are_erased(house: House) -> None:
    due, waiting = house.register(), house.register(OTHER_PHONE)
    house.put_state(due, UserState.closing(house.clock.time))
    house.put_state(waiting, UserState.closing(house.clock.time + MOMENT))
    assert house.service.prune() == evolve(NOTHING, accounts=1)
    assert house.user(due).phone is None
    assert house.user(waiting).phone == Phone(OTHER_PHONE)
    assert house.service.prune() == NOTHING
    house.clock.move(MOMENT)
    assert house.service.prune() == evolve(NOTHING, accounts=1)


@for_each("rows", [0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH])
def test_much_is_forgotten_in_small_batches(rows: int) -> None:
    house = House()
    for _ in range(rows):
        note(house)
    house.pass_by(RETENTION + MOMENT)
    work = CountingWork(house.service.prune.work)
    assert evolve(house.service.prune, work=work)() == evolve(NOTHING, audit_entries=rows)
    assert not house.store.audit
    # First the clock is judged, and in the end the pruning is noted. Sessions and audit entries end with a transaction
    # that found none; without an account that is due there is no transaction.
    assert work.transactions == 1 + 2 + -(-rows // BATCH) + 1


def test_each_batch_is_a_transaction_of_its_own_and_so_is_each_erasure(house: House) -> None:
    house.register(OTHER_PHONE)
    session = house.stored(house.login(OTHER_PHONE))
    for number in range(BATCH + 10):
        ended = evolve(session, id=SessionId(f"ended-{number}"), end=SessionEnd(house.clock.time, EndReason.KICKED))
        house.sessions.add(ended)
    due_to_close(house, 3)
    house.pass_by(KEEP_ENDED_SESSIONS + MOMENT)
    work = CountingWork(house.service.prune.work)
    done = evolve(house.service.prune, work=work)()
    assert done == Pruned(sessions=BATCH + 10, audit_entries=0, accounts=3)
    # Of sessions a full batch, the rest and none; no audit entries; an account each.
    assert work.transactions == 1 + 3 + 1 + 3 + 1


def due_to_close(house: House, number: int) -> list[User]:
    users = [house.register(f"138{each:08}") for each in range(number)]
    for user in users:
        house.put_state(user, UserState.closing(house.clock.time))
    return users


def test_more_accounts_than_a_batch_are_erased_in_one_round(house: House) -> None:
    due_to_close(house, BATCH + 1)
    assert house.service.prune() == evolve(NOTHING, accounts=BATCH + 1)


def test_what_was_erased_stays_erased_where_a_later_erasure_fails(house: House) -> None:
    first, second = due_to_close(house, 2)

    class FailingWork(CountingWork):
        def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
            if self.transactions == 4:
                raise StoreUnavailable("gone")
            return super().transact(work, is_vital=is_vital)

    work = FailingWork(house.service.prune.work)
    with pytest.raises(StoreUnavailable):
        evolve(house.service.prune, work=work)()
    assert (house.user(first).state, house.user(second).phone) == (UserState.closed(), second.phone)


def test_an_account_that_closes_without_a_number_ends_too_and_is_counted_once(house: House) -> None:
    user = house.register()
    house.store.users[user.id] = evolve(user, phone=None, state=UserState.closing(house.clock.time))
    assert house.service.prune() == evolve(NOTHING, accounts=1)
    assert house.user(user).state == UserState.closed()
    assert house.service.prune() == NOTHING
    assert len(house.events_of(Action.ERASE)) == 1


def test_who_logged_in_just_before_the_erasure_is_not_erased_nor_counted(house: House) -> None:
    (user,) = due_to_close(house, 1)

    class Late(MemoryUsers):
        def due_to_close(self, now: datetime, limit: int) -> Sequence[UserId]:
            due = super().due_to_close(now, limit)
            house.put_state(user, UserState.active())
            return due

    assert evolve(house.service.prune, closings=Late(house.store))() == NOTHING
    assert house.user(user) == user


@for_each(
    ("batches", "pruned"),
    [
        (0, NOTHING),
        (1, evolve(NOTHING, audit_entries=BATCH)),
        (2, evolve(NOTHING, audit_entries=BATCH + 1)),
    ],
)
def test_a_round_stops_between_two_batches_where_it_is_told_to(batches: int, pruned: Pruned) -> None:
    house = House()
    for _ in range(BATCH + 1):
        note(house)
    house.pass_by(RETENTION + MOMENT)
    due_to_close(house, 1)
    work = CountingWork(house.service.prune.work)
    # The first transaction judges the clock, the second finds no session.
    assert evolve(house.service.prune, work=work)(lambda: work.transactions > 1 + batches) == pruned
    assert work.transactions == 2 + batches


def test_a_round_that_is_stopped_before_it_begins_does_nothing(house: House) -> None:
    due_to_close(house, 1)
    work = CountingWork(house.service.prune.work)
    assert evolve(house.service.prune, work=work)(lambda: True) == NOTHING
    assert work.transactions == 0
    assert house.service.prune(lambda: False) == evolve(NOTHING, accounts=1)


def test_a_batch_is_small() -> None:
    assert BATCH <= 1_000


def test_a_round_of_pruning_ends_where_its_work_fails(house: House) -> None:
    assert isinstance(house.service.prune.work, MemoryUnitOfWork)
    note(house)
    house.pass_by(RETENTION + MOMENT)

    class Failing:
        def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
            raise OSError("the store is gone")

    with pytest.raises(OSError, match="the store is gone"):
        evolve(house.service.prune, work=Failing())()
    assert len(house.events) == 1


# Reading the log.


def test_the_log_is_read_newest_first_a_page_at_a_time(house: House) -> None:
    for number in range(250):
        note(house, subject=number % 2 + 1, at_detail=str(number))
    read = house.service.read_audit
    seen: list[str | None] = []
    before: int | None = None
    sizes = []
    while page := read(before=before, limit=1_000_000):
        sizes.append(len(page))
        seen += [entry.event.detail for entry in page]
        before = page[-1].id
    assert sizes == [100, 100, 50]
    assert seen == [str(number) for number in reversed(range(250))]
    assert [entry.event.detail for entry in read(subject=UserId(1), limit=2)] == ["248", "246"]
    assert read(subject=UserId(3)) == []


@for_each(("limit", "size"), [(-5, 1), (0, 1), (1, 1), (7, 7), (100, 100), (101, 100)])
def test_a_page_has_from_1_to_100_entries(limit: int, size: int) -> None:
    house = House()
    for _ in range(150):
        note(house)
    assert len(house.service.read_audit(limit=limit)) == size


def test_an_entry_keeps_its_id_when_older_ones_are_pruned(house: House) -> None:
    note(house)
    house.pass_by(RETENTION + MOMENT)
    note(house)
    (kept, _) = house.service.read_audit()
    house.service.prune()
    note(house)
    assert [entry.id for entry in house.service.read_audit()][1] == kept.id
    assert house.service.read_audit()[0].id > kept.id
