"""Whose request it is."""

from attrs import frozen

from ..errors import UserNotFound
from ..ports import Clock, LastSeen, SessionRepository, TokenCodec
from ..sessions import Session, SessionKind
from ..users import User


@frozen
class Authenticated:
    """The user whose request it is, and the session it came in by."""

    user: User
    session: Session


@frozen
class Authenticate:
    """Say whose token this is. Raises a subclass of Unauthenticated that tells why it opens nothing.

    User and session are read anew each time: whatever ended the session counts from the very next request on. The
    tokens of one kind of session open nothing of another: they are for another audience (RFC 8725, 3.9 and 3.12).
    """

    sessions: SessionRepository
    codec: TokenCodec
    clock: Clock
    last_seen: LastSeen
    kind: SessionKind = SessionKind.USER

    def __call__(self, token: str) -> Authenticated:
        authenticated = self.judge(token)
        now = self.clock.now()
        if authenticated.session.is_due_to_be_seen(now):
            self.last_seen.note(authenticated.session.id, now)
        return authenticated

    def judge(self, token: str) -> Authenticated:
        """The same, for one who only looks at the token: it does not count as a use of the session."""
        claims = self.codec.decode(token)
        now = self.clock.now()
        claims.check_time(now)
        presence = self.sessions.presence(claims.subject, claims.session_id)
        if presence is None:
            raise UserNotFound
        presence.check_is_of(claims.subject, claims.session_id)
        return Authenticated(user=presence.user, session=presence.admit(self.kind, now))
