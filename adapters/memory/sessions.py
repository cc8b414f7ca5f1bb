"""The sessions in memory."""

from attrs import evolve, frozen

from ...domain.device_policy import DevicePolicy, decide
from ...domain.sessions import EndReason, Presence, Session, SessionEnd, SessionId
from ...domain.users import UserId
from .store import MemoryStore


@frozen
class MemorySessionRepository:
    """SessionRepository over a MemoryStore."""

    store: MemoryStore

    def admit(self, newcomer: Session, policy: DevicePolicy) -> None:
        now = newcomer.started_at
        with self.store.lock:
            live = [s for s in self.store.sessions.values() if s.user_id == newcomer.user_id and s.is_live(now)]
            for session_id in decide(policy, live, newcomer):
                self.end(session_id, SessionEnd(at=now, reason=EndReason.REPLACED))
            self.store.sessions[newcomer.id] = newcomer

    def end(self, session_id: SessionId, end: SessionEnd) -> bool:
        with self.store.lock:
            session = self.store.sessions.get(session_id)
            if session is None or session.end is not None:
                return False
            self.store.sessions[session_id] = evolve(session, end=end)
            return True

    def presence(self, user_id: UserId, session_id: SessionId) -> Presence | None:
        with self.store.lock:
            user = self.store.users.get(user_id)
            if user is None:
                return None
            session = self.store.sessions.get(session_id)
            return Presence(user, session if session is not None and session.user_id == user_id else None)
