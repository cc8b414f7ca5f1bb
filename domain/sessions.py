"""Sessions: from a login until its end, on one device."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from attrs import field, frozen

from .actors import Actor
from .devices import Device
from .errors import (
    NotAnAdmin,
    PasswordWasChanged,
    RefreshTokenWasReused,
    SessionEnded,
    SessionExpired,
    SessionIdle,
    SessionKicked,
    SessionLoggedOut,
    SessionOver,
    SessionReplaced,
    SessionUnknown,
    StoreUnavailable,
    UserNotActive,
    UserWasClosed,
    UserWasFrozen,
)
from .users import User, UserId

SessionId = NewType("SessionId", str)

LAST_SEEN_STEP = timedelta(minutes=1)
"""How exactly a session's last use is known; more would write on every request."""


class SessionKind(StrEnum):
    """What a session is for. One kind opens nothing of the other."""

    USER = "user"
    ADMIN = "admin"
    UNKNOWN = "unknown"
    """The store holds a kind that this version does not know: it opens nothing, and ends when all sessions end."""


class EndReason(StrEnum):
    """How a session ends. An end is final: the first one stays, whatever becomes of the clock."""

    LOGGED_OUT = "logged_out"
    REPLACED = "replaced"
    KICKED = "kicked"
    PASSWORD_CHANGED = "password_changed"
    USER_FROZEN = "user_frozen"
    USER_CLOSED = "user_closed"
    REFRESH_REUSED = "refresh_reused"
    EXPIRED = "expired"
    """By itself, at its absolute end. It is written down as soon as somebody who came with it was refused for that."""
    IDLE = "idle"
    """By itself, for it was not used for too long; written down like EXPIRED."""
    UNKNOWN = "unknown"
    """The store holds an end of which this version does not know the reason. It is an end all the same."""


@frozen
class SessionEnd:
    """That a session has ended: when (aware UTC), how, by which other device, if one did it, and by whom."""

    at: datetime
    reason: EndReason
    by: Device | None = None
    actor: Actor | None = None

    def refusal(self) -> SessionOver:
        """What is said to who comes with such a session."""
        return _REFUSAL_AFTER[self.reason](ended_at=self.at, by=self.by)


@frozen(kw_only=True)
class Lifetimes:
    """How long a session lives at all, and how long without being used."""

    absolute: timedelta
    idle: timedelta


@frozen(kw_only=True)
class Refreshing:
    """Where a session stands in its chain of refresh tokens: only the digest of the current one is known."""

    digest: bytes = field(repr=False)
    rotations: int
    rotated_at: datetime
    expires_at: datetime
    recent: tuple[datetime, ...] = ()
    """When the rotations before the last one were, the newest first, as far as their tokens may still come."""
    key_id: str | None = None
    """The key that the chain hangs on; None for one from before chains had keys, which nothing continues."""


@frozen(kw_only=True)
class Session:
    """A login that may still be in use. Times are aware UTC."""

    id: SessionId
    user_id: UserId
    kind: SessionKind = SessionKind.USER
    device: Device
    started_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    idle_ttl: timedelta
    refreshing: Refreshing
    address: str | None = None
    user_agent: str | None = None
    end: SessionEnd | None = None

    @property
    def idle_at(self) -> datetime:
        """When it will have been idle too long, unless it is used before."""
        return self.last_seen_at + self.idle_ttl

    def is_live(self, now: datetime) -> bool:
        return self.end is None and now < self.expires_at and now < self.idle_at

    def run_out(self, now: datetime) -> SessionEnd | None:
        """The end to which it has come by itself; None while it lives, and where it has ended otherwise.

        It is nothing but a calculation until it is written down: a clock that is put back would undo it.
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
        """Whether its last use was long enough ago to be written down anew."""
        return now - self.last_seen_at >= LAST_SEEN_STEP


@frozen
class Presence:
    """A user and, if the store holds it, one session of this user, both as they stood at one moment."""

    user: User
    session: Session | None

    def check_is_of(self, user_id: UserId, session_id: SessionId) -> None:
        """Raises StoreUnavailable where it is another user's, or another session's: then the store is not to be believed.

        A store that answers somebody else's question must never open somebody else's account.
        """
        session = self.session
        is_session = session is None or (session.id, session.user_id) == (session_id, user_id)
        if self.user.id != user_id or not is_session:
            raise StoreUnavailable("the store answered what was not asked")

    def admit(self, kind: SessionKind, now: datetime) -> Session:
        """The one rule of who may act, by a session of that *kind*: the guard asks it, and whoever holds the lock once more.

        Raises UserNotActive, SessionUnknown, the refusal that tells how the session ended, NotAnAdmin.
        """
        session = self.session
        if not self.user.is_active(now):
            raise UserNotActive(None if session is None or session.end is None else session.end.at)
        if session is None or session.kind is not kind:
            raise SessionUnknown
        session.check_live(now)
        if kind is SessionKind.ADMIN and not self.user.is_admin:
            raise NotAnAdmin
        return session


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
