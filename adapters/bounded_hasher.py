"""A limit on how many passwords are checked at a time.

A hash deliberately costs 19 MiB, and a core for some 20 ms. A thousand logins at once would take 19 GiB and leave no
core for anything else (ASVS 15.2.2, 15.4.4).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from attrs import field, frozen

from ..domain.passwords import HasherBusy
from ..domain.ports.outside import PasswordHasher, Verdict
from .own_process import PerProcess

MAX_WAIT_SECONDS = 4.0


@frozen
class BoundedPasswordHasher:
    """PasswordHasher that passes *at_once* calls to *inner* and lets *waiting* more wait, for at most 4 seconds."""

    inner: PasswordHasher
    at_once: int
    waiting: int
    max_wait_seconds: float = MAX_WAIT_SECONDS
    _turns: "PerProcess[_Turns]" = field(init=False, repr=False)
    """In a forked process, nobody would return the turns that threads of its parent had taken."""

    def __attrs_post_init__(self) -> None:
        running, admitted = self.at_once, self.at_once + self.waiting
        turns = PerProcess(lambda: _Turns(BoundedSemaphore(running), BoundedSemaphore(admitted)))
        object.__setattr__(self, "_turns", turns)

    def hash(self, password: str) -> str:
        with self._turn():
            return self.inner.hash(password)

    def verify(self, password: str, password_hash: str | None) -> Verdict:
        with self._turn():
            return self.inner.verify(password, password_hash)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        turns = self._turns()
        if not turns.admitted.acquire(blocking=False):
            raise HasherBusy("too many passwords wait to be judged")
        try:
            if not turns.running.acquire(timeout=self.max_wait_seconds):
                raise HasherBusy("a password waited too long to be judged")
            try:
                yield
            finally:
                turns.running.release()
        finally:
            turns.admitted.release()


@frozen
class _Turns:
    """Who may call *inner*, and who may wait for that."""

    running: BoundedSemaphore
    admitted: BoundedSemaphore
