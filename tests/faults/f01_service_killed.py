"""F-01: every process of the service is killed at a random moment, and it is started again.

Default: 20 rounds, each killed after at least 20 acknowledged registrations and up to 0.2 s more. Long: after 3 s.

A start may take 5 s. The other programs, which run at the same time, take the processors away for longer than that:
the time that a starting process was ready to run and had none does not count.
"""

import random
import time
from pathlib import Path

from ..integration.servers import Server
from .program import Duration, Program, Report
from .scenes import CHEAP_HASHES, SQLITE, STORES, scene

_ROUNDS = 20
_ACKNOWLEDGED = 20
"""In each round: with the other programs of F-01, 2,000 in all."""
_START_SECONDS = 5.0


def trial(store: str, duration: Duration) -> Report:
    report = Report({"rounds": _ROUNDS})
    starts = list[float]()
    waits = list[float]()
    with scene(store, command=CHEAP_HASHES, WORKERS="2") as on:
        load = on.load()
        for _ in range(_ROUNDS):
            with load.running():
                load.until_acknowledged(_ACKNOWLEDGED)
                time.sleep(duration.of(0, 3) + random.uniform(0, 0.2))
                on.service.kill()
            begin = time.monotonic()
            on.service.start()
            starts.append(time.monotonic() - begin)
            waits.append(_seconds_without_processor(on.service))
        report.take(on.checked())
        own = [start - wait for start, wait in zip(starts, waits, strict=True)]
        report.figures |= {"slowest start": max(starts), "of its own": max(own)}
        report.require(max(own) <= _START_SECONDS, f"a start took {max(own):.1f} s of its own")
        if store == SQLITE:
            report.require(on.is_sound(), "integrity_check is not ok")
    return report


def _seconds_without_processor(service: Server) -> float:
    """How long the parent, and after it the slowest worker, had to wait for one. (The kernel's scheduler statistics.)"""

    def waited(pid: int) -> float:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9

    return waited(service.pid) + max(map(waited, service.workers))


if __name__ == "__main__":
    Program("F-01", trial, STORES).main()
