"""The sessions in the database."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from attrs import frozen
from sqlalchemy import Connection, RowMapping, and_, bindparam, case, delete, insert, select, update

from ...domain.actors import Actor
from ...domain.devices import Device, DeviceType
from ...domain.ports import SessionPage
from ...domain.presences import Presence
from ...domain.sessions import EndReason, Refreshing, Session, SessionEnd, SessionId, SessionKind
from ...domain.texts import is_plain
from ...domain.users import UserId
from .database import Connections, check_answers
from .tables import sessions, users
from .types import UtcDateTime, member_of
from .users import user_from

_SESSION_COLUMNS = [column.label(f"session_{column.name}") for column in sessions.c]
_BY_ID = select(*_SESSION_COLUMNS).where(sessions.c.id == bindparam("session_id"))
_BY_IDS = select(*_SESSION_COLUMNS).where(sessions.c.id.in_(bindparam("session_ids", expanding=True)))
_LIVE_OF_ANY = select(*_SESSION_COLUMNS).where(
    sessions.c.user_id == bindparam("user_id"),
    sessions.c.ended_at.is_(None),
    sessions.c.expires_at > bindparam("now"),
)
_LIVE = _LIVE_OF_ANY.where(sessions.c.kind == bindparam("kind"))
_LIVE_OF_UNKNOWN = _LIVE_OF_ANY.where(
    sessions.c.kind.not_in([kind.value for kind in SessionKind if kind is not SessionKind.UNKNOWN])
)
_PRESENCE = (
    select(users, *_SESSION_COLUMNS)
    .outerjoin_from(users, sessions, and_(sessions.c.user_id == users.c.id, sessions.c.id == bindparam("session_id")))
    .where(users.c.id == bindparam("user_id"), users.c.is_account)
)
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

_ID_LENGTH = 64

_MANY = 500
"""How many sessions one statement names: each database has a limit for that."""


@frozen
class SqlSessionRepository:
    """SessionRepository on a relational database."""

    connections: Connections

    def add(self, session: Session) -> None:
        with self.connections.writing() as connection:
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

    def live(self, user_id: UserId, kind: SessionKind, now: datetime) -> Sequence[Session]:
        parameters: dict[str, object] = {"user_id": user_id, "now": now}
        statement = _LIVE_OF_UNKNOWN
        if kind is not SessionKind.UNKNOWN:
            statement, parameters = _LIVE, {**parameters, "kind": kind.value}

        def all_of_them(connection: Connection) -> list[Session]:
            found = [_session_from(row._mapping) for row in connection.execute(statement, parameters)]
            check_answers(connection, is_asked_for=all(session.user_id == user_id for session in found))
            return found

        found = self.connections.read(all_of_them)
        # Idleness is arithmetic on two columns, which each database spells in its own way; those idle too long are few.
        live = [session for session in found if session.is_live(now)]
        # A database would put ids that differ in case, say, into the order of its language.
        return sorted(live, key=lambda session: (session.started_at, session.id))

    def end(self, session_ids: Collection[SessionId], end: SessionEnd) -> int:
        by = end.by
        ordered = sorted(filter(_can_be, session_ids))
        parameters = {
            "at": end.at,
            "reason": end.reason.value,
            "actor": None if end.actor is None else end.actor.text,
            "by_type": None if by is None else by.type.value,
            "by_name": None if by is None else by.name,
        }
        with self.connections.writing() as connection:
            return sum(
                connection.execute(_END, {**parameters, "session_ids": ordered[first : first + _MANY]}).rowcount
                for first in range(0, len(ordered), _MANY)
            )

    def unended(self, *, after: SessionId, limit: int) -> SessionPage:
        # Not those alone that have not ended: where these are few, a database would walk through all the others at once.
        columns = (sessions.c.id, sessions.c.ended_at)
        statement = select(*columns).where(sessions.c.id > after).order_by(sessions.c.id).limit(limit)
        page = self.connections.read(lambda connection: connection.execute(statement).all())
        ids = [SessionId(row.id) for row in page if row.ended_at is None]
        return SessionPage(ids, SessionId(page[-1].id) if len(page) == limit else None)

    def by_id(self, session_id: SessionId) -> Session | None:
        if not _can_be(session_id):
            return None

        def one(connection: Connection) -> Session | None:
            row = connection.execute(_BY_ID, {"session_id": session_id}).first()
            check_answers(connection, is_asked_for=row is None or row._mapping["session_id"] == session_id)
            return None if row is None else _session_from(row._mapping)

        return self.connections.read(one)

    def presence(self, user_id: UserId, session_id: SessionId) -> Presence | None:
        asked = session_id if _can_be(session_id) else None

        def one(connection: Connection) -> Presence | None:
            row = connection.execute(_PRESENCE, {"user_id": user_id, "session_id": asked}).first()
            if row is None:
                return None
            fields = row._mapping
            is_asked_for = fields["id"] == user_id and fields["session_id"] in {asked, None}
            check_answers(connection, is_asked_for=is_asked_for)
            return Presence(user_from(fields), None if fields["session_id"] is None else _session_from(fields))

        return self.connections.read(one)

    def rotate(self, session_id: SessionId, *, old: bytes, new: Refreshing) -> bool:
        if not _can_be(session_id):
            return False
        statement = (
            update(sessions)
            .where(sessions.c.id == session_id, sessions.c.refresh_digest == old, sessions.c.ended_at.is_(None))
            .values(**_refresh_columns(new))
        )
        with self.connections.writing() as connection:
            return connection.execute(statement).rowcount == 1

    def see(self, seen: Collection[tuple[SessionId, datetime]], now: datetime) -> None:
        # In the order of the ids, so that two who do so at once do not wait for each other.
        ordered = sorted(each for each in seen if _can_be(each[0]))
        with self.connections.writing() as connection:
            for some in (ordered[first : first + _MANY] for first in range(0, len(ordered), _MANY)):
                found = connection.execute(_BY_IDS, {"session_ids": [session_id for session_id, _ in some]})
                live = {each.id for each in map(_session_from, found.mappings()) if each.is_live(now)}
                rows = [{"session_id": session_id, "seen_at": at} for session_id, at in some if session_id in live]
                if rows:
                    connection.execute(_SEE, rows)

    def erase_of(self, user_id: UserId) -> None:
        with self.connections.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.user_id == user_id))

    def prune(self, before: datetime, limit: int) -> int:
        over_at = sessions.c.over_at
        with self.connections.writing() as connection:
            # Two statements: MariaDB takes no LIMIT in the inner one of one.
            # Ordered, so that no planner hopes to meet that many soon in a scan of the table.
            old = connection.scalars(
                select(sessions.c.id).where(over_at < before).order_by(over_at, sessions.c.id).limit(limit)
            ).all()
            # Others may prune at the same time.
            return connection.execute(delete(sessions).where(sessions.c.id.in_(old))).rowcount if old else 0


def _can_be(session_id: SessionId) -> bool:
    """Whether a session can have this id; a database may refuse even to look for it, as PostgreSQL does for a NUL."""
    return is_plain(session_id, _ID_LENGTH)


def _refresh_columns(refreshing: Refreshing) -> dict[str, object]:
    return {
        "refresh_digest": refreshing.digest,
        "refresh_rotations": refreshing.rotations,
        "refresh_rotated_at": refreshing.rotated_at,
        "refresh_expires_at": refreshing.expires_at,
        "refresh_recent": refreshing.recent,
        "refresh_key": refreshing.key_id,
    }


def _session_from(row: RowMapping) -> Session:
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


def _end_from(row: RowMapping) -> SessionEnd | None:
    if row["session_ended_at"] is None:
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
