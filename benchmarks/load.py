"""A load generator: one process that keeps many connections busy, each with one request at a time.

It reads every answer completely and gives up at the first that is not 200, so that only work done is counted.
"""

import json
import selectors
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

_LENGTH = b"content-length: "


@dataclass(frozen=True)
class Measured:
    """How many answers came in a second, and within how many milliseconds 99 of 100 came."""

    rate: float
    p99: float


def measured(port: int, request: bytes, *, connections: int, seconds: float) -> Measured:
    """Send *request* repeatedly from a separate process."""
    command = [sys.executable, str(Path(__file__)), str(port), str(connections), str(seconds)]
    done = subprocess.run(command, input=request, stdout=subprocess.PIPE, check=True, timeout=seconds + 20)
    answers, elapsed, p99 = json.loads(done.stdout)
    return Measured(answers / elapsed, p99)


def requests_per_second(port: int, request: bytes, *, connections: int, seconds: float) -> float:
    """The same, if only the answers count."""
    return measured(port, request, connections=connections, seconds=seconds).rate


def http_get(path: str, **headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def http_post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def _generate(port: int, request: bytes, connections: int, seconds: float) -> tuple[int, float, float]:
    """The number of answers, the time they took together, and the milliseconds within which 99 of 100 came."""
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        caller = socket.create_connection(("127.0.0.1", port), timeout=10)
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(caller, selectors.EVENT_READ, bytearray())
        caller.sendall(request)
    start = time.perf_counter()
    asked: dict[int, float] = {}
    took: list[float] = []
    while (now := time.perf_counter()) < start + seconds:
        for key, _events in selector.select(timeout=1):
            caller, received = cast(socket.socket, key.fileobj), key.data
            part = caller.recv(65536)
            if not part:
                raise RuntimeError("the server closed a connection")
            received += part
            if _is_whole(received):
                received.clear()
                answered = time.perf_counter()
                took.append(answered - asked.get(key.fd, start))
                asked[key.fd] = answered
                caller.sendall(request)
    return len(took), now - start, sorted(took)[len(took) * 99 // 100] * 1000


def _is_whole(received: bytearray) -> bool:
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return False
    if not received.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"not 200: {bytes(received)!r}")
    length = received.find(_LENGTH) + len(_LENGTH)
    return len(received) >= end + 4 + int(received[length : received.find(b"\r\n", length)])


if __name__ == "__main__":
    print(json.dumps(_generate(int(sys.argv[1]), sys.stdin.buffer.read(), int(sys.argv[2]), float(sys.argv[3]))))
