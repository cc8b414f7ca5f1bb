"""Connections that were silently dropped on the way: the first use finds out, and no other waits for that."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from threading import Barrier, Thread
from typing import Any

import pytest
from attrs import define, field
from sqlalchemy import event, make_url

from menshen.adapters.sql.database import Database, open_database
from menshen.adapters.sql.products.product import ANSWER_SECONDS, CONNECT_SECONDS
from menshen.domain.errors import StoreUnavailable

from .databases import DatabaseServer
from .spellings import outcome_of

SIZE = 5

PING_SECONDS = ANSWER_SECONDS - CONNECT_SECONDS

SLACK_SECONDS = 0.8


@define(eq=False)
class Relay:
    """A way to a server, which can forget the connections it has: what is sent on them is lost, and nobody is told."""

    target: int
    made: int = field(default=0, init=False)
    _forgotten: int = field(default=0, init=False)
    _listener: socket.socket = field(factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=50), init=False)
    _sockets: list[socket.socket] = field(factory=list, init=False)
    _threads: list[Thread] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._sockets.append(self._listener)
        self._begin(self._accept)

    @property
    def port(self) -> int:
        found: int = self._listener.getsockname()[1]
        return found

    def forget(self) -> None:
        self._forgotten = self.made

    def _begin(self, run: Callable[..., None], *arguments: object) -> None:
        self._threads.append(Thread(target=run, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, far = self._listener.accept()[0], socket.create_connection(("127.0.0.1", self.target))
                self._sockets += near, far
                self.made += 1
                for source, sink in ((near, far), (far, near)):
                    self._begin(self._pass_on, self.made, source, sink)

    def _pass_on(self, number: int, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if number > self._forgotten:
                    sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for each in self._sockets:
            # Closing alone would wake nobody who waits for it.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for each in self._sockets:
            each.close()


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    found: DatabaseServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def relay(server: DatabaseServer) -> Iterator[Relay]:
    with closing(Relay(server.url.port or 0)) as made:
        yield made


@contextmanager
def _idle(server: DatabaseServer, relay: Relay, *, is_patient: bool = False) -> Iterator[Database]:
    """A pool that is full of connections by the relay, which nobody seems to have used for long."""
    url = make_url(server.new_database()).set(port=relay.port).render_as_string(hide_password=False)
    with closing(open_database(url, connections=SIZE, is_patient=is_patient)) as database:
        with ExitStack() as stack:
            for _ in range(SIZE):
                stack.enter_context(database.reading())
            event.listen(database.engine, "checkin", lambda _, record: record.info.update(used_at=float("-inf")))
        yield database


@pytest.mark.parametrize("is_patient", [False, True])
def test_the_first_finds_out_and_all_are_served(server: DatabaseServer, relay: Relay, is_patient: bool) -> None:
    with _idle(server, relay, is_patient=is_patient) as database:
        relay.forget()
        begin = time.monotonic()
        with ExitStack() as stack:
            for _ in range(SIZE):
                connection = stack.enter_context(database.reading())
                assert connection.exec_driver_sql("SELECT 1").scalar() == 1
        assert PING_SECONDS * 0.9 < time.monotonic() - begin < PING_SECONDS + SLACK_SECONDS


def test_callers_that_come_together_are_all_served(server: DatabaseServer, relay: Relay) -> None:
    with _idle(server, relay) as database, ThreadPoolExecutor(SIZE) as pool:
        relay.forget()
        together = Barrier(SIZE)

        def read(_number: int) -> None:
            together.wait(10)
            with database.reading() as connection:
                connection.exec_driver_sql("SELECT 1")

        begin = time.monotonic()
        list(pool.map(read, range(SIZE)))
        assert time.monotonic() - begin < PING_SECONDS + SLACK_SECONDS


def test_those_that_live_are_kept(server: DatabaseServer, relay: Relay) -> None:
    with _idle(server, relay) as database:
        before = relay.made
        with ExitStack() as stack:
            for _ in range(SIZE):
                found: Any = stack.enter_context(database.reading()).connection.dbapi_connection
                # As long as ever, and not as briefly as when it was tried.
                assert found.seconds == ANSWER_SECONDS
        assert relay.made == before


@pytest.mark.parametrize("is_patient", [False, True])
@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "mysql+pymysql"])
def test_a_server_that_accepts_and_says_nothing_is_not_waited_for(scheme: str, is_patient: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://me@127.0.0.1:{silent.getsockname()[1]}/accounts"
        with closing(open_database(url, connections=1, is_patient=is_patient)) as database:
            found = outcome_of(database.ping)
    assert type(found.error) is StoreUnavailable
    assert CONNECT_SECONDS * 0.9 < found.seconds < CONNECT_SECONDS + SLACK_SECONDS


def test_a_server_that_begins_and_falls_silent_is_not_waited_for_from_the_beginning() -> None:
    """Authentication counts towards the same limit."""
    greeting = b"\x0a5.5.5-10.11.0-MariaDB\x00" + bytes(4) + b"saltsalt\x00\xff\xf7\x2d\x02\x00\xff\x81\x15" + bytes(10)
    greeting += b"saltsaltsalt\x00mysql_native_password\x00"

    def greet(listener: socket.socket) -> None:
        caller = listener.accept()[0]
        time.sleep(CONNECT_SECONDS * 0.75)
        caller.sendall(len(greeting).to_bytes(3, "little") + b"\x00" + greeting)
        with caller:
            while caller.recv(65536):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        pool.submit(greet, listener)
        url = f"mysql+pymysql://me@127.0.0.1:{listener.getsockname()[1]}/accounts?ssl_disabled=true"
        with closing(open_database(url, connections=1, is_patient=True)) as database:
            found = outcome_of(database.ping)
    assert type(found.error) is StoreUnavailable
    assert CONNECT_SECONDS * 0.9 < found.seconds < CONNECT_SECONDS + SLACK_SECONDS
