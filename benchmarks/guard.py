"""What a guard costs: a guarded route beside the same route without, in an app of one's own and in ``menshen serve``.

On SQLite, PostgreSQL and MariaDB, with one worker and with two, pinned to a core and not; with --quick on SQLite with one
worker. All servers of one database run at the same time and are asked in turns. Read the ratios, not the numbers.
"""

import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

# Run as a script, the folder of this file is on the path, and there is no package.
if TYPE_CHECKING:
    from ..tests.integration.databases import MariaDbServer, PostgresServer, server_folder
    from ..tests.integration.databases import running as running_database
    from ..tests.integration.stores import migrated
    from .pairs import Target, rates, ratio, served
    from .results import keep
    from .serving import MENSHEN, free_port, menshen_environment, register
else:
    from pairs import Target, rates, ratio, served
    from results import keep
    from serving import MENSHEN, free_port, menshen_environment, register

    from menshen.tests.integration.databases import MariaDbServer, PostgresServer, server_folder
    from menshen.tests.integration.databases import running as running_database
    from menshen.tests.integration.stores import migrated

ROUNDS = 7

OPEN = "a route of one's own"
GUARDED = "the same, guarded"
VERIFIED = "the same, the token only verified by PyJWT"
USER_INFO = "user_info of menshen serve"
UNGUARDED = "user_info, its guard taken out"
READING = "user_info, remembering nothing"

RATIOS = [(GUARDED, OPEN), (GUARDED, VERIFIED), (USER_INFO, UNGUARDED), (USER_INFO, OPEN), (USER_INFO, READING)]

_EMBEDDING = [sys.executable, str(Path(__file__).with_name("embedding.py"))]


@contextmanager
def _embedded() -> Iterator[dict[str, str]]:
    yield {}


@contextmanager
def _on(kind: type[PostgresServer] | type[MariaDbServer]) -> Iterator[dict[str, str]]:
    with server_folder() as folder, running_database(kind(folder / "server")) as server:
        url = server.new_database()
        migrated(url)
        yield {"MENSHEN_DATABASE_URL": url}


STORES: dict[str, Callable[[], AbstractContextManager[dict[str, str]]]] = {
    "SQLite": _embedded,
    "PostgreSQL": lambda: _on(PostgresServer),
    "MariaDB": lambda: _on(MariaDbServer),
}


def measure(store: str, *, workers: int, pinned: bool, rounds: int) -> dict[str, list[float]]:
    """Requests per second of each of the routes above, in each round."""
    commands: dict[str, tuple[list[str], str, dict[str, str]]] = {
        USER_INFO: (MENSHEN, "/api/user/user_info", {}),
        UNGUARDED: ([*_EMBEDDING, "serve"], "/api/user/user_info", {}),
        READING: (MENSHEN, "/api/user/user_info", {"MENSHEN_REMEMBERED": "0"}),
        OPEN: ([*_EMBEDDING, "open"], "/user_info", {}),
        GUARDED: ([*_EMBEDDING, "guarded"], "/user_info", {}),
        VERIFIED: ([*_EMBEDDING, "jwt"], "/user_info", {}),
    }
    with ExitStack() as stack:
        data_dir = stack.enter_context(tempfile.TemporaryDirectory())
        settings = {**stack.enter_context(STORES[store]()), "MENSHEN_WORKERS": str(workers)}
        targets: list[Target] = []
        token = ""
        for name, (command, path, more) in commands.items():
            port = free_port()
            arguments = [] if command is MENSHEN else [str(port), str(workers)]
            environment = {**menshen_environment(data_dir, port), **settings, **more}
            stack.enter_context(served([*command, *arguments], port, environment, pinned=pinned))
            token = token or register(port)
            targets.append(Target(name, port, path, {"token": token}))
        return rates(targets, rounds=rounds, pinned=pinned)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    is_quick, rounds = arguments.quick, 5 if arguments.quick else arguments.rounds
    runs = []
    for store in ["SQLite"] if is_quick else STORES:
        for workers in [1] if is_quick else [1, 2]:
            for pinned in (True, False):
                measured = measure(store, workers=workers, pinned=pinned, rounds=rounds)
                runs.append({"store": store, "workers": workers, "pinned": pinned, "rates": measured})
                print(f"\n{store}, {workers} worker{'s' * (workers > 1)}, {'a core each' if pinned else 'unpinned'}")
                for ours, theirs in RATIOS:
                    print(f"  {ours} to {theirs:<44} {ratio(measured[ours], measured[theirs])}", flush=True)
                keep("guard-quick" if is_quick else "guard", {"rounds": rounds, "runs": runs})


if __name__ == "__main__":
    main()
