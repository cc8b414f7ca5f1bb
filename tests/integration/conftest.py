"""What the integration tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from menshen.adapters.sql.database import Database

from .databases import (
    QUICK_MARIADB,
    QUICK_POSTGRES,
    DatabaseServer,
    MariaDbServer,
    PostgresServer,
    running,
    server_folder,
)
from .redis_servers import RedisProcess, redis_running
from .servers import Client, Server, serving
from .spellings import SPELLINGS, Spelling, quick_server
from .stores import opened

pytest.register_assert_rewrite("menshen.adapters.conformance")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of a module that leave it as it was."""
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running
        assert running.returncode is None, f"the server died:\n{running.log}"


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with server.client() as connected:
        yield connected


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "server"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[DatabaseServer]:
    """A PostgreSQL for tests in which nothing crashes."""
    with server_folder() as folder, running(PostgresServer(folder / "postgresql", QUICK_POSTGRES)) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[DatabaseServer]:
    """A MariaDB for tests in which nothing crashes."""
    with server_folder() as folder, running(MariaDbServer(folder / "mariadb", QUICK_MARIADB)) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_database(postgresql: DatabaseServer) -> Iterator[Database]:
    """One with our tables, for tests that empty them first."""
    with opened(postgresql.new_database()) as database:
        yield database


@pytest.fixture(scope="session")
def mariadb_database(mariadb: DatabaseServer) -> Iterator[Database]:
    """One with our tables, for tests that empty them first."""
    with opened(mariadb.new_database()) as database:
        yield database


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def product(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def spelling(product: str) -> Spelling:
    return SPELLINGS[product]


@pytest.fixture(scope="module")
def machine(product: str) -> Iterator[DatabaseServer]:
    """A database server that no other test uses, to be paused, stopped, and reconfigured."""
    with server_folder() as folder, running(quick_server(product, folder)) as started:
        yield started


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """A Redis for the tests of a module, which leave it running."""
    with redis_running(RedisProcess(tmp_path_factory.mktemp("redis") / "redis")) as server:
        yield server
