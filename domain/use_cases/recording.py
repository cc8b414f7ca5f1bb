"""Refusals leave a trace, though what is refused is undone."""

from collections.abc import Callable
from typing import TypeVar

from attrs import evolve

from ..audit import AuditEvent
from ..errors import Refusal, Unavailable
from ..ports import Transaction, UnitOfWork

T = TypeVar("T")


def record_refusal(work: UnitOfWork, event: AuditEvent, refusal: Refusal) -> None:
    """Append *event* with the reason of *refusal* as its outcome."""
    refused = evolve(event, outcome=refusal.reason)
    work.transact(lambda tx: tx.audit.append(refused))


def transact_or_record(work: UnitOfWork, event: AuditEvent, job: Callable[[Transaction], T]) -> T:
    """Do *job* in one transaction. Where that is refused, record it as *event*, and raise the refusal."""
    try:
        return work.transact(job)
    except Unavailable:
        raise
    except Refusal as refusal:
        record_refusal(work, event, refusal)
        raise
