"""Weak hashes of older systems, each as its maker's own code makes it, or as its makers have published it."""

import hashlib
import subprocess
import sys
import warnings

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.hashers import MD5PasswordHasher
from werkzeug.security import check_password_hash, generate_password_hash

from menshen.adapters.argon2_hasher import Argon2PasswordHasher
from menshen.domain.ports.outside import Verdict

PASSWORD = "correct horse 电池"
OURS = Argon2PasswordHasher(memory_kib=8, time_cost=1)

if not django_settings.configured:
    django_settings.configure()


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def by_werkzeug(method: str, salt_length: int = 8) -> str:
    with warnings.catch_warnings():
        # It says itself that they are weak.
        warnings.simplefilter("ignore")
        return generate_password_hash(PASSWORD, method, salt_length)


def is_judged(stored: str, password: str = PASSWORD) -> None:
    assert OURS.verify(password, stored) is Verdict.MATCH_OUTDATED
    for other in (password + "x", password[:-1], password.upper() + "x", "", stored):
        assert OURS.verify(other, stored) is Verdict.NO_MATCH


def is_judged_and_wrapped(stored: str, password: str = PASSWORD) -> None:
    """It can be logged in with, and so can what it is wrapped in, which shows nothing of the digest."""
    assert OURS.kind_of(stored).is_weak
    assert OURS.kind_of(stored).can_log_in
    is_judged(stored, password)
    [wrapped] = OURS.wrap([stored])
    assert wrapped is not None
    assert len(wrapped) <= 120
    assert OURS.kind_of(wrapped).name == "wrapped"
    assert not OURS.kind_of(wrapped).is_weak
    is_judged(wrapped, password)
    for digest in (stored, stored.rpartition("$")[2], stored.lower(), stored.partition(":")[0]):
        assert digest.lower() not in wrapped.lower() or not digest
        assert OURS.verify(digest, wrapped) is Verdict.NO_MATCH
    assert OURS.wrap([wrapped]) == [None], "once is enough"


@pytest.mark.parametrize("method", ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("salt_length", [1, 8, 16])
def test_digests_of_werkzeug_before_3(method: str, salt_length: int) -> None:
    is_judged_and_wrapped(by_werkzeug(method, salt_length))


@pytest.mark.parametrize(
    "method",
    [
        *("pbkdf2", "pbkdf2:sha256", "pbkdf2:sha1:1000", "pbkdf2:md5:1000", "pbkdf2:sha224:1000", "pbkdf2:sha384:1000"),
        *("pbkdf2:sha512:1000", "scrypt", "scrypt:1024:8:1"),
    ],
)
def test_what_werkzeug_makes_slowly_is_not_weak(method: str) -> None:
    stored = by_werkzeug(method)
    is_judged(stored)
    assert OURS.kind_of(stored).name == method.partition(":")[0]
    assert not OURS.kind_of(stored).is_weak
    assert OURS.wrap([stored]) == [None]


@pytest.mark.parametrize(
    ("method", "rounds"),
    [
        *(("pbkdf2", rounds) for rounds in (1_000, 50_000, 150_000, 260_000, 600_000, 1_000_000)),
        ("pbkdf2:sha1", 50_000),
        ("pbkdf2:sha256", 50_000),
    ],
)
def test_a_pbkdf2_that_names_no_rounds_is_read_by_the_default_of_each_version(method: str, rounds: int) -> None:
    algorithm = method.removeprefix("pbkdf2").removeprefix(":") or "sha256"
    salt, digest = by_werkzeug(f"pbkdf2:{algorithm}:{rounds}").split("$")[1:]
    stored = f"{method}${salt}${digest}"
    if rounds == 600_000:
        assert check_password_hash(stored, PASSWORD), "as 2.3 reads it"
        assert OURS.verify(PASSWORD + "x", stored) is Verdict.NO_MATCH
    assert OURS.verify(PASSWORD, stored) is Verdict.MATCH_OUTDATED


def test_a_scrypt_that_names_no_costs_is_read_by_the_default() -> None:
    stored = by_werkzeug("scrypt").replace(":32768:8:1", "")
    assert check_password_hash(stored, PASSWORD)
    is_judged(stored)


def test_werkzeugs_own_advice_for_scrypt_is_within_the_bound() -> None:
    stored = by_werkzeug("scrypt:131072:8:1")
    assert OURS.kind_of(stored).can_log_in
    is_judged(stored)


def test_digests_of_django_before_5_1_which_spells_them_as_werkzeug_does() -> None:
    is_judged_and_wrapped(MD5PasswordHasher().encode(PASSWORD, "saltsalt"))
    # Its SHA1PasswordHasher, as its last version had it.
    is_judged_and_wrapped(f"sha1$saltsalt${hashlib.sha1(b'saltsalt' + PASSWORD.encode()).hexdigest()}")
    # And its UnsaltedMD5PasswordHasher, in both its spellings.
    is_judged_and_wrapped(f"md5$${md5(PASSWORD)}")
    is_judged_and_wrapped(md5(PASSWORD))


# passlib imports a module that Python has deprecated, so it makes its hashes in a process of its own.
_MAKE_BY_PASSLIB = """
import sys, warnings
warnings.simplefilter("ignore")
from passlib import hash
password = sys.argv[1]
print(hash.phpass.using(rounds=7).hash(password))
print(hash.phpass.using(rounds=13, ident="H").hash(password))
print(hash.hex_md5.hash(password))
print(hash.hex_sha1.hash(password))
print(hash.hex_sha256.hash(password))
print(hash.hex_sha512.hash(password))
print(hash.django_salted_md5.hash(password))
print(hash.django_salted_sha1.hash(password))
"""


def test_hashes_of_passlib() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MAKE_BY_PASSLIB, PASSWORD], capture_output=True, text=True, check=True, timeout=60
    )
    made = done.stdout.split()
    assert [OURS.kind_of(each).name for each in made] == [
        *("phpass", "phpass", "md5", "sha1", "sha256", "sha512", "salted md5", "salted sha1")
    ]
    for each in made:
        is_judged_and_wrapped(each)


# From the manual of PHP (md5) and from the tests of phpass.
PUBLISHED = {
    "php": ("1f3870be274f6c49b3e31a0c6728957f", "apple"),
    "phpass": ("$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", "test12345"),
}


@pytest.mark.parametrize(("stored", "password"), PUBLISHED.values(), ids=PUBLISHED)
def test_what_makers_have_published(stored: str, password: str) -> None:
    is_judged_and_wrapped(stored, password)


TUTORIALS = {
    "md5($password)": md5(PASSWORD),
    "strtoupper(md5($password))": md5(PASSWORD).upper(),
    "md5(md5($password))": md5(md5(PASSWORD)),
    "substr(md5($password), 8, 16)": md5(PASSWORD)[8:24],
    "strtoupper(substr(md5($password), 8, 16))": md5(PASSWORD)[8:24].upper(),
    "md5($password . $salt) . ':' . $salt": f"{md5(PASSWORD + 'sAlt盐')}:sAlt盐",
    "md5($salt . $password) . ':' . $salt": f"{md5('sAlt盐' + PASSWORD)}:sAlt盐",
    "md5(md5($password) . $salt) . ':' . $salt": f"{md5(md5(PASSWORD) + 'a1B2c3')}:a1B2c3",
    "sha1($password)": hashlib.sha1(PASSWORD.encode()).hexdigest(),
    "a line feed in the salt": f"{md5(PASSWORD + chr(10))}:{chr(10)}",
}
"""PHP code from tutorials, and the hash that it makes."""


@pytest.mark.parametrize("stored", TUTORIALS.values(), ids=TUTORIALS)
def test_what_tutorials_make(stored: str) -> None:
    is_judged_and_wrapped(stored)


def test_a_salt_for_which_the_column_has_no_place_is_verified_and_said_so() -> None:
    stored = by_werkzeug("sha256", 40)
    is_judged(stored)
    assert OURS.kind_of(stored).name == "salted sha256, too long to be wrapped"
    assert not OURS.kind_of(stored).is_weak
    assert OURS.wrap([stored]) == [None]


@pytest.mark.parametrize(
    "stored",
    [
        md5(PASSWORD)[:-1],
        md5(PASSWORD) + "0",
        md5(PASSWORD)[:-1] + "g",
        md5(PASSWORD)[:15],
        f"sha256$salt${md5(PASSWORD)}",
        f"md4$salt${md5(PASSWORD)}",
        f"{md5(PASSWORD)}:",
        f"{md5(PASSWORD)}:a$b",
        f"md5$\ud800${md5(PASSWORD)}",
        "$P$4IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0",
        "$P$zIQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0",
        "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L",
        "wrapped:" + md5(PASSWORD),
        "wrapped:nothing" + OURS.hash(md5(PASSWORD)),
        "wrapped:" + OURS.hash(md5(PASSWORD)),
        "wrapped:md5$argon2id$v=19$m=8,t=1,p=1$c2FsdA$AAAA",
    ],
)
def test_what_is_nearly_one_of_them_is_none(stored: str) -> None:
    assert OURS.kind_of(stored).name == "unknown"
    assert OURS.verify(PASSWORD, stored) is Verdict.NO_MATCH
    assert OURS.wrap([stored]) == [None]


def test_a_wrapped_hash_that_asks_for_absurd_work_is_not_computed() -> None:
    stored = f"wrapped:md5$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ${'A' * 43}"
    assert OURS.kind_of(stored).name == "too costly"
    assert OURS.verify(PASSWORD, stored) is Verdict.NO_MATCH
