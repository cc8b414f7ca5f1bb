"""The contracts of all the storage ports at once, for one store."""

import pytest

from ...domain.ports.stores import Store
from ...domain.ports.writing import UnitOfWork
from .audit import AuditLogContract
from .exactness import ExactTextContract, ExactTimeContract
from .finding_users import FindingUsersContract
from .isolation import IsolationContract
from .look_alikes import LookAlikesContract
from .sessions import EndingSessionsContract, SessionRepositoryContract
from .steps import AuditSteps, SessionSteps, UserSteps
from .units_of_work import UnitOfWorkContract
from .users import SavingUsersContract, UserRepositoryContract
from .using_sessions import UsingSessionsContract


class StoreContract(
    UserRepositoryContract,
    SavingUsersContract,
    FindingUsersContract,
    SessionRepositoryContract,
    EndingSessionsContract,
    UsingSessionsContract,
    AuditLogContract,
    UnitOfWorkContract,
    IsolationContract,
    ExactTextContract,
    ExactTimeContract,
    LookAlikesContract,
):
    """All that a store must do while it is open. Subclasses give the fixture ``store``: an empty Store for each test.

    It may be called by 16 threads at once. Ids need not begin anew with each test.
    """

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

    def test_a_store_that_is_there_says_so(self, store: Store) -> None:
        store.ping()

    def test_a_weakness_is_a_line_for_people(self, store: Store) -> None:
        for line in (*store.weaknesses(), *store.exposures):
            assert line == line.strip() != ""
            assert line.isprintable()
