"""How much time has passed, whatever is done to the machine's date. Not an adapter, but for adapters."""

import time
from collections.abc import Callable
from functools import partial

# On Linux this one also counts while the machine is suspended.
_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


# No function of ours: it is asked for each request.
seconds: Callable[[], float] = partial(time.clock_gettime, _CLOCK)
"""Seconds since some moment before this process began."""
