"""Stored hashes once they are parsed: what all the kinds have in common."""

import hashlib
import re
from collections.abc import Callable, Sequence
from hmac import compare_digest

import bcrypt
from attrs import frozen

from ..domain.passwords import HashKind
from .hash_work import Bcrypt, Pbkdf2, Scrypt, Work, for_bcrypt, no_work, scrypt_limit, work

# Werkzeug itself went up to 1,000,000 rounds.
_MAX_PBKDF2_ROUNDS = 2_000_000
# The advice of Werkzeug, and OWASP's strongest, is n = 2**17, r = 8, p = 1: 128 MiB, and a little for the blocks.
_MAX_SCRYPT_BYTES = 129 * 1024 * 1024
_MAX_BCRYPT_COST = 14

# The last character of salt and digest has unused bits; a hash in which they are set matches nothing.
_BCRYPT = re.compile(
    r"\$2[abxy]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]",
    re.ASCII,
)


class TooCostly(Exception):
    """A hash asks for an absurd amount of work; it is not computed."""


@frozen
class Check:
    """How to check a secret."""

    matches: Callable[[bytes], bool]
    """Whether a secret is the one that was hashed. Refusing takes all of *work*, whatever the secret is."""
    work: Work


def any_of(checks: Sequence[Check]) -> Check:
    """For a hash whose text does not show how it was made."""
    return Check(
        lambda secret: any(check.matches(secret) for check in checks), sum((check.work for check in checks), no_work())
    )


@frozen
class KnownHash:
    """A parsed stored hash. Logging in and reports both use it, so they never disagree."""

    kind: HashKind
    check: Check


def of_use(name: str, check: Check) -> KnownHash:
    """A hash of a good kind."""
    return KnownHash(HashKind(name), check)


def of_no_use(name: str) -> KnownHash:
    """A hash that nothing matches, which takes no work to find."""
    return KnownHash(HashKind(name, can_log_in=False), Check(lambda secret: False, no_work()))


def pbkdf2(algorithm: str, rounds: int, salt: bytes, digest: bytes, length: int | None = None) -> Check:
    """*length* is how many bytes the digest must have; by default, as many as the *algorithm* makes.

    Raises ValueError for what cannot have been made so, or TooCostly.
    """
    block = hashlib.new(algorithm, usedforsecurity=False).digest_size
    if rounds < 1 or len(digest) != (length or block):
        raise ValueError
    if rounds > _MAX_PBKDF2_ROUNDS:
        raise TooCostly
    return Check(
        lambda secret: compare_digest(hashlib.pbkdf2_hmac(algorithm, secret, salt, rounds, len(digest)), digest),
        # The rounds are repeated for each block of the digest.
        work(Pbkdf2(algorithm), rounds * -(-len(digest) // block)),
    )


def scrypt(n: int, r: int, p: int, salt: bytes, digest: bytes, length: int = 64) -> Check:
    """*length* is how many bytes the digest must have. Raises ValueError, TooCostly."""
    # RFC 7914, 2: n is less than 2 to the power of 16 r, and p at most (2**32 - 1) * 32 / (128 r).
    if n < 2 or n & (n - 1) or r < 1 or p < 1 or len(digest) != length or (r < 2 and n >= 1 << 16):
        raise ValueError
    needed = 128 * r * (n + p + 2)
    if needed > _MAX_SCRYPT_BYTES or needed * p > 2 * _MAX_SCRYPT_BYTES:
        raise TooCostly

    def matches(secret: bytes) -> bool:
        computed = hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=scrypt_limit(n, r, p), dklen=length)
        return compare_digest(computed, digest)

    return Check(matches, work(Scrypt(n, r), p))


def bcrypted(stored: str) -> Check:
    """Raises ValueError, TooCostly."""
    match = _BCRYPT.fullmatch(stored)
    if match is None or not 4 <= (cost := int(match[1])) <= 31:
        raise ValueError
    if cost > _MAX_BCRYPT_COST:
        raise TooCostly
    wanted = stored.encode()

    def matches(secret: bytes) -> bool:
        # bcrypt itself reads 72 bytes, and the programs that made these hashes cut passwords there. A NUL ends a
        # password, and the key repeats after it.
        try:
            return bcrypt.checkpw(for_bcrypt(secret), wanted) and b"\0" not in secret
        except ValueError:
            return False

    return Check(matches, work(Bcrypt(), 1 << cost))
