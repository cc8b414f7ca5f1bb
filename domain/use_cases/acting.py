"""The one way in which operators and admins act on a user."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias, TypeVar

from attrs import evolve, frozen

from ..actors import Actor
from ..audit import Action, event_of
from ..devices import NO_CLIENT, Client
from ..ports.outside import Clock
from ..ports.writing import Transaction, UnitOfWork
from ..presences import Principal
from ..sessions import SessionId, SessionUnknown
from ..users import NoSuchUser, User, UserId
from .authentication import judge_again
from .recording import transact_or_record

T = TypeVar("T")


Caller: TypeAlias = Actor | Principal
"""Who asks for an act: an admin, or an operator at the command line, who has and needs no session."""


def actor_of(caller: Caller) -> Actor:
    """The name they have in the audit log."""
    return caller if isinstance(caller, Actor) else caller.actor


def admin_of(caller: Caller) -> Principal | None:
    """The admin who asks; None for an operator. Raises SessionUnknown for anybody else, who may not act on users."""
    if isinstance(caller, Principal) and caller.realm.admins_only:
        return caller
    if isinstance(caller, Actor) and caller.is_operator:
        return None
    raise SessionUnknown


@frozen
class Acts:
    """Carries out acts on one user. Each is checked again under the lock, and recorded in the same transaction.

    Between the guard's check and the lock an admin may have been demoted, frozen or kicked: then the act is refused.
    """

    work: UnitOfWork
    clock: Clock

    def __call__(
        self,
        user_id: UserId,
        act: Callable[[Transaction, User, datetime], T],
        *,
        action: Action,
        caller: Caller,
        client: Client = NO_CLIENT,
        detail: str | None = None,
        session_id: SessionId | None = None,
        is_change: Callable[[User, T], bool] = lambda before, done: True,
    ) -> T:
        """Do *act* on the locked user. *session_id* is recorded only if the act succeeds: before, there may be no such
        session. If *is_change* says that nothing changed, nothing is written.

        Raises NoSuchUser, what *act* raises, and what the guard raises for a caller who may no longer act.
        """
        actor = actor_of(caller)
        event = event_of(client, at=self.clock.now(), actor=actor, action=action, subject=user_id, detail=detail)

        def run(tx: Transaction) -> T:
            user, now = self._locked(tx, user_id, caller)
            done = act(tx, user, now)
            if is_change(user, done):
                tx.audit.append(evolve(event, at=now, session_id=session_id))
            return done

        return transact_or_record(self.work, event, run)

    def _locked(self, tx: Transaction, user_id: UserId, caller: Caller) -> tuple[User, datetime]:
        admin = admin_of(caller)
        callers_id = user_id if admin is None else admin.user.id
        # In the order of their ids, so that two admins who act on each other do not deadlock.
        locked = {each: tx.lock(each) for each in sorted({user_id, callers_id})}
        now = self.clock.now()
        if admin is not None:
            judge_again(tx, locked[callers_id], admin, now)
        user = locked[user_id]
        if user is None:
            raise NoSuchUser
        return user, now
