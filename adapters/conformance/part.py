"""What the parts of a store's contract have in common."""

import pytest

from ...domain.ports.stores import Store
from ...domain.ports.writing import UnitOfWork
from .steps import AuditSteps, SessionSteps, UserSteps


class PartOfContract:
    """A part of the contract of every store: each subclass in this folder is one. Subclasses give ``store``."""

    @pytest.fixture
    def users(self, store: Store) -> UserSteps:
        return UserSteps(store)

    @pytest.fixture
    def sessions(self, store: Store) -> SessionSteps:
        return SessionSteps(store)

    @pytest.fixture
    def audit(self, store: Store) -> AuditSteps:
        return AuditSteps(store)

    @pytest.fixture
    def work(self, store: Store) -> UnitOfWork:
        return store.work
