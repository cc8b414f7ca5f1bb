"""The common form of all answers."""

from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any

import msgspec
from attrs import frozen

from ...domain.admission import TooManyDevices
from ...domain.errors import Refusal, Unauthenticated, Unavailable
from ...domain.ports.outside import Clock
from ...domain.sessions import SessionOver, SessionOverview
from ...domain.tokens import TokenMissing
from ...domain.users import UserNotActive
from .answers import NOT_REGISTERED, answer_to
from .languages import Text, preferred_language

HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    # Answers carry tokens and personal data (ASVS 14.3.2, 3.4.4).
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
"""The headers of every answer."""

# A Decimal is written as a number with its exact digits; a binary float would not be exact.
_encode = msgspec.json.Encoder(decimal_format="number").encode


@frozen
class Refused:
    """A finished refusal: everything to send, and the reason, for the log."""

    reason: str
    code: int
    headers: dict[str, str]
    body: bytes


@frozen
class Envelopes:
    """Puts answers into the contract's envelope, in the caller's language and the operator's time zone.

    The caller's language is the value of the header Accept-Language, if any.
    """

    clock: Clock
    zone: tzinfo | None
    language: str

    def local_text(self, moment: datetime) -> str:
        """``YYYY-MM-DD HH:MM:SS`` in the configured zone, or in the machine's if none is configured."""
        return _local_text(int(moment.timestamp()), self.zone)

    def done(self, accept_language: str | None, msg: Text, *, data: Any = "", token: str | None = None) -> bytes:
        """The body of a successful answer."""
        members: dict[str, Any] = {"token": token} if token is not None else {}
        return self._body(200, msg.in_language(preferred_language(accept_language, self.language)), data, members)

    def refused(self, accept_language: str | None, refusal: Refusal, failed: Text = NOT_REGISTERED) -> Refused:
        """The answer to a refused request; *failed* says what was not done."""
        code, msg = answer_to(refusal, preferred_language(accept_language, self.language), failed)
        headers = dict(HEADERS)
        if isinstance(refusal, Unauthenticated):
            headers["WWW-Authenticate"] = _challenge(refusal)
        if isinstance(refusal, Unavailable):
            headers["Retry-After"] = str(refusal.retry_after)
        body = self._body(code, msg, self._explained(refusal), {"reason": refusal.reason})
        return Refused(reason=refusal.reason, code=code, headers=headers, body=body)

    def session(self, session: SessionOverview) -> dict[str, Any]:
        """A session as users and admins see it."""
        return {
            "id": session.id,
            "device": {"type": session.device.type, "id": session.device.id, "name": session.device.name},
            "first_seen": self.local_text(session.started_at),
            "last_seen": self.local_text(session.last_seen_at),
            "address": session.address,
            "user_agent": session.user_agent,
        }

    def _explained(self, refusal: Refusal) -> dict[str, Any] | str:
        """The ``data`` of a refusal: how the session ended, or which sessions are live."""
        if isinstance(refusal, SessionOver):
            by = refusal.by
            ended: dict[str, Any] = {"ended_at": self.local_text(refusal.ended_at)}
            return ended if by is None else {**ended, "by": {"type": by.type, "name": by.name}}
        if isinstance(refusal, UserNotActive) and refusal.ended_at is not None:
            return {"ended_at": self.local_text(refusal.ended_at)}
        if isinstance(refusal, TooManyDevices):
            return {"sessions": [self.session(session) for session in refusal.sessions]}
        return ""

    def _body(self, code: int, msg: str, data: Any, members: dict[str, Any]) -> bytes:
        time = self.local_text(self.clock.now())
        return _encode({"code": code, "data": data, "msg": msg, "time": time, **members})


# Within a second most answers have the same time, and the same users ask again.
@lru_cache(maxsize=4096)
def _local_text(timestamp: int, zone: tzinfo | None) -> str:
    return datetime.fromtimestamp(timestamp, zone).replace(tzinfo=None).isoformat(sep=" ")


def _challenge(refusal: Unauthenticated) -> str:
    """RFC 6750, section 3: no error code if the request has no token."""
    return "Bearer" if isinstance(refusal, TokenMissing) else 'Bearer error="invalid_token"'
