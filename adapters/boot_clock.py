"""How much time has passed, whatever is done to the machine's date. Not an adapter, but for adapters."""

import time

# On Linux this one also counts while the machine is suspended.
_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def seconds() -> float:
    """Seconds since some moment before this process began."""
    return time.clock_gettime(_CLOCK)
