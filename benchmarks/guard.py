"""Requests per second of the guarded user_info, beside a Falcon route that does nothing on the same server front.

All servers run at the same time with one worker each, and are measured in turns, so that a busy moment of the machine
affects them alike. Server and load share this machine: read the ratios, not the numbers.
"""

import tempfile
from contextlib import ExitStack
from statistics import median
from typing import TYPE_CHECKING

# Run as a script, the folder of this file is on the path, and there is no package.
if TYPE_CHECKING:
    from .load import http_get, requests_per_second
    from .serving import BARE_FALCON, MENSHEN, free_port, menshen_environment, register, running
else:
    from load import http_get, requests_per_second
    from serving import BARE_FALCON, MENSHEN, free_port, menshen_environment, register, running

ROUNDS = 5
SECONDS = 1.2
CONNECTIONS = 32

KINDS = {
    "inline": "bare Falcon route, menshen's front, on the event loop",
    "thread": "bare Falcon route, menshen's front, through a thread",
    "wsgi": "bare Falcon route, granian's own WSGI interface",
}
USER_INFO = "user_info, guarded, on SQLite"
READING = "the same, remembering nothing (MENSHEN_REMEMBERED=0)"


def main() -> None:
    with ExitStack() as stack:
        targets: dict[str, tuple[int, bytes]] = {}
        for kind, name in KINDS.items():
            port = free_port()
            stack.enter_context(running([*BARE_FALCON, kind, str(port)], port))
            targets[name] = port, http_get("/healthz")
        for name, settings in {USER_INFO: {}, READING: {"MENSHEN_REMEMBERED": "0"}}.items():
            port = free_port()
            data_dir = stack.enter_context(tempfile.TemporaryDirectory())
            stack.enter_context(running(MENSHEN, port, {**menshen_environment(data_dir, port), **settings}))
            targets[name] = port, http_get("/api/user/user_info", token=register(port))

        rates: dict[str, list[float]] = {name: [] for name in targets}
        for turn in range(ROUNDS + 1):
            for name, (port, request) in targets.items():
                # The first round only warms up.
                rate = requests_per_second(
                    port, request, connections=CONNECTIONS, seconds=SECONDS if turn else SECONDS / 4
                )
                if turn:
                    rates[name].append(rate)

    for name, measured in rates.items():
        print(f"{name:<54} {median(measured):>7.0f} /s")
    bare = rates[KINDS["inline"]]
    for name in [KINDS["thread"], KINDS["wsgi"], USER_INFO, READING]:
        print(f"ratio to the first: {name:<54} {_ratio(rates[name], bare):.2f}")


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """The median over the rounds, each compared with its neighbour."""
    return median(mine / yours for mine, yours in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    main()
