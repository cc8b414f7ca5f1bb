"""The tokens of a session, signed once the session is stored."""

from datetime import datetime, timedelta

from attrs import evolve, field, frozen

from ..ports.outside import RandomIds, RefreshTokenCodec, TokenCodec
from ..presences import Principal
from ..realms import Realm
from ..refresh_tokens import RefreshToken, recent_after
from ..sessions import Refreshing, Session, SessionOverview
from ..tokens import AccessTokenClaims
from ..users import Profile, User


@frozen(kw_only=True)
class Opened:
    """What a transaction has opened or continued: a session, and its current refresh token."""

    user: User
    session: Session
    refresh_token: RefreshToken
    at: datetime


@frozen(kw_only=True)
class Granted:
    """An open session, and the tokens to use it with."""

    principal: Principal
    access_token: str = field(repr=False)
    access_token_ttl: timedelta
    refresh_token: str = field(repr=False)

    @property
    def user(self) -> Profile:
        return self.principal.user

    @property
    def session(self) -> SessionOverview:
        return self.principal.session


@frozen(kw_only=True)
class TokenIssuer:
    """Makes the tokens for the sessions of one realm."""

    realm: Realm
    codec: TokenCodec
    refresh_codec: RefreshTokenCodec
    ids: RandomIds

    def sign(self, opened: Opened) -> Granted:
        """The tokens of a session; the access token never outlives it. Only after the commit of the session."""
        issued_at = opened.at.replace(microsecond=0)
        expires_at = min(issued_at + self.realm.access_token_ttl, opened.session.expires_at)
        claims = AccessTokenClaims(
            subject=opened.user.id,
            session_id=opened.session.id,
            token_id=self.ids.new_id(),
            issued_at=issued_at,
            expires_at=expires_at,
        )
        return Granted(
            principal=Principal(self.realm, opened.user.profile, opened.session.overview),
            access_token=self.codec.encode(claims),
            access_token_ttl=expires_at - issued_at,
            refresh_token=self.refresh_codec.encode(opened.refresh_token),
        )

    def begun(self, token: RefreshToken, now: datetime, idle_ttl: timedelta) -> Refreshing:
        """The state of a chain that begins with *token*, which is valid for as long as the session may be idle."""
        return Refreshing(
            digest=self.refresh_codec.digest(token),
            rotations=0,
            rotated_at=now,
            expires_at=now + max(self.realm.refresh_token_ttl, idle_ttl),
            key_id=self.refresh_codec.key_id,
        )

    def rotated(self, token: RefreshToken, session: Session, now: datetime) -> Refreshing:
        """The state of the chain of *session* when *token* is its current one."""
        before = session.refreshing
        begun = self.begun(token, now, session.idle_ttl)
        return evolve(begun, rotations=before.rotations + 1, recent=recent_after(before, now))

    def hangs_on_another_key(self, session: Session, now: datetime) -> bool:
        """Whether its tokens were made with another key, so that neither is accepted any more.

        A chain from before keys had names is not continued; its last access token is accepted until it expires.
        """
        if session.refreshing.key_id is None:
            return now >= session.refreshing.rotated_at + self.realm.access_token_ttl
        return session.refreshing.key_id != self.refresh_codec.key_id
