"""Tokens for an app behind a proxy: who is asking, for one host and a moment."""

from datetime import datetime, timedelta
from typing import Self

from attrs import frozen

from .presences import Principal
from .sessions import SessionId, SessionKind
from .users import UserId

HOST_TOKEN_TTL = timedelta(seconds=60)
"""How long one lasts at the most. It is made anew for each request, so this is only for a slow one."""


@frozen(kw_only=True)
class HostTokenClaims:
    """What a host token says (RFC 7519, 4.1), except the issuer, which the codec adds. Times are aware UTC."""

    host: str
    """Its audience: the name of the host, in lower case and without a port."""
    subject: UserId
    session_id: SessionId
    kind: SessionKind
    token_id: str
    issued_at: datetime
    expires_at: datetime

    @classmethod
    def about(cls, principal: Principal, *, host: str, token_id: str, now: datetime) -> Self:
        """The claims about *principal*, who was let in *now*; they never outlast the session."""
        return cls(
            host=host,
            subject=principal.user.id,
            session_id=principal.session.id,
            kind=principal.session.kind,
            token_id=token_id,
            issued_at=now,
            expires_at=min(now + HOST_TOKEN_TTL, principal.session.expires_at),
        )
