"""Whose request it is."""

from attrs import frozen

from ..errors import SessionUnknown, UserNotActive, UserNotFound
from ..ports import Clock, SessionRepository, TokenCodec
from ..sessions import Session
from ..users import User


@frozen
class Authenticated:
    """The user whose request it is, and the session it came in by."""

    user: User
    session: Session


@frozen
class Authenticate:
    """Say whose token this is. Raises a subclass of Unauthenticated that tells why it opens nothing.

    User and session are read anew each time: whatever ended the session counts from the very next request on.
    """

    sessions: SessionRepository
    codec: TokenCodec
    clock: Clock

    def __call__(self, token: str) -> Authenticated:
        claims = self.codec.decode(token)
        now = self.clock.now()
        claims.check_time(now)
        presence = self.sessions.presence(claims.subject, claims.session_id)
        if presence is None:
            raise UserNotFound
        if not presence.user.state.is_active:
            raise UserNotActive
        if presence.session is None:
            raise SessionUnknown
        presence.session.check_live(now)
        return Authenticated(user=presence.user, session=presence.session)
