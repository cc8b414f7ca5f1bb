"""What the log tells of requests."""

import logging

import falcon
from attrs import frozen

from .clients import Clients

_events = logging.getLogger("menshen.events")


@frozen
class Events:
    """One event for everything that asks to get in or is kept out (ASVS 16.3.1); never a token or a password."""

    clients: Clients

    def note(self, req: falcon.Request, code: int, reason: str | None = None) -> None:
        user = getattr(req.context, "user", None)
        _events.info(
            "request",
            extra={
                "event": {
                    "method": req.env["REQUEST_METHOD"],
                    "path": req.path[:200],
                    "code": code,
                    "reason": reason,
                    "user_id": None if user is None else user.id,
                    "address": self.clients.address(req),
                }
            },
        )
