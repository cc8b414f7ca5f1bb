"""What the guard costs in each framework: a guarded route beside the same route without, and beside that of the usual peer.

The apps are those of ``framework_apps.py``, with the packages of the examples; the peers those of ``benchmarks/peers``, on
the same server. The servers of one framework run at the same time, with one worker each on SQLite, and are asked in turns.
Read the ratios, not the numbers.
"""

import http.client
import sqlite3
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

# Run as a script, the folder of this file is on the path, and there is no package.
if TYPE_CHECKING:
    from ..tests.integration.wheels import unpacked_wheel
    from .framework_apps import OPEN, WAYS
    from .pairs import Spread, Target, rates, ratio, served
    from .peers import PEERS, set_up, started, versions_of
    from .results import keep
    from .serving import free_port, register
else:
    from framework_apps import OPEN, WAYS
    from pairs import Spread, Target, rates, ratio, served
    from peers import PEERS, set_up, started, versions_of
    from results import keep
    from serving import free_port, register

    from menshen.tests.integration.wheels import unpacked_wheel

ROUNDS = 7
USERS = 10_000
PEER = "the peer"
PEER_OF = {"flask": "flask_jwt_extended", "django": "drf", "fastapi": "fastapi_users"}

_APPS = Path(__file__).with_name("framework_apps.py")
_PYTHON = Path(sys.prefix) / "examples" / "bin" / "python"
_PACKAGES = ("falcon", "flask", "django", "fastapi", "starlette", "litestar", "granian")


def measure(framework: str, installed: Path, *, rounds: int, peer: Path | None) -> dict[str, list[float]]:
    """Requests per second of the open route, of each way to guard it, and of the peer that the Python *peer* has."""
    with ExitStack() as stack:
        targets = [_started(framework, OPEN, installed, stack)]
        targets += [_started(framework, way, installed, stack) for way in WAYS[framework]]
        if peer is not None:
            targets += _peer_started(framework, peer, stack)
        for target in targets[1:]:
            _expect_guard(target)
        return rates(targets, rounds=rounds, pinned=True)


@dataclass(frozen=True)
class Compared:
    """A way to guard the route, beside the open route and the peer's."""

    way: str
    to_open: Spread
    to_peer: Spread | None


def compared(framework: str, measured: Mapping[str, Sequence[float]]) -> list[Compared]:
    """Each way to guard the route of *framework*, from what :func:`measure` has found."""
    peer = measured.get(PEER)
    return [
        Compared(way, ratio(measured[way], measured[OPEN]), None if peer is None else ratio(measured[way], peer))
        for way in WAYS[framework]
    ]


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", default=",".join(WAYS), help="frameworks, with commas between them")
    arguments = parser.parse_args()
    only: list[str] = arguments.only.split(",")
    if unknown := set(only) - WAYS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(WAYS)}")
    if not _PYTHON.exists():
        raise SystemExit("this needs the packages of the examples: make .venv/examples")
    found: dict[str, dict[str, list[float]]] = {}
    versions = {"menshen": versions_of(_PACKAGES, _PYTHON)}
    with tempfile.TemporaryDirectory() as folder:
        installed = unpacked_wheel(Path(folder))
        for framework in only:
            peer = _peer(framework)
            if peer is not None:
                packages = sorted({*PEERS[PEER_OF[framework]].packages, "granian"} - {"uvicorn"})
                versions[PEER_OF[framework]] = versions_of(packages, peer)
            try:
                found[framework] = measure(framework, installed, rounds=arguments.rounds, peer=peer)
            except (OSError, RuntimeError) as error:
                print(f"{framework} is not measured: {error}", file=sys.stderr)
                continue
            for each in compared(framework, found[framework]):
                print(f"{framework}, {each.way}\n  guarded to open {each.to_open}", flush=True)
                if each.to_peer is not None:
                    print(f"  guarded to {PEER_OF[framework]} {each.to_peer}", flush=True)
    if missing := set(only) - found.keys():
        raise SystemExit(f"not measured: {', '.join(sorted(missing))}")
    if len(only) == len(WAYS):
        keep("frameworks", {"rounds": arguments.rounds, "users": USERS, "rates": found, "versions": versions})


def _started(framework: str, way: str, installed: Path, stack: ExitStack) -> Target:
    data_dir, port = Path(stack.enter_context(tempfile.TemporaryDirectory())), free_port()
    environment = {"MENSHEN_DATA_DIR": str(data_dir), "PYTHONPATH": str(installed)}
    command = [str(_PYTHON), str(_APPS), framework, way, str(port)]
    stack.enter_context(served(command, port, environment, pinned=True))
    if way == OPEN:
        return Target(OPEN, port, "/orders")
    token = register(port)
    _add_users(data_dir / "menshen.sqlite3")
    return Target(way, port, "/orders", {"token": token})


def _peer_started(framework: str, python: Path, stack: ExitStack) -> list[Target]:
    """The peer's route, or nothing if it does not run."""
    # Otherwise it is on uvicorn.
    arguments = ["granian"] if framework == "fastapi" else []
    try:
        target = started(PEER_OF[framework], python, stack, pinned=True, path="/orders", arguments=arguments)
    except (OSError, RuntimeError) as error:
        print(f"{PEER_OF[framework]} does not run: {error}", file=sys.stderr)
        return []
    return [replace(target, name=PEER)]


def _expect_guard(target: Target) -> None:
    """Raises RuntimeError where a stranger is let in: there would be nothing to measure."""
    with closing(http.client.HTTPConnection("127.0.0.1", target.port, timeout=10)) as connection:
        connection.request("GET", target.path)
        status = connection.getresponse().status
    if status != 401:
        raise RuntimeError(f"{target.name} answers {status} to a request without a token")


def _add_users(database: Path) -> None:
    """As many as the peers have, all like the one who is there."""
    phones = ("phone", "canonical_phone")
    with closing(sqlite3.connect(database, timeout=10)) as connection, connection:
        columns = [column for _, column, *_ in connection.execute("PRAGMA table_info(x_user)")]
        others = ", ".join(column for column in columns if column not in {"id", *phones})
        connection.execute(
            "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)"
            f" INSERT INTO x_user ({', '.join(phones)}, {others})"
            f" SELECT printf('139%08d', n), printf('139%08d', n), {others} FROM x_user, number",
            (USERS - 1,),
        )


def _peer(framework: str) -> Path | None:
    if framework not in PEER_OF:
        return None
    try:
        return set_up(PEER_OF[framework])
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{PEER_OF[framework]} cannot be set up: {error}", file=sys.stderr)
        return None


if __name__ == "__main__":
    main()
