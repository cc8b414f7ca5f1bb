"""Ending every session of everybody, when what the store holds has leaked."""

from datetime import datetime
from functools import partial

from attrs import frozen

from ..audit import Action, AuditEvent, event_of
from ..devices import NO_CLIENT, Client
from ..ports import Clock, PasswordHasher, Transaction, UnitOfWork, UserRepository, Verdict
from ..proofs import ReauthenticationFailed, ReauthenticationNeeded
from ..sessions import EndReason, SessionEnd, SessionId, SessionKind
from ..users import User, UserNotFound
from .acting import Admin, Caller, actor_of
from .granting import judge_again
from .recording import record_refusal, transact_or_record

BATCH = 500
"""How many sessions one transaction looks at, so that nobody waits for long."""

_FIRST = SessionId("")


@frozen
class KickEverybody:
    """End all sessions, in batches that each count at once; those of the caller too (ASVS 7.4.5).

    Also those that seem to begin later, as the clock was put back since; and so perhaps one that begins meanwhile.
    An admin gives his password. One entry of the audit log stands for all. Raises ReauthenticationNeeded,
    ReauthenticationFailed, HasherBusy, and for a caller who may not act any more what the guard raises.
    """

    users: UserRepository
    work: UnitOfWork
    hasher: PasswordHasher
    clock: Clock

    def __call__(self, *, caller: Caller, password: str | None = None, client: Client = NO_CLIENT) -> int:
        """Returns how many ended."""
        now = self.clock.now()
        event = event_of(client, at=now, actor=actor_of(caller), action=Action.KICK_EVERYBODY, subject=None)
        admin = self._proven(caller, password, event) if isinstance(caller, Admin) else None

        def first(tx: Transaction) -> tuple[SessionId | None, int]:
            if isinstance(caller, Admin) and admin is not None:
                _judge_again(tx, caller, admin, now)
            tx.audit.append(event)
            return _end_some(tx, _FIRST, event)

        last, ended = transact_or_record(self.work, event, first)
        while last is not None:
            last, more = self.work.transact(partial(_end_some, after=last, event=event), is_vital=True)
            ended += more
        return ended

    def _proven(self, caller: Admin, password: str | None, event: AuditEvent) -> User:
        user = self.users.by_id(caller.session.user_id)
        if user is None:
            raise UserNotFound
        if password is None:
            raise ReauthenticationNeeded
        if self.hasher.verify(password, user.password_hash) is Verdict.NO_MATCH:
            record_refusal(self.work, event, ReauthenticationFailed())
            raise ReauthenticationFailed
        return user


def _judge_again(tx: Transaction, caller: Admin, judged: User, now: datetime) -> None:
    locked = judge_again(tx, tx.users.locked(judged.id), caller.session, SessionKind.ADMIN, now)
    if locked.password_hash != judged.password_hash:
        raise ReauthenticationFailed


def _end_some(tx: Transaction, after: SessionId, event: AuditEvent) -> tuple[SessionId | None, int]:
    """End the next ones. Returns the last that was looked at, or None where there are no more, and how many ended."""
    page = tx.sessions.unended(after=after, limit=BATCH)
    end = SessionEnd(at=event.at, reason=EndReason.KICKED, actor=event.actor)
    return page.last, tx.sessions.end(page.ids, end) if page.ids else 0
