"""Closing an account: after a grace period it is erased, and keeps only what others refer to."""

from datetime import datetime, timedelta

from attrs import evolve, frozen

from ..actors import Actor
from ..audit import Action, AuditEvent, event_of
from ..devices import NO_CLIENT, Client
from ..ports.outside import Clock
from ..ports.writing import Transaction, UnitOfWork
from ..presences import Principal
from ..sessions import EndReason, SessionEnd
from ..users import StateConflict, User, UserId, UserState
from .acting import Acts, Caller, actor_of
from .authentication import still_in
from .ending import all_settled, end_sessions
from .reauthentication import Reauthenticate
from .recording import transact_or_record


@frozen
class CloseAccount:
    """Close an account after the grace period; logging in before its end cancels this. All sessions end at once.

    Only an active account can be closed: neither its owner nor an operator can undo a freeze this way.
    """

    work: UnitOfWork
    reauthenticate: Reauthenticate
    clock: Clock
    grace: timedelta

    def __call__(self, principal: Principal, *, password: str, client: Client) -> datetime:
        """For the owner. Returns when it closes. Raises ReauthenticationFailed, HasherBusy, what the guard raises."""
        event = event_of(
            client, at=self.clock.now(), actor=principal.actor, action=Action.CLOSE, subject=principal.user.id
        )
        proof = self.reauthenticate(principal, password, event)

        def close(tx: Transaction) -> datetime:
            now = self.clock.now()
            locked = still_in(tx, principal, now, proof)
            tx.audit.append(evolve(event, at=now))
            end = SessionEnd(now, EndReason.USER_CLOSED, principal.session.device, principal.actor)
            return self._close(tx, locked, end, client)

        return transact_or_record(self.work, event, close)

    def close(self, user_id: UserId, *, actor: Caller) -> datetime:
        """For an operator, without a password. Returns when it closes. Raises StateConflict, and what Acts raises."""

        def close(tx: Transaction, user: User, now: datetime) -> datetime:
            if not user.is_active(now):
                raise StateConflict
            return self._close(tx, user, SessionEnd(now, EndReason.USER_CLOSED, actor=actor_of(actor)), NO_CLIENT)

        return Acts(self.work, self.clock)(user_id, close, action=Action.CLOSE, caller=actor)

    def _close(self, tx: Transaction, user: User, end: SessionEnd, client: Client) -> datetime:
        closes_at = end.at + self.grace
        tx.users.save(evolve(user, state=UserState.closing(closes_at)))
        actor = end.actor or Actor.user(user.id)
        end_sessions(tx, all_settled(tx, user.id, end.at), end, actor=actor, client=client)
        return closes_at


def erase(tx: Transaction, user_id: UserId, now: datetime) -> bool:
    """Remove everything personal from an account whose closing is due, and free its number. Returns whether it was due.

    Only for closings of ours: 「已注销」 written by another program stays. docs/http.md lists what goes and what stays.
    """
    user = tx.lock(user_id)
    if user is None or not user.state.is_to_be_erased(now):
        return False
    tx.users.save(
        evolve(
            user,
            phone=None,
            password_hash="",
            user_name=None,
            wechat_openid=None,
            state=UserState.closed(),
            is_admin=False,
            device_policy=None,
        )
    )
    tx.erase_of(user_id)
    # A reason is free text about a person, and the entry of a look quotes what was searched for.
    tx.audit.erase_details(user_id, [Action.FREEZE, Action.READ])
    tx.audit.append(AuditEvent(at=now, actor=Actor.service(), action=Action.ERASE, subject=user_id))
    return True
