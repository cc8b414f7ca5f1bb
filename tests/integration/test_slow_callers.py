"""Callers that keep the server waiting occupy only their own connection (ASVS 15.4.4).

The limits are the server's own, only shorter here, so that the tests need not wait for them.
"""

import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from attrs import frozen

from menshen.entrypoints import front

from .servers import PASSWORD, Answer, Server, assert_envelope, read_answer, serving

LIMIT_SECONDS = 6

KEEP_ALIVE_SECONDS = 14
"""How long an idle connection stays open: well over the limit for a head."""

COMMAND = (
    sys.executable,
    "-c",
    f"""
from menshen.entrypoints import server
server.BODY_SECONDS = server.HEADER_SECONDS = {LIMIT_SECONDS}
from menshen.entrypoints.cli.main import entry_point
entry_point()
""",
)

HEAD = b"POST /api/user/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"

# What each kind of slow caller sends before it falls silent, and how many of them there are.
UNSENT_BODY, HALF_BODY, IDLE, HALF_HEAD, SECOND_REQUEST = (
    (HEAD, 100),
    (HEAD + b'{"phone": "138', 28),
    (b"", 200),
    (b"GET /api/user/user_info HTTP/1.1\r\nHost: x\r\ntok", 200),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 20),
)


@frozen
class SlowCallers:
    """All kinds of them at once."""

    server: Server
    unsent_bodies: list[socket.socket]
    idle: list[socket.socket]
    half_heads: list[socket.socket]
    between_requests: list[socket.socket]
    dribbling: list[Future[float]]
    """How long callers that send a head one character at a time could continue."""


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlowCallers]:
    folder = tmp_path_factory.mktemp("slow")
    with serving(folder, COMMAND, KEEP_ALIVE=str(KEEP_ALIVE_SECONDS)) as server, ThreadPoolExecutor(4) as pool:
        callers = SlowCallers(
            server,
            _connected(server, *UNSENT_BODY) + _connected(server, *HALF_BODY),
            _connected(server, *IDLE),
            _connected(server, *HALF_HEAD),
            _connected(server, *SECOND_REQUEST),
            [pool.submit(_dribble, server) for _ in range(4)],
        )
        try:
            yield callers
        finally:
            for caller in callers.unsent_bodies + callers.idle + callers.half_heads + callers.between_requests:
                caller.close()
        assert server.returncode is None


class TestSlowCallers:
    """In this order: first while they are slow, then when their time is over."""

    def test_others_are_served_at_once(self, slow: SlowCallers) -> None:
        times: dict[str, float] = {}
        for number in range(3):
            phone = f"1380013800{number}"
            with slow.server.client() as client:
                token = _timed(times, "register", lambda: client.register(phone)).token  # noqa: B023 - called at once
                assert _timed(times, "login", lambda: client.login(phone)).status == 200  # noqa: B023
                assert _timed(times, "user_info", lambda: client.user_info(token)).status == 200  # noqa: B023
        assert max(times.values()) < 2, times
        still, _, _ = select.select(slow.unsent_bodies, [], [], 0)
        assert not still, "the slow callers were gone before this test was over: it has shown nothing"

    def test_a_body_that_does_not_come_is_answered_in_the_envelope(self, slow: SlowCallers) -> None:
        for caller in slow.unsent_bodies:
            answer = _answer_from(caller)
            assert answer.status == 400
            assert answer.reason == "body_incomplete"
            assert_envelope(answer)

    def test_idle_connections_and_half_sent_heads_are_closed(self, slow: SlowCallers) -> None:
        for caller in slow.idle + slow.half_heads:
            caller.settimeout(3 * LIMIT_SECONDS)
            said = caller.recv(4096)
            assert not said or said.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 "))

    def test_a_head_that_comes_character_by_character_is_not_waited_for_any_longer(self, slow: SlowCallers) -> None:
        for each in slow.dribbling:
            assert LIMIT_SECONDS - 1 < each.result(3 * LIMIT_SECONDS) < KEEP_ALIVE_SECONDS - 2

    def test_a_connection_on_which_nothing_is_asked_for_stays_longer(self, slow: SlowCallers) -> None:
        """A balancer that takes it up again gets an answer, and not the 502 that it would make of a closed one."""
        for caller in slow.between_requests:
            assert _answer_from(caller).status == 200
        closed, _, _ = select.select(slow.between_requests, [], [], 0)
        assert not closed, "they are closed as soon as those who are slow"
        for caller in slow.between_requests[:10]:
            caller.sendall(SECOND_REQUEST[0])
            assert _answer_from(caller).status == 200

    def test_but_not_endlessly(self, slow: SlowCallers) -> None:
        for caller in slow.between_requests:
            caller.settimeout(3 * KEEP_ALIVE_SECONDS)
            assert not caller.recv(4096)

    def test_and_then_the_server_is_as_before(self, slow: SlowCallers) -> None:
        with slow.server.client() as client:
            assert client.user_info(client.login("13800138000", PASSWORD).token).status == 200


def test_the_limits_in_force_are_no_longer_than_ten_seconds() -> None:
    assert 0 < front.BODY_SECONDS <= 10
    assert 0 < front.HEADER_SECONDS <= 10


def _connected(server: Server, sent: bytes, count: int) -> list[socket.socket]:
    callers = []
    for _ in range(count):
        caller = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        caller.sendall(sent)
        callers.append(caller)
    return callers


def _dribble(server: Server) -> float:
    """How many seconds it took until the server would have no more of it."""
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as caller:
        caller.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nfiller: ")
        while time.monotonic() - begin < 4 * KEEP_ALIVE_SECONDS:
            try:
                caller.sendall(b"x")
                closed, _, _ = select.select([caller], [], [], 0.3)
            except OSError:
                break
            if closed:
                break
    return time.monotonic() - begin


def _timed(times: dict[str, float], name: str, request: Callable[[], Answer]) -> Answer:
    begin = time.monotonic()
    answer = request()
    times[name] = max(times.get(name, 0.0), time.monotonic() - begin)
    return answer


def _answer_from(caller: socket.socket) -> Answer:
    caller.settimeout(3 * LIMIT_SECONDS)
    return read_answer(caller)
