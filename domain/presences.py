"""Presences: who is there, and by which session."""

from datetime import datetime

from attrs import frozen

from .errors import StoreUnavailable
from .realms import NotAnAdmin
from .sessions import Session, SessionId, SessionKind, SessionUnknown
from .users import User, UserId, UserNotActive


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
