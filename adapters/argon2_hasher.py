"""Password hashes by Argon2id, and the older kinds found in an adopted database."""

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import argon2
from argon2.exceptions import InvalidHashError, VerificationError
from attrs import field, frozen

from ..domain.passwords import HashKind, HashLikeness
from ..domain.ports.outside import Verdict
from .framework_hashes import argon2_within, framework_hash
from .hash_likenesses import likeness_of
from .hash_work import Argon2, Work, work
from .known_hashes import Check, KnownHash, TooCostly, of_no_use, of_use
from .legacy_hashes import legacy_hash
from .weak_hashes import Making, WeakHash, unwrapped, weak_hash, wrapped_with

# A stored hash may come from anywhere; one that asks for more than this is not computed. OWASP's strongest advice is 46
# MiB, argon2-cffi's 64 MiB.
_MAX_MEMORY_KIB = 256 * 1024
_MAX_WORK_KIB = 1024 * 1024
_MAX_ROUNDS = 16
_MAX_LANES = 16

_PLACE = 120
"""How long a hash may be: the contract's column."""

_WRAPPING_BYTES = 16
"""The bytes of salt and of digest in a wrapped hash, which needs room for the salt it wraps (RFC 9106, 4: enough)."""

_WRAPPING_LENGTH = 45
"""Both in Base64, with a dollar sign."""

# Werkzeug's scrypt hashes have 162 characters, and the tutorial's column has room for 120.
_CUT = re.compile(r"scrypt:[0-9:]*(?:\$.*)?")


@frozen
class Argon2PasswordHasher:
    """StoredHashes, and what EvenPasswordHasher needs, by Argon2id (RFC 9106). The defaults are OWASP's: 19 MiB, two passes,
    one lane.

    On its own, it takes as long to refuse as the stored hash takes.
    """

    memory_kib: int = 19 * 1024
    time_cost: int = 2
    parallelism: int = 1
    _argon2: argon2.PasswordHasher = field(init=False, repr=False)
    _wrapping: argon2.PasswordHasher = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        hasher = argon2.PasswordHasher(self.time_cost, self.memory_kib, self.parallelism)
        wrapping = argon2.PasswordHasher(
            self.time_cost, self.memory_kib, self.parallelism, hash_len=_WRAPPING_BYTES, salt_len=_WRAPPING_BYTES
        )
        object.__setattr__(self, "_argon2", hasher)
        object.__setattr__(self, "_wrapping", wrapping)

    def hash(self, password: str) -> str:
        return self._argon2.hash(password)

    def verify(self, password: str, password_hash: str | None) -> Verdict:
        if password_hash is None or not self._read(password_hash).check.matches(bytes_of(password)):
            return Verdict.NO_MATCH
        is_current = password_hash.startswith("$argon2") and not self._is_weaker(password_hash)
        return Verdict.MATCH if is_current else Verdict.MATCH_OUTDATED

    def kind_of(self, stored: str | None) -> HashKind:
        return self._read(stored or "").kind

    @property
    def own_work(self) -> Work:
        """The work of one of the hashes that it makes."""
        return work(Argon2(argon2.Type.ID, self.memory_kib, self.time_cost, self.parallelism))

    def work_of(self, stored: str | None) -> Work:
        """The work of finding that a password does not match."""
        return self._read(stored or "").check.work

    def likeness_of(self, stored: str) -> HashLikeness | None:
        """Which other hashes take no more work than this; None if each must be looked at."""
        return likeness_of(stored) if self._read(stored).kind.can_log_in else None

    def wrap(self, stored: Sequence[str]) -> Sequence[str | None]:
        # Argon2 releases the interpreter lock while it works.
        with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
            return list(threads.map(self._wrapped, stored))

    def _wrapped(self, stored: str) -> str | None:
        weak = weak_hash(stored)
        if weak is None or not self._can_be_wrapped(weak):
            return None
        return wrapped_with(weak.recipe, self._wrapping.hash(weak.digest))

    def _can_be_wrapped(self, weak: WeakHash) -> bool:
        parameters = f"$argon2id$v=19$m={self.memory_kib},t={self.time_cost},p={self.parallelism}$"
        return len(wrapped_with(weak.recipe, parameters)) + _WRAPPING_LENGTH <= _PLACE

    def _read(self, stored: str) -> KnownHash:
        """The one place that reads a stored hash, both for logging in and for reports."""
        if not stored:
            return of_no_use("none")
        try:
            found = self._known(stored)
        except TooCostly:
            return of_no_use("too costly")
        except ValueError:  # a broken digest, no base64
            found = None
        if found is not None:
            return found
        return of_no_use("cut" if _CUT.fullmatch(stored) else "unknown")

    def _known(self, stored: str) -> KnownHash | None:
        """Raises ValueError for a broken hash of a known kind, or TooCostly."""
        # The most frequent kinds come first.
        if found := legacy_hash(stored):
            return found
        if wrapped := unwrapped(stored):
            return of_use("wrapped", self._check_of_wrapped(*wrapped))
        ours = argon2_within(stored)
        if ours.startswith("$argon2"):
            once = self._checked(ours)
            return of_use("argon2", Check(lambda secret: self._argon2_matches(secret, ours), once))
        if weak := weak_hash(stored):
            if self._can_be_wrapped(weak):
                return KnownHash(HashKind(weak.kind, is_weak=True), weak.check)
            return of_use(f"{weak.kind}, too long to be wrapped", weak.check)
        return framework_hash(stored)

    def _check_of_wrapped(self, making: Making, argon2_hash: str) -> Check:
        once = self._checked(argon2_hash)

        def matches(secret: bytes) -> bool:
            return any(self._argon2_matches(make(secret).encode(), argon2_hash) for make in making.makers)

        return Check(matches, sum((once for _ in making.makers), making.work))

    def _is_weaker(self, password_hash: str) -> bool:
        """Whether a hash is weaker than ours; a stronger one is left alone."""
        made_with = argon2.extract_parameters(password_hash)
        return (
            made_with.type is not argon2.Type.ID
            or made_with.memory_cost < self.memory_kib
            or made_with.time_cost < self.time_cost
            or made_with.hash_len < self._argon2.hash_len
            or made_with.salt_len < self._argon2.salt_len
        )

    def _checked(self, password_hash: str) -> Work:
        """The work of an Argon2 hash. Raises ValueError if the library would let no password match, or TooCostly."""
        try:
            asked = argon2.extract_parameters(password_hash)
        except InvalidHashError:
            raise ValueError from None
        if not _ARGON2.fullmatch(password_hash) or asked.hash_len < 4 or asked.salt_len < 8:
            raise ValueError
        if asked.time_cost < 1 or asked.parallelism < 1 or asked.memory_cost < 8 * asked.parallelism:
            raise ValueError
        if (
            asked.memory_cost > _MAX_MEMORY_KIB
            or asked.time_cost > _MAX_ROUNDS
            or asked.memory_cost * asked.time_cost > max(_MAX_WORK_KIB, self.memory_kib * self.time_cost)
            or asked.parallelism > _MAX_LANES
            or asked.hash_len > 64
        ):
            raise TooCostly
        return work(Argon2(asked.type, asked.memory_cost, asked.time_cost, asked.parallelism))

    def _argon2_matches(self, secret: bytes, password_hash: str) -> bool:
        try:
            return self._argon2.verify(password_hash, secret)
        except (InvalidHashError, VerificationError, ValueError):
            return False


def bytes_of(password: str) -> bytes:
    # surrogatepass: a lone surrogate was never hashed, so it cannot match, but it must not raise either.
    return password.encode("utf-8", "surrogatepass")


_ARGON2 = re.compile(
    r"\$argon2(?:id|i|d)\$(?:v=(?:16|19)\$)?m=[0-9]+,t=[0-9]+,p=[0-9]+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+", re.ASCII
)
