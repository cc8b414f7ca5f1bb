"""Memory and open files of a worker over 200,000 mixed requests, and over a scan of tokens that open nothing."""

import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

# Run as a script, the folder of this file is on the path, and there is no package.
if TYPE_CHECKING:
    from .load import http_get, http_post
    from .results import keep
    from .serving import MENSHEN, free_port, menshen_environment, register, running
else:
    from load import http_get, http_post
    from results import keep
    from serving import MENSHEN, free_port, menshen_environment, register, running

MIXED, SCANNED, EACH = 200_000, 100_000, 50_000
CONNECTIONS, AT_ONCE = 8, 16


def main() -> None:
    rows: list[tuple[str, float, int]] = []
    with ExitStack() as stack:
        data_dir, port = stack.enter_context(tempfile.TemporaryDirectory()), free_port()
        server = stack.enter_context(running(MENSHEN, port, menshen_environment(data_dir, port)))
        [worker] = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        tokens = [register(port, f"138{number:08}") for number in range(50)]
        callers = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(CONNECTIONS)]

        def note(what: str) -> None:
            rows.append((what, _resident(worker), len(os.listdir(f"/proc/{worker}/fd"))))
            print(f"{what:>28}  {rows[-1][1]:6.1f} MiB  {rows[-1][2]:>3} open files", flush=True)

        mixed, garbage = _mixed(tokens), _garbage(tokens[0])
        _send(callers, islice(mixed, EACH // 10))
        note("begun")
        for done in range(EACH, MIXED + 1, EACH):
            _send(callers, islice(mixed, EACH))
            note(f"{done:,}")
        for done in range(EACH, SCANNED + 1, EACH):
            _send(callers, islice(garbage, EACH))
            note(f"and {done:,} of a scan")
    names, memory, files = zip(*rows, strict=True)
    keep("steady", {"requests": names, "rss_mib": memory, "open_files": files})


def _mixed(tokens: Sequence[str]) -> Iterator[bytes]:
    """Good tokens, none, forged ones, what is not there, and bodies that cannot be read."""
    other = [
        http_get("/api/user/user_info"),
        http_get("/api/user/sessions", token=tokens[0]),
        http_get("/no/such/path"),
        http_post("/api/user/login", b"{"),
        http_get("/healthz"),
    ]
    forged = _garbage(tokens[0])
    good = cycle(http_get("/api/user/user_info", token=token) for token in tokens)
    for each in cycle(other):
        yield each
        yield next(forged)
        yield from islice(good, 8)


def _garbage(token: str) -> Iterator[bytes]:
    """Each another one, in the form of a token."""
    for number in range(10**9):
        yield http_get("/api/user/user_info", token=f"{token[:-12]}{number:012}")


def _send(callers: Sequence[socket.socket], requests: Iterator[bytes]) -> None:
    """Some at once on each connection; every answer is read."""
    turns = cycle(callers)
    while batch := b"".join(islice(requests, AT_ONCE)):
        caller, awaited = next(turns), batch.count(b" HTTP/1.1\r\n")
        caller.sendall(batch)
        answers, whole = b"", 0
        while whole < awaited:
            part = caller.recv(1 << 16)
            if not part:
                raise RuntimeError("the server closed a connection")
            answers += part
            whole = answers.count(b"HTTP/1.1 ")
            if whole == awaited:
                _finish(caller, answers)


def _finish(caller: socket.socket, answers: bytes) -> None:
    """Read the rest of the last answer."""
    last = answers[answers.rfind(b"HTTP/1.1 ") :]
    while b"\r\n\r\n" not in last:
        last += caller.recv(1 << 16)
    head, _, body = last.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += caller.recv(1 << 16)


def _resident(pid: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS")


if __name__ == "__main__":
    main()
