"""What is made of a stored hash once it has been read: the parts that all the kinds have in common."""

import hashlib
import re
from collections.abc import Callable
from hmac import compare_digest

import bcrypt
from attrs import frozen

from ..domain.passwords import HashKind

Check = Callable[[bytes], bool]
"""Whether a secret is the one that was hashed."""

# Werkzeug itself went up to 1,000,000 rounds.
_MAX_PBKDF2_ROUNDS = 2_000_000
# Its advice, and OWASP's strongest, is n = 2**17, r = 8, p = 1: 128 MiB, and a little for the blocks.
_MAX_SCRYPT_BYTES = 129 * 1024 * 1024
_MAX_BCRYPT_COST = 14

# Of the last sign of salt and digest not all bits are used; one in which others are set matches nothing.
_BCRYPT = re.compile(
    r"\$2[abxy]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]",
    re.ASCII,
)


class TooCostly(Exception):
    """A hash asks for an absurd amount of work; it is not computed."""


@frozen
class KnownHash:
    """A stored hash, read. What one can log in with and what a report says of it both stand here, so they never differ."""

    kind: HashKind
    matches: Check


def never(_secret: bytes) -> bool:
    return False


def of_use(name: str, matches: Check) -> KnownHash:
    """A hash of a good kind."""
    return KnownHash(HashKind(name), matches)


def of_no_use(name: str) -> KnownHash:
    """One that nothing matches."""
    return KnownHash(HashKind(name, can_log_in=False), never)


def pbkdf2(algorithm: str, rounds: int, salt: bytes, digest: bytes, length: int | None = None) -> Check:
    """*length* is how many bytes the digest must have; as many as the *algorithm* makes, where nothing is said.

    Raises ValueError for what was never made so, TooCostly.
    """
    if rounds < 1 or len(digest) != (length or hashlib.new(algorithm, usedforsecurity=False).digest_size):
        raise ValueError
    if rounds > _MAX_PBKDF2_ROUNDS:
        raise TooCostly
    return lambda secret: compare_digest(hashlib.pbkdf2_hmac(algorithm, secret, salt, rounds, len(digest)), digest)


def scrypt(n: int, r: int, p: int, salt: bytes, digest: bytes, length: int = 64) -> Check:
    """*length* is how many bytes the digest must have. Raises ValueError, TooCostly."""
    # RFC 7914, 2: n is less than 2 to the power of 16 r, and p at most (2**32 - 1) * 32 / (128 r).
    if n < 2 or n & (n - 1) or r < 1 or p < 1 or len(digest) != length or (r < 2 and n >= 1 << 16):
        raise ValueError
    needed = 128 * r * (n + p + 2)
    if needed > _MAX_SCRYPT_BYTES or needed * p > 2 * _MAX_SCRYPT_BYTES:
        raise TooCostly

    def matches(secret: bytes) -> bool:
        computed = hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=needed + 1024 * 1024, dklen=length)
        return compare_digest(computed, digest)

    return matches


def bcrypted(stored: str) -> Check:
    """Raises ValueError, TooCostly."""
    match = _BCRYPT.fullmatch(stored)
    if match is None or not 4 <= (cost := int(match[1])) <= 31:
        raise ValueError
    if cost > _MAX_BCRYPT_COST:
        raise TooCostly
    wanted = stored.encode()

    def matches(secret: bytes) -> bool:
        # bcrypt reads NUL as an end and begins anew behind it.
        if b"\0" in secret:
            return False
        # bcrypt itself looks at 72 bytes and the library refuses more; those who made these hashes cut them there.
        try:
            return bcrypt.checkpw(secret[:72], wanted)
        except ValueError:
            return False

    return matches
