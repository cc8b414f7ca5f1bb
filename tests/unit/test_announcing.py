"""What is announced, and the proof that nothing old is served once the writer has been told."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import define, evolve
from hypothesis import given
from hypothesis import strategies as st

from menshen.adapters.memory.store import MemoryUnitOfWork
from menshen.adapters.remembering.announcing import AnnouncingUnitOfWork
from menshen.adapters.remembering.epochs import LocalEpochs
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.writing import SessionSweep, Transaction
from menshen.domain.sessions import EndReason, SessionEnd, SessionId
from menshen.domain.users import UserId
from menshen.entrypoints.stores import memory_store

from .cases import examples, for_each
from .memory_house import OTHER_PHONE, House
from .remembering_house import RememberingHouse

# The protocol: at whatever moment of a reader a writer comes, nothing old is served once the writer has been told.


@examples(300)
@given(data=st.data())
def test_whenever_a_writer_comes_nobody_is_served_what_was_before(data: st.DataObject) -> None:
    """A writer has two moments, the commit and the announcement, of which the second may never come, as if it was killed; a
    reader has three: it takes the epoch, reads the row, and remembers it. The schedule puts one into the other.
    """
    remembering = RememberingHouse()
    remembering.house.register()
    granted = remembering.login()
    names = iter(f"name {number}" for number in range(100))
    acknowledged = ["None"]

    def write(meanwhile: Callable[[], object] = lambda: None, *, is_killed: bool = False) -> None:
        name = next(names)
        epochs = Killed() if is_killed else Between(remembering.epochs, meanwhile)
        work = AnnouncingUnitOfWork(MemoryUnitOfWork(remembering.house.store, WRITERS_OF), epochs)

        def rename(tx: Transaction) -> None:
            user = tx.lock(granted.user.id)
            assert user is not None
            tx.users.save(evolve(user, user_name=name))

        work.transact(rename)
        if is_killed:
            # Word of it comes by the channel, within the time for which it is trusted.
            remembering.epochs.change([granted.user.id])
        acknowledged[0] = name

    def read() -> None:
        assert remembering.shown(granted) == acknowledged[0]

    def read_while_it_is_written() -> None:
        """Between commit and announcement either is true."""
        remembering.shown(granted)

    def drop() -> None:
        """So that the next reader reads the row."""
        remembering.judgements._kept.clear()

    def write_before_the_row_is_read() -> None:
        remembering.reading.before = write
        drop()
        read()

    def write_after_the_row_is_read() -> None:
        remembering.reading.after = write
        drop()
        # It began before the write was acknowledged: what it is told is what it has read.
        remembering.shown(granted)

    def lose_the_channel() -> None:
        remembering.channel.trusted = False

    def find_the_channel() -> None:
        remembering.epochs.change_all()
        remembering.channel.trusted = True

    steps: dict[str, Callable[[], None]] = {
        "read": read,
        "write": write,
        "write, with a reader in between": lambda: write(read_while_it_is_written),
        "a writer before the row is read": write_before_the_row_is_read,
        "a writer after the row is read": write_after_the_row_is_read,
        "killed": lambda: write(is_killed=True),
        "the channel is lost": lose_the_channel,
        "the channel is back": find_the_channel,
    }

    for name in data.draw(st.lists(st.sampled_from(sorted(steps)), max_size=12)):
        steps[name]()
        read()


@define
class Between:
    """Epochs that let something happen after the commit and before they change."""

    inner: LocalEpochs
    meanwhile: Callable[[], object]
    values: Sequence[int] = ()

    def of(self, user_id: UserId) -> int:
        return self.inner.of(user_id)

    def change(self, users: Any) -> None:
        self.meanwhile()
        self.inner.change(users)

    def change_all(self) -> None:
        self.inner.change_all()


class Killed:
    """Nobody announces anything any more."""

    values: Sequence[int] = ()

    def of(self, user_id: UserId) -> int:
        raise AssertionError

    def change(self, users: Any) -> None:
        return None

    def change_all(self) -> None:
        return None


def test_a_commit_whose_outcome_is_unknown_is_announced() -> None:
    house = House()
    user = house.register()
    epochs = LocalEpochs()

    class Unsure(MemoryUnitOfWork):
        def transact(self, work: Any, *, is_vital: bool = False) -> Any:
            super().transact(work)
            raise StoreUnavailable("nobody knows")

    before = epochs.of(user.id)
    with pytest.raises(StoreUnavailable):
        AnnouncingUnitOfWork(Unsure(house.store, WRITERS_OF), epochs).transact(lambda tx: tx.lock(user.id))
    assert epochs.of(user.id) != before


@for_each("reason", EndReason)
def test_an_end_without_a_lock_is_announced_to_all_unless_it_came_by_itself(reason: EndReason) -> None:
    house = House()
    user = house.register()
    granted, epochs = house.login(), LocalEpochs()
    work = AnnouncingUnitOfWork(MemoryUnitOfWork(house.store, WRITERS_OF), epochs)
    before = [epochs.of(UserId(each)) for each in (user.id, 77)]
    work.transact(lambda tx: tx.sessions.end([granted.session.id], SessionEnd(house.clock.time, reason)))
    after = [epochs.of(UserId(each)) for each in (user.id, 77)]
    is_by_itself = reason in {EndReason.EXPIRED, EndReason.IDLE}
    assert [one == other for one, other in zip(before, after, strict=True)] == [is_by_itself] * 2


def test_whoever_goes_through_all_sessions_announces_it_to_all() -> None:
    house = House()
    epochs = LocalEpochs()
    before = epochs.of(UserId(5))
    work = AnnouncingUnitOfWork(MemoryUnitOfWork(house.store, WRITERS_OF), epochs)
    work.transact(lambda tx: tx[SessionSweep].unended(after=SessionId(""), limit=1))
    assert epochs.of(UserId(5)) != before


def test_whom_a_transaction_has_not_locked_is_not_read_anew() -> None:
    house = House()
    user, other = house.register(), house.register(OTHER_PHONE)
    epochs = LocalEpochs()
    before = epochs.of(other.id)
    work = AnnouncingUnitOfWork(MemoryUnitOfWork(house.store, WRITERS_OF), epochs)
    work.transact(lambda tx: tx.lock(user.id))
    work.transact(lambda tx: tx.sessions.see([], house.clock.time))
    assert epochs.of(other.id) == before


WRITERS_OF = memory_store(House().store).work.writers  # type: ignore[attr-defined] # the one in memory has them
