"""Refusing takes the same work with any hash, or none (ASVS 6.3.8, requirements PW-10 and LG-02)."""

from functools import partial

import argon2
import pytest

from menshen.adapters.argon2_hasher import Argon2PasswordHasher
from menshen.adapters.conformance.hashers import PasswordHasherContract
from menshen.adapters.conformance.steps import UserSteps
from menshen.adapters.conformance.users import REGISTERED_AT
from menshen.adapters.even_hasher import EvenPasswordHasher
from menshen.adapters.hash_work import Argon2, Bcrypt, Computation, Pbkdf2, Phpass, Scrypt, spend, work
from menshen.adapters.memory.store import MemoryStore
from menshen.adapters.stored_work import StoredWork
from menshen.domain.ports.outside import PasswordHasher, Verdict
from menshen.domain.users import NewUser, Phone
from menshen.entrypoints.stores import memory_store

from .cases import for_each
from .counted_work import CountedWork, Done

SALT, DIGEST = "c29tZXNhbHQ", "A" * 43
HEX = {"md5": "0" * 32, "sha1": "0" * 40, "sha256": "0" * 64, "sha512": "0" * 128}
SCRYPT_DIGEST = "0" * 128
BASE64 = {20: "A" * 27 + "=", 32: "A" * 43 + "=", 64: "A" * 86 + "=="}

OURS = Argon2PasswordHasher(memory_kib=64, time_cost=2)


def argon2_of(kind: str = "id", memory_kib: int = 64, time_cost: int = 2, parallelism: int = 1) -> str:
    return f"$argon2{kind}$v=19$m={memory_kib},t={time_cost},p={parallelism}${SALT}${DIGEST}"


# One of each kind that can be logged in with, at each of several costs.
KINDS = {
    "ours": argon2_of(),
    "cheaper memory": argon2_of(memory_kib=32),
    "more passes": argon2_of(time_cost=3),
    "lanes": argon2_of(parallelism=2),
    "argon2i": argon2_of("i"),
    "argon2 without a version": argon2_of().replace("v=19$", ""),
    "django argon2": "argon2" + argon2_of(time_cost=4),
    "spring argon2": "{argon2}" + argon2_of(time_cost=5),
    "pbkdf2": f"pbkdf2:sha256:260000$salt${HEX['sha256']}",
    "pbkdf2, older": f"pbkdf2:sha256:150000$salt${HEX['sha256']}",
    "pbkdf2 by sha1": f"pbkdf2:sha1:1000$salt${HEX['sha1']}",
    "pbkdf2 without rounds": f"pbkdf2$salt${HEX['sha256']}",
    "pbkdf2 by sha512 without rounds": f"pbkdf2:sha512$salt${HEX['sha512']}",
    "scrypt": f"scrypt:32768:8:1$salt${SCRYPT_DIGEST}",
    "scrypt of three lanes": f"scrypt:32768:8:3$salt${SCRYPT_DIGEST}",
    "scrypt without costs": f"scrypt$salt${SCRYPT_DIGEST}",
    "bcrypt": "$2b$12$" + "." * 53,
    "cheaper bcrypt": "$2y$10$" + "." * 53,
    "django pbkdf2": f"pbkdf2_sha256$720000$salt${BASE64[32]}",
    "django scrypt": f"scrypt$16384$salt$8$5${BASE64[64]}",
    "django bcrypt": "bcrypt$$2b$11$" + "." * 53,
    "django bcrypt_sha256": "bcrypt_sha256$$2b$13$" + "." * 53,
    "spring bcrypt": "{bcrypt}$2a$09$" + "." * 53,
    "spring pbkdf2": "{pbkdf2}" + "0" * 80,
    "spring pbkdf2 of 5.8": "{pbkdf2@SpringSecurity_v5_8}" + "0" * 96,
    "spring scrypt": f"{{scrypt}}$e0801${BASE64[64]}${BASE64[32]}",
    "passlib pbkdf2": f"$pbkdf2-sha256$29000${SALT}${DIGEST}",
    "passlib scrypt": f"$scrypt$ln=13,r=8,p=2${SALT}${DIGEST}",
    "passlib bcrypt_sha256": "$bcrypt-sha256$v=2,t=2b,r=8$" + "." * 22 + "$" + "." * 31,
    "md5": HEX["md5"],
    "salted sha256": f"sha256$salt${HEX['sha256']}",
    "phpass": "$P$5saltsalt" + "." * 22,
    "phpass of more rounds": "$H$6saltsalt" + "." * 22,
    "wrapped": f"wrapped:md5{argon2_of(memory_kib=80)}",
    "wrapped md5/2": f"wrapped:md5/2{argon2_of(memory_kib=81)}",
    "wrapped with a salt": f"wrapped:md5:salt{argon2_of(memory_kib=82)}",
    "wrapped with a key": f"wrapped:sha1$salt${argon2_of(memory_kib=83)}",
    "wrapped without a key": f"wrapped:sha1$${argon2_of(memory_kib=83)}",
    "wrapped phpass": f"wrapped:$P$5saltsalt{argon2_of(memory_kib=84)}",
}
"""The name of the test case."""

# None of these is verified: there is no user, or nothing matches.
OF_NO_USE = {
    "nobody": None,
    "none": "",
    "unusable": "!" + "x" * 40,
    "a password in clear": "secret",
    "cut": f"scrypt:32768:8:1$salt${SCRYPT_DIGEST[:-9]}",
    "broken": f"pbkdf2:sha256:260000$salt${HEX['sha256'][:-1]}z",
    "too costly": f"pbkdf2:sha256:99999999$salt${HEX['sha256']}",
    "argon2 that is too costly": argon2_of(memory_kib=2**30),
}

PASSWORD = "a wrong password"


class Store:
    """Users of whom only the hashes count, and a hasher that serves them."""

    def __init__(self, *hashes: str, ours: Argon2PasswordHasher = OURS) -> None:
        self.rows = MemoryStore()
        self.users = UserSteps(memory_store(self.rows))
        for stored in hashes:
            self.add(stored)
        self.hasher = EvenPasswordHasher(ours, StoredWork(self.users, ours, lambda: 0.0))

    def add(self, stored: str) -> None:
        number = len(self.rows.users) + 1
        self.users.add(NewUser(phone=Phone(f"138{number:08}"), password_hash=stored, registered_at=REGISTERED_AT))

    def no(self, stored: str | None, password: str = PASSWORD) -> None:
        """Have the password refused."""
        assert self.hasher.verify(password, stored) is Verdict.NO_MATCH


class TestEvenPasswordHasher(PasswordHasherContract):
    @pytest.fixture
    def hasher(self) -> PasswordHasher:
        return Store(ours=Argon2PasswordHasher(memory_kib=8, time_cost=1)).hasher


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> CountedWork:
    return CountedWork.instead_of_computing(monkeypatch)


def works(counted: CountedWork, store: Store, *hashes: str | None, password: str = PASSWORD) -> list[Done]:
    """The work of refusing the password for each of *hashes*, and for all unusable ones."""
    every = [*hashes, *OF_NO_USE.values()]
    return [counted.of(partial(store.no, stored, password)) for stored in every]


def test_all_that_a_store_may_hold_takes_the_same_work_to_refuse(counted: CountedWork) -> None:
    store = Store(*KINDS.values(), *filter(None, OF_NO_USE.values()))
    first, *others = works(counted, store, *KINDS.values())
    assert len(first) == 20, "computations of which each is another"
    assert others == [first] * (len(KINDS) + len(OF_NO_USE) - 1)


@for_each("kind", KINDS)
def test_one_kind_beside_ours_takes_the_same_work_as_nobody(counted: CountedWork, kind: str) -> None:
    [stored, ours, *others] = works(counted, Store(KINDS[kind]), KINDS[kind], KINDS["ours"])
    assert stored == ours == others[0]
    assert others == [stored] * len(OF_NO_USE)
    assert stored["argon2", argon2.Type.ID, 64, 2, 1] >= 1
    assert stored.total() > 1 or kind in {"ours", "argon2 without a version", "md5", "salted sha256"}


def test_raised_parameters_take_the_same_work_from_the_first_refusal_on(counted: CountedWork) -> None:
    raised = Argon2PasswordHasher(memory_kib=128, time_cost=3)
    old, new = argon2_of(), argon2_of(memory_kib=128, time_cost=3)
    expected = {("argon2", argon2.Type.ID, 64, 2, 1): 1, ("argon2", argon2.Type.ID, 128, 3, 1): 1}
    assert works(counted, Store(old, new, ours=raised), None, old, new) == [expected] * (3 + len(OF_NO_USE))


def test_rounds_count_once_whoever_asks_for_most(counted: CountedWork) -> None:
    store = Store(KINDS["pbkdf2"], KINDS["pbkdf2, older"], KINDS["bcrypt"], KINDS["cheaper bcrypt"])
    [done, *_] = works(counted, store)
    assert done == {("argon2", argon2.Type.ID, 64, 2, 1): 1, ("pbkdf2", "sha256"): 260_000, ("bcrypt",): 2**12}


@pytest.mark.parametrize("password", ["", "\0", "x\0y", "\ud800", "x" * 100, "x" * 10_000])
def test_no_password_makes_it_shorter(counted: CountedWork, password: str) -> None:
    first, *others = works(counted, Store(*KINDS.values()), *KINDS.values(), password=password)
    assert others == [first] * len(others)


def test_a_kind_that_came_since_counts_from_when_it_is_met(counted: CountedWork) -> None:
    store = Store()
    store.no(None)
    # The clock stands still, so the store is not read again.
    store.add(KINDS["scrypt"])
    first, *others = works(counted, store, KINDS["scrypt"])
    assert first["scrypt", 32768, 8] == 1
    assert others == [first] * len(others)


def test_a_password_that_matches_takes_only_what_its_own_hash_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(KINDS["scrypt"])
    stored = store.hasher.hash(PASSWORD)
    counted = CountedWork.instead_of_computing(monkeypatch)
    monkeypatch.setattr(argon2.PasswordHasher, "verify", lambda self, stored, secret: True)
    assert counted.of(lambda: store.hasher.verify(PASSWORD, stored)) == {}


@for_each(
    ("computation", "times"),
    [
        (Argon2(argon2.Type.ID, 8, 1, 1), 2),
        (Argon2(argon2.Type.D, 32, 1, 2), 1),
        (Pbkdf2("sha256"), 3),
        (Scrypt(1024, 8), 3),
        (Bcrypt(), 2**5 + 2**4),
        (Phpass(), 129),
    ],
)
@for_each("secret", [b"", b"\0", b"x" * 100_000])
def test_work_is_done_for_any_secret(computation: Computation, times: int, secret: bytes) -> None:
    spend(work(computation, times), secret)


@for_each("kind", KINDS)
def test_a_likeness_stands_for_no_hash_that_takes_more(kind: str) -> None:
    likeness = OURS.likeness_of(KINDS[kind])
    assert (likeness is None) == (kind in {"md5", "salted sha256", "scrypt without costs"})
    if likeness is not None:
        assert likeness.fits(KINDS[kind])
        for other in KINDS.values():
            assert not likeness.fits(other) or OURS.work_of(other) <= OURS.work_of(KINDS[kind]), other


@for_each("stored", [stored for stored in OF_NO_USE.values() if stored])
def test_what_is_of_no_use_stands_for_nothing_else(stored: str) -> None:
    assert OURS.likeness_of(stored) is None
