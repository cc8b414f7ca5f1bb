"""Servers that run side by side and are asked in turns, so that a busy moment of the machine affects them alike.

Pinned, servers and load have a core each, and the servers share theirs; only one of them is asked at a time. Read the
ratios, not the numbers.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import TYPE_CHECKING

# Run as a script, the folder of this file is on the path, and there is no package.
if TYPE_CHECKING:
    from .serving import running
else:
    from serving import running

SERVER_CORE, LOAD_CORE = 0, 1

_IN_TURN = """
local tokens, number = {{{tokens}}}, 0
request = function()
    number = number % #tokens + 1
    return wrk.format(nil, nil, {{ token = tokens[number] }})
end
"""


@dataclass(frozen=True)
class Target:
    """What is asked: a GET of *path* on *port*; with *tokens*, with the next of them each time."""

    name: str
    port: int
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    tokens: Sequence[str] = ()


@dataclass(frozen=True)
class Spread:
    """The median, and between what the middle half of the rounds was."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        low, _, high = quantiles(values, n=4) if len(values) > 1 else (values[0],) * 3
        return cls(median(values), low, high)

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Each round compared with its neighbour."""
    return Spread.of([mine / yours for mine, yours in zip(ours, theirs, strict=True)])


def rates(
    targets: Sequence[Target], *, rounds: int, pinned: bool, connections: int = 16, seconds: int = 1
) -> dict[str, list[float]]:
    """Requests per second of each, in each of the rounds; before them is one that only warms up.

    Raises RuntimeError at any answer that is not 200, and where a round brings none.
    """
    found: dict[str, list[float]] = {target.name: [] for target in targets}
    for turn in range(rounds + 1):
        for target in targets:
            rate = _rate(target, connections, seconds, pinned=pinned)
            if turn:
                found[target.name].append(rate)
    return found


@contextmanager
def served(
    command: Sequence[str], port: int, environment: Mapping[str, str], *, pinned: bool, ready: str = "/healthz"
) -> Iterator[subprocess.Popen[bytes]]:
    """The server that *command* starts, on its core if that is wanted, once it answers at *ready*."""
    with running(_on(SERVER_CORE, command, pinned=pinned), port, environment, ready=ready) as server:
        yield server


def _rate(target: Target, connections: int, seconds: int, *, pinned: bool) -> float:
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("this needs wrk (Debian, Ubuntu: apt install wrk)")
    headers = [part for name, value in target.headers.items() for part in ("-H", f"{name}: {value}")]
    url = f"http://127.0.0.1:{target.port}{target.path}"
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_IN_TURN.format(tokens=",".join(f'"{token}"' for token in target.tokens)))
        script.flush()
        in_turn = ["-s", script.name] if target.tokens else []
        load = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", *in_turn, *headers, url]
        command = _on(LOAD_CORE, load, pinned=pinned)
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", said)
    if rate is None or "Non-2xx" in said or not float(rate[1]):
        raise RuntimeError(f"{target.name}: {said}")
    return float(rate[1])


def _on(core: int, command: Sequence[str], *, pinned: bool) -> list[str]:
    if not pinned or (os.cpu_count() or 1) < 2:
        return [*command]
    return ["taskset", "-c", str(core), *command]
