"""What operators do to users and sessions, at the command line or over HTTP alike."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from attrs import evolve, frozen

from ..actors import Actor
from ..audit import Action, event_of
from ..device_policy import DevicePolicy
from ..devices import NO_CLIENT, Client
from ..errors import FreezeInvalid, NoSuchSession, NoSuchUser, StateConflict
from ..ports import Clock, SessionRepository, Transaction, UnitOfWork, UserFilter, UserRepository
from ..sessions import EndReason, Session, SessionEnd, SessionId, SessionKind
from ..users import Standing, User, UserId, UserState, check_fee_percentage
from .granting import all_live, end_sessions
from .recording import transact_or_record

MAX_PAGE = 100

LONGEST_FREEZE = timedelta(days=3650)
"""Of those that end by themselves; the calendar of a time zone does not reach for ever."""


@frozen
class Operate:
    """Changes to one user, each recorded in the transaction that makes it. All raise NoSuchUser."""

    work: UnitOfWork
    clock: Clock

    def freeze(
        self, user_id: UserId, *, reason: str, until: datetime | None, actor: Actor, client: Client = NO_CLIENT
    ) -> User:
        """Freeze until then, or for good, and end all sessions.

        A closing that was under way is taken back: the account is kept until its state is settled. Raises FreezeInvalid
        for a time that has passed or is over ten years away, StateConflict for a closed account, and for one of unknown
        state unless it is for good, TextInvalid for the reason.
        """
        state = UserState.frozen(until=until, reason=reason)

        def change(tx: Transaction, user: User, now: datetime) -> User:
            standing = user.state.standing(now)
            if standing is Standing.CLOSED or (standing is Standing.UNKNOWN and until is not None):
                raise StateConflict
            if until is not None and not now < until <= now + LONGEST_FREEZE:
                raise FreezeInvalid
            end = SessionEnd(at=now, reason=EndReason.USER_FROZEN)
            end_sessions(tx, all_live(tx.sessions, user.id, now), end, actor=actor, client=client)
            return evolve(user, state=state)

        detail = reason if until is None else f"until {until.isoformat()}: {reason}"
        return self._change(user_id, change, Action.FREEZE, actor, client, detail)

    def unfreeze(self, user_id: UserId, *, actor: Actor, client: Client = NO_CLIENT) -> User:
        """Let a frozen user in again. Raises StateConflict for one who is not frozen."""

        def change(tx: Transaction, user: User, now: datetime) -> User:
            if user.state.standing(now) is not Standing.FROZEN:
                raise StateConflict
            return evolve(user, state=UserState.active())

        return self._change(user_id, change, Action.UNFREEZE, actor, client)

    def set_fee(self, user_id: UserId, *, percentage: int, actor: Actor, client: Client = NO_CLIENT) -> User:
        """Raises FeeInvalid."""

        def change(tx: Transaction, user: User, now: datetime) -> User:
            check_fee_percentage(percentage)
            return evolve(user, fee_percentage=percentage)

        return self._change(user_id, change, Action.SET_FEE, actor, client, str(percentage))

    def set_policy(self, user_id: UserId, *, policy: DevicePolicy | None, actor: Actor) -> User:
        """Give the user a device policy of his own, or None for everybody's. It counts from the next login or refresh."""
        return self._change(
            user_id,
            lambda tx, user, now: evolve(user, device_policy=policy),
            Action.SET_POLICY,
            actor,
            NO_CLIENT,
            "everybody's" if policy is None else str(policy.to_table()),
        )

    def set_admin(self, user_id: UserId, *, is_admin: bool, actor: Actor) -> User:
        """Make the user an admin, or no admin any more: that ends the admin sessions."""

        def change(tx: Transaction, user: User, now: datetime) -> User:
            if not is_admin:
                live = list(tx.sessions.live(user.id, SessionKind.ADMIN, now))
                end_sessions(tx, live, SessionEnd(at=now, reason=EndReason.KICKED), actor=actor)
            return evolve(user, is_admin=is_admin)

        action = Action.GRANT_ADMIN if is_admin else Action.REVOKE_ADMIN
        return self._change(user_id, change, action, actor, NO_CLIENT)

    def kick(self, user_id: UserId, *, session_id: SessionId | None, actor: Actor, client: Client = NO_CLIENT) -> int:
        """End one live session of the user, or all. Returns how many ended. Raises NoSuchSession where one was named."""

        event = event_of(
            client,
            at=self.clock.now(),
            actor=actor,
            action=Action.KICK,
            subject=user_id,
            detail="all sessions" if session_id is None else None,
        )

        def kick(tx: Transaction) -> int:
            now = self.clock.now()
            user = tx.users.locked(user_id)
            if user is None:
                raise NoSuchUser
            found = [s for s in all_live(tx.sessions, user.id, now) if session_id is None or s.id == session_id]
            if session_id is not None and not found:
                raise NoSuchSession
            end_sessions(tx, found, SessionEnd(at=now, reason=EndReason.KICKED), actor=actor, client=client)
            # Not before: what a caller names may be no session id at all.
            tx.audit.append(evolve(event, at=now, session_id=session_id))
            return len(found)

        return transact_or_record(self.work, event, kick)

    def _change(
        self,
        user_id: UserId,
        change: Callable[[Transaction, User, datetime], User],
        action: Action,
        actor: Actor,
        client: Client,
        detail: str | None = None,
    ) -> User:
        event = event_of(client, at=self.clock.now(), actor=actor, action=action, subject=user_id, detail=detail)

        def run(tx: Transaction) -> User:
            now = self.clock.now()
            user = tx.users.locked(user_id)
            if user is None:
                raise NoSuchUser
            changed = change(tx, user, now)
            tx.users.save(changed)
            tx.audit.append(evolve(event, at=now))
            return changed

        return transact_or_record(self.work, event, run)


@frozen
class FindUsers:
    """Users by what is known of them, a page at a time, by id."""

    users: UserRepository
    clock: Clock

    def __call__(self, wanted: UserFilter, *, after: int = 0, limit: int = MAX_PAGE) -> Sequence[User]:
        """At most *limit* users, never more than 100, with ids greater than *after*."""
        page = max(1, min(limit, MAX_PAGE))
        return self.users.find(wanted, after=UserId(after), limit=page, now=self.clock.now())


@frozen
class SessionsOf:
    """The live sessions of a user, of every kind. Raises NoSuchUser."""

    users: UserRepository
    sessions: SessionRepository
    clock: Clock

    def __call__(self, user_id: UserId) -> Sequence[Session]:
        if self.users.by_id(user_id) is None:
            raise NoSuchUser
        return all_live(self.sessions, user_id, self.clock.now())
