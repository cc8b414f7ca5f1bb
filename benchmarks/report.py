"""Writes docs/performance.md and its pictures from what the benchmarks have kept (`make bench`)."""

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

# Run as a script, the folder of this file is on the path, and there is no package.
if TYPE_CHECKING:
    from . import frameworks, guard
    from .pairs import ratio
    from .results import kept
    from .svg import bars
else:
    import frameworks
    import guard
    from pairs import ratio
    from results import kept
    from svg import bars

DOCS = Path(__file__).resolve().parents[1] / "docs"
PICTURES = DOCS / "performance"

_PACKAGES = ("falcon", "granian", "uvloop", "SQLAlchemy", "PyJWT", "argon2-cffi", "psycopg", "PyMySQL")

Rates = dict[str, list[float]]


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    sections = [_machine(), *(_section(name, write) for name, write in SECTIONS.items())]
    (DOCS / "performance.md").write_text("\n".join(line for section in sections for line in section))


def _machine() -> Iterator[str]:
    yield from (
        "# Performance",
        "",
        "Written by `make bench`, which sets up all that is compared, asks it in turns (A B A B ...) and takes the median of",
        "the ratios of neighbouring rounds; in brackets is where the middle half of them lies. Read the ratios: the figures",
        "are those of one machine at one time, on which load and servers share the cores. `make bench-quick` gives the main",
        "ratios in three minutes.",
        "",
        (
            f"Measured on {time.strftime('%Y-%m-%d', time.gmtime())}: {_processor()}, {os.cpu_count()} cores, {platform.system()}"
            f" {platform.release().split('-')[0]}, Python {platform.python_version()},"
            f" {', '.join(f'{name} {version(name)}' for name in _PACKAGES)}."
        ),
        "",
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _section(name: str, write: Callable[[Any], Iterator[str]]) -> Iterator[str]:
    figures = kept(name)
    if figures is None:
        print(f"{name}: not measured", file=sys.stderr)
        return
    yield from write(figures)


def _guard(figures: Any) -> Iterator[str]:
    yield from (
        "## What the guard costs",
        "",
        f"`python benchmarks/guard.py`, {figures['rounds']} rounds. The guarded route looks up each request whose account and",
        (
            "session it is; nothing is trusted longer than [decision 12]"
            "(decisions/0012-a-session-is-remembered-until-it-changes.md) says. *A core each*: the servers on one, the load on"
        ),
        "the other. The threads of an app with accounts take turns (`SCHED_BATCH`), those of the open app do not: that is part of",
        "what it gets. Under *In each framework* both do.",
        "",
        (
            "| | guarded to open, own app | guarded to PyJWT only, own app | user_info to itself without guard |"
            " user_info to the same JSON on plain granian | user_info to itself, remembering nothing |"
        ),
        "|---|---|---|---|---|---|",
    )
    for run in figures["runs"]:
        where = f"{run['store']}, {_workers(run['workers'])}, {'a core each' if run['pinned'] else 'unpinned'}"
        found = [str(ratio(run["rates"][ours], run["rates"][theirs])) for ours, theirs in guard.RATIOS]
        yield f"| {where} | {' | '.join(found)} |"
    first: Rates = figures["runs"][0]["rates"]
    yield from _picture("guards", "Requests a second, SQLite, 1 worker, a core each", _by_rate(first))


def _peers(figures: Any) -> Iterator[str]:
    yield from (
        "## Beside others",
        "",
        f"`python benchmarks/peers.py`, {len(figures['pinned']['menshen'])} rounds: each as its documentation sets it up, on SQLite, one worker, on the server that suits",
        "it best; one authenticated request that returns the user.",
        "",
        "| | a core each | unpinned | what it is |",
        "|---|---|---|---|",
    )
    ours = "menshen"
    for name, what in figures["versions"].items():
        found = [
            str(ratio(figures[how][ours], figures[how][name])) if name in figures[how] else "-"
            for how in ("pinned", "unpinned")
        ]
        if name != ours:
            yield f"| menshen to {name} | {' | '.join(found)} | {what} |"
    yield from _picture("peers", "Authenticated requests a second, a core each", _by_rate(figures["pinned"]))


def _frameworks(figures: Any) -> Iterator[str]:
    yield from (
        "## In each framework",
        "",
        (
            f"`python benchmarks/frameworks.py`, {figures['rounds']} rounds, SQLite, {figures['users']:,} users, one worker of"
            " granian, a core each: a route that"
        ),
        "answers a small JSON, guarded as [guards.md](guards.md) has it, beside the same route in an app without menshen; and",
        "beside the framework's usual peer, set up as its documentation has it, which answers the same.",
        "",
        "| framework | guarded by | guarded to open | guarded to peer | peer |",
        "|---|---|---|---|---|",
    )
    for name, measured in figures["rates"].items():
        for compared in frameworks.compared(name, measured):
            to_peer = "- | -" if compared.to_peer is None else f"{compared.to_peer} | {frameworks.PEER_OF[name]}"
            yield f"| {name} | {compared.way} | {compared.to_open} | {to_peer} |"
    yield ""
    for name, what in figures["versions"].items():
        yield f"- {name}: {what}"
    yield ""


def _kicks(figures: Any) -> Iterator[str]:
    yield from (
        "## From the kick to the first 401",
        "",
        "`python benchmarks/kicks.py`: from the moment at which the kick was acknowledged to the first refused request, in",
        "milliseconds; 0 if none that began afterwards was let in.",
        "",
        "| | rounds | p50 | p99 | longest | let in meanwhile |",
        "|---|---|---|---|---|---|",
    )
    for name, found in figures.items():
        times = " | ".join(f"{found[each]:.1f}" for each in ("p50", "p99", "max"))
        yield f"| {name} | {found['rounds']} | {times} | {found['let_in']} |"
    rows = [(name, found["p99"], f"{found['p99']:.1f} ms") for name, found in figures.items()]
    yield from _picture("kicks", "From the kick to the first 401, p99", rows)


def _active_users(figures: Any) -> Iterator[str]:
    rates: Rates = figures["rates"]
    yield from (
        "## More users than are remembered",
        "",
        (
            f"`python benchmarks/active_users.py`: user_info for as many users in turn as are remembered"
            f" ({figures['entries']}), and for more."
        ),
        "",
        "| users to entries | to all remembered | to nothing remembered |",
        "|---|---|---|",
    )
    everybody, nobody = rates["1x"], rates["nothing remembered"]
    for name in ("1x", "2x", "10x"):
        yield f"| {name} | {ratio(rates[name], everybody)} | {ratio(rates[name], nobody)} |"
    rows = [(name, median(found), f"{median(found):,.0f} /s") for name, found in rates.items()]
    yield from _picture("active_users", "user_info a second, by users to entries", rows)


def _steady(figures: Any) -> Iterator[str]:
    yield from (
        "## Memory and open files under load",
        "",
        "`python benchmarks/steady.py`: mixed requests, then a scan of tokens that open nothing.",
        "",
        "| requests | resident, MiB | open files |",
        "|---|---|---|",
    )
    for requests, memory, files in zip(figures["requests"], figures["rss_mib"], figures["open_files"], strict=True):
        yield f"| {requests} | {memory:.0f} | {files} |"
    yield ""


def _said(title: str) -> Callable[[Any], Iterator[str]]:
    """A section with what a benchmark has printed."""

    def write(figures: Any) -> Iterator[str]:
        yield from (f"## {title}", "", f"`python benchmarks/{figures['name']}.py`", "", "```")
        yield from figures["lines"]
        yield from ("```", "")

    return write


SECTIONS: dict[str, Callable[[Any], Iterator[str]]] = {
    "guard": _guard,
    "peers": _peers,
    "frameworks": _frameworks,
    "kicks": _kicks,
    "active_users": _active_users,
    "steady": _steady,
    "login": _said("Logging in"),
    "flood": _said("A flood of logins"),
    "start_and_memory": _said("Start and memory"),
}


def _workers(number: int) -> str:
    return "1 worker" if number == 1 else f"{number} workers"


def _by_rate(rates: Rates) -> list[tuple[str, float, str]]:
    rows = [(name, median(found), f"{median(found):,.0f} /s") for name, found in rates.items()]
    return sorted(rows, key=lambda row: -row[1])


def _picture(name: str, title: str, rows: Sequence[tuple[str, float, str]]) -> Iterator[str]:
    (PICTURES / f"{name}.svg").write_text(bars(title, rows))
    yield from ("", f"![{title}](performance/{name}.svg)", "")


if __name__ == "__main__":
    main()
