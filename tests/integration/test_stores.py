"""Every store keeps the contracts of the storage ports, on a real server where it is one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from menshen.adapters.conformance.reopening import ReopenedStoreContract
from menshen.adapters.conformance.stores import StoreContract
from menshen.adapters.sql.database import Database
from menshen.domain.ports.stores import Store
from menshen.entrypoints.stores import sql_store

from .databases import DatabaseServer
from .stores import emptied, opened


class TestSqlite(StoreContract):
    @pytest.fixture(scope="class")
    @classmethod
    def database(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
        with opened(f"sqlite:///{tmp_path_factory.mktemp('stores')}/accounts.sqlite3") as database:
            yield database

    @pytest.fixture
    def store(self, database: Database) -> Store:
        return emptied(database)


class TestPostgreSql(StoreContract):
    @pytest.fixture
    def store(self, postgresql_database: Database) -> Store:
        return emptied(postgresql_database)


class TestMariaDb(StoreContract):
    @pytest.fixture
    def store(self, mariadb_database: Database) -> Store:
        return emptied(mariadb_database)


@contextmanager
def _reopening(url: str) -> Iterator[Callable[[], Store]]:
    with ExitStack() as open_ones:

        def reopen() -> Store:
            open_ones.close()
            return sql_store(open_ones.enter_context(opened(url)))

        yield reopen


class TestReopenedSqlite(ReopenedStoreContract):
    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Iterator[Callable[[], Store]]:
        with _reopening(f"sqlite:///{tmp_path}/accounts.sqlite3") as reopen:
            yield reopen


class TestReopenedPostgreSql(ReopenedStoreContract):
    @pytest.fixture
    def reopen(self, postgresql: DatabaseServer) -> Iterator[Callable[[], Store]]:
        with _reopening(postgresql.new_database()) as reopen:
            yield reopen


class TestReopenedMariaDb(ReopenedStoreContract):
    @pytest.fixture
    def reopen(self, mariadb: DatabaseServer) -> Iterator[Callable[[], Store]]:
        with _reopening(mariadb.new_database()) as reopen:
            yield reopen
