"""A real PgBouncer in transaction mode between us and PostgreSQL, as hosters put one there."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from menshen.adapters.conformance.stores import StoreContract
from menshen.adapters.sql.database import Database
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.stores import Store

from .databases import DatabaseServer, as_owner, program_of, server_folder
from .servers import START_SECONDS, Client, Server, free_port, menshen, serving
from .spellings import by_somebody_else
from .stores import emptied, opened

# The second is what hosters advise: the options are accepted, and do nothing.
IGNORING = ["", "options"]


@pytest.fixture(scope="module", params=IGNORING, ids=["options are refused", "options are ignored"])
def pooled(request: pytest.FixtureRequest, postgresql: DatabaseServer) -> Iterator[str]:
    """The URL of a fresh database behind a pooler."""
    direct = postgresql.new_database()
    with server_folder() as folder, _pooler(folder, make_url(direct).port or 0, request.param) as port:
        yield make_url(direct).set(port=port).render_as_string(hide_password=False)


@contextmanager
def _pooler(folder: Path, server_port: int, ignored: str) -> Iterator[int]:
    port = free_port()
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"""
[databases]
* = host=127.0.0.1 port={server_port} user=menshen
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 300
ignore_startup_parameters = {ignored}
"""
    )
    with (folder / "log").open("wb") as log:
        pooler = subprocess.Popen(
            [*as_owner("postgres"), program_of("pgbouncer"), str(settings)], stdout=log, stderr=log, cwd=folder
        )
    try:
        _until_it_answers(f"postgresql+psycopg://menshen@127.0.0.1:{port}/postgres", pooler, folder / "log")
        yield port
    finally:
        os.kill(pooler.pid, signal.SIGKILL)
        pooler.wait(30)


def _until_it_answers(url: str, pooler: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            by_somebody_else(url, "SELECT 1")
            return
        except OperationalError:
            assert pooler.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)


@pytest.fixture(scope="module")
def database(pooled: str) -> Iterator[Database]:
    with opened(pooled) as found:
        yield found


# How the options are taken is over with the connection: afterwards there is one way to begin a transaction behind a pooler.
@pytest.mark.parametrize("pooled", IGNORING[:1], ids=["options are refused"], indirect=True)
class TestStoreBehindAPooler(StoreContract):
    @pytest.fixture
    def store(self, database: Database) -> Store:
        return emptied(database)


def test_time_limits_hold_in_transactions_and_are_nobody_elses(database: Database, pooled: str) -> None:
    with database.writing() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar() == "2500ms"
        assert connection.execute(text("SHOW transaction_isolation")).scalar() == "read committed"
    with pytest.raises(StoreUnavailable), database.writing() as connection:
        connection.execute(text("SELECT pg_sleep(5)"))
    for _ in range(8):
        assert by_somebody_else(pooled, "SELECT current_setting('statement_timeout')") == ["0"]
    assert by_somebody_else(pooled, "SELECT count(*) FROM pg_prepared_statements") == [0]


def test_the_service_works_behind_it(pooled: str, tmp_path: Path) -> None:
    assert menshen("migrate", folder=tmp_path, DATABASE_URL=pooled).returncode == 0
    with serving(tmp_path / "server", DATABASE_URL=pooled, WORKERS="2") as server, ThreadPoolExecutor(8) as callers:
        outcomes = list(callers.map(lambda number: _live(server, f"1370000{number:04}"), range(40)))
        assert outcomes == [(200, 200, 200, 200, "session_logged_out")] * 40
        assert "store failed" not in server.log


def _live(server: Server, phone: str) -> tuple[int, int, int, int, str | None]:
    with Client(server.port) as client:
        registered, logged_in = client.register(phone), client.login(phone)
        refreshed = client.refresh(logged_in.refresh_token)
        seen, out = client.user_info(refreshed.token), client.logout(refreshed.token)
        return registered.status, refreshed.status, seen.status, out.status, client.user_info(refreshed.token).reason


def test_adoption_wants_a_direct_connection(pooled: str, tmp_path: Path) -> None:
    done = menshen("adopt", "--dry-run", folder=tmp_path, DATABASE_URL=pooled)
    assert done.returncode == 1
    assert "adopt by a direct connection to PostgreSQL, not by a pooler" in done.stderr
