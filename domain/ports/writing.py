"""What the domain writes to the store, all of it within a transaction.

A writer is reached only through a Transaction, so that nothing is written in part or without its lock. A transaction
reads what it has written itself. Any method may raise StoreUnavailable.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from attrs import field, frozen

from ..audit import AuditEvent
from ..sessions import Refreshing, Session, SessionEnd, SessionId, SessionKind
from ..users import NewUser, Phone, User, UserId

T = TypeVar("T")
P = TypeVar("P")


class NotLocked(Exception):
    """A user was to be saved whom the transaction has not locked: a fault in the caller."""


class UserWriter(Protocol):
    """The users, within a transaction."""

    def by_phone(self, phone: Phone) -> User | None: ...

    def add(self, user: NewUser) -> User:
        """Keep *user* under a fresh id, never used before.

        Raises PhoneTaken or, if the number is free, ReferrerUnknown, and keeps nothing. In that order, the answer about
        a taken number reveals nothing about the referrer.
        """
        ...

    def save(self, user: User) -> None:
        """Keep *user* as it is now, except the balance, which is not ours to change. Raises PhoneTaken.

        Raises NotLocked for a user whom this transaction has neither locked nor added. When a user is erased, so is the token that another program
        keeps in the same row.
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

        Only the type and the name of the device in *end* are kept.
        """
        ...

    def rotate(self, session_id: SessionId, *, old: bytes, new: Refreshing) -> bool:
        """Replace the digest *old* by *new*. False if another digest is stored by now or the session has ended."""
        ...

    def see(self, seen: Collection[tuple[SessionId, datetime]], now: datetime) -> None:
        """Store when sessions were last used.

        A time before the stored one changes nothing, and nothing changes for a session that is not live *now*: an end
        is final, even if it came from idleness.
        """
        ...


@frozen
class SessionPage:
    """Some sessions."""

    ids: Sequence[SessionId]
    last: SessionId | None
    """The last that was looked at; None if there are no more."""


class Personal(Protocol):
    """What the store keeps about users besides their own rows, within a transaction.

    When an account is erased, every writer whose port has this base deletes its rows.
    """

    def erase_of(self, user_id: UserId) -> None:
        """Delete every row of a user."""
        ...


def personal_among(ports: Iterable[type]) -> Sequence[type[Personal]]:
    """Those that have Personal as a base."""
    return [port for port in ports if Personal in port.__mro__[1:]]


class SessionSweep(Personal, Protocol):
    """The sessions of everybody, or all of one user, within a transaction."""

    def unended(self, *, after: SessionId, limit: int) -> SessionPage:
        """Those that have not ended among the next *limit* sessions, in an order that never changes.

        *after*: the last one that was looked at before, or ``""``. Expired sessions may be among them.
        """
        ...

    def erase_of(self, user_id: UserId) -> None:
        """Delete every session of a user."""
        ...

    def prune(self, before: datetime, limit: int) -> int:
        """Delete at most *limit* sessions that ended, or would have ended at the latest, *before*. Returns how many."""
        ...


class AuditWriter(Protocol):
    """The audit log, within a transaction: entries are added and never changed, except for their count."""

    def append(self, event: AuditEvent) -> None: ...

    def count(self, event: AuditEvent, window: timedelta) -> None:
        """Count *event* in the entry that already counts events of its likeness; without one, add a new entry."""
        ...

    def erase_details(self, subject: UserId, actions: Collection[str]) -> None:
        """Remove the detail from every entry about *subject* that records one of *actions*."""
        ...


class AuditPruning(Protocol):
    """Pruning of the audit log, within a transaction, and what shows that the clock is right."""

    def prune(self, before: datetime, limit: int) -> int:
        """Delete at most *limit* entries from *before*, the oldest first. Returns how many."""
        ...

    def earliest(self, since: datetime | None) -> datetime | None:
        """When the earliest entry at or after *since* was made, or the earliest of all; None if there is none."""
        ...

    def pruned_at(self) -> datetime | None:
        """What ``note_pruned`` was last told, by any process; None if it never was."""
        ...

    def note_pruned(self, at: datetime) -> None:
        """Remember that everything old *at* that moment has been deleted. Adds no entry, and is never pruned."""
        ...


@frozen(kw_only=True)
class Transaction:
    """The writers, each under its port: ``tx[SessionSweep]``. The most used have names."""

    part: Callable[[type], Any] = field(repr=False)
    """The store's writer for a port."""
    locking: Callable[[UserId], User | None] = field(repr=False)
    """Locks a user in the store."""
    personal: Sequence[type[Personal]] = field(repr=False)
    """The ports of all the store's writers of personal data: ``personal_among`` its writers' ports."""
    locked: set[UserId] = field(factory=set)
    """The users whom this transaction has locked. What decides whether somebody may act is changed under their lock, except when
    all sessions of everybody end, and when an expired one is marked as ended."""

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

    def erase_of(self, user_id: UserId) -> None:
        """Delete everything about a user except the user and the audit log."""
        for port in self.personal:
            self[port].erase_of(user_id)


class UnitOfWork(Protocol):
    """Several steps as one."""

    def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
        """Carry out all of *work* durably, or none of it if it raises. *work* may be called more than once.

        *is_vital*: it takes rights away, or makes room. A store that keeps a reserve for a full disk gives it to such
        work.
        """
        ...
