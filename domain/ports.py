"""All that the domain asks of the outside world.

A port is a Protocol and its docstring is the contract that every adapter is held to (``adapters/conformance``). What is not
found is None; a refusal is a domain error. Each method is one atomic step: it happens whole or not at all, and what it
has returned is durable. Any method of a repository may raise StoreUnavailable.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Protocol, TypeVar

from attrs import field, frozen

from .audit import AuditEntry, AuditEvent, AuditId, EntryKind
from .passwords import HashKind, HashLikeness
from .presences import Presence
from .refresh_tokens import RefreshToken
from .sessions import Refreshing, Session, SessionEnd, SessionId, SessionKind
from .tokens import AccessTokenClaims
from .users import NewUser, Phone, Standing, User, UserId

T = TypeVar("T")


@frozen(kw_only=True)
class UserFilter:
    """Which users to find: those that meet all that is given. ``name_prefix`` is compared as it is, sign by sign."""

    user_id: UserId | None = None
    phone: Phone | None = None
    name_prefix: str | None = None
    standing: Standing | None = None


@frozen
class HashPage:
    """Stored hashes of some users."""

    hashes: Sequence[str] = field(repr=False)
    last: UserId | None
    """Whose was the last that was looked at; None where there is nobody more."""


@frozen
class SessionPage:
    """Some sessions."""

    ids: Sequence[SessionId]
    last: SessionId | None
    """The last that was looked at; None where there are no more."""


class UserRepository(Protocol):
    """The users."""

    def add(self, user: NewUser) -> User:
        """Keep *user* under a fresh id, never used before.

        Raises PhoneTaken or, where the number is free, ReferrerUnknown, and keeps nothing: of who holds a number nobody
        learns who else there is.
        """
        ...

    def by_id(self, user_id: UserId) -> User | None: ...

    def by_phone(self, phone: Phone) -> User | None: ...

    def locked(self, user_id: UserId) -> User | None:
        """The user, whom nobody else can lock or change until this transaction ends. Only within a UnitOfWork."""
        ...

    def save(self, user: User) -> None:
        """Keep *user* as it is now, but for the balance, which is not ours to change. Raises PhoneTaken.

        Only for one that this transaction has locked. With a user who is erased goes what other programs keep of their
        tokens in the same row.
        """
        ...

    def find(self, wanted: UserFilter, *, after: UserId, limit: int, now: datetime) -> Sequence[User]:
        """The first *limit* users with an id greater than *after*, by id, as they stand *now*."""
        ...

    def password_hashes(self, *, after: UserId, limit: int, unlike: Collection[HashLikeness]) -> HashPage:
        """The different hashes of the first *limit* users with an id greater than *after*, by id, in any order.

        Those that fit one of *unlike* are left out, also where capital and small letters make the only difference, and so is
        the empty text of an account that has been erased.
        """
        ...

    def due_to_close(self, now: datetime, limit: int) -> Sequence[UserId]:
        """At most *limit* users whose closing has come due (``UserState.is_to_be_erased``), by id."""
        ...


class SessionRepository(Protocol):
    """The sessions, live and ended."""

    def add(self, session: Session) -> None: ...

    def live(self, user_id: UserId, kind: SessionKind, now: datetime) -> Sequence[Session]:
        """The live sessions of one kind of a user, in the order in which they started."""
        ...

    def end(self, session_ids: Collection[SessionId], end: SessionEnd) -> int:
        """End those that have not ended before; the others stay as they are. Returns how many ended.

        Of the device in *end*, type and name are kept.
        """
        ...

    def unended(self, *, after: SessionId, limit: int) -> SessionPage:
        """Those that have not ended among the next *limit* sessions, in an order that never changes.

        *after*: the last one that was looked at before, or ``""``. One that has run out may be among them.
        """
        ...

    def by_id(self, session_id: SessionId) -> Session | None: ...

    def presence(self, user_id: UserId, session_id: SessionId) -> Presence | None:
        """The user, and the session if it is this user's, read at one moment; None where there is no such user."""
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

    def erase_of(self, user_id: UserId) -> None:
        """Forget every session of a user."""
        ...

    def prune(self, before: datetime, limit: int) -> int:
        """Forget at most *limit* sessions that ended, or would have ended at the latest, *before*. Returns how many."""
        ...


class AuditLog(Protocol):
    """What happened, for good: entries are added and, when they are old, pruned, but never changed, except to be counted."""

    def append(self, event: AuditEvent) -> None: ...

    def count(self, event: AuditEvent, window: timedelta) -> None:
        """Add *event* to the entry that has counted events of its likeness before; an entry of its own where none has."""
        ...

    def find(
        self, *, subject: UserId | None, before: AuditId | None, limit: int, kind: EntryKind = EntryKind.ALL
    ) -> Sequence[AuditEntry]:
        """The newest *limit* entries older than *before*, newest first; about *subject*, or about anybody; of that *kind*."""
        ...

    def erase_details(self, subject: UserId, actions: Collection[str]) -> None:
        """Take the detail out of every entry about *subject* that records one of *actions*."""
        ...

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


class Transaction(Protocol):
    """The repositories, within one transaction."""

    @property
    def users(self) -> UserRepository: ...

    @property
    def sessions(self) -> SessionRepository: ...

    @property
    def audit(self) -> AuditLog: ...


class UnitOfWork(Protocol):
    """Several steps as one."""

    def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
        """Carry out *work* whole, durably, or not at all where it raises. It may be called more than once.

        *is_vital*: it takes rights away, or makes room. A store that keeps a reserve for when it is full gives it to these.
        """
        ...


@frozen(kw_only=True)
class Store:
    """One store: its side of the storage ports, and how to ask after it and let go of it."""

    users: UserRepository
    sessions: SessionRepository
    audit: AuditLog
    work: UnitOfWork
    ping: Callable[[], None] = lambda: None
    """Raises StoreUnavailable when nothing can be written; it may write for that, but keeps nothing new."""

    give_back: Callable[[], None] = lambda: None
    """Gives the room of what was removed back to the disk, in steps that hold nobody up. May raise StoreUnavailable."""

    close: Callable[[], None] = lambda: None

    weaknesses: Callable[[], Sequence[str]] = lambda: ()
    """A line for each way in which something acknowledged can be lost. May raise StoreUnavailable."""

    exposures: Sequence[str] = ()
    """A line for each way in which others can read or change, on the network, what is said to the store and what it answers."""

    is_embedded: bool = False
    """Whether it answers a read in this very process, so that an event loop may wait for it."""


class LastSeen(Protocol):
    """Takes note of what the guard sees of sessions, and lets nobody wait for it."""

    def note(self, session_id: SessionId, at: datetime) -> None:
        """It was used."""
        ...

    def note_end(self, session_id: SessionId, end: SessionEnd) -> None:
        """It was seen to have run out. From when this is written down it has ended for good; another end stays."""
        ...


class Verdict(Enum):
    """What a hasher says of a password."""

    NO_MATCH = auto()
    MATCH = auto()
    MATCH_OUTDATED = auto()
    """It matches, and the hash is of another kind or weaker than new ones are: replace it."""


class PasswordHasher(Protocol):
    """Turns passwords into hashes that are safe to keep. Both methods may raise HasherBusy."""

    def hash(self, password: str) -> str:
        """A fresh hash. Not within a transaction: it takes long."""
        ...

    def verify(self, password: str, password_hash: str | None) -> Verdict:
        """Judge *password*.

        None, for nobody's hash, matches nothing, and neither does one of a form that is not known, or absurdly costly.
        To say NO_MATCH takes the same work whatever stands there (ASVS 6.3.8): as much as any hash in the store takes, and
        one that is new. Not within a transaction: it takes long.
        """
        ...


class StoredHashes(Protocol):
    """What a store may hold as password hashes, whoever made them."""

    def kind_of(self, stored: str | None) -> HashKind:
        """What *stored* is. It can log in exactly where the PasswordHasher can say that a password matches."""
        ...

    def wrap(self, stored: Sequence[str]) -> Sequence[str | None]:
        """Each weak hash hashed once more, so that it stands there no longer and its password matches as before.

        None for one that is not weak, or for which a store has no place.
        """
        ...


class TokenCodec(Protocol):
    """Turns the claims of an access token into signed text, and back, for one audience."""

    def encode(self, claims: AccessTokenClaims) -> str: ...

    def decode(self, token: str) -> AccessTokenClaims:
        """Check form, signature, issuer and audience, but not the times. Raises TokenInvalid."""
        ...


class RefreshTokenCodec(Protocol):
    """Makes refresh tokens and their successors, and turns them into text and back."""

    @property
    def key_id(self) -> str:
        """Names the key under which successors and digests are made, at most 16 characters; another key has another."""
        ...

    def new(self, session_id: SessionId) -> RefreshToken:
        """A token of 256 fresh random bits (ASVS 7.2.3)."""
        ...

    def successor(self, token: RefreshToken) -> RefreshToken:
        """The one token that follows *token*; nobody but the service can compute it."""
        ...

    def digest(self, token: RefreshToken) -> bytes:
        """What may be stored of a token (RFC 9700): 32 bytes that do not lead back to it, nor to it under another key."""
        ...

    def encode(self, token: RefreshToken) -> str: ...

    def decode(self, text: str) -> RefreshToken | None:
        """The token that *text* spells; None where it spells none."""
        ...


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...


class RandomIds(Protocol):
    """Names that nobody can guess."""

    def new_id(self) -> str:
        """A fresh text of URL-safe characters with at least 128 random bits (ASVS 7.2.3)."""
        ...
