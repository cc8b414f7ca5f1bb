"""Sessions: from a login until its end, on one device."""

from datetime import datetime
from enum import StrEnum
from typing import NewType

from attrs import frozen

from .errors import SessionExpired, SessionLoggedOut, SessionReplaced, Unauthenticated
from .users import User, UserId

SessionId = NewType("SessionId", str)


class EndReason(StrEnum):
    """How a session ends before its time. An end is final: the first one stays."""

    REPLACED = "replaced"
    LOGGED_OUT = "logged_out"


@frozen
class SessionEnd:
    """That a session has ended, when (aware UTC) and how."""

    at: datetime
    reason: EndReason


@frozen(kw_only=True)
class Session:
    """A login that may still be in use. Times are aware UTC."""

    id: SessionId
    user_id: UserId
    started_at: datetime
    expires_at: datetime
    end: SessionEnd | None = None

    def is_live(self, now: datetime) -> bool:
        return self.end is None and now < self.expires_at

    def check_live(self, now: datetime) -> None:
        """Raises the refusal that tells how this session ended, if it has."""
        if self.end is not None:
            raise _REFUSAL_AFTER[self.end.reason]
        if now >= self.expires_at:
            raise SessionExpired


@frozen
class Presence:
    """A user and, if the store holds it, one session of this user, both as they stood at one moment."""

    user: User
    session: Session | None


_REFUSAL_AFTER: dict[EndReason, type[Unauthenticated]] = {
    EndReason.REPLACED: SessionReplaced,
    EndReason.LOGGED_OUT: SessionLoggedOut,
}
