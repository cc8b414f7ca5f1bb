"""F-01 from the other side: every process of the database server is killed at a random moment, and it is started again.

The service goes on. Default: 20 rounds, each killed after at least 20 acknowledged registrations and up to 0.2 s more.
Long: after 3 s.
"""

import random
import time

from .program import Duration, Program, Report
from .recovery import RECOVERY_SECONDS, until_registered
from .scenes import CHEAP_HASHES, SERVERS, scene

_ROUNDS = 20
_ACKNOWLEDGED = 20


def trial(store: str, duration: Duration) -> Report:
    report = Report({"rounds": _ROUNDS})
    recoveries = []
    with scene(store, command=CHEAP_HASHES, WORKERS="2") as on:
        load = on.load()
        for _ in range(_ROUNDS):
            with load.running():
                load.until_acknowledged(_ACKNOWLEDGED)
                time.sleep(duration.of(0, 3) + random.uniform(0, 0.2))
                on.database.kill()
            on.database.start()
            recoveries.append(until_registered(load))
        report.take(on.checked())
        report.figures["slowest recovery"] = max(recoveries)
        report.require(max(recoveries) <= RECOVERY_SECONDS, f"a recovery took {max(recoveries):.1f} s")
        report.require(on.service.returncode is None, "the service died")
        unanswered = sum(each.status == 0 for each in on.journal.operations())
        report.require(unanswered == 0, f"{unanswered} requests were not answered")
    return report


if __name__ == "__main__":
    Program("F-01 (database)", trial, SERVERS).main()
