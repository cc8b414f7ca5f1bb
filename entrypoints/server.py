"""Running the front on granian: its limits, its processes, and how they are stopped."""

import asyncio
import ctypes
import multiprocessing
import os
import resource
import signal
import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any, TypeVarTuple, cast

import uvloop
from granian import Granian, loops
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings

from .connection_watch import CAN_WATCH
from .front import HEADER_SECONDS, Front
from .turns import take_turns

DRAIN_SECONDS = 10
"""How long running requests may take to finish after SIGTERM."""


def end_with_parent() -> None:
    """Let the kernel send this process SIGTERM when its parent dies, even by SIGKILL: an orphan would hold the port."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


_PR_SET_PDEATHSIG = 1


def most_connections() -> int:
    """How many connections a worker accepts at a time, from its limit of open files."""
    return max(16, min(16384, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 512))


def run(front: Callable[[], Front], *, host: str, port: int, workers: int, keep_alive_seconds: float) -> None:
    """Serve until SIGTERM or SIGINT, in *workers* processes that each call *front* once.

    An idle connection is closed after *keep_alive_seconds*.
    """
    # Connections, not requests: each costs a file handle and little else, so idle ones must not exhaust the limit.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65536) if hard != resource.RLIM_INFINITY else 65536
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    # granian's time limit for a head begins when the previous answer has been sent.
    silence = keep_alive_seconds if CAN_WATCH else HEADER_SECONDS
    take_turns()
    multiprocessing.set_start_method("fork", force=True)
    _hold_stop_signals_in_new_workers()
    server = Granian(
        "menshen",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=workers,
        backlog=2048,
        backpressure=most_connections(),
        http1_settings=HTTP1Settings(header_read_timeout=int(silence * 1000), max_buffer_size=64 * 1024),
        workers_kill_timeout=DRAIN_SECONDS,
        log_enabled=False,
        respawn_failed_workers=True,
    )
    try:
        server.serve(target_loader=cast(Callable[..., Any], front), wrap_loader=False)
    except SystemExit:
        # If the whole group was signalled, a worker may have ended before this process could signal it.
        if not server.interrupt_signal:
            raise


_STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


def _hold_stop_signals_in_new_workers() -> None:
    """Let a worker start with its stop signals blocked, until its event loop can handle them.

    It inherits the handlers of the main process, which do nothing in a worker, and its own do nothing before the loop
    runs. A signal in that time would be lost, and stopping would take until the worker is killed.
    """
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS), after_in_parent=take_stop_signals
    )


def take_stop_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)


_Arguments = TypeVarTuple("_Arguments")


class _OneStopLoop(uvloop.Loop):
    """The event loop of a worker, which is told to stop only once.

    A supervisor or a terminal signals the whole group, and then the main process signals each worker as well; granian's
    handler never returns from a second call shortly after the first.
    """

    _is_told = False

    def add_signal_handler(self, sig: int, callback: Callable[[*_Arguments], object], *args: *_Arguments) -> None:
        def once() -> None:
            if not self._is_told:
                self._is_told = True
                callback(*args)

        super().add_signal_handler(sig, once)


@loops.register("auto")
def _one_stop_loop() -> AbstractEventLoop:
    loop = _OneStopLoop()
    asyncio.set_event_loop(loop)
    return loop
