"""The audit log in the database."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from attrs import frozen
from sqlalchemy import Connection, RowMapping, bindparam, case, delete, func, insert, not_, select, update

from ...domain.actors import Actor
from ...domain.audit import Action, AuditEntry, AuditEvent, AuditId, EntryKind
from ...domain.devices import Device, DeviceType
from ...domain.sessions import SessionId
from ...domain.users import UserId
from .database import Database
from .step import Step
from .tables import audit, marks
from .types import UtcDateTime, member_of

_INSERT = insert(audit)
_LIKE = (
    select(audit.c.id).where(audit.c.likeness == bindparam("likeness")).order_by(audit.c.id).limit(1).with_for_update()
)
_LAST_AT = bindparam("last_at", type_=UtcDateTime())
_UNTIL_NOW = func.coalesce(audit.c.last_at, audit.c.at)
_COUNT = (
    update(audit)
    .where(audit.c.id == bindparam("entry_id"))
    .values(times=audit.c.times + 1, last_at=case((_UNTIL_NOW > _LAST_AT, _UNTIL_NOW), else_=_LAST_AT))
)
_COUNT_SHOWN = _COUNT.values(shown=func.coalesce(audit.c.shown, 0) + bindparam("more"))

_PRUNED = "pruned"


@frozen
class SqlAuditTrail:
    """AuditTrail on a relational database."""

    database: Database

    def find(
        self, *, subject: UserId | None, before: AuditId | None, limit: int, kind: EntryKind = EntryKind.ALL
    ) -> Sequence[AuditEntry]:
        statement = select(audit).order_by(audit.c.id.desc()).limit(limit)
        if subject is not None:
            statement = statement.where(audit.c.subject == subject)
        if before is not None:
            statement = statement.where(audit.c.id < before)
        if kind is not EntryKind.ALL:
            is_read = audit.c.action == Action.READ.value
            statement = statement.where(is_read if kind is EntryKind.READS else not_(is_read))
        return self.database.read(
            lambda connection: [_entry_from(row._mapping) for row in connection.execute(statement)]
        )


@frozen
class SqlAuditWriter:
    """AuditWriter and AuditPruning on a relational database."""

    step: Step

    def append(self, event: AuditEvent) -> None:
        connection = self.step.connection
        _add(connection, event, None)

    def count(self, event: AuditEvent, window: timedelta) -> None:
        likeness = event.likeness(window)
        connection = self.step.connection
        # Two events that are the first at the same moment may both add a row; later ones are counted in only one of
        # them.
        entry_id = connection.scalar(_LIKE, {"likeness": likeness})
        if entry_id is None:
            _add(connection, event, likeness)
        elif event.shown is None:
            connection.execute(_COUNT, {"entry_id": entry_id, "last_at": event.at})
        else:
            connection.execute(_COUNT_SHOWN, {"entry_id": entry_id, "last_at": event.at, "more": event.shown})

    def erase_details(self, subject: UserId, actions: Collection[str]) -> None:
        about = (audit.c.subject == subject, audit.c.action.in_([str(each) for each in actions]))
        connection = self.step.connection
        connection.execute(update(audit).where(*about, audit.c.detail.is_not(None)).values(detail=None))

    def prune(self, before: datetime, limit: int) -> int:
        connection = self.step.connection
        # Two statements: MariaDB allows no LIMIT in a subquery.
        old = connection.scalars(
            select(audit.c.id).where(audit.c.at < before).order_by(audit.c.at, audit.c.id).limit(limit)
        ).all()
        # Others may prune at the same time.
        return connection.execute(delete(audit).where(audit.c.id.in_(old))).rowcount if old else 0

    def earliest(self, since: datetime | None) -> datetime | None:
        statement = select(audit.c.at).order_by(audit.c.at).limit(1)
        if since is not None:
            statement = statement.where(audit.c.at >= since)
        return self.step.connection.scalar(statement)

    def pruned_at(self) -> datetime | None:
        return self.step.connection.scalar(select(marks.c.at).where(marks.c.name == _PRUNED))

    def note_pruned(self, at: datetime) -> None:
        connection = self.step.connection
        connection.execute(self.step.product.put(marks, {"name": _PRUNED, "at": at}))


def _add(connection: Connection, event: AuditEvent, likeness: str | None) -> None:
    device = event.device
    connection.execute(
        _INSERT,
        {
            "at": event.at,
            "actor": event.actor.text,
            "action": str(event.action),
            "outcome": event.outcome,
            "subject": event.subject,
            "detail": event.detail,
            "session_id": event.session_id,
            "device_type": None if device is None else device.type.value,
            "device_id": None if device is None else device.id,
            "device_name": None if device is None else device.name,
            "address": event.address,
            "shown": event.shown,
            "likeness": likeness,
        },
    )


def _entry_from(row: RowMapping) -> AuditEntry:
    device_type = row["device_type"]
    return AuditEntry(
        id=AuditId(row["id"]),
        event=AuditEvent(
            at=row["at"],
            actor=Actor(row["actor"]),
            action=_action_of(row["action"]),
            outcome=row["outcome"],
            subject=None if row["subject"] is None else UserId(row["subject"]),
            detail=row["detail"],
            session_id=None if row["session_id"] is None else SessionId(row["session_id"]),
            device=None
            if device_type is None
            else Device(
                type=member_of(DeviceType, device_type, DeviceType.OTHER), id=row["device_id"], name=row["device_name"]
            ),
            address=row["address"],
            shown=row["shown"],
        ),
        times=row["times"],
        last_at=row["last_at"],
        likeness=row["likeness"],
    )


def _action_of(text: str) -> Action | str:
    """An action that this version does not know stays a text, so that it can still be read."""
    try:
        return Action(text)
    except ValueError:
        return text
