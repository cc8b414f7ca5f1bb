"""From a password to a session, and out of it again."""

from datetime import timedelta

from attrs import field, frozen

from ..device_policy import DevicePolicy
from ..errors import InvalidCredentials, LoginNotAllowed, PhoneInvalid
from ..ports import Clock, PasswordHasher, RandomIds, SessionRepository, TokenCodec, UserRepository, Verdict
from ..sessions import EndReason, Session, SessionEnd, SessionId
from ..tokens import AccessTokenClaims
from ..users import Phone, User


@frozen
class Granted:
    """A session that was opened, and the access token to use it with."""

    user: User
    session: Session
    access_token: str = field(repr=False)


@frozen
class OpenSession:
    """Give *user*, who has just proved who he is, a fresh session and its access token (ASVS 7.2.4)."""

    sessions: SessionRepository
    codec: TokenCodec
    clock: Clock
    ids: RandomIds
    device_policy: DevicePolicy
    access_token_ttl: timedelta

    def __call__(self, user: User) -> Granted:
        # Whole seconds, since that is what the token can say: session and token end at the same moment.
        now = self.clock.now().replace(microsecond=0)
        session = Session(
            id=SessionId(self.ids.new_id()),
            user_id=user.id,
            started_at=now,
            expires_at=now + self.access_token_ttl,
        )
        self.sessions.admit(session, self.device_policy)
        claims = AccessTokenClaims(
            subject=user.id,
            session_id=session.id,
            token_id=self.ids.new_id(),
            issued_at=now,
            expires_at=session.expires_at,
        )
        return Granted(user=user, session=session, access_token=self.codec.encode(claims))


@frozen
class Login:
    """Exchange a phone number and a password for a session. Raises InvalidCredentials, LoginNotAllowed, HasherBusy.

    Exactly one password is judged for each well-formed number, whether anybody has it or not, so that neither the
    answer nor its time tells which numbers are registered.
    """

    users: UserRepository
    hasher: PasswordHasher
    open_session: OpenSession

    def __call__(self, *, phone: str, password: str) -> Granted:
        user = self._prove(phone, password)
        if not user.state.is_active:
            raise LoginNotAllowed
        return self.open_session(user)

    def _prove(self, phone: str, password: str) -> User:
        try:
            number = Phone.parse(phone)
        except PhoneInvalid:
            raise InvalidCredentials from None
        user = self.users.by_phone(number)
        verdict = self.hasher.verify(password, None if user is None else user.password_hash)
        if user is None or verdict is Verdict.NO_MATCH:
            raise InvalidCredentials
        if verdict is Verdict.MATCH_OUTDATED:
            self.users.replace_password_hash(user.id, old=user.password_hash, new=self.hasher.hash(password))
        return user


@frozen
class Logout:
    """End a session for good. Returns whether it was this call that ended it."""

    sessions: SessionRepository
    clock: Clock

    def __call__(self, session: Session) -> bool:
        return self.sessions.end(session.id, SessionEnd(at=self.clock.now(), reason=EndReason.LOGGED_OUT))
