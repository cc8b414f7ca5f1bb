"""Health checks for a load balancer, outside the contract's envelope."""

from collections.abc import Callable

import falcon
from attrs import frozen

from ...domain.errors import Unavailable


class AliveResource:
    """GET /healthz: the process answers."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        _write(resp, "alive")


@frozen
class ReadyResource:
    """GET /readyz: the process can write to its database."""

    trouble: Callable[[], Unavailable | None]

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        unavailable = self.trouble()
        if unavailable is None:
            _write(resp, "ready")
        else:
            resp.status = falcon.HTTP_503
            resp.set_header("Retry-After", str(unavailable.retry_after))
            _write(resp, "unavailable")


def _write(resp: falcon.Response, status: str) -> None:
    resp.media = {"status": status}
    resp.set_headers({"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})
