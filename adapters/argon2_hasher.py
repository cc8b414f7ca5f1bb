"""Password hashes by Argon2id, and the older kinds that a taken-over database brings along."""

import argon2
from argon2.exceptions import InvalidHashError, VerificationError
from attrs import field, frozen

from ..domain.ports import Verdict
from .framework_hashes import argon2_within, framework_hash_matches
from .legacy_hashes import legacy_hash_matches

# A stored hash may come from anywhere; one that asks for more than this is not computed (OWASP's strongest advice is
# 46 MiB, argon2-cffi's 64 MiB).
_MAX_MEMORY_KIB = 256 * 1024
_MAX_WORK_KIB = 1024 * 1024
_MAX_ROUNDS = 16
_MAX_LANES = 16


@frozen
class Argon2PasswordHasher:
    """PasswordHasher by Argon2id (RFC 9106). The defaults are OWASP's: 19 MiB, two passes, one lane."""

    memory_kib: int = 19 * 1024
    time_cost: int = 2
    parallelism: int = 1
    _argon2: argon2.PasswordHasher = field(init=False, repr=False)
    _nobody: str = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        hasher = argon2.PasswordHasher(
            time_cost=self.time_cost, memory_cost=self.memory_kib, parallelism=self.parallelism
        )
        object.__setattr__(self, "_argon2", hasher)
        object.__setattr__(self, "_nobody", hasher.hash("nobody's password"))

    def hash(self, password: str) -> str:
        return self._argon2.hash(password)

    def verify(self, password: str, password_hash: str | None) -> Verdict:
        # surrogatepass: a lone surrogate was never hashed, so it cannot match, but it must not raise either.
        secret = password.encode("utf-8", "surrogatepass")
        if password_hash is None:
            self._argon2_matches(secret, self._nobody)
            return Verdict.NO_MATCH
        is_ours = password_hash.startswith("$argon2")
        password_hash = argon2_within(password_hash)
        if not password_hash.startswith("$argon2"):
            matches = legacy_hash_matches(secret, password_hash) or framework_hash_matches(secret, password_hash)
            return Verdict.MATCH_OUTDATED if matches else Verdict.NO_MATCH
        if not self._argon2_matches(secret, password_hash):
            return Verdict.NO_MATCH
        is_weaker = self._is_weaker(argon2.extract_parameters(password_hash))
        return Verdict.MATCH if is_ours and not is_weaker else Verdict.MATCH_OUTDATED

    def _is_weaker(self, made_with: argon2.Parameters) -> bool:
        """Whether a hash falls short of ours; one that is stronger is left alone."""
        return (
            made_with.type is not argon2.Type.ID
            or made_with.memory_cost < self.memory_kib
            or made_with.time_cost < self.time_cost
            or made_with.hash_len < self._argon2.hash_len
            or made_with.salt_len < self._argon2.salt_len
        )

    def _argon2_matches(self, secret: bytes, password_hash: str) -> bool:
        try:
            asked = argon2.extract_parameters(password_hash)
            if (
                asked.memory_cost > _MAX_MEMORY_KIB
                or asked.time_cost > _MAX_ROUNDS
                or asked.memory_cost * asked.time_cost > max(_MAX_WORK_KIB, self.memory_kib * self.time_cost)
                or asked.parallelism > _MAX_LANES
                or asked.hash_len > 64
            ):
                return False
            return self._argon2.verify(password_hash, secret)
        except (InvalidHashError, VerificationError, ValueError):
            return False
