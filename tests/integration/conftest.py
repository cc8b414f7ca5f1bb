"""What the integration tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .servers import Client, Server, serving


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
