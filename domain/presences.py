"""Presences: who is there, by which session, and whether they may act."""

from datetime import datetime

from attrs import frozen

from .actors import Actor
from .errors import StoreUnavailable
from .realms import Realm
from .sessions import Session, SessionId, SessionOverview, SessionUnknown
from .users import Profile, User, UserId, UserNotActive


@frozen
class Principal:
    """Who acts, and by which session of which realm: all that a responder may see, without secrets."""

    realm: Realm
    user: Profile
    session: SessionOverview

    @property
    def actor(self) -> Actor:
        """The name they have in the audit log."""
        return Actor.user(self.user.id)


@frozen
class Judgement:
    """Who was let in, and between which moments the clock alone changes nothing about it.

    Before *since* and from *until* on it is to be judged anew: something has expired, or is due to be noted.
    """

    principal: Principal
    since: datetime
    until: datetime


@frozen
class Presence:
    """A user and, if the store has it, one session of this user, both as they were at one moment."""

    user: User
    session: Session | None

    def check_is_of(self, user_id: UserId, session_id: SessionId) -> None:
        """Raises StoreUnavailable if it is another user's or another session's: then the store cannot be trusted.

        A store that returns the answer to another query must never open another user's account.
        """
        session = self.session
        is_session = session is None or (session.id, session.user_id) == (session_id, user_id)
        if self.user.id != user_id or not is_session:
            raise StoreUnavailable("the store answered what was not asked")

    def admit(self, realm: Realm, now: datetime) -> Principal:
        """The one rule of who may act in *realm*: the guard applies it, and so do a refresh and every check under the
        lock.

        Raises UserNotActive, SessionUnknown, the refusal that tells how the session ended, NotAnAdmin.
        """
        session = self.session
        if not self.user.is_active(now):
            raise UserNotActive(None if session is None or session.end is None else session.end.at)
        if session is None or session.kind is not realm.kind:
            raise SessionUnknown
        session.check_live(now)
        realm.check_member(self.user)
        return Principal(realm, self.user.profile, session.overview)
