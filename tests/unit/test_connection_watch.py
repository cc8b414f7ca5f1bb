"""Which connections are closed for taking too long, by the kernel's figures. Real callers:
integration/test_slow_callers.py."""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from itertools import count
from tempfile import TemporaryFile
from threading import Event

import pytest
from attrs import define, evolve, field

from menshen.entrypoints import connection_watch
from menshen.entrypoints.connection_watch import Connection, ConnectionWatch, connections_to

SECONDS = 10.0


@define
class Wire:
    """The two ends of a connection, and the kernel's figures for ours."""

    caller: socket.socket
    known: Connection

    @property
    def is_closed(self) -> bool:
        self.caller.setblocking(False)
        try:
            return self.caller.recv(1) == b""
        except BlockingIOError:
            return False


@define
class Watched:
    """A watch, and the wires that it is shown second by second."""

    watch: ConnectionWatch
    busy: set[tuple[str, str]]
    wires: list[Wire] = field(factory=list)
    now: float = 100.0

    def wire(self, *, awaits_head: bool = True, quiet_for: float = 0.0) -> Wire:
        ours, caller = socket.socketpair()
        number = len(self.wires)
        times = (quiet_for + 5.0, quiet_for) if awaits_head else (quiet_for, quiet_for + 5.0)
        known = Connection(
            socket=ours,
            inode=number,
            peer=("127.0.0.1", str(number)),
            sent_ago=times[0],
            received_ago=times[1],
            segments_sent=1,
        )
        self.wires.append(Wire(caller, known))
        return self.wires[-1]

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.watch.look([evolve(each.known, socket=each.known.socket.dup()) for each in self.wires], self.now)


@pytest.fixture
def watched() -> Iterator[Watched]:
    busy: set[tuple[str, str]] = set()
    found = Watched(ConnectionWatch(8000, SECONDS, crowd=5, is_busy=busy.__contains__), busy)
    yield found
    for each in found.wires:
        each.caller.close()
        each.known.socket.close()


def test_a_head_that_is_begun_and_does_not_come_is_not_waited_for(watched: Watched) -> None:
    slow = watched.wire()
    watched.pass_by(0)
    watched.pass_by(SECONDS - 0.1)
    assert not slow.is_closed
    watched.pass_by(0.1)
    assert slow.is_closed


def test_nothing_at_all_is_no_head_either(watched: Watched) -> None:
    silent = watched.wire(awaits_head=False)
    silent.known = evolve(silent.known, segments_sent=0)
    watched.pass_by(0)
    watched.pass_by(SECONDS)
    assert silent.is_closed


def test_a_connection_that_was_answered_may_rest(watched: Watched) -> None:
    resting = watched.wire(awaits_head=False, quiet_for=3600)
    watched.pass_by(0)
    watched.pass_by(SECONDS)
    assert not resting.is_closed


def test_the_time_of_the_next_head_begins_with_it(watched: Watched) -> None:
    caller = watched.wire()
    watched.pass_by(0)
    watched.pass_by(SECONDS - 1)
    caller.known = evolve(caller.known, segments_sent=2)
    watched.pass_by(SECONDS - 1)
    watched.pass_by(SECONDS - 0.1)
    assert not caller.is_closed
    watched.pass_by(0.1)
    assert caller.is_closed


def test_the_time_in_which_we_work_does_not_count(watched: Watched) -> None:
    caller = watched.wire()
    watched.busy.add(caller.known.peer)
    for _ in range(3):
        watched.pass_by(SECONDS)
    assert not caller.is_closed


def test_another_connection_is_another_matter(watched: Watched) -> None:
    first = watched.wire()
    watched.pass_by(0)
    first.known = evolve(first.known, inode=99)
    watched.pass_by(SECONDS)
    assert not first.is_closed


def test_in_a_crowd_nobody_may_rest_for_long(watched: Watched) -> None:
    resting = [watched.wire(awaits_head=False, quiet_for=SECONDS) for _ in range(5)]
    fresh = watched.wire(awaits_head=False, quiet_for=SECONDS - 1)
    working = watched.wire(awaits_head=False, quiet_for=SECONDS)
    watched.busy.add(working.known.peer)
    watched.pass_by(0)
    assert [each.is_closed for each in resting] == [True] * 5
    assert not fresh.is_closed
    assert not working.is_closed


def test_only_connections_to_our_port_are_looked_at_and_no_other_file_is_touched() -> None:
    """Closing a second handle of a file releases the locks that the process has on it (fcntl(2), POSIX)."""
    with socket.create_server(("127.0.0.1", 0)) as server, TemporaryFile() as file:
        port = server.getsockname()[1]
        fcntl.lockf(file, fcntl.LOCK_EX)
        with socket.create_connection(("127.0.0.1", port)) as caller, server.accept()[0]:
            [found] = connections_to(port)
            with found.socket:
                assert found.peer == ("127.0.0.1", str(caller.getsockname()[1]))
                assert found.awaits_head
                assert found.socket.fileno() >= 0
        child = os.fork()
        if child == 0:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0, "somebody else could lock the file"


def test_it_goes_on_where_no_file_could_be_opened_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, is_over = count(1), Event()

    def connections(_port: int) -> Iterator[Connection]:
        if next(looks) == 1:
            raise OSError(errno.EMFILE, "too many open files")
        is_over.set()
        return iter(())

    monkeypatch.setattr(connection_watch, "connections_to", connections)
    watch = ConnectionWatch(8000, SECONDS, crowd=5, is_busy=lambda _: False, interval_seconds=0.001)
    watch.start()
    assert is_over.wait(30)
    watch.stop()
