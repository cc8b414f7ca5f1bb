"""The ports of a store as the tests use them: each write is a transaction."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from attrs import frozen

from ...domain.audit import AuditEntry, AuditEvent, AuditId, EntryKind
from ...domain.passwords import HashLikeness
from ...domain.ports.reading import DueClosings, HashPage, PasswordHashes, Presences, UserFilter, UserSearch
from ...domain.ports.stores import Store
from ...domain.ports.writing import AuditPruning, SessionPage, SessionSweep, Transaction
from ...domain.presences import Presence
from ...domain.sessions import Refreshing, Session, SessionEnd, SessionId, SessionKind
from ...domain.users import NewUser, Phone, User, UserId

T = TypeVar("T")


@frozen
class UserSteps:
    """The users of a store."""

    store: Store

    def by_id(self, user_id: UserId) -> User | None:
        return self.store.users.by_id(user_id)

    def by_phone(self, phone: Phone) -> User | None:
        return self.store.users.by_phone(phone)

    def find(self, wanted: UserFilter, *, after: UserId, limit: int, now: datetime) -> Sequence[User]:
        return self.store[UserSearch].find(wanted, after=after, limit=limit, now=now)

    def password_hashes(self, *, after: UserId, limit: int, unlike: Collection[HashLikeness]) -> HashPage:
        return self.store[PasswordHashes].password_hashes(after=after, limit=limit, unlike=unlike)

    def due_to_close(self, now: datetime, limit: int) -> Sequence[UserId]:
        return self.store[DueClosings].due_to_close(now, limit)

    def add(self, user: NewUser) -> User:
        return self.store.work.transact(lambda tx: tx.users.add(user))

    def save(self, user: User) -> None:
        """Lock the user, who must exist, and store them as given."""

        def save(tx: Transaction) -> None:
            assert tx.lock(user.id) is not None
            tx.users.save(user)

        self.store.work.transact(save)


@frozen
class SessionSteps:
    """The sessions of a store."""

    store: Store

    def by_id(self, session_id: SessionId) -> Session | None:
        return self.store.sessions.by_id(session_id)

    def live(self, user_id: UserId, kind: SessionKind, now: datetime) -> Sequence[Session]:
        return self.store.sessions.live(user_id, kind, now)

    def presence(self, user_id: UserId, session_id: SessionId) -> Presence | None:
        return self.store[Presences].by_session(user_id, session_id)

    def add(self, session: Session) -> None:
        self._do(lambda tx: tx.sessions.add(session))

    def end(self, session_ids: Collection[SessionId], end: SessionEnd) -> int:
        return self._do(lambda tx: tx.sessions.end(session_ids, end))

    def rotate(self, session_id: SessionId, *, old: bytes, new: Refreshing) -> bool:
        return self._do(lambda tx: tx.sessions.rotate(session_id, old=old, new=new))

    def see(self, seen: Collection[tuple[SessionId, datetime]], now: datetime) -> None:
        self._do(lambda tx: tx.sessions.see(seen, now))

    def unended(self, *, after: SessionId, limit: int) -> SessionPage:
        return self._do(lambda tx: tx[SessionSweep].unended(after=after, limit=limit))

    def erase_of(self, user_id: UserId) -> None:
        self._do(lambda tx: tx[SessionSweep].erase_of(user_id))

    def prune(self, before: datetime, limit: int) -> int:
        return self._do(lambda tx: tx[SessionSweep].prune(before, limit))

    def _do(self, work: Callable[[Transaction], T]) -> T:
        return self.store.work.transact(work)


@frozen
class AuditSteps:
    """The audit log of a store."""

    store: Store

    def find(
        self, *, subject: UserId | None, before: AuditId | None, limit: int, kind: EntryKind = EntryKind.ALL
    ) -> Sequence[AuditEntry]:
        return self.store.audit.find(subject=subject, before=before, limit=limit, kind=kind)

    def append(self, event: AuditEvent) -> None:
        self._do(lambda tx: tx.audit.append(event))

    def count(self, event: AuditEvent, window: timedelta) -> None:
        self._do(lambda tx: tx.audit.count(event, window))

    def erase_details(self, subject: UserId, actions: Collection[str]) -> None:
        self._do(lambda tx: tx.audit.erase_details(subject, actions))

    def prune(self, before: datetime, limit: int) -> int:
        return self._do(lambda tx: tx[AuditPruning].prune(before, limit))

    def earliest(self, since: datetime | None) -> datetime | None:
        return self._do(lambda tx: tx[AuditPruning].earliest(since))

    def pruned_at(self) -> datetime | None:
        return self._do(lambda tx: tx[AuditPruning].pruned_at())

    def note_pruned(self, at: datetime) -> None:
        self._do(lambda tx: tx[AuditPruning].note_pruned(at))

    def _do(self, work: Callable[[Transaction], T]) -> T:
        return self.store.work.transact(work)


@frozen
class Steps:
    """All of a store."""

    store: Store

    @property
    def users(self) -> UserSteps:
        return UserSteps(self.store)

    @property
    def sessions(self) -> SessionSteps:
        return SessionSteps(self.store)

    @property
    def audit(self) -> AuditSteps:
        return AuditSteps(self.store)
