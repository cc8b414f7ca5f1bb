"""From a proof to a session, whichever authenticator it came from."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

from attrs import evolve, frozen

from ..actors import Actor
from ..admission import decide
from ..audit import Action, event_of
from ..devices import NO_CLIENT, Client
from ..errors import Refusal, Unavailable
from ..ports.outside import Clock
from ..ports.writing import Transaction, UnitOfWork
from ..proofs import InvalidCredentials, Proof, ProofOutdated
from ..realms import Realm
from ..sessions import EndReason, Session, SessionEnd, SessionId
from ..users import LoginNotAllowed, Standing, User, UserState
from .ending import end_sessions, settled
from .issuing import Granted, Opened, TokenIssuer
from .recording import record_refusal

Shown_contra = TypeVar("Shown_contra", contravariant=True)

_TRIES = 3


class Authenticator(Protocol[Shown_contra]):
    """Turns credentials into a Proof. The time it takes does not depend on whether there is such a user."""

    def claimed(self, shown: Shown_contra) -> User | None:
        """Whose account is claimed; nothing is checked yet. Raises InvalidCredentials for what can be nobody's."""
        ...

    def prove(self, shown: Shown_contra, user: User | None) -> Proof:
        """Check the credentials. Raises InvalidCredentials if they are wrong, and for None, after the same time."""
        ...


@frozen
class Opening:
    """Opens a session of one realm, under the lock of its user."""

    issuer: TokenIssuer

    @property
    def realm(self) -> Realm:
        return self.issuer.realm

    def __call__(
        self, tx: Transaction, user: User, client: Client, now: datetime, *, replacing: SessionId | None = None
    ) -> Opened:
        """Open a new session for *user*, who has just proved who they are and is locked in *tx* (ASVS 7.2.4).

        Ends the sessions that exceed the device policy, and the one named by *replacing*. Raises LoginNotAllowed,
        TooManyDevices.
        """
        user = _able_to_log_in(tx, user, client, now)
        session_id = SessionId(self.issuer.ids.new_id())
        refresh_token = self.issuer.refresh_codec.new(session_id)
        lifetimes = self.realm.remembered if client.remember else self.realm.lifetimes
        session = Session(
            id=session_id,
            user_id=user.id,
            kind=self.realm.kind,
            device=client.device,
            started_at=now,
            last_seen_at=now,
            # Whole seconds, since that is what a token can say.
            expires_at=now.replace(microsecond=0) + lifetimes.absolute,
            idle_ttl=lifetimes.idle,
            refreshing=self.issuer.begun(refresh_token, now, lifetimes.idle),
            address=client.address,
            user_agent=client.user_agent,
        )
        self._make_room(tx, user, session, client, replacing)
        tx.sessions.add(session)
        event = event_of(
            client,
            at=now,
            actor=Actor.user(user.id),
            action=self.realm.log_in,
            subject=user.id,
            session_id=session_id,
        )
        tx.audit.append(event)
        return Opened(user=user, session=session, refresh_token=refresh_token, at=now)

    def _make_room(
        self, tx: Transaction, user: User, session: Session, client: Client, replacing: SessionId | None
    ) -> None:
        now = session.started_at
        live = settled(tx, user.id, self.realm.kind, now)
        leaving = {other.id for other in live if other.id == replacing}
        dead = [other for other in live if self.issuer.hangs_on_another_key(other, now)]
        end_sessions(tx, dead, SessionEnd(at=now, reason=EndReason.KICKED), actor=Actor.service(), client=client)
        live = [other for other in live if other not in dead]
        policy = self.realm.policy_for(user)
        ends = leaving | decide(policy, [other for other in live if other.id not in leaving], session)
        end_sessions(
            tx,
            [other for other in live if other.id in ends],
            SessionEnd(at=now, reason=EndReason.REPLACED, by=client.device),
            actor=Actor.user(user.id),
            client=client,
        )


@frozen
class OpenSession:
    """Exchange credentials that one of the authenticators accepts for a session.

    Raises DeviceInvalid, what the authenticator raises, LoginNotAllowed, TooManyDevices, and AdminLoginNotAllowed if
    the realm is for admins. A refusal is recorded, unless
    nobody can be meant: a malformed number or device, and what the service cannot do now.
    """

    authenticators: Mapping[type, Authenticator[Any]]
    """Each by the type of its credentials."""
    work: UnitOfWork
    opening: Opening
    clock: Clock

    def __call__(self, shown: object, *, client: Client = NO_CLIENT, replacing: SessionId | None = None) -> Granted:
        client.device.check()
        authenticator = self.authenticators[type(shown)]
        for _ in range(_TRIES):
            user = authenticator.claimed(shown)
            try:
                opened = self._open(authenticator.prove(shown, user), client, replacing)
            except ProofOutdated:
                continue
            except Unavailable:
                raise
            except Refusal as refusal:
                self._record(refusal, user, client)
                raise
            return self.opening.issuer.sign(opened)
        self._record(InvalidCredentials(), user, client)
        raise InvalidCredentials

    def _open(self, proof: Proof, client: Client, replacing: SessionId | None) -> Opened:
        def open_session(tx: Transaction) -> Opened:
            locked = tx.lock(proof.user_id)
            if locked is None:
                raise ProofOutdated
            user = proof.confirm(tx, locked)
            self.opening.realm.check_login(user)
            if user != locked:
                tx.users.save(user)
            return self.opening(tx, user, client, self.clock.now(), replacing=replacing)

        return self.work.transact(open_session, is_vital=self.opening.realm.is_vital)

    def _record(self, refusal: Refusal, user: User | None, client: Client) -> None:
        subject = None if user is None else user.id
        action = self.opening.realm.log_in
        event = event_of(client, at=self.clock.now(), actor=Actor.nobody(), action=action, subject=subject)
        record_refusal(self.work, event, refusal)


def _able_to_log_in(tx: Transaction, user: User, client: Client, now: datetime) -> User:
    """Raises LoginNotAllowed. A login cancels the closing of the account, and clears a freeze that is over."""
    standing = user.state.standing(now)
    if standing is Standing.CLOSING:
        tx.audit.append(event_of(client, at=now, actor=Actor.user(user.id), action=Action.REOPEN, subject=user.id))
    elif standing is not Standing.ACTIVE:
        raise LoginNotAllowed
    if user.state == UserState.active():
        return user
    active = evolve(user, state=UserState.active())
    tx.users.save(active)
    return active
