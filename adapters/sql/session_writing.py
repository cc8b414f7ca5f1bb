"""Writing sessions to the database."""

from collections.abc import Collection, Sequence
from datetime import datetime

from attrs import frozen
from sqlalchemy import bindparam, case, delete, insert, select, update

from ...domain.ports.writing import SessionPage
from ...domain.sessions import Refreshing, Session, SessionEnd, SessionId, SessionKind
from ...domain.users import UserId
from .sessions import SESSION_COLUMNS, can_be, live_sessions, session_by_id, session_from
from .step import Step
from .tables import sessions
from .types import UtcDateTime

_BY_IDS = select(*SESSION_COLUMNS).where(sessions.c.id.in_(bindparam("session_ids", expanding=True)))
_INSERT = insert(sessions)
_SEE = (
    update(sessions)
    .where(
        sessions.c.id == bindparam("session_id"),
        sessions.c.last_seen_at < bindparam("seen_at"),
        sessions.c.ended_at.is_(None),
    )
    .values(last_seen_at=bindparam("seen_at"))
)

_AT = bindparam("at", type_=UtcDateTime())
_END = (
    update(sessions)
    .where(sessions.c.id.in_(bindparam("session_ids", expanding=True)), sessions.c.ended_at.is_(None))
    .values(
        ended_at=_AT,
        over_at=case((sessions.c.expires_at < _AT, sessions.c.expires_at), else_=_AT),
        end_reason=bindparam("reason"),
        end_actor=bindparam("actor"),
        end_device_type=bindparam("by_type"),
        end_device_name=bindparam("by_name"),
    )
)

_MANY = 500
"""How many sessions one statement names: each database has a limit."""


@frozen
class SqlSessionWriter:
    """SessionWriter and SessionSweep on a relational database."""

    step: Step

    def by_id(self, session_id: SessionId) -> Session | None:
        return session_by_id(self.step.connection, session_id) if can_be(session_id) else None

    def live(self, user_id: UserId, kind: SessionKind, now: datetime) -> Sequence[Session]:
        return live_sessions(self.step.connection, user_id, kind, now)

    def add(self, session: Session) -> None:
        connection = self.step.connection
        connection.execute(
            _INSERT,
            {
                "id": session.id,
                "user_id": session.user_id,
                "kind": session.kind.value,
                "device_type": session.device.type.value,
                "device_id": session.device.id,
                "device_name": session.device.name,
                "address": session.address,
                "user_agent": session.user_agent,
                "started_at": session.started_at,
                "last_seen_at": session.last_seen_at,
                "expires_at": session.expires_at,
                "over_at": session.expires_at,
                "idle_seconds": int(session.idle_ttl.total_seconds()),
                **_refresh_columns(session.refreshing),
            },
        )

    def end(self, session_ids: Collection[SessionId], end: SessionEnd) -> int:
        by = end.by
        ordered = sorted(filter(can_be, session_ids))
        parameters = {
            "at": end.at,
            "reason": end.reason.value,
            "actor": None if end.actor is None else end.actor.text,
            "by_type": None if by is None else by.type.value,
            "by_name": None if by is None else by.name,
        }
        connection = self.step.connection
        return sum(
            connection.execute(_END, {**parameters, "session_ids": ordered[first : first + _MANY]}).rowcount
            for first in range(0, len(ordered), _MANY)
        )

    def unended(self, *, after: SessionId, limit: int) -> SessionPage:
        # Without a condition on the end: if few sessions are live, a database would scan all the others at once.
        columns = (sessions.c.id, sessions.c.ended_at)
        statement = select(*columns).where(sessions.c.id > after).order_by(sessions.c.id).limit(limit)
        page = self.step.connection.execute(statement).all()
        ids = [SessionId(row.id) for row in page if row.ended_at is None]
        return SessionPage(ids, SessionId(page[-1].id) if len(page) == limit else None)

    def rotate(self, session_id: SessionId, *, old: bytes, new: Refreshing) -> bool:
        if not can_be(session_id):
            return False
        statement = (
            update(sessions)
            .where(sessions.c.id == session_id, sessions.c.refresh_digest == old, sessions.c.ended_at.is_(None))
            .values(**_refresh_columns(new))
        )
        connection = self.step.connection
        return connection.execute(statement).rowcount == 1

    def see(self, seen: Collection[tuple[SessionId, datetime]], now: datetime) -> None:
        # In the order of the ids, so that two that do so at once do not deadlock.
        ordered = sorted(each for each in seen if can_be(each[0]))
        connection = self.step.connection
        for some in (ordered[first : first + _MANY] for first in range(0, len(ordered), _MANY)):
            found = connection.execute(_BY_IDS, {"session_ids": [session_id for session_id, _ in some]})
            live = {each.id for each in map(session_from, found.mappings()) if each.is_live(now)}
            rows = [{"session_id": session_id, "seen_at": at} for session_id, at in some if session_id in live]
            if rows:
                connection.execute(_SEE, rows)

    def erase_of(self, user_id: UserId) -> None:
        connection = self.step.connection
        connection.execute(delete(sessions).where(sessions.c.user_id == user_id))

    def prune(self, before: datetime, limit: int) -> int:
        over_at = sessions.c.over_at
        connection = self.step.connection
        # Two statements: MariaDB allows no LIMIT in a subquery.
        # Ordered, so that no planner expects to find that many soon in a scan of the table.
        old = connection.scalars(
            select(sessions.c.id).where(over_at < before).order_by(over_at, sessions.c.id).limit(limit)
        ).all()
        # Others may prune at the same time.
        return connection.execute(delete(sessions).where(sessions.c.id.in_(old))).rowcount if old else 0


def _refresh_columns(refreshing: Refreshing) -> dict[str, object]:
    return {
        "refresh_digest": refreshing.digest,
        "refresh_rotations": refreshing.rotations,
        "refresh_rotated_at": refreshing.rotated_at,
        "refresh_expires_at": refreshing.expires_at,
        "refresh_recent": refreshing.recent,
        "refresh_key": refreshing.key_id,
    }
