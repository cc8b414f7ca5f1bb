"""Logging requests."""

import logging

import falcon
from attrs import frozen

from .clients import Clients
from .guard import principal_if_any

_events = logging.getLogger("menshen.events")


@frozen
class Events:
    """One event for every attempt to get in and every refusal (ASVS 16.3.1); never a token or a password."""

    clients: Clients

    def note(self, req: falcon.Request, code: int, reason: str | None = None) -> None:
        principal = principal_if_any(req)
        _events.info(
            "request",
            extra={
                "event": {
                    "method": req.env["REQUEST_METHOD"],
                    "path": req.path[:200],
                    "code": code,
                    "reason": reason,
                    "user_id": None if principal is None else principal.user.id,
                    "address": self.clients.address(req),
                }
            },
        )
