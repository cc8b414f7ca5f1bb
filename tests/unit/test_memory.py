"""The in-memory adapters keep the contracts of their ports."""

import pytest

from menshen.adapters.memory.store import MemoryStore
from menshen.adapters.memory.users import MemoryUserRepository
from menshen.domain.ports import UserRepository

from ..contracts.users import UserRepositoryContract


class TestMemoryUserRepository(UserRepositoryContract):
    @pytest.fixture
    def users(self) -> UserRepository:
        return MemoryUserRepository(MemoryStore())
