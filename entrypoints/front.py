"""The WSGI application behind an event loop, so that a slow caller occupies only a connection.

Under a server's WSGI interface a body that is announced and never sent occupies a thread for as long as the caller
likes. Here the event loop collects the whole body first, with a limit in bytes and one in time, and only a complete
request gets a thread. Of granian's interfaces only ASGI passes on the path as it was sent, and headers in bytes.
"""

import asyncio
import io
import json
import logging
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

from attrs import define, field

from ..domain.ports.reading import WouldWait
from .connection_watch import CAN_WATCH, ConnectionWatch
from .http.app import OVERDUE
from .http.environs import environ_of
from .http.json_body import MAX_BODY_BYTES
from .http.messages import Response, Scope

_log = logging.getLogger("menshen.server")

BODY_SECONDS = 10
"""How long a caller may take to send a body."""

HEADER_SECONDS = 10
"""How long a caller may take to send the head of a request."""

_NEXT_RUN_SECONDS = 0.02

ANSWER_SECONDS = 4.0
"""How long an answer may take once the request is complete; then the caller is told to try again."""

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class _BrokenBody(io.RawIOBase):
    """Stands for an incomplete body."""

    def read(self, size: int = -1) -> bytes:
        raise OSError("the body did not come whole")


@define(eq=False)
class Front:
    """An ASGI application in front of a WSGI one.

    *runs_inline* says for a method and a path whether a request without a body can be answered on the event loop at
    once: handing it to a thread and back costs more than reading an embedded database. *without_waiting* is for a store
    that is not embedded, otherwise None: within it the answer is given only if nothing has to be read, and otherwise by a
    thread.
    *shortcut* answers some requests without the application.
    *crowd* is the number of connections above which idle ones are closed sooner.
    """

    app: WsgiApp
    threads: int
    runs_inline: Callable[[str, str], bool]
    port: int
    crowd: int
    without_waiting: Callable[[], AbstractContextManager[None]] | None = None
    shortcut: Callable[[Scope], Response | None] = lambda scope: None
    at_serving: Callable[[], None] = lambda: None
    at_exit: Callable[[], None] = lambda: None
    _busy: set[tuple[str, str]] = field(factory=set, init=False)
    """The callers whose requests are being processed."""
    _watch: ConnectionWatch = field(init=False)
    _pool: ThreadPoolExecutor = field(init=False)
    _loop: AbstractEventLoop = field(init=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """The lifespan of a worker: one message at its start, and one at its end."""
        await receive()
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="menshen")
        self._watch = ConnectionWatch(self.port, HEADER_SECONDS, self.crowd, self._busy.__contains__)
        if CAN_WATCH:
            self._watch.start()
        await send({"type": "lifespan.startup.complete"})
        # Not in the loop's current run, which ends with this, but in the next, which takes requests.
        self._loop.call_later(_NEXT_RUN_SECONDS, self.at_serving)
        await receive()
        self._watch.stop()
        self._pool.shutdown()
        self.at_exit()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope["client"]
        self._busy.add(peer)
        try:
            status, headers, body = self._shortly(scope) or await self._by_app(scope, receive)
        finally:
            self._busy.discard(peer)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _shortly(self, scope: Scope) -> Response | None:
        try:
            return self._at_once(self.shortcut, scope)
        except Exception:  # noqa: BLE001 - the application meets it as well, and answers and logs it
            return None

    async def _by_app(self, scope: Scope, receive: Receive) -> Response:
        environ = environ_of(scope)
        response: Response | None = None
        try:
            if has_body(environ):
                await collect(environ, receive)
            elif self.runs_inline(environ["REQUEST_METHOD"], environ["PATH_INFO"]):
                response = self._at_once(self._respond, environ.copy())
            if response is None:
                response = await self._in_time(environ)
        except Exception:  # noqa: BLE001 - the last line of defence (ASVS 16.5.4)
            _log.exception("the server failed to answer")
            response = _INTERNAL_ERROR
        status, headers, body = response
        if "HTTP_TRANSFER_ENCODING" in environ:
            # A Content-Length beside it is dropped before we see it, and a proxy that used it would see another request
            # in the rest. So nothing that follows on this connection is read as one (RFC 9112, 6.3).
            headers = [*headers, (b"connection", b"close")]
        return status, headers, body

    def _at_once(self, answer: Callable[[dict[str, Any]], Response | None], request: dict[str, Any]) -> Response | None:
        """What *answer* says, unless it would have to be waited for."""
        if self.without_waiting is None:
            return answer(request)
        try:
            with self.without_waiting():
                return answer(request)
        except WouldWait:
            return None

    async def _in_time(self, environ: dict[str, Any]) -> Response:
        """The answer, or one that says it takes too long: nobody waits endlessly for a store."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                # A request that has not begun by then is dropped; one that has begun continues, and its outcome is
                # unknown.
                return await self._loop.run_in_executor(self._pool, self._respond, environ)
        except TimeoutError:
            return self._respond({**environ, OVERDUE: True})

    def _respond(self, environ: dict[str, Any]) -> Response:
        status, headers, body = respond(self.app, environ)
        headers.append((b"server", b"menshen"))
        return status, headers, body


def respond(app: WsgiApp, environ: dict[str, Any]) -> Response:
    """The whole answer of a WSGI application."""
    status, headers = "", []

    def start_response(its_status: str, its_headers: list[tuple[str, str]], exc_info: object = None) -> None:
        nonlocal status, headers
        status, headers = its_status, its_headers

    body = b"".join(app(environ, start_response))
    return int(status[:3]), [*map(_header, headers)], body


# Most headers of most answers are the same.
@lru_cache(maxsize=1024)
def _header(header: tuple[str, str]) -> tuple[bytes, bytes]:
    name, value = header
    return name.lower().encode("latin-1"), value.encode("latin-1")


def has_body(environ: dict[str, Any]) -> bool:
    """Whether the request says that it has one."""
    return "HTTP_TRANSFER_ENCODING" in environ or int(environ.get("CONTENT_LENGTH", 0)) > 0


async def collect(environ: dict[str, Any], receive: Receive) -> None:
    """Put the whole body into *environ*, with its length; or the reason for which the application refuses it.

    A body comes with its length or in chunks (RFC 9112, 6.3). A body in another coding is not read.
    """
    coding = environ.get("HTTP_TRANSFER_ENCODING")
    if coding is None:
        length = int(environ["CONTENT_LENGTH"])
        # A body over the limit is refused by its Content-Length, and not read.
        environ["wsgi.input"] = io.BytesIO() if length > MAX_BODY_BYTES else await _body(receive)
    elif coding.lower() == "chunked":
        environ["wsgi.input"] = await _body(receive)
        environ["wsgi.input_terminated"] = True


async def _body(receive: Receive) -> io.BytesIO | _BrokenBody:
    """The body, or enough of it to show that it is too long."""
    body = io.BytesIO()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            more = True
            while more and body.tell() <= MAX_BODY_BYTES:
                message = await receive()
                if message["type"] != "http.request":
                    return _BrokenBody()
                body.write(message.get("body", b""))
                more = message.get("more_body", False)
    except (TimeoutError, RuntimeError):
        return _BrokenBody()
    body.seek(0)
    return body


# For a fault outside the application, which answers its own faults itself.
_INTERNAL_ERROR: Response = (
    500,
    [(b"content-type", b"application/json; charset=utf-8"), (b"cache-control", b"no-store"), (b"server", b"menshen")],
    json.dumps({"code": 500, "data": "", "msg": "服务器内部错误", "time": "", "reason": "internal_error"}).encode(),
)
