"""F-01: every process of the service is killed at a random moment, and it is started again.

Default: 20 rounds, each killed after at least 20 acknowledged registrations and up to 0.2 s more. Long: after 3 s.
"""

import random
import time

from .program import Duration, Program, Report
from .scenes import CHEAP_HASHES, SQLITE, STORES, scene

_ROUNDS = 20
_ACKNOWLEDGED = 20
"""In each round: with the other programs of F-01, 2,000 in all."""
_START_SECONDS = 5.0


def trial(store: str, duration: Duration) -> Report:
    report = Report({"rounds": _ROUNDS})
    starts = []
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
        report.take(on.checked())
        report.figures["slowest start"] = max(starts)
        report.require(max(starts) <= _START_SECONDS, f"a start took {max(starts):.1f} s")
        if store == SQLITE:
            report.require(on.is_sound(), "integrity_check is not ok")
    return report


if __name__ == "__main__":
    Program("F-01", trial, STORES).main()
