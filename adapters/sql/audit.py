"""The audit log in the database."""

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen
from sqlalchemy import RowMapping, delete, insert, select

from ...domain.actors import Actor
from ...domain.audit import Action, AuditEntry, AuditEvent, AuditId
from ...domain.devices import Device, DeviceType
from ...domain.sessions import SessionId
from ...domain.users import UserId
from .database import Connections
from .tables import audit
from .types import member_of

_INSERT = insert(audit)


@frozen
class SqlAuditLog:
    """AuditLog on a relational database."""

    connections: Connections

    def append(self, event: AuditEvent) -> None:
        device = event.device
        with self.connections.writing() as connection:
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
                },
            )

    def find(self, *, subject: UserId | None, before: AuditId | None, limit: int) -> Sequence[AuditEntry]:
        statement = select(audit).order_by(audit.c.id.desc()).limit(limit)
        if subject is not None:
            statement = statement.where(audit.c.subject == subject)
        if before is not None:
            statement = statement.where(audit.c.id < before)
        with self.connections.reading() as connection:
            return [_entry_from(row._mapping) for row in connection.execute(statement)]

    def prune(self, before: datetime, limit: int) -> int:
        with self.connections.writing() as connection:
            # Two statements: MariaDB takes no LIMIT in the inner one of one.
            old = connection.scalars(
                select(audit.c.id).where(audit.c.at < before).order_by(audit.c.at, audit.c.id).limit(limit)
            ).all()
            # Others may prune at the same time.
            return connection.execute(delete(audit).where(audit.c.id.in_(old))).rowcount if old else 0


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
        ),
    )


def _action_of(text: str) -> Action | str:
    """What this version does not know stays as it is, so that it can still be read."""
    try:
        return Action(text)
    except ValueError:
        return text
