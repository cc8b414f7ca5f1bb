"""A request that begins after a revocation was acknowledged is refused, in every process of the machine."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count

import pytest
from sqlalchemy import create_engine, text

from .databases import DatabaseServer
from .servers import PASSWORD, Client, Server, serving
from .stores import migrated

ROUNDS = 40
LOOKS = 3
"""Requests of each worker before, so that both remember, and afterwards."""

_numbers = count()


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"WORKERS": "2"}
    if request.param != "sqlite":
        found: DatabaseServer = request.getfixturevalue(request.param)
        settings["DATABASE_URL"] = found.new_database()
        migrated(settings["DATABASE_URL"])
    with serving(tmp_path_factory.mktemp("stale"), **settings) as running:
        yield running
        assert running.returncode is None, f"the server died:\n{running.log}"
        assert "Traceback" not in running.log


@pytest.fixture
def workers(server: Server) -> Iterator[tuple[Client, Client]]:
    """Two callers, each of whom talks to another worker."""
    with ExitStack() as stack:
        one, other = (stack.enter_context(server.client_of(worker)) for worker in server.workers)
        yield one, other


@pytest.fixture
def phone() -> str:
    return f"136{next(_numbers):08}"


def look(workers: tuple[Client, Client], token: str) -> set[str | None]:
    """What both say, several times each: why the token opens nothing, or None."""
    return {client.user_info(token).reason for _ in range(LOOKS) for client in workers}


def test_logging_out_counts_at_once_in_every_worker(workers: tuple[Client, Client], phone: str) -> None:
    workers[0].register(phone)
    for number in range(ROUNDS):
        one, other = workers[number % 2], workers[1 - number % 2]
        token = one.login(phone).token
        assert look(workers, token) == {None}
        assert other.logout(token).status == 200
        assert look(workers, token) == {"session_logged_out"}


def test_a_changed_password_counts_at_once_in_every_worker(workers: tuple[Client, Client], phone: str) -> None:
    passwords = [PASSWORD, "another horse"]
    workers[0].register(phone)
    for number in range(ROUNDS // 4):
        old, new = passwords[number % 2], passwords[1 - number % 2]
        mine, theirs = (client.login(phone, old).token for client in workers)
        assert look(workers, theirs) == {None}
        assert workers[number % 2].change_password(mine, old, new).status == 200
        assert look(workers, theirs) == {"password_changed"}
        assert look(workers, mine) == {None}


def test_a_new_name_is_shown_at_once_by_every_worker(workers: tuple[Client, Client], phone: str) -> None:
    token = workers[0].register(phone).token
    for number in range(ROUNDS):
        look(workers, token)
        name = f"name {number}"
        answer = workers[number % 2].request("POST", "/api/user/profile", {"user_name": name}, token=token)
        assert answer.status == 200
        shown = {client.user_info(token).json["data"]["user_name"] for _ in range(LOOKS) for client in workers}
        assert shown == {name}


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("session", "kick", "--all"), "session_kicked"),
        (("user", "freeze", "--reason", "a test"), "user_not_active"),
        (("session", "kick", "--everybody"), "session_kicked"),
    ],
)
def test_the_command_line_counts_at_once_in_every_worker(
    server: Server, workers: tuple[Client, Client], phone: str, command: tuple[str, ...], reason: str
) -> None:
    token = workers[0].register(phone).token
    assert look(workers, token) == {None}
    whom = () if "--everybody" in command else (phone,)
    assert server.process(*command[:2], *whom, *command[2:]).returncode == 0
    assert look(workers, token) == {reason}


def test_what_is_written_by_hand_counts_within_a_second(
    server: Server, workers: tuple[Client, Client], phone: str
) -> None:
    token = workers[0].register(phone).token
    url = server.settings.get("MENSHEN_DATABASE_URL", f"sqlite:///{server.database}")
    engine = create_engine(url)
    took = []
    for state, reason in [("冻结", "user_not_active"), ("正常", None)] * 5:
        assert len(look(workers, token)) == 1
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE x_user SET state = :state WHERE canonical_phone = :phone"),
                {"state": state, "phone": phone},
            )
        begin = time.monotonic()
        while look(workers, token) != {reason}:
            assert time.monotonic() - begin < 5
        took.append(time.monotonic() - begin)
    engine.dispose()
    assert max(took) < 1.0, took


_KILLED_BEFORE_IT_SAYS_SO = """
import os, signal, sys
from menshen.adapters.remembering.announcing import AnnouncingUnitOfWork
from menshen.entrypoints.cli.main import main

AnnouncingUnitOfWork._announce = lambda self, touched: os.kill(os.getpid(), signal.SIGKILL)
main(sys.argv[1:], os.environ)
"""


def test_a_process_that_is_killed_between_its_commit_and_its_word_leaves_nobody_stale_for_a_second(
    server: Server, workers: tuple[Client, Client], phone: str
) -> None:
    token = workers[0].register(phone).token
    took = []
    for command, reason in [("freeze", "user_not_active"), ("unfreeze", None)] * 2:
        look(workers, token)
        why = ("--reason", "a test") if command == "freeze" else ()
        killed = subprocess.run(
            [sys.executable, "-c", _KILLED_BEFORE_IT_SAYS_SO, "user", command, phone, *why],
            cwd=server.folder,
            env=server.environment,
            capture_output=True,
            timeout=60,
            check=False,
        )
        begin = time.monotonic()
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        if reason is not None:
            while look(workers, token) != {reason}:
                assert time.monotonic() - begin < 5
            took.append(time.monotonic() - begin)
        else:
            token = workers[0].login(phone).token
    assert max(took) < 1.0, took
