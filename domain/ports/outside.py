"""What the domain asks of the world outside the store.

A port is a Protocol and its docstring is the contract that every adapter is held to (``adapters/conformance``). What is not
found is None; a refusal is a domain error.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from ..host_tokens import HostTokenClaims
from ..passwords import HashKind
from ..refresh_tokens import RefreshToken
from ..sessions import SessionEnd, SessionId
from ..tokens import AccessTokenClaims


class LastSeen(Protocol):
    """Notes what the guard sees of sessions, without making anybody wait for it."""

    def note(self, session_id: SessionId, at: datetime) -> None:
        """The session was used."""
        ...

    def note_end(self, session_id: SessionId, end: SessionEnd) -> None:
        """The session was found to have expired. Once this is stored, the end is final; an earlier end is kept."""
        ...


class Verdict(Enum):
    """What a hasher says of a password."""

    NO_MATCH = auto()
    MATCH = auto()
    MATCH_OUTDATED = auto()
    """It matches, but the hash is of another kind or weaker than new ones: replace it."""


class PasswordHasher(Protocol):
    """Turns passwords into hashes that are safe to keep. Both methods may raise HasherBusy."""

    def hash(self, password: str) -> str:
        """A fresh hash. It is slow, so not to be called within a transaction."""
        ...

    def verify(self, password: str, password_hash: str | None) -> Verdict:
        """Judge *password*.

        None, which stands for no user, matches nothing, and neither does a hash of unknown form or of absurd cost.
        NO_MATCH always takes the same work, whatever the hash (ASVS 6.3.8): as much as every sort of hash in the store
        and a new one take. It is slow, so not to be called within a transaction.
        """
        ...


class StoredHashes(Protocol):
    """What a store may hold as password hashes, whoever made them."""

    def kind_of(self, stored: str | None) -> HashKind:
        """What *stored* is. It counts as usable exactly if the PasswordHasher can match a password against it."""
        ...

    def wrap(self, stored: Sequence[str]) -> Sequence[str | None]:
        """Each weak hash hashed once more, so that it is no longer stored and its password still matches.

        None for one that is not weak, or whose wrapped form would not fit into the store.
        """
        ...


class TokenCodec(Protocol):
    """Turns the claims of an access token into signed text, and back, for one audience."""

    def encode(self, claims: AccessTokenClaims) -> str: ...

    def decode(self, token: str) -> AccessTokenClaims:
        """Check form, signature, issuer and audience, but not the times. Raises TokenInvalid."""
        ...


class HostTokenCodec(Protocol):
    """Signs host tokens, with a key of its own for each host."""

    def encode(self, claims: HostTokenClaims) -> str: ...

    def key(self, host: str) -> str:
        """The key by which *host* verifies its tokens: the same on every machine, and of no use to another host."""
        ...


class Seal(Protocol):
    """Turns text into text that nobody else can read, make or change."""

    def seal(self, text: str, purpose: str) -> str:
        """URL-safe characters, others each time."""
        ...

    def open(self, sealed: str, purpose: str) -> str | None:
        """The text that was sealed for this purpose; None if none was."""
        ...


class RefreshTokenCodec(Protocol):
    """Makes refresh tokens and their successors, and turns them into text and back."""

    @property
    def key_id(self) -> str:
        """The name of the key that makes successors and digests, at most 16 characters; another key has another."""
        ...

    def new(self, session_id: SessionId) -> RefreshToken:
        """A token of 256 fresh random bits (ASVS 7.2.3)."""
        ...

    def successor(self, token: RefreshToken) -> RefreshToken:
        """The one token that follows *token*; only the service can compute it."""
        ...

    def digest(self, token: RefreshToken) -> bytes:
        """What may be stored of a token (RFC 9700): 32 bytes that reveal neither it nor its digest under another
        key."""
        ...

    def encode(self, token: RefreshToken) -> str: ...

    def decode(self, text: str) -> RefreshToken | None:
        """The token that *text* encodes; None if it encodes none."""
        ...


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    def timestamp(self) -> float:
        """The same as seconds since 1970-01-01, for what is asked at each request."""
        ...


class RandomIds(Protocol):
    """Ids that nobody can guess."""

    def new_id(self) -> str:
        """A fresh text of URL-safe characters with at least 128 random bits (ASVS 7.2.3)."""
        ...
