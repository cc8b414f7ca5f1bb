"""Sessions: from a login until its end, on one device."""

from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import NewType

from attrs import field, frozen

from .actors import Actor
from .devices import Device
from .errors import Refusal, Unauthenticated
from .users import UserId

SessionId = NewType("SessionId", str)

LAST_SEEN_STEP = timedelta(minutes=1)
"""How precisely a session's last use is stored; more precision would mean a write for every request."""


class SessionUnknown(Unauthenticated):
    """The token is ours, but the store has no such session of this user."""

    reason = "session_unknown"


class SessionOver(Unauthenticated):
    """The session has ended: when, and by which other device, if one did it. Never raised itself."""

    def __init__(self, *, ended_at: datetime, by: Device | None = None) -> None:
        super().__init__()
        self.ended_at = ended_at
        self.by = by


class SessionExpired(SessionOver):
    """The session is past its absolute end."""

    reason = "session_expired"


class SessionIdle(SessionOver):
    """The session was not used for too long."""

    reason = "session_idle"


class SessionReplaced(SessionOver):
    """Another login took the place of this session (device policy)."""

    reason = "session_replaced"


class SessionLoggedOut(SessionOver):
    """The user logged out of this session."""

    reason = "session_logged_out"


class SessionKicked(SessionOver):
    """The user, from another device, or an operator ended this session."""

    reason = "session_kicked"


class PasswordWasChanged(SessionOver):
    """The password was changed, which ends all other sessions."""

    reason = "password_changed"


class UserWasFrozen(SessionOver):
    """The user was frozen while this session was live. The session stays ended even if the freeze is over by now."""

    reason = "user_frozen"


class UserWasClosed(SessionOver):
    """The account was closed while this session was live."""

    reason = "user_closed"


class RefreshTokenWasReused(SessionOver):
    """A refresh token of this session was presented long after it was replaced: somebody else may have it."""

    reason = "refresh_token_reused"


class SessionEnded(SessionOver):
    """The session was ended for a reason that this version does not know; a newer version may have written it."""

    reason = "session_ended"


class NoSuchSession(Refusal):
    """The user has no such live session."""

    reason = "no_such_session"


class SessionKind(StrEnum):
    """What a session is for. A session of one kind gives no access to what is for the other."""

    USER = "user"
    ADMIN = "admin"
    UNKNOWN = "unknown"
    """A kind that this version does not know: such a session is never accepted, and ends when all sessions end."""


class EndReason(StrEnum):
    """How a session ends. An end is final: the first one stays, even if the clock is changed."""

    LOGGED_OUT = "logged_out"
    REPLACED = "replaced"
    KICKED = "kicked"
    PASSWORD_CHANGED = "password_changed"
    USER_FROZEN = "user_frozen"
    USER_CLOSED = "user_closed"
    REFRESH_REUSED = "refresh_reused"
    EXPIRED = "expired"
    """It reached its absolute end. Stored as soon as a request with it was refused for that."""
    IDLE = "idle"
    """It was not used for too long. Stored like EXPIRED."""
    UNKNOWN = "unknown"
    """The reason is one that this version does not know. It is an end all the same."""


@frozen
class SessionEnd:
    """The end of a session: when (aware UTC), how, by whom, and by which other device, if any."""

    at: datetime
    reason: EndReason
    by: Device | None = None
    actor: Actor | None = None

    def refusal(self) -> SessionOver:
        """What somebody who uses such a session is told."""
        return _REFUSAL_AFTER[self.reason](ended_at=self.at, by=self.by)


@frozen(kw_only=True)
class Lifetimes:
    """How long a session lives in total, and how long without being used."""

    absolute: timedelta
    idle: timedelta


@frozen(kw_only=True)
class Refreshing:
    """The position of a session in its chain of refresh tokens; only the digest of the current token is known."""

    digest: bytes = field(repr=False)
    rotations: int
    rotated_at: datetime
    expires_at: datetime
    recent: tuple[datetime, ...] = ()
    """The times of the rotations before the last one, newest first, as long as their tokens may still be presented."""
    key_id: str | None = None
    """The name of the key of the chain; None for a chain from before keys had names, which is not continued."""


@frozen(kw_only=True)
class SessionFacts:
    """What may be shown of a session: a login that may still be in use. Times are aware UTC."""

    id: SessionId
    user_id: UserId
    kind: SessionKind = SessionKind.USER
    device: Device
    started_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    idle_ttl: timedelta
    address: str | None = None
    user_agent: str | None = None
    end: SessionEnd | None = None

    @property
    def idle_at(self) -> datetime:
        """When it will have been idle too long, unless it is used first."""
        return self.last_seen_at + self.idle_ttl

    def is_live(self, now: datetime) -> bool:
        return self.end is None and now < self.expires_at and now < self.idle_at

    def run_out(self, now: datetime) -> SessionEnd | None:
        """The end by expiry or idleness; None while the session lives, and if it ended in another way.

        It is only calculated until it is stored: putting the clock back would undo it.
        """
        if self.end is None and now >= self.expires_at:
            return SessionEnd(self.expires_at, EndReason.EXPIRED)
        if self.end is None and now >= self.idle_at:
            return SessionEnd(self.idle_at, EndReason.IDLE)
        return None

    def check_live(self, now: datetime) -> None:
        """Raises the refusal that tells how this session ended, if it has."""
        end = self.end or self.run_out(now)
        if end is not None:
            raise end.refusal()

    def is_due_to_be_seen(self, now: datetime) -> bool:
        """Whether the stored last use is old enough to be updated."""
        return now - self.last_seen_at >= LAST_SEEN_STEP


@frozen(kw_only=True)
class SessionOverview(SessionFacts):
    """A session without secrets, for responders. A Session is not a subtype, so a type-checker finds leaks."""


@frozen(kw_only=True)
class Session(SessionFacts):
    """A session as the repository keeps it."""

    refreshing: Refreshing

    # Made once for each, since what is remembered is shown at every request.
    @cached_property
    def overview(self) -> SessionOverview:
        """The session without secrets."""
        return SessionOverview(
            id=self.id,
            user_id=self.user_id,
            kind=self.kind,
            device=self.device,
            started_at=self.started_at,
            last_seen_at=self.last_seen_at,
            expires_at=self.expires_at,
            idle_ttl=self.idle_ttl,
            address=self.address,
            user_agent=self.user_agent,
            end=self.end,
        )


_REFUSAL_AFTER: dict[EndReason, type[SessionOver]] = {
    EndReason.LOGGED_OUT: SessionLoggedOut,
    EndReason.REPLACED: SessionReplaced,
    EndReason.KICKED: SessionKicked,
    EndReason.PASSWORD_CHANGED: PasswordWasChanged,
    EndReason.USER_FROZEN: UserWasFrozen,
    EndReason.USER_CLOSED: UserWasClosed,
    EndReason.REFRESH_REUSED: RefreshTokenWasReused,
    EndReason.EXPIRED: SessionExpired,
    EndReason.IDLE: SessionIdle,
    EndReason.UNKNOWN: SessionEnded,
}
