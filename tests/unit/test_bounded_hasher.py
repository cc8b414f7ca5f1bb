"""A limit on how many passwords are checked at a time. Threads wait at events and barriers; nothing sleeps."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Lock, Semaphore, current_thread
from weakref import finalize

import pytest
from attrs import define, field

from menshen.adapters.bounded_hasher import MAX_WAIT_SECONDS, BoundedPasswordHasher
from menshen.adapters.conformance.hashers import PasswordHasherContract
from menshen.adapters.memory.fakes import FakePasswordHasher
from menshen.domain.passwords import HasherBusy
from menshen.domain.ports.outside import PasswordHasher, Verdict

from .cases import for_each

TIMEOUT = 30


class TestBoundedPasswordHasher(PasswordHasherContract):
    @pytest.fixture
    def hasher(self) -> PasswordHasher:
        return BoundedPasswordHasher(FakePasswordHasher(), at_once=1, waiting=0)


@define
class SlowHasher:
    """A hasher whose calls last until they are released, and which counts how many run at once."""

    entered: Semaphore = field(factory=lambda: Semaphore(0))
    let_go: Event = field(factory=Event)
    running: int = 0
    most: int = 0
    calls: int = 0
    _lock: Lock = field(factory=Lock)

    def hash(self, password: str) -> str:
        self._work()
        return f"fake:{password}"

    def verify(self, password: str, password_hash: str | None) -> Verdict:
        self._work()
        return Verdict.MATCH

    def wait_for(self, calls: int) -> None:
        """Wait until *calls* more calls run."""
        for _ in range(calls):
            assert self.entered.acquire(timeout=TIMEOUT)

    def _work(self) -> None:
        with self._lock:
            self.running += 1
            self.calls += 1
            self.most = max(self.most, self.running)
        self.entered.release()
        assert self.let_go.wait(TIMEOUT)
        with self._lock:
            self.running -= 1


@define
class BrokenHasher:
    """A hasher that fails."""

    def hash(self, password: str) -> str:
        raise RuntimeError("broken")

    def verify(self, password: str, password_hash: str | None) -> Verdict:
        raise RuntimeError("broken")


Call = Callable[[PasswordHasher], object]

CALLS: list[Call] = [lambda hasher: hasher.hash("secret"), lambda hasher: hasher.verify("secret", None)]


@for_each("at_once", [1, 2, 3])
def test_at_most_so_many_run_at_once_and_all_get_their_turn(at_once: int) -> None:
    inner = SlowHasher()
    hasher = BoundedPasswordHasher(inner, at_once=at_once, waiting=8, max_wait_seconds=TIMEOUT)
    with ThreadPoolExecutor(8) as pool:
        results: list[Future[object]] = [pool.submit(CALLS[turn % 2], hasher) for turn in range(8)]
        inner.wait_for(at_once)
        assert inner.running == at_once
        assert not any(result.done() for result in results)
        inner.let_go.set()
        assert [result.result(TIMEOUT) for result in results] == ["fake:secret", Verdict.MATCH] * 4
    assert inner.most == at_once
    assert inner.calls == 8


@for_each("call", CALLS)
def test_one_too_many_is_refused_at_once(call: Call) -> None:
    inner = SlowHasher()
    hasher = BoundedPasswordHasher(inner, at_once=2, waiting=0, max_wait_seconds=TIMEOUT)
    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(hasher.hash, "secret") for _ in range(2)]
        inner.wait_for(2)
        for _ in range(3):
            with pytest.raises(HasherBusy) as refusal:
                call(hasher)
            assert refusal.value.retry_after >= 1
        inner.let_go.set()
        assert [result.result(TIMEOUT) for result in results] == ["fake:secret"] * 2
    assert inner.calls == 2
    call(hasher)


@for_each("call", CALLS)
def test_who_waits_too_long_is_refused_and_leaves_its_place(call: Call) -> None:
    inner = SlowHasher()
    hasher = BoundedPasswordHasher(inner, at_once=1, waiting=1, max_wait_seconds=0.01)
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(hasher.hash, "secret")
        inner.wait_for(1)
        for _ in range(3):
            with pytest.raises(HasherBusy, match="waited too long"):
                call(hasher)
        inner.let_go.set()
        assert result.result(TIMEOUT) == "fake:secret"
    assert inner.calls == 1


def test_nobody_waits_longer_than_4_seconds_by_default() -> None:
    assert MAX_WAIT_SECONDS <= 4
    assert BoundedPasswordHasher(FakePasswordHasher(), at_once=1, waiting=1).max_wait_seconds == MAX_WAIT_SECONDS


@for_each("call", CALLS)
def test_a_failure_gives_the_turn_back(call: Call) -> None:
    hasher = BoundedPasswordHasher(BrokenHasher(), at_once=1, waiting=0)
    for _ in range(5):
        with pytest.raises(RuntimeError, match="broken"):
            call(hasher)


def test_two_hashers_have_limits_of_their_own() -> None:
    inner = SlowHasher()
    busy = BoundedPasswordHasher(inner, at_once=1, waiting=0)
    idle = BoundedPasswordHasher(FakePasswordHasher(), at_once=1, waiting=0)
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(busy.hash, "secret")
        inner.wait_for(1)
        assert idle.hash("secret") == "fake:secret"
        inner.let_go.set()
        assert result.result(TIMEOUT) == "fake:secret"


def test_no_password_and_no_result_is_kept_by_an_idle_thread() -> None:
    inner = FakePasswordHasher()
    hasher = BoundedPasswordHasher(inner, at_once=1, waiting=0)
    secret = Recognised("a secret")
    gone = finalize(secret, lambda: None)
    hasher.hash(secret)
    del secret
    # The thread has let go of the job before it takes the next one.
    hasher.hash("another")
    assert not gone.alive


class Recognised(str):
    """A text that can be seen to be gone."""

    __slots__ = ("__weakref__",)


def test_the_caller_is_not_the_one_who_hashes() -> None:
    names: list[str] = []

    class Telling(FakePasswordHasher):
        def hash(self, password: str) -> str:
            names.append(current_thread().name)
            return super().hash(password)

    BoundedPasswordHasher(Telling(), at_once=1, waiting=0).hash("secret")
    assert names == ["menshen-hashing"]
