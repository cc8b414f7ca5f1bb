"""The sessions in memory."""

from collections.abc import Collection, Sequence
from datetime import datetime

from attrs import evolve, frozen

from ...domain.ports.writing import SessionPage
from ...domain.presences import Presence
from ...domain.sessions import Refreshing, Session, SessionEnd, SessionId, SessionKind
from ...domain.users import UserId
from .store import MemoryStore


@frozen
class MemorySessions:
    """The ports that read sessions, over a MemoryStore."""

    store: MemoryStore

    def by_id(self, session_id: SessionId) -> Session | None:
        with self.store.step():
            return self.store.sessions.get(session_id)

    def live(self, user_id: UserId, kind: SessionKind, now: datetime) -> Sequence[Session]:
        with self.store.step():
            found = [
                session
                for session in self.store.sessions.values()
                if session.user_id == user_id and session.kind is kind and session.is_live(now)
            ]
        return sorted(found, key=lambda session: (session.started_at, session.id))

    def by_session(self, user_id: UserId, session_id: SessionId) -> Presence | None:
        with self.store.step():
            user = self.store.users.get(user_id)
            if user is None:
                return None
            session = self.store.sessions.get(session_id)
            return Presence(user, session if session is not None and session.user_id == user_id else None)


@frozen
class MemorySessionWriter(MemorySessions):
    """SessionWriter and SessionSweep over a MemoryStore."""

    def add(self, session: Session) -> None:
        with self.store.step():
            self.store.put(self.store.sessions, session.id, session)

    def end(self, session_ids: Collection[SessionId], end: SessionEnd) -> int:
        with self.store.step():
            found = [self.store.sessions[each] for each in set(session_ids) if each in self.store.sessions]
            ending = [session for session in found if session.end is None]
            end = evolve(end, by=None if end.by is None else evolve(end.by, id=None))
            for session in ending:
                self.store.put(self.store.sessions, session.id, evolve(session, end=end))
            return len(ending)

    def unended(self, *, after: SessionId, limit: int) -> SessionPage:
        with self.store.step():
            page = sorted(each for each in self.store.sessions if each > after)[:limit]
            ids = [each for each in page if self.store.sessions[each].end is None]
            return SessionPage(ids, page[-1] if len(page) == limit else None)

    def rotate(self, session_id: SessionId, *, old: bytes, new: Refreshing) -> bool:
        with self.store.step():
            session = self.store.sessions.get(session_id)
            if session is None or session.end is not None or session.refreshing.digest != old:
                return False
            self.store.put(self.store.sessions, session_id, evolve(session, refreshing=new))
            return True

    def see(self, seen: Collection[tuple[SessionId, datetime]], now: datetime) -> None:
        with self.store.step():
            for session_id, at in seen:
                session = self.store.sessions.get(session_id)
                if session is not None and session.is_live(now) and session.last_seen_at < at:
                    self.store.put(self.store.sessions, session_id, evolve(session, last_seen_at=at))

    def erase_of(self, user_id: UserId) -> None:
        with self.store.step():
            for session in list(self.store.sessions.values()):
                if session.user_id == user_id:
                    self.store.remove(self.store.sessions, session.id)

    def prune(self, before: datetime, limit: int) -> int:
        with self.store.step():
            old = [
                session.id
                for session in self.store.sessions.values()
                if session.expires_at < before or (session.end is not None and session.end.at < before)
            ][:limit]
            for session_id in old:
                self.store.remove(self.store.sessions, session_id)
            return len(old)
