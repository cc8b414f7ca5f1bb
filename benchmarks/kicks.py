"""From the kick to the first 401: for how long a token is still let in once its end has been acknowledged.

In the same worker, in another worker of the machine, after a command, on another machine that shares the database, and after
a change by hand. With --quick the first two, which are those within one machine's service.
"""

import secrets
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, text

# Run as a script, the folder of this file is on the path, and there is no package.
if TYPE_CHECKING:
    from ..tests.integration.databases import DatabaseServer, MariaDbServer, PostgresServer, server_folder
    from ..tests.integration.databases import running as running_database
    from ..tests.integration.servers import Client, Server, serving
    from ..tests.integration.stores import migrated
    from .results import keep
    from .serving import PHONE
else:
    from results import keep
    from serving import PHONE

    from menshen.tests.integration.databases import DatabaseServer, MariaDbServer, PostgresServer, server_folder
    from menshen.tests.integration.databases import running as running_database
    from menshen.tests.integration.servers import Client, Server, serving
    from menshen.tests.integration.stores import migrated

ROUNDS, COMMANDS = 200, 10
LONGEST_SECONDS = 10.0
PRODUCTS: dict[str, Callable[[Path], DatabaseServer]] = {"PostgreSQL": PostgresServer, "MariaDB": MariaDbServer}


@dataclass(frozen=True)
class Found:
    """The milliseconds of each round, and how many requests were let in that began after the acknowledgement."""

    times: list[float]
    let_in: int

    def figures(self) -> dict[str, Any]:
        cuts = quantiles(self.times, n=100, method="inclusive")
        return {
            "rounds": len(self.times),
            "p50": cuts[49],
            "p99": cuts[98],
            "max": max(self.times),
            "let_in": self.let_in,
            "times": self.times,
        }


def after(
    kick: Callable[[str], object], login: Callable[[], str], observer: Client, rounds: int = ROUNDS
) -> dict[str, Any]:
    """*observer* has let a token of *login* in, *kick* has ended it, and now every request counts until one is refused."""
    times, let_in = [], 0
    for _ in range(rounds):
        token = login()
        for _ in range(3):
            _look(observer, token)
        kick(token)
        acknowledged = begun = time.perf_counter()
        still = 0
        while _look(observer, token):
            still += 1
            begun = time.perf_counter()
            if begun > acknowledged + LONGEST_SECONDS:
                raise RuntimeError("the token is let in for ever")
        times.append((begun - acknowledged) * 1000 if still else 0.0)
        let_in += still
    return Found(times, let_in).figures()


def _look(observer: Client, token: str) -> bool:
    return observer.user_info(token).reason is None


@contextmanager
def _two_workers() -> Iterator[tuple[Server, Client, Client]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(serving(folder, WORKERS="2"))
        one, other = (stack.enter_context(server.client_of(worker)) for worker in server.workers)
        one.register(PHONE)
        yield server, one, other


@contextmanager
def _two_nodes(url: str) -> Iterator[tuple[Client, Client]]:
    """Of two machines that share a database and the secret."""
    with ExitStack() as stack:
        settings = {"DATABASE_URL": url, "SECRET_KEY": secrets.token_hex()}
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        # Without a folder of its own, each would share what it remembers with the other, like processes of one machine.
        servers = [stack.enter_context(serving(folder, DATA_DIR=str(folder), **settings)) for folder in folders]
        one, other = (stack.enter_context(server.client()) for server in servers)
        one.register(PHONE)
        yield one, other


def _by_hand(url: str, observer: Client) -> dict[str, Any]:
    token = observer.login(PHONE).token
    engine = create_engine(url)

    def write(state: str) -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE x_user SET state = :state"), {"state": state})

    def thawed() -> str:
        write("正常")
        while not _look(observer, token):
            pass
        return token

    found = after(lambda _: write("冻结"), thawed, observer)
    write("正常")
    engine.dispose()
    return found


def _within_a_machine(found: dict[str, dict[str, Any]], *, is_quick: bool) -> None:
    rounds = ROUNDS // 2 if is_quick else ROUNDS
    with _two_workers() as (server, one, other):
        found["the same worker"] = after(one.logout, lambda: one.login(PHONE).token, one, rounds)
        found["another worker"] = after(one.logout, lambda: one.login(PHONE).token, other, rounds)
        if not is_quick:
            kick = ("session", "kick", PHONE, "--all")
            found["after a command"] = after(
                lambda _: server.process(*kick), lambda: one.login(PHONE).token, other, COMMANDS
            )
            found["by hand, SQLite"] = _by_hand(f"sqlite:///{server.database}", one)


def _between_machines(found: dict[str, dict[str, Any]]) -> None:
    for product, kind in PRODUCTS.items():
        with server_folder() as folder, running_database(kind(folder / "server")) as database:
            url = database.new_database()
            migrated(url)
            with _two_nodes(url) as (one, other):
                login = lambda: one.login(PHONE).token
                found[f"another machine, {product}"] = after(one.logout, login, other)
                found[f"by hand, {product}"] = _by_hand(url, one)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    is_quick = parser.parse_args().quick
    found: dict[str, dict[str, Any]] = {}
    _within_a_machine(found, is_quick=is_quick)
    if not is_quick:
        _between_machines(found)
    for name, each in found.items():
        print(
            f"{name:<28} {each['rounds']:>4} rounds  p50 {each['p50']:6.1f} ms  p99 {each['p99']:6.1f}"
            f"  longest {each['max']:6.1f}  let in {each['let_in']}"
        )
    keep("kicks-quick" if is_quick else "kicks", found)


if __name__ == "__main__":
    main()
