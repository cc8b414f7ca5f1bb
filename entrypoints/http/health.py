"""What a load balancer asks; outside the contract's envelope."""

import time
from collections.abc import Callable
from threading import Lock

import falcon
from attrs import define, field

from ...domain.errors import Unavailable


class AliveResource:
    """GET /healthz: the process answers."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        _write(resp, "alive")


READY_SECONDS = 1.0
"""How long an answer holds: however many ask, the database is asked once."""


@define(eq=False)
class ReadyResource:
    """GET /readyz: the process can write to its database."""

    ping: Callable[[], None]
    monotonic: Callable[[], float] = time.monotonic
    _lock: Lock = field(factory=Lock, init=False)
    _asked_at: float = field(default=float("-inf"), init=False)
    _found: Unavailable | None = field(default=None, init=False)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        unavailable = self._asked()
        if unavailable is not None:
            resp.status = falcon.HTTP_503
            resp.set_header("Retry-After", str(unavailable.retry_after))
            _write(resp, "unavailable")
        else:
            _write(resp, "ready")

    def _asked(self) -> Unavailable | None:
        # Those who come while one asks wait for that answer.
        with self._lock:
            if self.monotonic() - self._asked_at >= READY_SECONDS:
                try:
                    self.ping()
                    self._found = None
                except Unavailable as unavailable:
                    self._found = unavailable
                self._asked_at = self.monotonic()
            return self._found


def _write(resp: falcon.Response, status: str) -> None:
    resp.media = {"status": status}
    resp.set_headers({"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})
