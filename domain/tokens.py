"""Access tokens: what one says, and when it is valid."""

from datetime import datetime

from attrs import frozen

from .clocks import CLOCK_LEEWAY
from .errors import Unauthenticated
from .sessions import SessionId
from .users import UserId


class TokenMissing(Unauthenticated):
    """The request has no token."""

    reason = "token_missing"


class TokenInvalid(Unauthenticated):
    """The token is malformed, not signed by us, not for us, or not valid yet."""

    reason = "token_invalid"


class TokenExpired(Unauthenticated):
    """The token is past its ``exp``."""

    reason = "token_expired"


@frozen(kw_only=True)
class AccessTokenClaims:
    """The claims of an access token (RFC 7519, 4.1) except issuer and audience, which the codec adds and checks.

    Times are aware UTC, in whole seconds.
    """

    subject: UserId
    session_id: SessionId
    token_id: str
    issued_at: datetime
    expires_at: datetime
    not_before: datetime | None = None

    def check_time(self, now: datetime) -> None:
        """Raises TokenExpired at or after ``exp`` (RFC 7519, 4.1.4), TokenInvalid if it is not valid yet."""
        if now >= self.expires_at:
            raise TokenExpired
        if max(self.issued_at, self.not_before or self.issued_at) > now + CLOCK_LEEWAY:
            raise TokenInvalid
