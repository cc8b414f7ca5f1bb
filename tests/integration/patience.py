"""Waiting for what comes about in other threads and processes."""

import time
from collections.abc import Callable

from menshen.domain.errors import StoreUnavailable


def until(is_so: Callable[[], bool], seconds: float = 10.0) -> float:
    """Wait for it. Returns how long it took."""
    begin = time.monotonic()
    while not is_so():
        assert time.monotonic() - begin < seconds, "it did not come about"
        time.sleep(0.001)
    return time.monotonic() - begin


def acknowledged(act: Callable[[], object]) -> Callable[[], bool]:
    """Tells whether the act is."""

    def is_acknowledged() -> bool:
        try:
            act()
        except StoreUnavailable:
            return False
        return True

    return is_acknowledged
