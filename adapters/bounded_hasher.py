"""Threads that hash passwords, and nothing else does: a limit on how many are checked at a time.

A hash deliberately costs 19 MiB, and a core for some 20 ms. A thousand logins at once would take 19 GiB and leave no
core for anything else (ASVS 15.2.2, 15.4.4). The threads yield to all others, so that a flood of logins leaves the
guard its share; and since there are few, few of the C library's arenas hold the memory of a hash, which is given back
when nobody has logged in for a while.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Event, Lock, Thread, get_native_id
from typing import Any, Generic, TypeVar

from attrs import define, field, frozen

from ..domain.passwords import HasherBusy
from ..domain.ports.outside import PasswordHasher, Verdict
from .own_process import PerProcess

T = TypeVar("T")

MAX_WAIT_SECONDS = 4.0

NICENESS = 10
"""By how much the threads yield to others (``nice``)."""

IDLE_SECONDS = 2.0
"""After so long without a hash, memory is given back."""


@frozen
class BoundedPasswordHasher:
    """PasswordHasher that passes *at_once* calls to *inner* and lets *waiting* more wait, for at most 4 seconds."""

    inner: PasswordHasher
    at_once: int
    waiting: int
    max_wait_seconds: float = MAX_WAIT_SECONDS
    _threads: "PerProcess[_Threads]" = field(init=False, repr=False)
    """Threads are not forked with their process."""

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_threads", PerProcess(lambda: _Threads(self.at_once, self.waiting)))

    def hash(self, password: str) -> str:
        return self._threads().do(lambda: self.inner.hash(password), self.max_wait_seconds)

    def verify(self, password: str, password_hash: str | None) -> Verdict:
        return self._threads().do(lambda: self.inner.verify(password, password_hash), self.max_wait_seconds)


@define(eq=False)
class _Job(Generic[T]):
    """One call, which either a thread takes or whoever waits for it takes back."""

    call: Callable[[], T]
    begun: Event = field(factory=Event)
    done: Event = field(factory=Event)
    result: T | None = None
    error: BaseException | None = None
    _claimed: Lock = field(factory=Lock)

    def claim(self) -> bool:
        """Whether it is the caller's now."""
        return self._claimed.acquire(blocking=False)

    def run(self) -> None:
        self.begun.set()
        try:
            self.result = self.call()
        except BaseException as error:  # noqa: BLE001 - raised again where the call was made
            self.error = error
        self.done.set()

    def outcome(self) -> T:
        self.done.wait()
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value] # of the call's own type


@define(eq=False)
class _Threads:
    """The threads of one process. They start with the first job."""

    at_once: int
    waiting: int
    _jobs: "SimpleQueue[_Job[Any]]" = field(factory=SimpleQueue, init=False)
    _places: BoundedSemaphore = field(init=False)
    _started: Lock = field(factory=Lock, init=False)
    _turns: "_Turns" = field(factory=lambda: _Turns(), init=False)

    def __attrs_post_init__(self) -> None:
        self._places = BoundedSemaphore(self.at_once + self.waiting)

    def do(self, call: Callable[[], T], max_wait_seconds: float) -> T:
        if not self._places.acquire(blocking=False):
            raise HasherBusy("too many passwords wait to be judged")
        try:
            if self._started.acquire(blocking=False):
                for _ in range(self.at_once):
                    Thread(target=self._work, name="menshen-hashing", daemon=True).start()
            job = _Job(call)
            self._jobs.put(job)
            if not job.begun.wait(max_wait_seconds) and job.claim():
                raise HasherBusy("a password waited too long to be judged")
            return job.outcome()
        finally:
            self._places.release()

    def _work(self) -> None:
        _yield_to_others()
        has_worked = False
        while True:
            try:
                job = self._jobs.get(timeout=IDLE_SECONDS if has_worked else None)
            except Empty:
                give_memory_back()
                self._turns.end()
                has_worked = False
                continue
            if job.claim():
                if not has_worked:
                    self._turns.begin()
                    has_worked = True
                job.run()
            # Or it would be kept until the next one comes.
            del job


@define(eq=False)
class _Turns:
    """Lets the threads of a process interrupt each other while some of them hash, if they do not do so otherwise.

    Where they take turns (SCHED_BATCH, as under ``menshen serve``), each of the others would wait for some milliseconds
    whenever it becomes ready, however nice the hashing ones are.
    """

    _hashing: int = 0
    _took_turns: bool = False
    _lock: Lock = field(factory=Lock)

    def begin(self) -> None:
        with self._lock:
            self._hashing += 1
            if sys.platform == "linux" and self._hashing == 1:
                self._took_turns = os.sched_getscheduler(0) == os.SCHED_BATCH
                if self._took_turns:
                    _schedule_all(os.SCHED_OTHER)

    def end(self) -> None:
        with self._lock:
            self._hashing -= 1
            if sys.platform == "linux" and self._hashing == 0 and self._took_turns:
                _schedule_all(os.SCHED_BATCH)


def _schedule_all(policy: int) -> None:
    if sys.platform == "linux":
        for thread in os.listdir("/proc/self/task"):
            # It may have ended.
            with suppress(OSError):
                os.sched_setscheduler(int(thread), policy, os.sched_param(0))


def _yield_to_others() -> None:
    # Linux has a niceness for each thread; elsewhere it would be the whole process that yields.
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, get_native_id(), NICENESS)


def give_memory_back() -> None:
    """Return what the C library keeps of memory that was freed, if it can."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
