"""Whether the store takes writes, asked ten times a second at the most: each time is a write, and anybody may ask."""

import time
from collections.abc import Callable
from threading import Lock

from attrs import define, field

from ..domain.errors import Unavailable

HOLDS_SECONDS = 0.1
"""How long an answer holds."""


@define(eq=False)
class Readiness:
    """Calls *ping*, or raises what it raised, if that was less than a tenth of a second ago. Raises Unavailable."""

    ping: Callable[[], None]
    monotonic: Callable[[], float] = time.monotonic
    _lock: Lock = field(factory=Lock, init=False)
    _asked_at: float = field(default=float("-inf"), init=False)
    _found: Unavailable | None = field(default=None, init=False)

    def __call__(self) -> None:
        # Those who come while one asks wait for that answer.
        with self._lock:
            if self.monotonic() - self._asked_at >= HOLDS_SECONDS:
                self._found = self._answer()
                self._asked_at = self.monotonic()
            if self._found is not None:
                raise type(self._found)(str(self._found), self._found.retry_after)

    def _answer(self) -> Unavailable | None:
        try:
            self.ping()
        except Unavailable as unavailable:
            return unavailable
        return None
