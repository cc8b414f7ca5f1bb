"""How the threads of a process that serves take turns."""

import os
from contextlib import suppress


def take_turns() -> None:
    """Let no thread that this one starts from now on interrupt another, just because it has become ready itself.

    A server has a thread that reads and writes and one that answers. If each answer is interrupted by the next request,
    both change places twice for each: under SCHED_BATCH they take turns with many requests at a time. A policy that
    somebody has chosen stays.
    """
    if hasattr(os, "SCHED_BATCH") and os.sched_getscheduler(0) == os.SCHED_OTHER:
        # Not everywhere is it allowed, and it is only about speed.
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
