"""What the domain asks of the world outside the store.

A port is a Protocol and its docstring is the contract that every adapter is held to (``adapters/conformance``). What is not
found is None; a refusal is a domain error.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from ..passwords import HashKind
from ..refresh_tokens import RefreshToken
from ..sessions import SessionEnd, SessionId
from ..tokens import AccessTokenClaims


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
