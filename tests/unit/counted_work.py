"""The libraries that compute hashes, replaced by counters: nothing is computed, and nothing matches."""

import hashlib
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

import argon2
import bcrypt
import pytest
from argon2.exceptions import VerifyMismatchError
from attrs import define, field

Done: TypeAlias = Counter[tuple[object, ...]]


@define
class CountedWork:
    """The work done by any caller: by kind and parameters, in the smallest unit of the kind.

    Of the mere digests, only those of phpass are counted.
    """

    done: Done = field(factory=Counter)

    @classmethod
    def instead_of_computing(cls, monkeypatch: pytest.MonkeyPatch) -> "CountedWork":
        counted = cls()
        monkeypatch.setattr(argon2.PasswordHasher, "verify", counted._argon2_verify)
        monkeypatch.setattr(argon2.low_level, "hash_secret_raw", counted._argon2_raw)
        monkeypatch.setattr(hashlib, "pbkdf2_hmac", counted._pbkdf2)
        monkeypatch.setattr(hashlib, "scrypt", counted._scrypt)
        monkeypatch.setattr(hashlib, "md5", counted._md5(hashlib.md5))
        monkeypatch.setattr(bcrypt, "checkpw", counted._bcrypt)
        monkeypatch.setattr(bcrypt, "hashpw", counted._bcrypt)
        return counted

    def of(self, call: Callable[[], object]) -> Done:
        """What *call* has computed."""
        self.done = Counter()
        call()
        return self.done

    def _argon2_verify(self, stored: str, secret: bytes) -> bool:
        asked = argon2.extract_parameters(stored)
        self.done["argon2", asked.type, asked.memory_cost, asked.time_cost, asked.parallelism] += 1
        raise VerifyMismatchError

    def _argon2_raw(
        self,
        secret: bytes,
        salt: bytes,
        time_cost: int,
        memory_cost: int,
        parallelism: int,
        *,
        type: object,
        **_: object,
    ) -> bytes:
        self.done["argon2", type, memory_cost, time_cost, parallelism] += 1
        return b""

    def _pbkdf2(self, algorithm: str, secret: bytes, salt: bytes, rounds: int, length: int | None = None) -> bytes:
        block = hashlib.new(algorithm).digest_size
        self.done["pbkdf2", algorithm] += rounds * -(-(length or block) // block)
        return b""

    def _scrypt(self, secret: bytes, *, n: int, r: int, p: int, **_: object) -> bytes:
        self.done["scrypt", n, r] += p
        return b""

    def _md5(self, md5: Callable[..., Any]) -> Callable[..., Any]:
        def counted(content: bytes, **options: Any) -> Any:
            self.done["md5",] += 1
            return md5(content, **options)

        return counted

    def _bcrypt(self, secret: bytes, salt_or_hash: bytes) -> Any:
        assert len(secret) <= 72
        assert b"\0" not in secret
        self.done["bcrypt",] += 1 << int(salt_or_hash.split(b"$")[2])
        return b""
