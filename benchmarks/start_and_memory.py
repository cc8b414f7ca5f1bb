"""From the start of ``menshen serve`` to its first answer, and its memory when idle, with one worker.

It is compared with a bare Falcon app behind the same server front, started in turns. Memory is that of all processes of
the server together: RSS counts the pages they share once for each, PSS (Linux) once in all.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

# Run as a script, the folder of this file is on the path, and there is no package.
if TYPE_CHECKING:
    from .load import http_get, requests_per_second
    from .results import Said
    from .serving import BARE_FALCON, MENSHEN, free_port, menshen_environment, register, running
else:
    from load import http_get, requests_per_second
    from results import Said
    from serving import BARE_FALCON, MENSHEN, free_port, menshen_environment, register, running

STARTS = 7


def main() -> None:
    say = Said("start_and_memory")
    fresh, again, bare = [], [], []
    with ExitStack() as stack:
        for _ in range(STARTS):
            data_dir = stack.enter_context(tempfile.TemporaryDirectory())
            port = free_port()
            environment = menshen_environment(data_dir, port)
            fresh.append(_milliseconds_to_first_answer(MENSHEN, port, environment))
            again.append(_milliseconds_to_first_answer(MENSHEN, port, environment))
            bare.append(_milliseconds_to_first_answer([*BARE_FALCON, str(port)], port))

        port = free_port()
        with running(MENSHEN, port, menshen_environment(data_dir, port)) as server:
            used = http_get("/api/user/user_info", token=register(port))
            requests_per_second(port, used, connections=4, seconds=0.5)
            time.sleep(1)
            ours = memory(server.pid)
        with running([*BARE_FALCON, str(port)], port) as server:
            requests_per_second(port, http_get("/healthz"), connections=4, seconds=0.5)
            time.sleep(1)
            theirs = memory(server.pid)

    say(f"start to first answer, on a new data folder  {median(fresh):>6.0f} ms")
    say(f"start to first answer, data already there    {median(again):>6.0f} ms")
    say(f"start to first answer, bare Falcon           {median(bare):>6.0f} ms")
    say(f"ratio: start to bare Falcon                  {median(again) / median(bare):>6.2f}")
    say(f"memory, idle after some use    PSS {ours['Pss']:>6.1f} MiB  RSS {ours['Rss']:>6.1f} MiB")
    say(f"memory, bare Falcon            PSS {theirs['Pss']:>6.1f} MiB  RSS {theirs['Rss']:>6.1f} MiB")
    say(f"ratio: memory (PSS) to bare Falcon           {ours['Pss'] / theirs['Pss']:>6.2f}")


def _milliseconds_to_first_answer(
    command: Sequence[str], port: int, environment: Mapping[str, str] | None = None
) -> float:
    start = time.perf_counter()
    with running(command, port, environment):
        return (time.perf_counter() - start) * 1000


def memory(pid: int) -> dict[str, float]:
    """MiB used by the process and its descendants, from /proc/PID/smaps_rollup."""
    total = {"Rss": 0.0, "Pss": 0.0}
    for process in _family(pid):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in total:
                total[name] += int(value.split()[0]) / 1024
    return total


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(descendant for child in children for descendant in _family(int(child)))]


if __name__ == "__main__":
    main()
