"""Reading sessions from the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import frozen
from sqlalchemy import Connection, RowMapping, and_, bindparam, select

from ...domain.actors import Actor
from ...domain.devices import Device, DeviceType
from ...domain.presences import Presence
from ...domain.sessions import EndReason, Refreshing, Session, SessionEnd, SessionId, SessionKind
from ...domain.texts import is_plain
from ...domain.users import UserId
from .database import Database, check_answers
from .quick_select import QuickSelect, first
from .tables import sessions, users
from .types import member_of
from .users import user_from

SESSION_COLUMNS = [column.label(f"session_{column.name}") for column in sessions.c]
_BY_ID = select(*SESSION_COLUMNS).where(sessions.c.id == bindparam("session_id"))
_ONLY_OF_ENDS = {
    sessions.c.ended_at,
    sessions.c.over_at,
    *(each for each in sessions.c if each.name.startswith("end_")),
}
_LIVE_OF_ANY = select(*(each for each in SESSION_COLUMNS if each.element not in _ONLY_OF_ENDS)).where(
    sessions.c.user_id == bindparam("user_id"),
    sessions.c.ended_at.is_(None),
    sessions.c.expires_at > bindparam("now"),
)
LIVE = QuickSelect(_LIVE_OF_ANY.where(sessions.c.kind == bindparam("kind")))
_LIVE_OF_UNKNOWN = _LIVE_OF_ANY.where(
    sessions.c.kind.not_in([kind.value for kind in SessionKind if kind is not SessionKind.UNKNOWN])
)
PRESENCE = QuickSelect(
    select(users, *SESSION_COLUMNS)
    .outerjoin_from(users, sessions, and_(sessions.c.user_id == users.c.id, sessions.c.id == bindparam("session_id")))
    .where(users.c.id == bindparam("user_id"), users.c.is_account)
)

_ID_LENGTH = 64


def can_be(session_id: SessionId) -> bool:
    """Whether a session can have this id. A database may refuse even to look for it, as PostgreSQL does for a NUL."""
    return is_plain(session_id, _ID_LENGTH)


def session_by_id(connection: Connection, session_id: SessionId) -> Session | None:
    """Raises StoreUnavailable for the answer to another query."""
    row = connection.execute(_BY_ID, {"session_id": session_id}).first()
    check_answers(connection, is_asked_for=row is None or row._mapping["session_id"] == session_id)
    return None if row is None else session_from(row._mapping)


def live_sessions(connection: Connection, user_id: UserId, kind: SessionKind, now: datetime) -> list[Session]:
    """As in the port ``Sessions``. Raises StoreUnavailable for the answer to another query."""
    if kind is SessionKind.UNKNOWN:
        rows = connection.execute(_LIVE_OF_UNKNOWN, {"user_id": user_id, "now": now})
        found = [session_from(row._mapping) for row in rows]
    else:
        asked = {"user_id": user_id, "now": now, "kind": kind.value}
        found = [session_from(row) for row in LIVE.all_on(connection, asked)]
    check_answers(connection, is_asked_for=all(session.user_id == user_id for session in found))
    # Idleness is arithmetic on two columns, which each database spells differently; few sessions are idle too long.
    live = [session for session in found if session.is_live(now)]
    # A database would order ids that differ only in case, for example, by the rules of a language.
    return sorted(live, key=lambda session: (session.started_at, session.id))


@frozen
class SqlSessions:
    """The ports that read sessions, on a relational database."""

    database: Database

    def by_id(self, session_id: SessionId) -> Session | None:
        return (
            self.database.read(lambda connection: session_by_id(connection, session_id)) if can_be(session_id) else None
        )

    def live(self, user_id: UserId, kind: SessionKind, now: datetime) -> Sequence[Session]:
        return self.database.read(lambda connection: live_sessions(connection, user_id, kind, now))

    def by_session(self, user_id: UserId, session_id: SessionId) -> Presence | None:
        asked = session_id if can_be(session_id) else None

        def is_asked_for(row: Mapping[str, Any]) -> bool:
            return row["id"] == user_id and row["session_id"] in {asked, None}

        row = first(self.database, PRESENCE, {"user_id": user_id, "session_id": asked}, is_asked_for)
        if row is None:
            return None
        return Presence(user_from(row), None if row["session_id"] is None else session_from(row))


def session_from(row: RowMapping | Mapping[str, Any]) -> Session:
    """The session in a row, which lacks the columns of the end if it has none."""
    return Session(
        id=SessionId(row["session_id"]),
        user_id=UserId(row["session_user_id"]),
        kind=member_of(SessionKind, row["session_kind"], SessionKind.UNKNOWN),
        device=Device(
            type=member_of(DeviceType, row["session_device_type"], DeviceType.OTHER),
            id=row["session_device_id"],
            name=row["session_device_name"],
        ),
        started_at=row["session_started_at"],
        last_seen_at=row["session_last_seen_at"],
        expires_at=row["session_expires_at"],
        idle_ttl=timedelta(seconds=row["session_idle_seconds"]),
        refreshing=Refreshing(
            digest=row["session_refresh_digest"],
            rotations=row["session_refresh_rotations"],
            rotated_at=row["session_refresh_rotated_at"],
            expires_at=row["session_refresh_expires_at"],
            recent=row["session_refresh_recent"],
            key_id=row["session_refresh_key"],
        ),
        address=row["session_address"],
        user_agent=row["session_user_agent"],
        end=_end_from(row),
    )


def _end_from(row: RowMapping | Mapping[str, Any]) -> SessionEnd | None:
    if row.get("session_ended_at") is None:
        return None
    device_type, actor = row["session_end_device_type"], row["session_end_actor"]
    return SessionEnd(
        at=row["session_ended_at"],
        reason=member_of(EndReason, row["session_end_reason"], EndReason.UNKNOWN),
        by=None
        if device_type is None
        else Device(type=member_of(DeviceType, device_type, DeviceType.OTHER), name=row["session_end_device_name"]),
        actor=None if actor is None else Actor(actor),
    )
