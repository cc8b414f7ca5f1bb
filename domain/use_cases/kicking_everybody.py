"""Ending every session of every user, for when the contents of the store have leaked."""

from functools import partial

from attrs import frozen

from ..audit import Action, AuditEvent, event_of
from ..devices import NO_CLIENT, Client
from ..ports.outside import Clock
from ..ports.writing import SessionSweep, Transaction, UnitOfWork
from ..sessions import EndReason, SessionEnd, SessionId
from .acting import Caller, actor_of, admin_of
from .authentication import still_in
from .reauthentication import Reauthenticate
from .recording import transact_or_record

BATCH = 500
"""How many sessions one transaction looks at, so that nobody waits for long."""

_FIRST = SessionId("")


@frozen
class KickEverybody:
    """End all sessions, the caller's too, in batches that each take effect at once (ASVS 7.4.5).

    This includes sessions that seem to begin later because the clock was put back, and so perhaps one that begins
    meanwhile. An admin gives the password. One entry of the audit log covers all. Raises ReauthenticationNeeded,
    ReauthenticationFailed, HasherBusy, and what the guard raises for a caller who may no longer act.
    """

    work: UnitOfWork
    reauthenticate: Reauthenticate
    clock: Clock

    def __call__(self, *, caller: Caller, password: str | None = None, client: Client = NO_CLIENT) -> int:
        """Returns how many ended."""
        now = self.clock.now()
        event = event_of(client, at=now, actor=actor_of(caller), action=Action.KICK_EVERYBODY, subject=None)
        admin = admin_of(caller)
        proof = None if admin is None else self.reauthenticate(admin, password, event)

        def first(tx: Transaction) -> tuple[SessionId | None, int]:
            if admin is not None:
                still_in(tx, admin, now, proof)
            tx.audit.append(event)
            return _end_some(tx, _FIRST, event)

        last, ended = transact_or_record(self.work, event, first)
        while last is not None:
            last, more = self.work.transact(partial(_end_some, after=last, event=event), is_vital=True)
            ended += more
        return ended


def _end_some(tx: Transaction, after: SessionId, event: AuditEvent) -> tuple[SessionId | None, int]:
    """End the next batch. Returns the last session looked at, or None if there are no more, and how many ended."""
    page = tx[SessionSweep].unended(after=after, limit=BATCH)
    end = SessionEnd(at=event.at, reason=EndReason.KICKED, actor=event.actor)
    return page.last, tx.sessions.end(page.ids, end) if page.ids else 0
