"""Whether the store takes writes, checked at most ten times a second: each check is a write, and anybody may ask."""

import time
from collections.abc import Callable
from threading import Lock

from attrs import define, field

from ..domain.errors import Unavailable

HOLDS_SECONDS = 0.1
"""How long a result is used."""


@define(eq=False)
class Readiness:
    """Why *ping* fails, or None, as of less than a tenth of a second ago."""

    ping: Callable[[], None]
    monotonic: Callable[[], float] = time.monotonic
    _lock: Lock = field(factory=Lock, init=False)
    _asked_at: float = field(default=float("-inf"), init=False)
    _found: Unavailable | None = field(default=None, init=False)

    def __call__(self) -> Unavailable | None:
        # Callers that arrive during a check wait for its result.
        with self._lock:
            if self.monotonic() - self._asked_at >= HOLDS_SECONDS:
                self._found = self._answer()
                self._asked_at = self.monotonic()
            return self._found

    def _answer(self) -> Unavailable | None:
        try:
            self.ping()
        except Unavailable as unavailable:
            return unavailable
        return None
