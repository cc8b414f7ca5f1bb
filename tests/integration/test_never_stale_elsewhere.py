"""What is ended on one machine is refused on another within a second, whatever befalls their database meanwhile."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from secrets import token_hex

import pytest

from .databases import DatabaseServer
from .patience import until
from .servers import Client, Server, serving
from .stores import migrated

ROUNDS = 8
BOUND = 1.0
"""Seconds after which nobody who was ended is let in."""

_numbers = count()


@pytest.fixture(scope="module")
def nodes(machine: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """Two machines with one database: each has its data folder, and so its epochs, which they would share without any."""
    url, secret = machine.new_database(), token_hex(32)
    migrated(url)
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(serving(folder, DATA_DIR=str(folder), DATABASE_URL=url, SECRET_KEY=secret))
            for folder in (tmp_path_factory.mktemp(name) for name in ("one", "other"))
        )
        yield one, other
        # A connection that is lost while it is given back is logged by SQLAlchemy, with its traceback.
        assert (one.returncode, other.returncode) == (None, None), one.log + other.log


@pytest.fixture
def callers(nodes: tuple[Server, Server]) -> Iterator[tuple[Client, Client]]:
    with nodes[0].client() as one, nodes[1].client() as other:
        yield one, other


@pytest.fixture
def phone() -> str:
    return f"137{next(_numbers):08}"


def let_in(callers: tuple[Client, Client], token: str) -> None:
    """See that the token is good, several times, so that both remember."""
    for _ in range(3):
        assert [caller.user_info(token).status for caller in callers] == [200, 200]


def let_in_until(caller: Client, token: str, reason: str, since: float) -> float:
    """Ask until it is refused for that *reason*; how long after *since* the last request began that was let in."""
    last = 0.0
    while True:
        begin = time.monotonic() - since
        answer = caller.user_info(token)
        if answer.reason == reason:
            return last
        assert answer.status in {200, 503}, answer.body
        assert begin < 30, "it is not refused"
        if answer.status == 200:
            last = begin


def kick(node: Server, phone: str) -> bool:
    """Whether the command line of that machine has done it."""
    return node.menshen("session", "kick", phone, "--all").returncode == 0


def test_what_one_machine_ends_the_other_refuses_within_a_second(
    nodes: tuple[Server, Server], callers: tuple[Client, Client], phone: str
) -> None:
    callers[0].register(phone)
    last = []
    for number in range(ROUNDS):
        here, there = number % 2, 1 - number % 2
        token = callers[here].login(phone).token
        let_in(callers, token)
        if number < ROUNDS / 2:
            assert callers[here].logout(token).status == 200
            reason = "session_logged_out"
        else:
            assert kick(nodes[here], phone)
            reason = "session_kicked"
        last.append(let_in_until(callers[there], token, reason, time.monotonic()))
    assert max(last) < BOUND, last


def test_while_the_database_is_silent_nobody_is_let_in_from_memory_for_longer_than_a_second(
    machine: DatabaseServer, callers: tuple[Client, Client], phone: str
) -> None:
    token = callers[0].register(phone).token
    let_in(callers, token)
    machine.pause()
    try:
        paused = time.monotonic()
        last = [let_in_until(caller, token, "store_unavailable", paused) for caller in callers]
    finally:
        machine.resume()
    assert max(last) < BOUND, last
    until(lambda: all(caller.user_info(token).status == 200 for caller in callers))


def test_what_is_ended_as_soon_as_the_database_is_back_counts_within_a_second(
    machine: DatabaseServer, nodes: tuple[Server, Server], callers: tuple[Client, Client], phone: str
) -> None:
    token = callers[0].register(phone).token
    let_in(callers, token)
    machine.stop()
    machine.start()
    # Whether or not the other machine has noticed that the database was away.
    until(lambda: kick(nodes[0], phone))
    last = [let_in_until(caller, token, "session_kicked", time.monotonic()) for caller in callers[::-1]]
    assert max(last) < BOUND, last
