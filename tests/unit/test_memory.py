"""The in-memory adapters keep the contracts of their ports."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from menshen.adapters.conformance.clocks import ClockContract
from menshen.adapters.conformance.codecs import TokenCodecContract
from menshen.adapters.conformance.hashers import PasswordHasherContract
from menshen.adapters.conformance.ids import RandomIdsContract
from menshen.adapters.conformance.last_seen import LastSeenContract
from menshen.adapters.conformance.refresh_codecs import RefreshTokenCodecContract
from menshen.adapters.conformance.steps import SessionSteps, UserSteps
from menshen.adapters.conformance.stores import StoreContract
from menshen.adapters.memory.fakes import (
    FakeClock,
    FakeLastSeen,
    FakePasswordHasher,
    FakeRandomIds,
    FakeRefreshTokenCodec,
    FakeTokenCodec,
)
from menshen.adapters.memory.store import Changes, MemoryStore
from menshen.domain.ports.outside import (
    Clock,
    LastSeen,
    PasswordHasher,
    RandomIds,
    RefreshTokenCodec,
    TokenCodec,
    Verdict,
)
from menshen.domain.ports.stores import Store
from menshen.entrypoints.stores import memory_store


def check_that_others_are_plain(changes: Changes) -> None:
    """The rows of a further noun survive a round trip through JSON, since a keeper does not know their types."""
    assert json.loads(json.dumps(changes.others)) == changes.others


class InMemory:
    @pytest.fixture
    def store(self) -> Store:
        return memory_store(MemoryStore(keep=check_that_others_are_plain))


class TestMemoryStore(InMemory, StoreContract):
    keeps_readers_waiting = True


class TestFakeLastSeen(InMemory, LastSeenContract):
    @pytest.fixture
    def users(self, store: Store) -> UserSteps:
        return UserSteps(store)

    @pytest.fixture
    def sessions(self, store: Store) -> SessionSteps:
        return SessionSteps(store)

    @pytest.fixture
    def last_seen(self, store: Store) -> LastSeen:
        return FakeLastSeen(store.work)

    @pytest.fixture
    def wait(self) -> Callable[[], None]:
        return lambda: None


class TestFakePasswordHasher(PasswordHasherContract):
    @pytest.fixture
    def hasher(self) -> PasswordHasher:
        return FakePasswordHasher()

    def test_a_hash_marked_old_counts_as_outdated(self) -> None:
        hasher = FakePasswordHasher()
        assert hasher.verify("secret", "old:secret") is Verdict.MATCH_OUTDATED
        assert hasher.verify("another", "old:secret") is Verdict.NO_MATCH

    def test_it_counts_what_it_judged(self) -> None:
        hasher = FakePasswordHasher()
        hasher.verify("secret", hasher.hash("secret"))
        hasher.verify("secret", None)
        assert hasher.judged == 2


class TestFakeTokenCodec(TokenCodecContract):
    @pytest.fixture
    def codec(self) -> TokenCodec:
        return FakeTokenCodec()


class TestFakeRefreshTokenCodec(RefreshTokenCodecContract):
    @pytest.fixture
    def codec(self) -> RefreshTokenCodec:
        return FakeRefreshTokenCodec()


class TestFakeRandomIds(RandomIdsContract):
    @pytest.fixture
    def ids(self) -> RandomIds:
        return FakeRandomIds()


class TestFakeClock(ClockContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return FakeClock()

    def test_it_stands_until_it_is_moved(self) -> None:
        clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
        assert clock.now() == clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
        clock.move(timedelta(days=1))
        assert clock.now() == datetime(2026, 1, 2, tzinfo=UTC)
