"""From a refresh token to the next pair of tokens."""

from attrs import evolve, frozen

from ..actors import Actor
from ..admission import surplus
from ..clocks import CLOCK_LEEWAY
from ..devices import NO_CLIENT, Client
from ..errors import Refusal
from ..ports.outside import Clock
from ..ports.reading import Sessions
from ..ports.writing import Transaction, UnitOfWork
from ..presences import Presence
from ..refresh_tokens import RefreshToken, RefreshTokenExpired, RefreshTokenInvalid, Shown, judge
from ..sessions import EndReason, RefreshTokenWasReused, Session, SessionEnd, SessionOver, SessionReplaced
from ..users import User, UserId, UserNotFound
from .ending import end_sessions
from .issuing import Granted, Opened, TokenIssuer

_MAX_GENERATIONS = 1_000
"""How far back a used token is recognised; following the chain further would let a caller keep the processor busy."""


@frozen
class RefreshSession:
    """Exchange a refresh token for a fresh access token and the next refresh token (RFC 6749, 6).

    State and device policy are checked again. Raises RefreshTokenInvalid, RefreshTokenExpired, RefreshTokenWasReused
    (which ends the session), and what the guard raises for a session that has ended or a user who may not act.
    """

    sessions: Sessions
    work: UnitOfWork
    issuer: TokenIssuer
    clock: Clock

    def __call__(self, refresh_token: str, client: Client = NO_CLIENT) -> Granted:
        token = self.issuer.refresh_codec.decode(refresh_token)
        # Checked before the lock: following a chain takes time, and garbage must not keep anybody waiting.
        found = None if token is None else self.sessions.by_id(token.session_id)
        if token is None or found is None or found.kind is not self.issuer.realm.kind:
            raise RefreshTokenInvalid
        generation = self._generation(token, found)
        if generation is None:
            raise RefreshTokenInvalid
        first = generation - found.refreshing.rotations
        # A refusal that ends the session is returned, not raised, so that the end is kept.
        outcome = self.work.transact(lambda tx: self._refresh(tx, found.user_id, token, first, client))
        if isinstance(outcome, Refusal):
            raise outcome
        return self.issuer.sign(outcome)

    def _refresh(
        self, tx: Transaction, user_id: UserId, token: RefreshToken, first: int, client: Client
    ) -> Opened | Refusal:
        """*first* plus the number of rotations is the generation of *token*."""
        now = self.clock.now()
        user, session = self._locked(tx, user_id, token)
        client = evolve(client, device=session.device)
        generation = first + session.refreshing.rotations
        shown = judge(generation, session.refreshing, now, self.issuer.realm.refresh_retry)
        try:
            Presence(user, session).admit(self.issuer.realm, now)
        except SessionOver as over:
            end = session.run_out(now)
            if end is not None:
                tx.sessions.end([session.id], end)
            return over
        # Issued before the clock was put back by more than this: its times cannot be judged.
        if session.refreshing.rotated_at > now + CLOCK_LEEWAY:
            raise RefreshTokenInvalid
        if shown is Shown.REUSED:
            self._end(tx, session, EndReason.REFRESH_REUSED, client)
            return RefreshTokenWasReused(ended_at=now)
        if now >= session.refreshing.expires_at:
            self._expire(tx, session)
            return RefreshTokenExpired()
        if self._is_surplus(tx, user, session):
            self._end(tx, session, EndReason.REPLACED, client)
            return SessionReplaced(ended_at=now)
        # The one that follows the current token, or the current one again.
        successor = self._walked(token, max(generation, 1))
        if shown is Shown.CURRENT:
            rotated = self.issuer.rotated(successor, session, now)
            if not tx.sessions.rotate(session.id, old=session.refreshing.digest, new=rotated):
                raise RefreshTokenInvalid
        if session.is_due_to_be_seen(now):
            tx.sessions.see([(session.id, now)], now)
        return Opened(user=user, session=session, refresh_token=successor, at=now)

    def _locked(self, tx: Transaction, user_id: UserId, token: RefreshToken) -> tuple[User, Session]:
        """The token's session and its user, as they are under the user's lock."""
        user = tx.lock(user_id)
        if user is None:
            raise UserNotFound
        session = tx.sessions.by_id(token.session_id)
        if session is None:
            raise RefreshTokenInvalid
        return user, session

    def _generation(self, token: RefreshToken, session: Session) -> int | None:
        """How many rotations *token* is older than the current token; None if it is not one of this session's."""
        codec = self.issuer.refresh_codec
        if session.refreshing.key_id != codec.key_id:
            return None
        for generation in range(min(session.refreshing.rotations, _MAX_GENERATIONS) + 1):
            if codec.digest(token) == session.refreshing.digest:
                return generation
            token = codec.successor(token)
        return None

    def _walked(self, token: RefreshToken, steps: int) -> RefreshToken:
        for _ in range(steps):
            token = self.issuer.refresh_codec.successor(token)
        return token

    def _is_surplus(self, tx: Transaction, user: User, session: Session) -> bool:
        policy = self.issuer.realm.policy_for(user)
        return session.id in surplus(policy, tx.sessions.live(user.id, session.kind, self.clock.now()))

    def _expire(self, tx: Transaction, session: Session) -> None:
        """Store that a chain found expired has ended: putting the clock back would revive it."""
        refreshing = session.refreshing
        if refreshing.expires_at > refreshing.rotated_at:
            over = evolve(refreshing, expires_at=refreshing.rotated_at)
            tx.sessions.rotate(session.id, old=refreshing.digest, new=over)

    def _end(self, tx: Transaction, session: Session, reason: EndReason, client: Client) -> None:
        end = SessionEnd(at=self.clock.now(), reason=reason)
        end_sessions(tx, [session], end, actor=Actor.service(), client=client)
