"""Weak hashes are hashed once more, and users do not notice."""

import hashlib
from collections.abc import Callable
from typing import TypeVar

import pytest
from attrs import evolve, frozen

from menshen.adapters.argon2_hasher import Argon2PasswordHasher
from menshen.adapters.conformance.steps import UserSteps
from menshen.adapters.memory.fakes import FakeClock
from menshen.adapters.memory.store import MemoryStore
from menshen.domain.ports.outside import Verdict
from menshen.domain.ports.reading import UserSearch
from menshen.domain.ports.stores import Store
from menshen.domain.ports.writing import Transaction, UnitOfWork
from menshen.domain.use_cases import wrapping
from menshen.domain.use_cases.wrapping import WrapHashes
from menshen.domain.users import NewUser, Phone, UserId
from menshen.entrypoints.stores import memory_store

T = TypeVar("T")

HASHER = Argon2PasswordHasher(memory_kib=8, time_cost=1)
PASSWORD = "a good password"
WEAK = hashlib.md5(PASSWORD.encode()).hexdigest()


@frozen
class Wrapping:
    """The use case over memory."""

    store: Store
    wrap: WrapHashes

    def add(self, number: int, password_hash: str) -> UserId:
        user = NewUser(
            phone=Phone(f"138{number:08}"),
            password_hash=password_hash,
            registered_at=FakeClock().now(),
        )
        return UserSteps(self.store).add(user).id

    def hash_of(self, user_id: UserId) -> str:
        user = self.store.users.by_id(user_id)
        assert user is not None
        return user.password_hash


@pytest.fixture
def house() -> Wrapping:
    return over(memory_store(MemoryStore()))


def over(store: Store, work: UnitOfWork | None = None) -> Wrapping:
    return Wrapping(store, WrapHashes(store[UserSearch], work or store.work, HASHER, FakeClock()))


def test_a_weak_hash_stands_there_no_more_and_its_password_matches_as_before(house: Wrapping) -> None:
    weak = house.add(1, WEAK)
    assert house.wrap() == 1
    stored = house.hash_of(weak)
    assert WEAK not in stored
    assert not HASHER.kind_of(stored).is_weak
    assert HASHER.verify(PASSWORD, stored) is Verdict.MATCH_OUTDATED
    assert HASHER.verify("another password", stored) is Verdict.NO_MATCH
    # The digest itself from a stolen table cannot be used to log in.
    assert HASHER.verify(WEAK, stored) is Verdict.NO_MATCH


def test_other_hashes_stay_as_they_are_and_a_second_call_finds_nothing(house: Wrapping) -> None:
    others = [HASHER.hash(PASSWORD), "", "plain text", f"pbkdf2:sha256:1$salt${'0' * 64}"]
    ids = [house.add(number, each) for number, each in enumerate(others)]
    house.add(9, WEAK)
    assert house.wrap() == 1
    assert [house.hash_of(each) for each in ids] == others
    assert house.wrap() == 0


def test_it_goes_through_all_pages_and_tells_how_far_it_is(house: Wrapping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrapping, "PAGE", 2)
    ids = [house.add(number, WEAK) for number in range(5)]
    told: list[int] = []
    assert house.wrap(told.append) == 5
    assert told == [2, 4, 5]
    assert {HASHER.kind_of(house.hash_of(each)).name for each in ids} == {"wrapped"}


@frozen
class Meddling:
    """A unit of work before which somebody else is quicker."""

    work: UnitOfWork
    meddle: Callable[[], None]

    def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
        self.meddle()
        return self.work.transact(work, is_vital=is_vital)


def test_who_got_another_password_meanwhile_keeps_it() -> None:
    rows = MemoryStore()
    store = memory_store(rows)
    user_id = over(store).add(1, WEAK)

    def change() -> None:
        rows.users[user_id] = evolve(rows.users[user_id], password_hash="new")

    assert over(store, Meddling(store.work, change)).wrap() == 0
    assert over(store).hash_of(user_id) == "new"


def test_who_is_gone_meanwhile_stays_gone() -> None:
    rows = MemoryStore()
    store = memory_store(rows)
    over(store).add(1, WEAK)
    assert over(store, Meddling(store.work, rows.users.clear)).wrap() == 0
    assert rows.users == {}
