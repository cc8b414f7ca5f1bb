"""The sessions in the database."""

from collections.abc import Collection

from attrs import frozen
from sqlalchemy import RowMapping, Update, and_, bindparam, insert, select, update

from ...domain.device_policy import DevicePolicy, decide
from ...domain.sessions import EndReason, Presence, Session, SessionEnd, SessionId
from ...domain.users import UserId
from .database import Database
from .tables import sessions, users
from .users import user_from

_SESSION_COLUMNS = [column.label(f"session_{column.name}") for column in sessions.c]
_LIVE = select(*_SESSION_COLUMNS).where(
    sessions.c.user_id == bindparam("user_id"),
    sessions.c.ended_at.is_(None),
    sessions.c.expires_at > bindparam("now"),
)
_LOCK_USER = select(users.c.id).where(users.c.id == bindparam("user_id")).with_for_update()
_PRESENCE = (
    select(users, *_SESSION_COLUMNS)
    .outerjoin_from(users, sessions, and_(sessions.c.user_id == users.c.id, sessions.c.id == bindparam("session_id")))
    .where(users.c.id == bindparam("user_id"))
)


@frozen
class SqlSessionRepository:
    """SessionRepository on a relational database."""

    database: Database

    def admit(self, newcomer: Session, policy: DevicePolicy) -> None:
        now = newcomer.started_at
        with self.database.writing() as connection:
            if policy.reads_live_sessions:
                connection.execute(_LOCK_USER, {"user_id": newcomer.user_id})
                rows = connection.execute(_LIVE, {"user_id": newcomer.user_id, "now": now})
                ends = decide(policy, [_session_from(row._mapping) for row in rows], newcomer)
                if ends:
                    connection.execute(_end(SessionEnd(at=now, reason=EndReason.REPLACED), ends))
            connection.execute(
                insert(sessions),
                {
                    "id": newcomer.id,
                    "user_id": newcomer.user_id,
                    "started_at": newcomer.started_at,
                    "expires_at": newcomer.expires_at,
                },
            )

    def end(self, session_id: SessionId, end: SessionEnd) -> bool:
        with self.database.writing() as connection:
            return connection.execute(_end(end, [session_id])).rowcount == 1

    def presence(self, user_id: UserId, session_id: SessionId) -> Presence | None:
        with self.database.reading() as connection:
            row = connection.execute(_PRESENCE, {"user_id": user_id, "session_id": session_id}).first()
        if row is None:
            return None
        fields = row._mapping
        return Presence(user_from(fields), None if fields["session_id"] is None else _session_from(fields))


def _end(end: SessionEnd, ids: Collection[SessionId]) -> Update:
    """The first end stays: a session that has ended is left as it is."""
    return (
        update(sessions)
        .where(sessions.c.id.in_(ids), sessions.c.ended_at.is_(None))
        .values(ended_at=end.at, end_reason=end.reason.value)
    )


def _session_from(row: RowMapping) -> Session:
    ended_at = row["session_ended_at"]
    return Session(
        id=SessionId(row["session_id"]),
        user_id=UserId(row["session_user_id"]),
        started_at=row["session_started_at"],
        expires_at=row["session_expires_at"],
        end=None if ended_at is None else SessionEnd(at=ended_at, reason=EndReason(row["session_end_reason"])),
    )
