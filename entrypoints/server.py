"""Serving a WSGI application by granian, so that a slow caller holds nothing but his own connection.

Under granian's WSGI interface a body that is announced and never sent holds a thread for as long as the caller likes.
Here the event loop collects the whole body first, with a limit in bytes and one in time, and only a complete request
gets a thread.
"""

import asyncio
import ctypes
import io
import json
import logging
import multiprocessing
import os
import resource
import signal
import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVarTuple, cast

import uvloop
from attrs import define, field
from granian import Granian, loops
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.rsgi import Scope

from .connection_watch import CAN_WATCH, ConnectionWatch
from .http.app import OVERDUE
from .http.json_body import MAX_BODY_BYTES

_log = logging.getLogger("menshen.server")

BODY_SECONDS = 10
"""How long a caller may take to send a body."""

HEADER_SECONDS = 10
"""How long a caller may take to send the head of a request."""

ANSWER_SECONDS = 4.0
"""How long an answer may take once the request is whole; then the caller is told to ask again."""

DRAIN_SECONDS = 10
"""How long running requests may take to finish after SIGTERM."""

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Response = tuple[int, list[tuple[str, str]], bytes]


class Exchange(Protocol):
    """What granian gives an RSGI application to read a request and answer it."""

    async def __call__(self) -> bytes:
        """The whole body. Raises RuntimeError when it cannot come whole."""
        ...

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...


class _BrokenBody(io.RawIOBase):
    """Stands for a body that did not come whole."""

    def read(self, size: int = -1) -> bytes:
        raise OSError("the body did not come whole")


@define(eq=False)
class Front:
    """An RSGI application in front of a WSGI one.

    *runs_inline* says of a request without a body whether it can be answered on the event loop at once: handing it to a
    thread and back costs more than reading an embedded database does.
    """

    app: WsgiApp
    threads: int
    runs_inline: Callable[[Scope], bool]
    port: int
    at_exit: Callable[[], None] = lambda: None
    _busy: set[str] = field(factory=set, init=False)
    """The callers whose requests are being worked on."""
    _watch: ConnectionWatch = field(init=False)
    _pool: ThreadPoolExecutor = field(init=False)
    _loop: AbstractEventLoop = field(init=False)

    def __rsgi_init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="menshen")
        self._watch = ConnectionWatch(self.port, HEADER_SECONDS, _most_connections() // 2, self._busy.__contains__)
        if CAN_WATCH:
            self._watch.start()
        loop.call_soon(_take_stop_signals)

    def __rsgi_del__(self, loop: AbstractEventLoop) -> None:
        self._watch.stop()
        self._pool.shutdown()
        self.at_exit()

    async def __rsgi__(self, scope: Scope, protocol: Exchange) -> None:
        self._busy.add(scope.client)
        try:
            environ = _environ(scope)
            if int(environ.get("CONTENT_LENGTH", 0)) > 0:
                environ["wsgi.input"] = await _body(int(environ["CONTENT_LENGTH"]), protocol)
            elif self.runs_inline(scope):
                protocol.response_bytes(*self._respond(environ))
                return
            protocol.response_bytes(*await self._in_time(environ))
        except Exception:  # noqa: BLE001 - the last line of defence (ASVS 16.5.4)
            _log.exception("the server failed to answer")
            protocol.response_bytes(*_INTERNAL_ERROR)
        finally:
            self._busy.discard(scope.client)

    async def _in_time(self, environ: dict[str, Any]) -> Response:
        """The answer, or that it takes too long: whatever a store does, nobody waits for it for ever."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                # What has not begun by then is not begun any more; what has begun ends, and its outcome is unknown.
                return await self._loop.run_in_executor(self._pool, self._respond, environ)
        except TimeoutError:
            return self._respond({**environ, OVERDUE: True})

    def _respond(self, environ: dict[str, Any]) -> Response:
        head: list[tuple[int, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
            head.append((int(status[:3]), [(name.lower(), value) for name, value in headers]))

        body = b"".join(self.app(environ, start_response))
        status, headers = head[-1]
        headers.append(("server", "menshen"))
        return status, headers, body


async def _body(length: int, protocol: Exchange) -> io.RawIOBase | io.BytesIO:
    # More than the limit is refused by the application, by its Content-Length; none of it is read.
    if length > MAX_BODY_BYTES:
        return io.BytesIO()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return io.BytesIO(await protocol())
    except (TimeoutError, RuntimeError):  # granian says RSGIProtocolClosed, a RuntimeError
        return _BrokenBody()


def _environ(scope: Scope) -> dict[str, Any]:
    """The WSGI environment of a request (PEP 3333)."""
    environ = _BASE_ENVIRON.copy()
    host, _, port = scope.server.rpartition(":")
    environ["REQUEST_METHOD"] = scope.method
    # PEP 3333: text that carries bytes as latin-1.
    environ["PATH_INFO"] = scope.path.encode("utf-8", "replace").decode("latin-1")
    environ["QUERY_STRING"] = scope.query_string
    environ["SERVER_PROTOCOL"] = f"HTTP/{scope.http_version}"
    environ["SERVER_NAME"] = host
    environ["SERVER_PORT"] = port
    environ["wsgi.url_scheme"] = scope.scheme
    environ["wsgi.input"] = io.BytesIO()
    environ["REMOTE_ADDR"] = scope.client.rpartition(":")[0].strip("[]")
    for name, value in scope.headers.items():
        # X_Forwarded_For would become the same variable as X-Forwarded-For.
        if "_" in name:
            continue
        variable = name.upper().replace("-", "_")
        key = variable if variable in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{variable}"
        environ[key] = f"{environ[key]},{value}" if key.startswith("HTTP_") and key in environ else value
    return environ


_BASE_ENVIRON: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}

# For a fault outside the application, whose own faults are answered in its own words.
_INTERNAL_ERROR: Response = (
    500,
    [("content-type", "application/json; charset=utf-8"), ("cache-control", "no-store"), ("server", "menshen")],
    json.dumps({"code": 500, "data": "", "msg": "服务器内部错误", "time": "", "reason": "internal_error"}).encode(),
)


def end_with_parent() -> None:
    """Have the kernel send this process SIGTERM when its parent dies, even by SIGKILL: an orphan would hold the port."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


_PR_SET_PDEATHSIG = 1


def _most_connections() -> int:
    """How many connections a worker takes at a time, by the files that it may open."""
    return max(16, min(16384, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 512))


def run(front: Callable[[], Front], *, host: str, port: int, workers: int, keep_alive_seconds: float) -> None:
    """Serve until SIGTERM or SIGINT, in *workers* processes that each call *front* once.

    A connection on which nothing is asked for is closed after *keep_alive_seconds*.
    """
    # Connections, not requests: each costs a file handle and little else, so idle ones must not use up the limit.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65536) if hard != resource.RLIM_INFINITY else 65536
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    # granian's time for a head begins when the answer before it is out.
    silence = keep_alive_seconds if CAN_WATCH else HEADER_SECONDS
    multiprocessing.set_start_method("fork", force=True)
    _hold_stop_signals_in_new_workers()
    server = Granian(
        "menshen",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=workers,
        backlog=2048,
        backpressure=_most_connections(),
        http1_settings=HTTP1Settings(header_read_timeout=int(silence * 1000), max_buffer_size=64 * 1024),
        workers_kill_timeout=DRAIN_SECONDS,
        log_enabled=False,
        respawn_failed_workers=True,
    )
    try:
        server.serve(target_loader=cast(Callable[..., Any], front), wrap_loader=False)
    except SystemExit:
        # Where the whole group was told to stop, a worker may have ended before this process had time to ask it to.
        if not server.interrupt_signal:
            raise


_STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


def _hold_stop_signals_in_new_workers() -> None:
    """Have a worker begin with the signals that stop it held back, until its event loop can take them.

    It inherits the handlers of the main process, which do nothing in a worker, and its own do nothing before the loop
    runs. A signal in that time would be lost, and the stop would last until the worker is killed.
    """
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS), after_in_parent=_take_stop_signals
    )


def _take_stop_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)


_Arguments = TypeVarTuple("_Arguments")


class _OneStopLoop(uvloop.Loop):
    """The event loop of a worker, which is told only once to stop.

    A supervisor or a terminal signals the whole group, and then the main process signals each worker as well; granian's
    handler never returns from a second call that comes close to the first.
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
