"""Password hashes by Argon2id, and the older kinds found in an adopted database."""

import hashlib
from time import monotonic

import argon2
import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from menshen.adapters.argon2_hasher import Argon2PasswordHasher
from menshen.adapters.conformance.hashers import PASSWORD, PasswordHasherContract, StoredHashesContract
from menshen.adapters.weak_hashes import making_of
from menshen.domain.ports.outside import PasswordHasher, StoredHashes, Verdict

from .cases import examples, for_each

CHEAP = Argon2PasswordHasher(memory_kib=8, time_cost=1)

SALT = "c29tZXNhbHQ"
DIGEST = "A" * 43

# Well-formed hashes of unknown passwords.
OF_NOBODY = {f"$argon2id$m=8,t=1,p=1${SALT}${DIGEST}", "$2b$04$" + "." * 53}

# Far more than refusing takes, far less than computing any of them would.
AT_ONCE_SECONDS = 0.5


class TestArgon2PasswordHasher(PasswordHasherContract):
    @pytest.fixture
    def hasher(self) -> PasswordHasher:
        return CHEAP


class TestArgon2StoredHashes(StoredHashesContract):
    @pytest.fixture
    def hashes(self) -> StoredHashes:
        return CHEAP

    @pytest.fixture
    def hasher(self) -> PasswordHasher:
        return CHEAP


def test_the_defaults_are_owasps() -> None:
    stored = Argon2PasswordHasher().hash(PASSWORD)
    _, kind, version, parameters, salt, digest = stored.split("$")
    assert (kind, version, parameters) == ("argon2id", "v=19", "m=19456,t=2,p=1")
    assert len(salt) >= 22, "16 bytes"
    assert len(digest) >= 43, "32 bytes"
    assert len(stored) <= 120, "the width of the column"


def test_the_parameters_may_be_set() -> None:
    stored = Argon2PasswordHasher(memory_kib=16, time_cost=3, parallelism=2).hash(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=16,t=3,p=2$")


def test_the_dearest_hash_fits_its_column() -> None:
    dearest = "$argon2id$v=19$m=262144,t=16,p=16$"
    assert len(dearest) + len(CHEAP.hash(PASSWORD).removeprefix("$argon2id$v=19$m=8,t=1,p=1$")) <= 120


def test_each_hash_has_a_salt_of_its_own() -> None:
    assert len({CHEAP.hash(PASSWORD) for _ in range(5)}) == 5


@for_each(
    "weaker",
    [
        Argon2PasswordHasher(memory_kib=8, time_cost=2),
        Argon2PasswordHasher(memory_kib=16, time_cost=1),
        argon2.PasswordHasher(memory_cost=16, time_cost=2, parallelism=1, hash_len=16),
        argon2.PasswordHasher(memory_cost=16, time_cost=2, parallelism=1, salt_len=8),
        argon2.PasswordHasher(memory_cost=16, time_cost=2, parallelism=1, type=argon2.Type.I),
        argon2.PasswordHasher(memory_cost=16, time_cost=2, parallelism=1, type=argon2.Type.D),
    ],
)
def test_a_weaker_hash_matches_as_outdated(weaker: Argon2PasswordHasher | argon2.PasswordHasher) -> None:
    hasher = Argon2PasswordHasher(memory_kib=16, time_cost=2)
    stored = weaker.hash(PASSWORD)
    assert hasher.verify(PASSWORD, stored) is Verdict.MATCH_OUTDATED
    assert hasher.verify("another", stored) is Verdict.NO_MATCH


@for_each(
    "stored",
    [
        f"$argon2id$v=19$m=4294967296,t=2,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=4294967295,t=2,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=262145,t=1,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=19456,t=4294967296,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=19456,t=4294967295,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=19456,t=17,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=19456,t=2,p=16777216${SALT}${DIGEST}",
        f"$argon2id$v=19$m=19456,t=2,p=17${SALT}${DIGEST}",
        f"$argon2id$v=19$m={'9' * 5000},t=2,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=19456,t=2,p=1${SALT}${'A' * 1_000_000}",
        f"$argon2id$v=19$m=-1,t=2,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=8,t=-1,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=8,t=1,p=-1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=0,t=0,p=0${SALT}${DIGEST}",
        f"$argon2id$v=19$m=1,t=1,p=1${SALT}${DIGEST}",
        f"$argon2id$v=99$m=8,t=1,p=1${SALT}${DIGEST}",
        f"$argon2id$m=8,t=1,p=1${SALT}${DIGEST}",
        f"$argon2x$v=19$m=8,t=1,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=8,t=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=8,t=1,p=1,x=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=eight,t=1,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=8,t=1,p=1${SALT}$",
        f"$argon2id$v=19$m=8,t=1,p=1$${DIGEST}",
        "$argon2id$v=19$m=8,t=1,p=1$!$!",
        f"$argon2id$v=19$m=8,t=1,p=1${SALT}${DIGEST}$",
        f"$argon2id$v=19$m=８,t=1,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=8,t=1,p=1${SALT}$密码",
        f"$argon2id$v=19$m=8,t=1,p=1${SALT}$\ud800",
        "pbkdf2:sha256:99999999$salt$00",
        "pbkdf2:sha256:10000001$salt$00",
        "pbkdf2:sha256:4294967296$salt$00",
        "pbkdf2:sha256:0$salt$00",
        "pbkdf2:md5:1000$salt$00",
        "pbkdf2:sha256:1000$$00",
        "pbkdf2:sha256:1000$salt$",
        "pbkdf2:sha256:1000$salt$zz",
        "pbkdf2:sha256:１０００$salt$00",
        "scrypt:99999999:8:1$salt$00",
        "scrypt:67108864:8:1$salt$00",
        "scrypt:2097152:8:1$salt$00",
        "scrypt:4194304:2:1$salt$00",
        "scrypt:32768:9999:1$salt$00",
        "scrypt:16384:8:9999$salt$00",
        "scrypt:16384:8:17$salt$00",
        "scrypt:32767:8:1$salt$00",
        "scrypt:0:8:1$salt$00",
        "scrypt:1:8:1$salt$00",
        "scrypt:16384:0:1$salt$00",
        "scrypt:16384:8:0$salt$00",
        "scrypt:16384:8$salt$00",
        "scrypt:65536:1:1$salt$00",
        "scrypt:1024:8:1$\ud800$00",
        "$2b$31$" + "." * 53,
        "$2b$17$" + "." * 53,
        "$2b$99$" + "." * 53,
        "$2b$03$" + "." * 53,
        "$2b$00$" + "." * 53,
        "$2b$04$" + "a" * 53,
        "$2b$04$" + "9" * 53,
        "$2b$04$" + "." * 53,
        "$2b$04$" + "a" * 52,
        "$2b$04$" + "a" * 54,
        "$2c$04$" + "a" * 53,
        "$2$04$" + "a" * 53,
        "plain:" + PASSWORD,
        "md4$salt$" + hashlib.md5(PASSWORD.encode()).hexdigest(),
        hashlib.md5(PASSWORD.encode()).hexdigest()[:-1],
        PASSWORD,
        "NULL",
        "\0",
        "$" * 100_000,
        "a" * 1_000_000,
    ],
)
def test_an_absurd_hash_matches_nothing_at_no_cost(stored: str) -> None:
    assert CHEAP.kind_of(stored).can_log_in is (stored in OF_NOBODY)
    started = monotonic()
    assert CHEAP.verify(PASSWORD, stored) is Verdict.NO_MATCH
    assert CHEAP.verify("", stored) is Verdict.NO_MATCH
    assert monotonic() - started < AT_ONCE_SECONDS


@given(st.text(max_size=60) | st.from_regex(r"\A\$argon2(id|i|d)\$(v=1[69]\$)?[mtp]=-?[0-9]{1,3}[,$=0-9a-zA-Z]*\Z"))
@examples(100)
def test_no_stored_text_makes_it_raise(stored: str) -> None:
    assert CHEAP.verify(PASSWORD, stored) is Verdict.NO_MATCH


def pbkdf2(password: str, *, algorithm: str = "sha256", rounds: int = 1000, salt: str = "n3XtZ9pQ") -> str:
    digest = hashlib.pbkdf2_hmac(algorithm, password.encode(), salt.encode(), rounds)
    return f"pbkdf2:{algorithm}:{rounds}${salt}${digest.hex()}"


def scrypt(password: str, *, n: int = 1024, r: int = 8, p: int = 1, salt: str = "n3XtZ9pQn3XtZ9pQ") -> str:
    digest = hashlib.scrypt(password.encode(), salt=salt.encode(), n=n, r=r, p=p, maxmem=2**26, dklen=64)
    return f"scrypt:{n}:{r}:{p}${salt}${digest.hex()}"


def bcrypted(password: str, prefix: bytes = b"2b") -> str:
    stored = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()
    return stored.replace("$2b$", f"${prefix.decode()}$", 1)


@for_each(
    "stored",
    [
        pbkdf2(PASSWORD),
        pbkdf2(PASSWORD, algorithm="sha1"),
        pbkdf2(PASSWORD, algorithm="sha512"),
        pbkdf2(PASSWORD, rounds=1),
        pbkdf2(PASSWORD, salt="盐"),
        scrypt(PASSWORD),
        scrypt(PASSWORD, n=2, r=1, p=1),
        scrypt(PASSWORD, n=16, r=8, p=16),
        bcrypted(PASSWORD),
        bcrypted(PASSWORD, b"2a"),
        bcrypted(PASSWORD, b"2y"),
    ],
)
def test_a_hash_of_another_system_matches_as_outdated(stored: str) -> None:
    assert CHEAP.verify(PASSWORD, stored) is Verdict.MATCH_OUTDATED
    for other in ("", PASSWORD.strip(), PASSWORD + "x", PASSWORD.upper(), "\ud800"):
        assert CHEAP.verify(other, stored) is Verdict.NO_MATCH


# RFC 7914, 11 and 12, in Werkzeug's form.
RFC_PBKDF2 = "pbkdf2:sha256:1$salt$55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
RFC_SCRYPT = (
    "scrypt:16384:8:1$SodiumChloride$7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
    "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
)


@for_each(
    ("password", "stored"),
    [
        ("passwd", RFC_PBKDF2),
        ("pleaseletmein", RFC_SCRYPT),
        # Of the test vectors of OpenBSD's bcrypt.
        ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
    ],
)
def test_published_vectors_match(password: str, stored: str) -> None:
    assert CHEAP.verify(password, stored) is Verdict.MATCH_OUTDATED
    assert CHEAP.verify(password + "x", stored) is Verdict.NO_MATCH


@for_each("cut", [1, 2, 60])
def test_half_a_digest_matches_nothing(cut: int) -> None:
    for stored in (pbkdf2(PASSWORD), scrypt(PASSWORD)):
        assert CHEAP.verify(PASSWORD, stored[:-cut]) is Verdict.NO_MATCH


def test_bcrypt_looks_at_72_bytes_as_it_always_did() -> None:
    stored = bcrypted("p" * 100)
    assert CHEAP.verify("p" * 100, stored) is Verdict.MATCH_OUTDATED
    assert CHEAP.verify("p" * 71, stored) is Verdict.NO_MATCH


def test_phpass_takes_no_password_of_more_than_4096_bytes_and_nothing_matches_a_part_of_one() -> None:
    making = making_of("$P$5saltsalt")
    assert making is not None
    [make] = making.makers
    stored = "$P$5saltsalt" + make(b"x" * 4096)
    [wrapped] = CHEAP.wrap([stored])
    for each in (stored, wrapped):
        assert CHEAP.verify("x" * 4096, each) is Verdict.MATCH_OUTDATED
        assert CHEAP.verify("x" * 4097, each) is Verdict.NO_MATCH


def test_a_password_of_1_mb_is_judged_in_time() -> None:
    started = monotonic()
    for stored in (CHEAP.hash(PASSWORD), pbkdf2(PASSWORD), scrypt(PASSWORD), bcrypted(PASSWORD), None):
        assert CHEAP.verify("x" * 1_000_000, stored) is Verdict.NO_MATCH
    assert monotonic() - started < 2


def test_it_shows_no_hash() -> None:
    assert "$argon2" not in repr(CHEAP)
