"""All that the domain asks of the outside world.

A port is a Protocol and its docstring is the contract that every adapter is held to (``tests/contracts``). What is not
found is None; a refusal is a domain error. Each method is one atomic step: it happens whole or not at all, and what it
has returned is durable. Any method of a repository may raise StoreUnavailable.
"""

from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from .device_policy import DevicePolicy
from .sessions import Presence, Session, SessionEnd, SessionId
from .tokens import AccessTokenClaims
from .users import NewUser, Phone, User, UserId


class UserRepository(Protocol):
    """The users."""

    def add(self, user: NewUser) -> User:
        """Keep *user* under a fresh id, never used before. Raises PhoneTaken or ReferrerUnknown, and keeps nothing."""
        ...

    def by_id(self, user_id: UserId) -> User | None: ...

    def by_phone(self, phone: Phone) -> User | None: ...

    def replace_password_hash(self, user_id: UserId, *, old: str, new: str) -> bool:
        """Put *new* where *old* still stands; False, and nothing changed, where another hash stands by now."""
        ...


class SessionRepository(Protocol):
    """The sessions, live and ended."""

    def admit(self, newcomer: Session, policy: DevicePolicy) -> None:
        """Keep *newcomer*, and end those live sessions of its user that the policy's decision names, as replaced.

        Decision and writes happen under the user's lock: of any number of logins at once, each sees those before it.
        """
        ...

    def end(self, session_id: SessionId, end: SessionEnd) -> bool:
        """End the session; False, and nothing changed, where it had ended before or is not known."""
        ...

    def presence(self, user_id: UserId, session_id: SessionId) -> Presence | None:
        """The user, and the session if it is this user's, read at one moment; None where there is no such user."""
        ...


class Verdict(Enum):
    """What a hasher says of a password."""

    NO_MATCH = auto()
    MATCH = auto()
    MATCH_OUTDATED = auto()
    """It matches, and the hash is of another kind or weaker than new ones are: replace it."""


class PasswordHasher(Protocol):
    """Turns passwords into hashes that are safe to keep. Both methods may raise HasherBusy."""

    def hash(self, password: str) -> str: ...

    def verify(self, password: str, password_hash: str | None) -> Verdict:
        """Judge *password*. None, for nobody's hash, matches nothing and takes as long to say so (ASVS 6.3.8).

        A hash of a form that is not known, or absurdly costly, matches nothing, at no such cost.
        """
        ...


class TokenCodec(Protocol):
    """Turns the claims of an access token into signed text, and back."""

    def encode(self, claims: AccessTokenClaims) -> str: ...

    def decode(self, token: str) -> AccessTokenClaims:
        """Check form, signature, issuer and audience, but not the times. Raises TokenInvalid."""
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
