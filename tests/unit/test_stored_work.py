"""The work of the hashes in a store is known at the first refusal, and kept up to date from then on."""

from collections.abc import Callable, Collection
from threading import Thread

import pytest
from attrs import define, field

from menshen.adapters import stored_work
from menshen.adapters.argon2_hasher import Argon2PasswordHasher
from menshen.adapters.conformance.steps import UserSteps
from menshen.adapters.conformance.users import REGISTERED_AT
from menshen.adapters.hash_work import Bcrypt, Pbkdf2, Scrypt, Work, no_work
from menshen.adapters.memory.store import MemoryStore
from menshen.adapters.stored_work import FRESH_SECONDS, RETRY_SECONDS, SHARE, StoredWork
from menshen.domain.errors import StoreUnavailable
from menshen.domain.passwords import HashLikeness
from menshen.domain.ports.reading import HashPage
from menshen.domain.users import NewUser, Phone, UserId
from menshen.entrypoints.stores import memory_store

HASHER = Argon2PasswordHasher(memory_kib=8, time_cost=1)
OURS = HASHER.hash("a password")
SLOW = "scrypt:32768:8:1$salt$" + "0" * 128
SLOWER = f"pbkdf2:sha256:1000000$salt${'0' * 64}"
BCRYPT = "$2b$12$" + "." * 53

SLOW_WORK, SLOWER_WORK = Scrypt(32768, 8), Pbkdf2("sha256")


@define(eq=False)
class Watched:
    """Users of whom only the hashes matter, in a slow store that records its queries."""

    store: MemoryStore = field(factory=MemoryStore)
    seconds: float = 0.0
    """The seconds that a page takes."""
    time: float = 0.0
    asked: list[tuple[UserId, int]] = field(factory=list)
    """After which user, and how many likenesses were to be left out."""
    before: Callable[[], None] = lambda: None
    """What happens before a page is read."""

    @property
    def repository(self) -> UserSteps:
        return UserSteps(memory_store(self.store))

    def put(self, *hashes: str) -> None:
        for stored in hashes:
            number = len(self.store.users) + 1
            self.repository.add(
                NewUser(phone=Phone(f"138{number:08}"), password_hash=stored, registered_at=REGISTERED_AT)
            )

    def forget(self) -> None:
        self.store.users.clear()

    def password_hashes(self, *, after: UserId, limit: int, unlike: Collection[HashLikeness]) -> HashPage:
        self.asked.append((after, len(unlike)))
        self.time += self.seconds
        self.before()
        return self.repository.password_hashes(after=after, limit=limit, unlike=unlike)


@pytest.fixture
def users() -> Watched:
    return Watched()


@pytest.fixture
def stored(users: Watched) -> StoredWork:
    return StoredWork(users, HASHER, lambda: users.time)


def known(stored: StoredWork, met: Work | None = None) -> Work:
    """What is known besides the work of our own hashes."""
    return stored.with_met(met or no_work()) - HASHER.own_work


def test_where_there_is_nobody_a_refusal_takes_what_a_new_hash_takes(stored: StoredWork) -> None:
    assert stored.with_met(no_work()) == HASHER.own_work


def test_the_first_refusal_knows_what_there_is(users: Watched, stored: StoredWork) -> None:
    users.put(OURS, SLOW, OURS, BCRYPT, "", "of no use")
    assert known(stored) == {SLOW_WORK: 1, Bcrypt(): 2**12}


def test_what_is_adopted_while_it_serves_is_known_10_seconds_later(users: Watched, stored: StoredWork) -> None:
    users.put(OURS)
    assert known(stored) == {}
    users.put(SLOW)
    users.time = FRESH_SECONDS - 0.1
    assert known(stored) == {}
    users.time = FRESH_SECONDS
    assert known(stored) == {SLOW_WORK: 1}
    assert FRESH_SECONDS <= 10


def test_when_the_last_slow_hash_has_been_replaced_nobody_pays_for_it_any_more(
    users: Watched, stored: StoredWork
) -> None:
    users.put(SLOW)
    assert known(stored) == {SLOW_WORK: 1}
    users.forget()
    users.put(OURS)
    users.time = FRESH_SECONDS
    assert known(stored) == {}


def test_what_was_met_is_known_at_once_until_a_look_does_not_find_it(users: Watched, stored: StoredWork) -> None:
    known(stored)
    assert known(stored, HASHER.work_of(SLOW)) == {SLOW_WORK: 1}
    assert known(stored) == {SLOW_WORK: 1}
    assert len(users.asked) == 1
    users.time = FRESH_SECONDS
    assert known(stored) == {}


def test_what_is_met_during_a_look_may_have_come_too_late_for_it(
    users: Watched, stored: StoredWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The other does not wait for long.
    monkeypatch.setattr(stored_work, "SLICE_SECONDS", 0.01)
    other = Thread(target=lambda: known(stored, HASHER.work_of(SLOW)))

    def meet() -> None:
        users.before = lambda: None
        other.start()
        other.join()

    users.before = meet
    assert known(stored) == {SLOW_WORK: 1}
    users.time = FRESH_SECONDS - 0.1
    assert known(stored) == {SLOW_WORK: 1}
    users.time = FRESH_SECONDS
    assert known(stored) == {}


def test_most_is_what_counts(users: Watched, stored: StoredWork) -> None:
    users.put(SLOWER, SLOWER.replace("1000000", "5000"))
    assert known(stored) == {SLOWER_WORK: 1_000_000}


def test_what_is_like_what_was_found_is_passed_over(
    users: Watched, stored: StoredWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_work, "PAGE", 2)
    read: list[str] = []
    work_of = Argon2PasswordHasher.work_of

    def recorded(self: Argon2PasswordHasher, text: str) -> Work:
        read.append(text)
        return work_of(self, text)

    monkeypatch.setattr(Argon2PasswordHasher, "work_of", recorded)
    users.put(SLOW, "of no use", *[SLOW.replace("salt", "other"), OURS] * 5)
    assert known(stored) == {SLOW_WORK: 1}
    assert users.asked == [(UserId(0), 0), (UserId(2), 1), *[(UserId(number), 2) for number in (4, 6, 8, 10)]]
    assert sorted(read) == sorted([SLOW, "of no use", OURS])


class TestALargeStore:
    """So large that a walk takes longer than one caller should wait."""

    @pytest.fixture(autouse=True)
    def _of_many_pages(self, users: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stored_work, "PAGE", 1)
        users.put(OURS, OURS, OURS, OURS, SLOW)
        users.seconds = 0.6

    def test_each_caller_looks_for_at_most_a_second(self, users: Watched, stored: StoredWork) -> None:
        for pages in (2, 4):
            assert known(stored) == {}
            assert [after for after, _ in users.asked] == list(range(pages))
        assert known(stored) == {SLOW_WORK: 1}
        assert len(users.asked) == 5

    def test_what_was_known_counts_until_the_next_look_is_over(self, users: Watched, stored: StoredWork) -> None:
        for _ in range(3):
            known(stored)
        users.forget()
        users.put(SLOWER, OURS, OURS, OURS, OURS)
        users.time *= SHARE * 2
        assert known(stored) == {SLOW_WORK: 1, SLOWER_WORK: 1_000_000}
        assert known(stored) == {SLOW_WORK: 1, SLOWER_WORK: 1_000_000}
        assert known(stored) == {SLOWER_WORK: 1_000_000}

    def test_looking_takes_a_hundredth_of_the_time(self, users: Watched, stored: StoredWork) -> None:
        for _ in range(3):
            known(stored)
        taken = users.time
        assert taken == pytest.approx(5 * 0.6)
        users.time = taken + SHARE * taken - 0.1
        known(stored)
        assert len(users.asked) == 5
        users.time = taken + SHARE * taken
        known(stored)
        assert len(users.asked) == 7


def test_a_store_that_is_gone_keeps_what_is_known(users: Watched, stored: StoredWork) -> None:
    def fail() -> None:
        raise StoreUnavailable("gone")

    users.put(SLOW)
    users.before = fail
    assert known(stored) == known(stored) == {}
    assert len(users.asked) == 1, "the second leaves it alone"
    users.before = lambda: None
    users.time += RETRY_SECONDS
    assert known(stored) == {SLOW_WORK: 1}
    users.before = fail
    users.time += FRESH_SECONDS
    users.put(SLOWER)
    assert known(stored) == {SLOW_WORK: 1}
    users.before = lambda: None
    users.time += RETRY_SECONDS
    assert known(stored) == {SLOW_WORK: 1, SLOWER_WORK: 1_000_000}


def test_who_comes_while_another_looks_waits_for_what_he_finds(
    users: Watched, stored: StoredWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_work, "SLICE_SECONDS", 60.0)
    users.put(SLOW)
    found: list[Work] = []
    other = Thread(target=lambda: found.append(known(stored)))

    def begin_the_other() -> None:
        users.before = lambda: None
        other.start()
        # A caller that does not wait is done by then.
        other.join(0.05)

    users.before = begin_the_other
    found.append(known(stored))
    other.join()
    assert found == [{SLOW_WORK: 1}] * 2
    assert len(users.asked) == 1
