"""What the domain writes to the store, all of it within a transaction.

A writer is reached through a Transaction and by no other way, so that nothing is written that does not happen whole, and
nothing under a lock that is not there. What a transaction has written it also reads. Any method may raise
StoreUnavailable.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from attrs import field, frozen

from ..audit import AuditEvent
from ..sessions import Refreshing, Session, SessionEnd, SessionId, SessionKind
from ..users import NewUser, Phone, User, UserId

T = TypeVar("T")
P = TypeVar("P")


class UserWriter(Protocol):
    """The users, within a transaction."""

    def by_phone(self, phone: Phone) -> User | None: ...

    def add(self, user: NewUser) -> User:
        """Keep *user* under a fresh id, never used before.

        Raises PhoneTaken or, where the number is free, ReferrerUnknown, and keeps nothing: of who holds a number nobody
        learns who else there is.
        """
        ...

    def save(self, user: User) -> None:
        """Keep *user* as it is now, but for the balance, which is not ours to change. Raises PhoneTaken.

        Only for one that this transaction has locked. With a user who is erased goes what other programs keep of their
        tokens in the same row.
        """
        ...


class SessionWriter(Protocol):
    """The sessions, within a transaction."""

    def by_id(self, session_id: SessionId) -> Session | None: ...

    def live(self, user_id: UserId, kind: SessionKind, now: datetime) -> Sequence[Session]:
        """The live sessions of one kind of a user, in the order in which they started."""
        ...

    def add(self, session: Session) -> None: ...

    def end(self, session_ids: Collection[SessionId], end: SessionEnd) -> int:
        """End those that have not ended before; the others stay as they are. Returns how many ended.

        Of the device in *end*, type and name are kept.
        """
        ...

    def rotate(self, session_id: SessionId, *, old: bytes, new: Refreshing) -> bool:
        """Put *new* where the digest *old* still stands and the session has not ended; False otherwise."""
        ...

    def see(self, seen: Collection[tuple[SessionId, datetime]], now: datetime) -> None:
        """Write down when sessions were last used.

        Nothing changes by a time before the one that stands, nor for a session that is not live *now*: an end is final,
        also that of one that was idle too long.
        """
        ...


@frozen
class SessionPage:
    """Some sessions."""

    ids: Sequence[SessionId]
    last: SessionId | None
    """The last that was looked at; None where there are no more."""


class SessionSweep(Protocol):
    """The sessions of everybody, or all of one user, within a transaction."""

    def unended(self, *, after: SessionId, limit: int) -> SessionPage:
        """Those that have not ended among the next *limit* sessions, in an order that never changes.

        *after*: the last one that was looked at before, or ``""``. One that has run out may be among them.
        """
        ...

    def erase_of(self, user_id: UserId) -> None:
        """Forget every session of a user."""
        ...

    def prune(self, before: datetime, limit: int) -> int:
        """Forget at most *limit* sessions that ended, or would have ended at the latest, *before*. Returns how many."""
        ...


class AuditWriter(Protocol):
    """The audit log, within a transaction: entries are added, but never changed, except to be counted."""

    def append(self, event: AuditEvent) -> None: ...

    def count(self, event: AuditEvent, window: timedelta) -> None:
        """Add *event* to the entry that has counted events of its likeness before; an entry of its own where none has."""
        ...

    def erase_details(self, subject: UserId, actions: Collection[str]) -> None:
        """Take the detail out of every entry about *subject* that records one of *actions*."""
        ...


class AuditPruning(Protocol):
    """What of the audit log is old, within a transaction, and how it is known to be."""

    def prune(self, before: datetime, limit: int) -> int:
        """Forget at most *limit* entries from *before*, the oldest first. Returns how many."""
        ...

    def earliest(self, since: datetime | None) -> datetime | None:
        """When the earliest entry was that is not from before *since*, or the earliest of all; None where there is none."""
        ...

    def pruned_at(self) -> datetime | None:
        """What ``note_pruned`` was told last, by whichever process; None where it never was."""
        ...

    def note_pruned(self, at: datetime) -> None:
        """Remember that what was old *at* that moment has been forgotten. No entry is made, and pruning does not touch it."""
        ...


@frozen(kw_only=True)
class Transaction:
    """The writers, each under its port: ``tx[SessionSweep]``. Those that nearly everybody asks for have names."""

    part: Callable[[type], Any] = field(repr=False)
    """The store's writer for a port."""
    locking: Callable[[UserId], User | None] = field(repr=False)
    """How the store locks a user."""
    locked: set[UserId] = field(factory=set)
    """The users whom this transaction has locked: nobody else is changed by it in what decides whether they may act."""

    def __getitem__(self, port: type[P]) -> P:
        found: P = self.part(port)
        return found

    @property
    def users(self) -> UserWriter:
        return self[UserWriter]

    @property
    def sessions(self) -> SessionWriter:
        return self[SessionWriter]

    @property
    def audit(self) -> AuditWriter:
        return self[AuditWriter]

    def lock(self, user_id: UserId) -> User | None:
        """The user, whom nobody else can lock or change until this transaction ends."""
        user = self.locking(user_id)
        if user is not None:
            self.locked.add(user_id)
        return user


class UnitOfWork(Protocol):
    """Several steps as one."""

    def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
        """Carry out *work* whole, durably, or not at all where it raises. It may be called more than once.

        *is_vital*: it takes rights away, or makes room. A store that keeps a reserve for when it is full gives it to these.
        """
        ...
