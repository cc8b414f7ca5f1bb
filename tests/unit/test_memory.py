"""The in-memory adapters keep the contracts of their ports."""

from datetime import UTC, datetime, timedelta

import pytest

from menshen.adapters.memory.fakes import FakeClock, FakePasswordHasher, FakeRandomIds, FakeTokenCodec
from menshen.adapters.memory.sessions import MemorySessionRepository
from menshen.adapters.memory.store import MemoryStore
from menshen.adapters.memory.users import MemoryUserRepository
from menshen.domain.ports import (
    Clock,
    PasswordHasher,
    RandomIds,
    SessionRepository,
    TokenCodec,
    UserRepository,
    Verdict,
)

from ..contracts.clocks import ClockContract
from ..contracts.codecs import TokenCodecContract
from ..contracts.hashers import PasswordHasherContract
from ..contracts.ids import RandomIdsContract
from ..contracts.sessions import SessionRepositoryContract
from ..contracts.users import UserRepositoryContract


class TestMemoryUserRepository(UserRepositoryContract):
    @pytest.fixture
    def users(self) -> UserRepository:
        return MemoryUserRepository(MemoryStore())


class TestMemorySessionRepository(SessionRepositoryContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()

    @pytest.fixture
    def users(self, store: MemoryStore) -> UserRepository:
        return MemoryUserRepository(store)

    @pytest.fixture
    def sessions(self, store: MemoryStore) -> SessionRepository:
        return MemorySessionRepository(store)


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
