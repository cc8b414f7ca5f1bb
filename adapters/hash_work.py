"""How much work a stored hash takes, in countable units, and how to do that much work for nothing.

It is counted in operations, such as rounds of PBKDF2, and not in seconds: how long each kind takes depends on the
machine and its load. Two calls take equally long if they do the same operations.
"""

import hashlib
from collections import Counter
from typing import Protocol, TypeAlias

import argon2
import bcrypt
from attrs import frozen

_SALT = b"menshen, nobody."
_BCRYPT_SALT = "." * 22
_BCRYPT_BYTES = 72


class Computation(Protocol):
    """A unit of work that a hash may repeat many times and that cannot be shortened."""

    def do(self, secret: bytes, times: int) -> None: ...

    def __hash__(self) -> int: ...


Work: TypeAlias = Counter[Computation]
"""How many times each computation is done. ``|`` of two has enough of each for either of them."""


def work(computation: Computation, times: int = 1) -> Work:
    return Counter({computation: times})


def no_work() -> Work:
    return Counter()


def spend(amount: Work, secret: bytes) -> None:
    """Do this much work, as for checking *secret*, for nothing."""
    for computation, times in amount.items():
        computation.do(secret, times)


@frozen
class Argon2:
    """One hash (RFC 9106)."""

    kind: argon2.Type
    memory_kib: int
    time_cost: int
    parallelism: int

    def do(self, secret: bytes, times: int) -> None:
        for _ in range(times):
            argon2.low_level.hash_secret_raw(
                secret, _SALT, self.time_cost, self.memory_kib, self.parallelism, hash_len=32, type=self.kind
            )


@frozen
class Pbkdf2:
    """One round (RFC 8018, 5.2)."""

    algorithm: str

    def do(self, secret: bytes, times: int) -> None:
        hashlib.pbkdf2_hmac(self.algorithm, secret, _SALT, times)


@frozen
class Scrypt:
    """One of the *p* lanes, which are computed one after the other (RFC 7914, 6)."""

    n: int
    r: int

    def do(self, secret: bytes, times: int) -> None:
        hashlib.scrypt(secret, salt=_SALT, n=self.n, r=self.r, p=times, maxmem=scrypt_limit(self.n, self.r, times))


def scrypt_limit(n: int, r: int, p: int) -> int:
    """The memory limit that OpenSSL needs, in bytes."""
    return 128 * r * (n + p + 2) + 1024 * 1024


@frozen
class Bcrypt:
    """One round: a hash of cost *c* has 2 to the power of *c*, and *c* is at least 4."""

    def do(self, secret: bytes, times: int) -> None:
        for cost in range(4, times.bit_length()):
            if times >> cost & 1:
                bcrypt.hashpw(for_bcrypt(secret), f"$2b${cost:02}${_BCRYPT_SALT}".encode())


def for_bcrypt(secret: bytes) -> bytes:
    """The part of *secret* that bcrypt reads; the library refuses more, and a NUL, which no valid secret has."""
    return secret.replace(b"\0", b"0")[:_BCRYPT_BYTES]


@frozen
class Phpass:
    """One round of MD5 over the digest of the round before and the password."""

    def do(self, secret: bytes, times: int) -> None:
        phpass_rounds(_SALT, secret, times)


def phpass_rounds(digest: bytes, secret: bytes, times: int) -> bytes:
    """The digest after so many rounds. Reads at most 4096 bytes, as phpass does."""
    looked_at = secret[:PHPASS_BYTES]
    for _ in range(times):
        digest = hashlib.md5(digest + looked_at, usedforsecurity=False).digest()
    return digest


PHPASS_BYTES = 4096
