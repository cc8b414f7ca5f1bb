"""Watching the connections of a worker for callers that take too long to send the head of a request.

granian has one limit both for a head that does not arrive and for an idle connection. A balancer keeps connections open
for a minute and more, and answers 502 if we close one that it is about to use; a caller that sends a head slowly should
get only ten seconds. So granian gets the long limit, and the short one is enforced here, with the kernel's figures.
"""

import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Event, Thread

from attrs import define, field, frozen

INTERVAL_SECONDS = 1.0

CAN_WATCH = sys.platform == "linux"
"""Whether the system says enough about its connections."""


@frozen
class Connection:
    """One connection to our port, at this moment."""

    socket: socket.socket
    inode: int
    """Distinguishes it from a later one with the same number."""
    peer: tuple[str, str]
    """Address and port."""
    sent_ago: float
    """Seconds since we sent something."""
    received_ago: float
    """Seconds since something was received."""
    segments_sent: int

    @property
    def awaits_head(self) -> bool:
        """Whether a head has begun, or is the first thing expected."""
        return self.segments_sent == 0 or self.received_ago < self.sent_ago


@define(eq=False)
class ConnectionWatch:
    """Closes connections whose head takes longer than *head_seconds*.

    *is_busy* says whether a request of a peer is being processed. While there are more than *crowd*
    connections, idle ones get no more time either.
    """

    port: int
    head_seconds: float
    crowd: int
    is_busy: Callable[[tuple[str, str]], bool]
    interval_seconds: float = INTERVAL_SECONDS
    _since: dict[int, tuple[float, int]] = field(factory=dict, init=False)
    """By inode: since when a head is awaited, and what had been sent by then."""
    _stopping: Event = field(factory=Event, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def start(self) -> None:
        self._thread = Thread(target=self._run, name="menshen-connections", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self.interval_seconds):
            # If all file handles are in use, not even a list of them is possible; in a second it is.
            with suppress(OSError):
                self.look(list(connections_to(self.port)), time.monotonic())

    def look(self, connections: list[Connection], now: float) -> None:
        """Close those of *connections* whose time is up, and forget those that are gone."""
        before, self._since = self._since, {}
        is_crowded = len(connections) > self.crowd
        for each in connections:
            with each.socket:
                if self._is_late(each, before.get(each.inode), now) or (is_crowded and self._is_idle(each)):
                    with suppress(OSError):
                        each.socket.shutdown(socket.SHUT_RDWR)

    def _is_late(self, each: Connection, before: tuple[float, int] | None, now: float) -> bool:
        if not each.awaits_head or self.is_busy(each.peer):
            return False
        # If it has been answered meanwhile, this is another head.
        if before is None or before[1] != each.segments_sent:
            before = (now, each.segments_sent)
        self._since[each.inode] = before
        return now - before[0] >= self.head_seconds

    def _is_idle(self, each: Connection) -> bool:
        return min(each.sent_ago, each.received_ago) >= self.head_seconds and not self.is_busy(each.peer)


# struct tcp_info of linux/tcp.h: the state; last_data_sent and last_data_recv in milliseconds; data_segs_out.
_TCP_INFO = struct.Struct("=B43xI4xI100xI")
_ESTABLISHED = 1


def connections_to(port: int) -> Iterator[Connection]:
    """This process's connections to our *port*. The caller must close their sockets, which are second handles."""
    seen: set[int] = set()
    for name in os.listdir("/proc/self/fd"):
        # Never a second handle of another file: closing it would release the locks that SQLite has on it.
        with suppress(OSError):
            if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                continue
            # A second handle, as the number may refer to something else by the time we act.
            handle = os.dup(int(name))
            if not stat.S_ISSOCK(os.fstat(handle).st_mode):
                # It refers to something else already: leave it alone.
                continue
            found = socket.socket(fileno=handle)
            connection = _connection(found, port)
            if connection is None or connection.inode in seen:
                found.close()
            else:
                seen.add(connection.inode)
                yield connection


def _connection(found: socket.socket, port: int) -> Connection | None:
    try:
        if found.family not in {socket.AF_INET, socket.AF_INET6} or found.getsockname()[1] != port:
            return None
        host, peer_port, *_ = found.getpeername()
        info = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        state, sent_ago, received_ago, segments_sent = _TCP_INFO.unpack(info)
    except (OSError, struct.error):
        return None
    if state != _ESTABLISHED:
        return None
    return Connection(
        socket=found,
        inode=os.fstat(found.fileno()).st_ino,
        peer=(host, str(peer_port)),
        sent_ago=sent_ago / 1000,
        received_ago=received_ago / 1000,
        segments_sent=segments_sent,
    )
