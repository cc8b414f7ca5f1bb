"""What must be done from time to time: deleting what is old, and erasing accounts whose closing is due."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from attrs import frozen

from ..actors import Actor
from ..audit import Action, AuditEntry, AuditEvent, AuditId, EntryKind
from ..errors import StoreUnavailable
from ..ports.outside import Clock
from ..ports.reading import AuditTrail, DueClosings
from ..ports.writing import AuditPruning, SessionSweep, Transaction, UnitOfWork
from ..users import UserId
from .clock_judging import check_clock
from .closing import erase
from .operating import MAX_PAGE

BATCH = 500
"""Rows in one transaction: few enough that logins hardly wait for it."""

KEEP_ENDED_SESSIONS = timedelta(days=30)
"""How long an ended session can still be told from one that never existed."""


@frozen(kw_only=True)
class Pruned:
    """What a round of pruning deleted."""

    sessions: int
    audit_entries: int
    accounts: int


@frozen
class Prune:
    """Delete old sessions and audit entries, and erase accounts due to close, in small batches; then free the space.

    None of this can be undone, so the clock must be right: ``check_clock`` says when it is believed.
    """

    closings: DueClosings
    work: UnitOfWork
    clock: Clock
    audit_retention: timedelta
    give_back: Callable[[], None] = lambda: None

    def __call__(self, should_stop: Callable[[], bool] = lambda: False, *, vouched_by: Actor | None = None) -> Pruned:
        """Continue until nothing is left to do, or *should_stop* says so.

        *vouched_by* is whoever says that the clock is right, and is recorded. Without it, a doubtful clock raises
        ClockInDoubt.
        """
        now = self.clock.now()
        if not should_stop():
            self.work.transact(partial(_begin, now=now, vouched_by=vouched_by), is_vital=True)

        def drained(batch: Callable[[], int]) -> int:
            total = 0
            while not should_stop() and (done := batch()):
                total += done
            return total

        before = now - KEEP_ENDED_SESSIONS
        pruned = Pruned(
            sessions=drained(
                lambda: self.work.transact(lambda tx: tx[SessionSweep].prune(before, BATCH), is_vital=True)
            ),
            audit_entries=drained(
                lambda: self.work.transact(
                    lambda tx: tx[AuditPruning].prune(now - self.audit_retention, BATCH), is_vital=True
                )
            ),
            accounts=drained(lambda: self._erase_due(now)),
        )
        if not should_stop():
            self.work.transact(lambda tx: tx[AuditPruning].note_pruned(now), is_vital=True)
        # The deletion is complete; the disk space can be freed another time.
        with suppress(StoreUnavailable):
            self.give_back()
        return pruned

    def _erase_due(self, now: datetime) -> int:
        # One transaction for each: two processes that prune at once must not wait for each other's users.
        due = self.closings.due_to_close(now, BATCH)
        return sum(self.work.transact(partial(erase, user_id=user_id, now=now), is_vital=True) for user_id in due)


def _begin(tx: Transaction, *, now: datetime, vouched_by: Actor | None) -> None:
    if vouched_by is None:
        check_clock(tx, now)
    else:
        tx.audit.append(AuditEvent(at=now, actor=vouched_by, action=Action.VOUCH_FOR_CLOCK, subject=None))
        tx[AuditPruning].note_pruned(now)


@frozen
class ReadAudit:
    """The audit log, newest first, a page at a time."""

    audit: AuditTrail

    def __call__(
        self,
        *,
        subject: UserId | None = None,
        before: int | None = None,
        limit: int = MAX_PAGE,
        kind: EntryKind = EntryKind.ACTS,
    ) -> Sequence[AuditEntry]:
        """At most *limit* entries of that *kind*, never more than 100, older than *before*; about *subject*, or all."""
        page = max(1, min(limit, MAX_PAGE))
        older_than = None if before is None else AuditId(before)
        return self.audit.find(subject=subject, before=older_than, limit=page, kind=kind)
