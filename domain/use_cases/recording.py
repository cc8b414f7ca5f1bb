"""Recording refusals, though what is refused is undone. Repeated refusals share one row with a count."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from attrs import evolve

from ..audit import TAKES_AWAY, AuditEvent
from ..errors import Refusal, Unavailable
from ..ports.writing import Transaction, UnitOfWork

T = TypeVar("T")

COUNTED_WITHIN = timedelta(hours=1)
"""Callers must not be able to fill the disk: like events from one address within this time share a row."""


def record_refusal(work: UnitOfWork, event: AuditEvent, refusal: Refusal) -> None:
    """Record *event* with the reason of *refusal* as its outcome, counted with those like it."""
    refused = evolve(event, outcome=refusal.reason)
    work.transact(lambda tx: tx.audit.count(refused, COUNTED_WITHIN))


def transact_or_record(work: UnitOfWork, event: AuditEvent, job: Callable[[Transaction], T]) -> T:
    """Do *job* in one transaction. If it is refused, record *event*, and raise the refusal."""
    try:
        return work.transact(job, is_vital=event.action in TAKES_AWAY)
    except Unavailable:
        raise
    except Refusal as refusal:
        record_refusal(work, event, refusal)
        raise
