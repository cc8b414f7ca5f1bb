"""What operators do to users and sessions, at the command line or over HTTP."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from attrs import evolve, frozen

from ..audit import Action
from ..device_policy import DevicePolicy
from ..devices import NO_CLIENT, Client
from ..ports.outside import Clock
from ..ports.reading import Sessions, UserFilter, Users, UserSearch
from ..ports.writing import Transaction, UnitOfWork
from ..realms import Realm
from ..sessions import EndReason, NoSuchSession, SessionEnd, SessionId, SessionOverview
from ..users import (
    FreezeInvalid,
    NoSuchUser,
    Profile,
    Standing,
    StateConflict,
    User,
    UserId,
    UserState,
    check_fee_percentage,
)
from .acting import Acts, Caller, actor_of
from .ending import all_live, all_settled, end_sessions, settled

MAX_PAGE = 100

LONGEST_FREEZE = timedelta(days=3650)
"""For freezes with an end; the calendar of a time zone has an end too."""


@frozen
class Operate:
    """Changes to one user, made through Acts, which checks an admin again under the lock. All raise what Acts
    raises."""

    work: UnitOfWork
    clock: Clock
    admins: Realm

    def freeze(
        self, user_id: UserId, *, reason: str, until: datetime | None, actor: Caller, client: Client = NO_CLIENT
    ) -> Profile:
        """Freeze until that moment, or for good, and end all sessions.

        A closing under way is cancelled: the account is kept until its state is settled. Raises FreezeInvalid for a
        time in the past or over ten years away, TextInvalid for the reason, and StateConflict for a closed account or,
        unless the freeze is for good, an unknown state.
        """
        state = UserState.frozen(until=until, reason=reason)

        def change(tx: Transaction, user: User, now: datetime) -> User:
            standing = user.state.standing(now)
            if standing is Standing.CLOSED or (standing is Standing.UNKNOWN and until is not None):
                raise StateConflict
            if until is not None and not now < until <= now + LONGEST_FREEZE:
                raise FreezeInvalid
            end = SessionEnd(at=now, reason=EndReason.USER_FROZEN)
            end_sessions(tx, all_settled(tx, user.id, now), end, actor=actor_of(actor), client=client)
            return evolve(user, state=state)

        detail = reason if until is None else f"until {until.isoformat()}: {reason}"
        return self._change(user_id, change, Action.FREEZE, actor, client, detail)

    def unfreeze(self, user_id: UserId, *, actor: Caller, client: Client = NO_CLIENT) -> Profile:
        """Let a frozen user in again. Raises StateConflict for one who is not frozen."""

        def change(tx: Transaction, user: User, now: datetime) -> User:
            if user.state.standing(now) is not Standing.FROZEN:
                raise StateConflict
            return evolve(user, state=UserState.active())

        return self._change(user_id, change, Action.UNFREEZE, actor, client)

    def set_fee(self, user_id: UserId, *, percentage: int, actor: Caller, client: Client = NO_CLIENT) -> Profile:
        """Raises FeeInvalid."""

        def change(tx: Transaction, user: User, now: datetime) -> User:
            check_fee_percentage(percentage)
            return evolve(user, fee_percentage=percentage)

        return self._change(user_id, change, Action.SET_FEE, actor, client, str(percentage))

    def set_policy(self, user_id: UserId, *, policy: DevicePolicy | None, actor: Caller) -> Profile:
        """Give the user their own device policy, or None for the general one, from the next login or refresh on."""
        return self._change(
            user_id,
            lambda tx, user, now: evolve(user, device_policy=policy),
            Action.SET_POLICY,
            actor,
            NO_CLIENT,
            "everybody's" if policy is None else str(policy.to_table()),
        )

    def set_admin(self, user_id: UserId, *, is_admin: bool, actor: Caller) -> Profile:
        """Make the user an admin, or no longer one, which ends the admin sessions."""

        def change(tx: Transaction, user: User, now: datetime) -> User:
            if not is_admin:
                live = settled(tx, user.id, self.admins.kind, now)
                end_sessions(tx, live, SessionEnd(at=now, reason=EndReason.KICKED), actor=actor_of(actor))
            return evolve(user, is_admin=is_admin)

        action = Action.GRANT_ADMIN if is_admin else Action.REVOKE_ADMIN
        return self._change(user_id, change, action, actor, NO_CLIENT)

    def kick(self, user_id: UserId, *, session_id: SessionId | None, actor: Caller, client: Client = NO_CLIENT) -> int:
        """End one live session of the user, or all. Returns how many ended. Raises NoSuchSession."""

        def kick(tx: Transaction, user: User, now: datetime) -> int:
            found = [s for s in all_settled(tx, user.id, now) if session_id is None or s.id == session_id]
            if session_id is not None and not found:
                raise NoSuchSession
            end = SessionEnd(at=now, reason=EndReason.KICKED)
            end_sessions(tx, found, end, actor=actor_of(actor), client=client)
            return len(found)

        return Acts(self.work, self.clock)(
            user_id,
            kick,
            action=Action.KICK,
            caller=actor,
            client=client,
            detail="all sessions" if session_id is None else None,
            session_id=session_id,
        )

    def _change(
        self,
        user_id: UserId,
        change: Callable[[Transaction, User, datetime], User],
        action: Action,
        actor: Caller,
        client: Client,
        detail: str | None = None,
    ) -> Profile:
        def save(tx: Transaction, user: User, now: datetime) -> User:
            changed = change(tx, user, now)
            if changed != user:
                tx.users.save(changed)
            return changed

        acts = Acts(self.work, self.clock)
        changed = acts(user_id, save, action=action, caller=actor, client=client, detail=detail, is_change=User.__ne__)
        return changed.profile


@frozen
class FindUsers:
    """Users that match a filter, a page at a time, by id."""

    users: UserSearch
    clock: Clock

    def __call__(self, wanted: UserFilter, *, after: int = 0, limit: int = MAX_PAGE) -> Sequence[User]:
        """At most *limit* users, never more than 100, with ids greater than *after*."""
        page = max(1, min(limit, MAX_PAGE))
        return self.users.find(wanted, after=UserId(after), limit=page, now=self.clock.now())


@frozen
class SessionsOf:
    """The live sessions of a user, of every kind. Raises NoSuchUser."""

    users: Users
    sessions: Sessions
    clock: Clock

    def __call__(self, user_id: UserId) -> Sequence[SessionOverview]:
        if self.users.by_id(user_id) is None:
            raise NoSuchUser
        return [session.overview for session in all_live(self.sessions, user_id, self.clock.now())]
