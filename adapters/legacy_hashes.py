"""Hashes of other systems: Werkzeug's PBKDF2 and scrypt (the tutorial's), and bcrypt.

They are only verified, never made; the first login replaces them. A form that is not known, or that asks for an absurd
amount of work, matches nothing.
"""

import hashlib
import re
from hmac import compare_digest

import bcrypt

# Werkzeug itself went up to 1,000,000 rounds and to n = 2**15, r = 8, p = 1 (32 MiB).
_MAX_PBKDF2_ROUNDS = 2_000_000
_MAX_SCRYPT_BYTES = 128 * 1024 * 1024
_MAX_BCRYPT_COST = 14

_PBKDF2 = re.compile(
    r"pbkdf2:(sha1|sha224|sha256|sha384|sha512)(?::([0-9]{1,8}))?\$([^$\ud800-\udfff]{1,64})\$([0-9a-f]+)", re.ASCII
)
_SCRYPT = re.compile(r"scrypt:([0-9]{1,8}):([0-9]{1,4}):([0-9]{1,4})\$([^$\ud800-\udfff]{1,64})\$([0-9a-f]+)", re.ASCII)
_BCRYPT = re.compile(r"\$2[abxy]\$([0-9]{2})\$[./A-Za-z0-9]{53}", re.ASCII)

# What a hash that names no rounds was made with (Werkzeug up to 0.14).
_PBKDF2_DEFAULT_ROUNDS = 50_000


def legacy_hash_matches(secret: bytes, stored: str) -> bool:
    """Whether *stored* is a hash of *secret*."""
    if match := _PBKDF2.fullmatch(stored):
        rounds = _PBKDF2_DEFAULT_ROUNDS if match[2] is None else int(match[2])
        return pbkdf2_matches(secret, match[1], rounds, match[3].encode(), _unhexed(match[4]))
    if match := _SCRYPT.fullmatch(stored):
        n, r, p = (int(number) for number in match.groups()[:3])
        return scrypt_matches(secret, n, r, p, match[4].encode(), _unhexed(match[5]))
    return bcrypt_matches(secret, stored)


def pbkdf2_matches(
    secret: bytes, algorithm: str, rounds: int, salt: bytes, digest: bytes, length: int | None = None
) -> bool:
    """*length* is how many bytes the digest must have; as many as the *algorithm* makes, where nothing is said."""
    if not 0 < rounds <= _MAX_PBKDF2_ROUNDS:
        return False
    return compare_digest(hashlib.pbkdf2_hmac(algorithm, secret, salt, rounds, length), digest)


def scrypt_matches(secret: bytes, n: int, r: int, p: int, salt: bytes, digest: bytes, length: int = 64) -> bool:
    """*length* is how many bytes the digest must have."""
    needed = 128 * r * (n + p + 2)
    if n < 2 or n & (n - 1) or r < 1 or p < 1 or needed > _MAX_SCRYPT_BYTES or needed * p > 2 * _MAX_SCRYPT_BYTES:
        return False
    try:
        computed = hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=needed + 1024 * 1024, dklen=length)
    except ValueError:
        return False
    return compare_digest(computed, digest)


def bcrypt_matches(secret: bytes, stored: str) -> bool:
    match = _BCRYPT.fullmatch(stored)
    # bcrypt reads NUL as an end and begins anew behind it.
    if match is None or not 4 <= int(match[1]) <= _MAX_BCRYPT_COST or b"\0" in secret:
        return False
    # bcrypt itself looks at 72 bytes and the library refuses more; those who made these hashes cut them there.
    try:
        return bcrypt.checkpw(secret[:72], stored.encode())
    except ValueError:
        return False


def _unhexed(text: str) -> bytes:
    """The bytes of a digest; none, which match nothing, where a digit is missing."""
    return bytes.fromhex(text) if len(text) % 2 == 0 else b""
