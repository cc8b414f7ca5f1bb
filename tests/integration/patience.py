"""Waiting for what comes about in other threads and processes."""

import time
from collections.abc import Callable


def until(is_so: Callable[[], bool], seconds: float = 10.0) -> float:
    """Wait for it. Returns how long it took."""
    begin = time.monotonic()
    while not is_so():
        assert time.monotonic() - begin < seconds, "it did not come about"
        time.sleep(0.001)
    return time.monotonic() - begin
