"""What the domain reads from the store.

Each port is small, so that one of them alone can be wrapped: remembered, counted, timed. What is not found is None. Each
method reads at one moment, and may raise StoreUnavailable.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from attrs import field, frozen

from ..audit import AuditEntry, AuditId, EntryKind
from ..passwords import HashLikeness
from ..presences import Presence
from ..sessions import Session, SessionId, SessionKind
from ..users import Phone, Standing, User, UserId


class Users(Protocol):
    """The users, one by one."""

    def by_id(self, user_id: UserId) -> User | None: ...

    def by_phone(self, phone: Phone) -> User | None: ...


@frozen(kw_only=True)
class UserFilter:
    """Which users to find: those that match everything given. ``name_prefix`` is compared character by character."""

    user_id: UserId | None = None
    phone: Phone | None = None
    name_prefix: str | None = None
    standing: Standing | None = None


class UserSearch(Protocol):
    """The users, by what operators know about them."""

    def find(self, wanted: UserFilter, *, after: UserId, limit: int, now: datetime) -> Sequence[User]:
        """The first *limit* users with an id greater than *after*, by id, as they stand *now*."""
        ...


@frozen
class HashPage:
    """Stored hashes of some users."""

    hashes: Sequence[str] = field(repr=False)
    last: UserId | None
    """The user whose hash was looked at last; None if there are no more users."""


class PasswordHashes(Protocol):
    """The users' password hashes, whoever made them."""

    def password_hashes(self, *, after: UserId, limit: int, unlike: Collection[HashLikeness]) -> HashPage:
        """The different hashes of the first *limit* users with an id greater than *after*, by id, in any order.

        Those that match one of *unlike* are left out, ignoring case, and so is the empty text of an erased account.
        """
        ...


class DueClosings(Protocol):
    """The users whose accounts are to be erased."""

    def due_to_close(self, now: datetime, limit: int) -> Sequence[UserId]:
        """At most *limit* users whose closing has come due (``UserState.is_to_be_erased``), by id."""
        ...


class WouldWait(Exception):
    """The answer is not at hand, and whoever asks has said that they do not wait for the store."""


class Presences(Protocol):
    """Users with one of their sessions, as they are at one moment."""

    def by_session(self, user_id: UserId, session_id: SessionId) -> Presence | None:
        """The user, and the session if it is this user's; None if there is no such user."""
        ...


class Sessions(Protocol):
    """The sessions, live and ended."""

    def by_id(self, session_id: SessionId) -> Session | None: ...

    def live(self, user_id: UserId, kind: SessionKind, now: datetime) -> Sequence[Session]:
        """The live sessions of one kind of a user, in the order in which they started."""
        ...


class AuditTrail(Protocol):
    """What happened."""

    def find(
        self, *, subject: UserId | None, before: AuditId | None, limit: int, kind: EntryKind = EntryKind.ALL
    ) -> Sequence[AuditEntry]:
        """The newest *limit* entries of that *kind* older than *before*, newest first; about *subject*, or all."""
        ...
