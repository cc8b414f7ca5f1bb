"""Objects that belong to one process. Forks are faked by another process id; tests/integration/test_forks.py has real
ones."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from threading import Barrier
from time import sleep

import pytest
from attrs import define, field

from menshen.adapters import own_process
from menshen.adapters.background_last_seen import BackgroundLastSeen
from menshen.adapters.bounded_hasher import BoundedPasswordHasher
from menshen.adapters.memory.fakes import FakePasswordHasher
from menshen.adapters.own_process import PerProcess
from menshen.domain.passwords import HasherBusy
from menshen.domain.ports.outside import Verdict
from menshen.domain.sessions import SessionId
from menshen.entrypoints.stores import memory_store

from .memory_house import House


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Be the process with that id from now on, with everything that existed before."""

    def be(pid: int) -> None:
        monkeypatch.setattr(own_process, "getpid", lambda: pid)

    be(1)
    return be


def test_a_process_makes_one_and_keeps_it(become: Callable[[int], None]) -> None:
    numbers = PerProcess(count(1).__next__)
    assert [numbers(), numbers()] == [1, 1]
    assert list(numbers.inherited) == []


def test_a_child_makes_its_own_and_keeps_those_of_its_ancestors_alive(become: Callable[[int], None]) -> None:
    numbers = PerProcess(count(1).__next__)
    numbers()
    become(2)
    assert list(numbers.inherited) == [1]
    assert [numbers(), numbers()] == [2, 2]
    become(3)
    assert numbers() == 3
    assert list(numbers.inherited) == [1, 2]


def test_threads_that_come_first_at_once_get_the_same_one(become: Callable[[int], None]) -> None:
    meeting, numbers = Barrier(8), count(1)

    def make() -> int:
        # Long enough for the others to ask as well.
        sleep(0.01)
        return next(numbers)

    things = PerProcess(make)

    def ask(_: int) -> int:
        meeting.wait(30)
        return things()

    # What is made may be a thread or a connection: a second one would never be closed.
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(ask, range(8))) == {1}
    assert next(numbers) == 2


def test_a_child_makes_its_own_though_its_parent_was_making_one(become: Callable[[int], None]) -> None:
    made: list[str] = []

    def make() -> str:
        if not made:
            made.append("in the parent")
            become(2)
            made.append(things())
            return "in the parent"
        return "in the child"

    things = PerProcess(make)
    things()
    assert made == ["in the parent", "in the child"]


def test_a_child_can_hash_though_its_parent_was_hashing(become: Callable[[int], None]) -> None:
    in_the_child: list[Verdict] = []

    @define
    class ForkingHasher:
        """Forks while it hashes."""

        inner: FakePasswordHasher = field(factory=FakePasswordHasher)

        def hash(self, password: str) -> str:
            with pytest.raises(HasherBusy):
                hasher.verify("x", None)
            become(2)
            # Nobody here will return the place that the parent has taken.
            in_the_child.append(hasher.verify("x", "fake:x"))
            become(1)
            return self.inner.hash(password)

        def verify(self, password: str, password_hash: str | None) -> Verdict:
            return self.inner.verify(password, password_hash)

    hasher = BoundedPasswordHasher(ForkingHasher(), at_once=1, waiting=0)
    hasher.hash("y")
    assert in_the_child == [Verdict.MATCH]


def test_a_child_writes_last_seen_times_by_a_thread_of_its_own(become: Callable[[int], None]) -> None:
    house = House()
    house.register()
    session = house.login().session
    last_seen = BackgroundLastSeen(memory_store(house.store).work, house.clock, interval_seconds=3600)
    last_seen.note(SessionId("of the parent"), house.clock.now())
    become(2)
    house.clock.move(timedelta(minutes=5))
    last_seen.note(session.id, house.clock.now())
    last_seen.close()
    assert house.stored(session).last_seen_at == house.clock.now()
    become(1)
    last_seen.close()
