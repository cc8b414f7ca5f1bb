"""Hashes of other frameworks, each as its maker's own code makes it, or as its makers have published it."""

import hashlib
import subprocess
import sys
from base64 import b64encode
from functools import cache

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.hashers import (
    Argon2PasswordHasher as DjangoArgon2,
)
from django.contrib.auth.hashers import (
    BCryptPasswordHasher,
    BCryptSHA256PasswordHasher,
    PBKDF2PasswordHasher,
    PBKDF2SHA1PasswordHasher,
    ScryptPasswordHasher,
)

from menshen.adapters.argon2_hasher import Argon2PasswordHasher
from menshen.domain.ports.outside import Verdict

PASSWORD = "correct horse 电池"
OURS = Argon2PasswordHasher(memory_kib=8, time_cost=1)

if not django_settings.configured:
    django_settings.configure()


@cache
def _django() -> dict[str, str]:
    bcrypt_salt = b"$2b$04$" + b"abcdefghijklmnopqrstuu"
    return {
        "pbkdf2_sha256": PBKDF2PasswordHasher().encode(PASSWORD, "saltsaltsalt", 1000),
        "pbkdf2_sha1": PBKDF2SHA1PasswordHasher().encode(PASSWORD, "saltsaltsalt", 1000),
        "scrypt": ScryptPasswordHasher().encode(PASSWORD, "saltsaltsalt"),
        "bcrypt": BCryptPasswordHasher().encode(PASSWORD, bcrypt_salt),
        "bcrypt_sha256": BCryptSHA256PasswordHasher().encode(PASSWORD, bcrypt_salt),
        "argon2": DjangoArgon2().encode(PASSWORD, "saltsaltsalt"),
    }


# passlib imports a module that Python has deprecated, so it makes its hashes in a process of its own.
_MAKE_BY_PASSLIB = """
import sys, warnings
warnings.simplefilter("ignore")
import bcrypt
# It also tries its bcrypt with more than the 72 bytes that newer ones take.
hashpw = bcrypt.hashpw
bcrypt.hashpw = lambda secret, salt: hashpw(secret[:72], salt)
from passlib import hash
password = sys.argv[1]
print(hash.pbkdf2_sha1.using(rounds=1000).hash(password))
print(hash.pbkdf2_sha256.using(rounds=1000).hash(password))
print(hash.pbkdf2_sha512.using(rounds=1000, salt=bytes(range(240, 256))).hash(password))
print(hash.scrypt.using(rounds=10).hash(password))
for version in (1, 2):
    print(hash.bcrypt_sha256.using(rounds=4, version=version).hash(password))
"""


def _passlib() -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _MAKE_BY_PASSLIB, PASSWORD], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.split()


# From the reference of Spring Security: https://docs.spring.io/spring-security/reference/features/authentication/password-storage.html
SPRING = {
    "bcrypt": "{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG",
    "pbkdf2": "{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc",
    "scrypt": "{scrypt}$e0801$8bWJaSu2IKSn9Z9kM+TPXfOc/9bdYSrN1oD9qfVThWEwdRTnO7re7Ei+fUZRJ68k9lTyuTeUp4of4g24hHnazw=="
    "$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=",
}


def _is_judged(stored: str, password: str) -> None:
    kind = OURS.kind_of(stored)
    assert (kind.can_log_in, kind.is_weak) == (True, False), "what adoption says of it"
    assert OURS.verify(password, stored) is Verdict.MATCH_OUTDATED
    for other in (password + "x", password[:-1], password.upper(), ""):
        assert OURS.verify(other, stored) is Verdict.NO_MATCH


@pytest.mark.parametrize("kind", _django())
def test_a_hash_of_django(kind: str) -> None:
    _is_judged(_django()[kind], PASSWORD)


def test_hashes_of_passlib() -> None:
    made = _passlib()
    kinds = ["pbkdf2", "pbkdf2-sha256", "pbkdf2-sha512", "scrypt", "bcrypt-sha256", "bcrypt-sha256"]
    assert [each.split("$")[1] for each in made] == kinds
    for each in made:
        _is_judged(each, PASSWORD)


@pytest.mark.parametrize("stored", SPRING.values(), ids=SPRING)
def test_a_hash_of_spring(stored: str) -> None:
    _is_judged(stored, "password")


def test_what_spring_makes_from_5_8_on() -> None:
    """Put together here as its source has it (Pbkdf2PasswordEncoder, SCryptPasswordEncoder), for want of a published one."""
    secret, salt = PASSWORD.encode(), bytes(range(16))
    by_pbkdf2 = salt + hashlib.pbkdf2_hmac("sha256", secret, salt, 310_000)
    _is_judged("{pbkdf2@SpringSecurity_v5_8}" + by_pbkdf2.hex(), PASSWORD)
    by_scrypt = hashlib.scrypt(secret, salt=salt, n=65_536, r=8, p=1, maxmem=2**27, dklen=32)
    parts = ["{scrypt@SpringSecurity_v5_8}", "100801", b64encode(salt).decode(), b64encode(by_scrypt).decode()]
    _is_judged("$".join(parts), PASSWORD)


def test_a_password_in_clear_is_no_hash() -> None:
    assert OURS.verify(PASSWORD, "{noop}" + PASSWORD) is Verdict.NO_MATCH


def test_what_argon2_makes_is_read_in_springs_spelling() -> None:
    for prefix in ("{argon2}", "{argon2@SpringSecurity_v5_8}"):
        _is_judged(prefix + OURS.hash(PASSWORD), PASSWORD)
