"""Whose request it is, and whether that user may still act."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from attrs import frozen

from ..errors import Refusal
from ..ports.outside import Clock, LastSeen, TokenCodec
from ..ports.reading import Presences
from ..ports.writing import Transaction
from ..presences import Judgement, Presence, Principal
from ..proofs import Proof, ProofOutdated, ReauthenticationFailed
from ..realms import Realm
from ..sessions import LAST_SEEN_STEP, SessionOver
from ..tokens import AccessTokenClaims, TokenExpired
from ..users import User, UserNotFound

Authenticating = Callable[[str], Principal]
"""Says whose token this is, as Authenticate does."""


@frozen
class Authenticate:
    """Say whose token this is. Raises a subclass of Unauthenticated that says why the token is not accepted.

    User and session are read anew each time, so whatever ended the session counts from the very next request. The
    tokens of one realm are not accepted in another, which is another audience (RFC 8725, 3.9 and 3.12).

    A session that was found expired stays expired even if the clock is put back (RL-11): its end is noted, and stored
    in the background. Once it is stored, nothing more is noted.
    """

    presences: Presences
    codec: TokenCodec
    clock: Clock
    last_seen: LastSeen
    realm: Realm

    def __call__(self, token: str) -> Principal:
        return self.judgement(self.codec.decode(token)).principal

    def judgement(self, claims: AccessTokenClaims) -> Judgement:
        """The same for what a token says, with the time for which it holds unless the store changes."""
        now = self.clock.now()
        try:
            claims.check_time(now)
        except TokenExpired:
            # Its session may have expired with it. If the store cannot be asked, the token has expired all the same.
            with suppress(Refusal):
                self._note_end(self._presence(claims), now)
            raise
        presence = self._presence(claims)
        try:
            principal = self._judged(claims, presence, now)
        except SessionOver:
            self._note_end(presence, now)
            raise
        session, seen_at = principal.session, principal.session.last_seen_at
        if session.is_due_to_be_seen(now):
            self.last_seen.note(session.id, now)
            seen_at = now
        until = min(claims.expires_at, session.expires_at, session.idle_at, seen_at + LAST_SEEN_STEP)
        return Judgement(principal, since=now, until=until)

    def judge(self, token: str) -> Principal:
        """The same for somebody who only inspects the token: it counts as no use of the session, and does not end
        it."""
        claims, now = self.codec.decode(token), self.clock.now()
        claims.check_time(now)
        return self._judged(claims, self._presence(claims), now)

    def _presence(self, claims: AccessTokenClaims) -> Presence:
        presence = self.presences.by_session(claims.subject, claims.session_id)
        if presence is None:
            raise UserNotFound
        presence.check_is_of(claims.subject, claims.session_id)
        return presence

    def _judged(self, claims: AccessTokenClaims, presence: Presence, now: datetime) -> Principal:
        principal = presence.admit(self.realm, now)
        session = presence.session
        # A token that had expired when its session was last used stays expired even if the clock was put back since.
        # The token of the latest rotation cannot have expired by then; if the clock was put back before that rotation,
        # the last use seems to lie in the future.
        if session is not None and claims.issued_at < session.refreshing.rotated_at.replace(microsecond=0):
            claims.check_time(max(now, session.last_seen_at))
        return principal

    def _note_end(self, presence: Presence, now: datetime) -> None:
        session = presence.session
        end = None if session is None else session.run_out(now)
        if session is not None and end is not None:
            self.last_seen.note_end(session.id, end)


def still_in(tx: Transaction, principal: Principal, now: datetime, proof: Proof | None = None) -> User:
    """Lock the user, and check again what was checked before the lock: that they may act, and the *proof* they gave.

    Raises UserNotFound, what Presence.admit raises, and ReauthenticationFailed.
    """
    return judge_again(tx, tx.lock(principal.user.id), principal, now, proof)


def judge_again(
    tx: Transaction, user: User | None, principal: Principal, now: datetime, proof: Proof | None = None
) -> User:
    """The same for a *user* who is locked already, or does not exist."""
    if user is None:
        raise UserNotFound
    Presence(user, tx.sessions.by_id(principal.session.id)).admit(principal.realm, now)
    try:
        return user if proof is None else proof.confirm(tx, user)
    except ProofOutdated:
        raise ReauthenticationFailed from None
