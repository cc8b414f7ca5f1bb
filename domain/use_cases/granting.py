"""Sessions and the tokens to use them with: what every way in shares."""

from datetime import datetime, timedelta

from attrs import evolve, field, frozen

from ..actors import Actor
from ..admission import decide, policy_of
from ..audit import Action, event_of
from ..clocks import CLOCK_LEEWAY
from ..device_policy import DevicePolicy
from ..devices import NO_CLIENT, Client
from ..ports import RandomIds, RefreshTokenCodec, SessionRepository, TokenCodec, Transaction
from ..presences import Presence
from ..refresh_tokens import RefreshToken, recent_after
from ..sessions import EndReason, Lifetimes, Refreshing, Session, SessionEnd, SessionId, SessionKind
from ..tokens import AccessTokenClaims
from ..users import LoginNotAllowed, Standing, User, UserId, UserNotFound, UserState


@frozen(kw_only=True)
class Granted:
    """A session that is open, and the tokens to use it with."""

    user: User
    session: Session
    access_token: str = field(repr=False)
    access_token_ttl: timedelta
    refresh_token: str = field(repr=False)


@frozen(kw_only=True)
class Grants:
    """How long everything lasts, and what makes the tokens of one kind of session."""

    kind: SessionKind
    codec: TokenCodec
    refresh_codec: RefreshTokenCodec
    ids: RandomIds
    access_token_ttl: timedelta
    refresh_token_ttl: timedelta
    refresh_retry: timedelta
    lifetimes: Lifetimes
    remembered: Lifetimes
    device_policy: DevicePolicy

    def grant(self, user: User, session: Session, refresh_token: RefreshToken, now: datetime) -> Granted:
        """The tokens of *session*; the access token never outlives it."""
        issued_at = now.replace(microsecond=0)
        expires_at = min(issued_at + self.access_token_ttl, session.expires_at)
        claims = AccessTokenClaims(
            subject=user.id,
            session_id=session.id,
            token_id=self.ids.new_id(),
            issued_at=issued_at,
            expires_at=expires_at,
        )
        return Granted(
            user=user,
            session=session,
            access_token=self.codec.encode(claims),
            access_token_ttl=expires_at - issued_at,
            refresh_token=self.refresh_codec.encode(refresh_token),
        )

    def open_session(
        self, tx: Transaction, user: User, client: Client, now: datetime, *, replacing: SessionId | None = None
    ) -> Granted:
        """Give *user*, who has just proved who he is and is locked in *tx*, a fresh session (ASVS 7.2.4).

        Sessions that the device policy has no place for end with it, and so does the one named by *replacing*. Raises
        LoginNotAllowed, TooManyDevices.
        """
        user = _able_to_log_in(tx, user, client, now)
        session_id = SessionId(self.ids.new_id())
        refresh_token = self.refresh_codec.new(session_id)
        lifetimes = self.remembered if client.remember else self.lifetimes
        session = Session(
            id=session_id,
            user_id=user.id,
            kind=self.kind,
            device=client.device,
            started_at=now,
            last_seen_at=now,
            # Whole seconds, since that is what a token can say.
            expires_at=now.replace(microsecond=0) + lifetimes.absolute,
            idle_ttl=lifetimes.idle,
            refreshing=self.begun(refresh_token, now, lifetimes.idle),
            address=client.address,
            user_agent=client.user_agent,
        )
        self._make_room(tx, user, session, client, replacing)
        tx.sessions.add(session)
        action = Action.LOG_IN if self.kind is SessionKind.USER else Action.ADMIN_LOG_IN
        tx.audit.append(
            event_of(client, at=now, actor=Actor.user(user.id), action=action, subject=user.id, session_id=session_id)
        )
        return self.grant(user, session, refresh_token, now)

    def begun(self, token: RefreshToken, now: datetime, idle_ttl: timedelta) -> Refreshing:
        """The state of a chain that begins with *token*, which lasts as long as its session may be idle."""
        return Refreshing(
            digest=self.refresh_codec.digest(token),
            rotations=0,
            rotated_at=now,
            expires_at=now + max(self.refresh_token_ttl, idle_ttl),
            key_id=self.refresh_codec.key_id,
        )

    def rotated(self, token: RefreshToken, session: Session, now: datetime) -> Refreshing:
        """The state of the chain of *session* once it has come to *token*."""
        before = session.refreshing
        begun = self.begun(token, now, session.idle_ttl)
        return evolve(begun, rotations=before.rotations + 1, recent=recent_after(before, now))

    def policy_for(self, user: User) -> DevicePolicy:
        """The device policy of *user*; one of his own is about the user's sessions, not about those of an admin."""
        is_user = self.kind is SessionKind.USER
        return policy_of(user if is_user else evolve(user, device_policy=None), self.device_policy)

    def _hangs_on_another_key(self, session: Session, now: datetime) -> bool:
        """Whether neither its access token nor its refresh token opens anything any more: the secret is another one.

        A chain from before keys had names is not continued; its last access token opens until it expires.
        """
        if session.refreshing.key_id is None:
            return now >= session.refreshing.rotated_at + self.access_token_ttl
        return session.refreshing.key_id != self.refresh_codec.key_id

    def _make_room(
        self, tx: Transaction, user: User, session: Session, client: Client, replacing: SessionId | None
    ) -> None:
        policy = self.policy_for(user)
        live = settled(tx, user.id, self.kind, session.started_at)
        leaving = {other.id for other in live if other.id == replacing}
        dead = [other for other in live if self._hangs_on_another_key(other, session.started_at)]
        end_sessions(
            tx, dead, SessionEnd(at=session.started_at, reason=EndReason.KICKED), actor=Actor.service(), client=client
        )
        live = [other for other in live if other not in dead]
        ends = leaving | decide(policy, [other for other in live if other.id not in leaving], session)
        end_sessions(
            tx,
            [other for other in live if other.id in ends],
            SessionEnd(at=session.started_at, reason=EndReason.REPLACED, by=client.device),
            actor=Actor.user(user.id),
            client=client,
        )


def end_sessions(
    tx: Transaction, sessions: list[Session], end: SessionEnd, *, actor: Actor, client: Client = NO_CLIENT
) -> None:
    """End *sessions*, which are live and whose user is locked in *tx*, and record each end."""
    tx.sessions.end([session.id for session in sessions], evolve(end, actor=actor))
    for session in sessions:
        tx.audit.append(
            event_of(
                client,
                at=end.at,
                actor=actor,
                action=Action.END_SESSION,
                subject=session.user_id,
                session_id=session.id,
                detail=end.reason.value,
            )
        )


def still_in(tx: Transaction, session: Session, now: datetime) -> User:
    """Lock the user of *session*, and judge anew what the guard has judged before the lock. Raises what judge_again does."""
    return judge_again(tx, tx.users.locked(session.user_id), session, session.kind, now)


def judge_again(tx: Transaction, user: User | None, session: Session, kind: SessionKind, now: datetime) -> User:
    """Judge anew, under the lock of *user*, whose session it is, what the guard of that *kind* has judged before the lock.

    Raises UserNotFound, and what Presence.admit raises.
    """
    if user is None:
        raise UserNotFound
    Presence(user, tx.sessions.by_id(session.id)).admit(kind, now)
    return user


def settled(tx: Transaction, user_id: UserId, kind: SessionKind, now: datetime) -> list[Session]:
    """The live sessions of one kind of a user, who is locked in *tx*, for one who is about to end some of them.

    Those that have run out lately do not count, and end for good: else a clock that is put back would give them back to a
    user who has changed the password meanwhile, or bring two on where one is allowed. Which these are tells the very same
    statement, asked about an earlier moment.
    """
    found = tx.sessions.live(user_id, kind, now - CLOCK_LEEWAY)
    for session in found:
        end = session.run_out(now)
        if end is not None:
            tx.sessions.end([session.id], end)
    return [session for session in found if session.is_live(now)]


def all_settled(tx: Transaction, user_id: UserId, now: datetime) -> list[Session]:
    """The same for sessions of every kind."""
    return [session for kind in SessionKind for session in settled(tx, user_id, kind, now)]


def all_live(sessions: SessionRepository, user_id: UserId, now: datetime) -> list[Session]:
    """The live sessions of a user, of every kind."""
    return [session for kind in SessionKind for session in sessions.live(user_id, kind, now)]


def _able_to_log_in(tx: Transaction, user: User, client: Client, now: datetime) -> User:
    """Raises LoginNotAllowed. Logging in takes the closing of an account back, and tidies up a freeze that is over."""
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
