"""F-17: the disk of an SQLite file fails: syncs with EIO, then writes with EROFS, as after a remount for reading only.

strace makes them fail in the process that serves. Default: 2 s for each. Long: 5 s.
"""

import time
from itertools import count

from ..integration.servers import Client
from .journal import Operation, Outcome
from .load import CLIENT_SECONDS, Caller
from .program import Duration, Program, Report
from .scenes import SQLITE, scene
from .tracing import check_strace, failing

_FAULTS = {"EIO": "fsync,fdatasync", "EROFS": "pwrite64,ftruncate"}


def trial(store: str, duration: Duration) -> Report:
    check_strace()
    report = Report()
    with scene(store) as on:
        with Client(on.service.port, CLIENT_SECONDS) as client:
            caller = Caller(client, on.journal)
            token = caller.register("13800000001").token
            leaver = caller.register("13800000002").token
            assert token is not None
            assert leaver is not None
            [worker] = on.service.workers
            for prefix, (error, calls) in enumerate(_FAULTS.items()):
                writes: list[Operation] = []
                reads: list[Operation] = []
                with failing(worker, calls, error):
                    end = time.monotonic() + duration.of(2, 5)
                    for number in count():
                        if time.monotonic() > end:
                            break
                        writes.append(caller.register(f"13{prefix + 6}{number:08}"))
                        reads.append(caller.authenticate("13800000001", token))
                    writes.append(caller.log_out("13800000002", leaver))
                again = caller.register(f"1390000000{prefix}")
                acknowledged = sum(each.outcome is Outcome.OK for each in writes)
                answered = sum(each.status == 200 for each in reads)
                report.figures |= {f"{error}: writes": len(writes), f"{error}: acknowledged": acknowledged}
                report.figures[f"{error}: reads"] = f"{answered}/{len(reads)}"
                report.require(all(each.status == 503 for each in writes), f"{error}: a write was not answered 503")
                report.require(answered == len(reads), f"{error}: a read was not answered")
                report.require(again.outcome is Outcome.OK, f"{error}: afterwards: {again.status}")
        rows = len(on.phones())
        report.require(rows == on.journal.acknowledged, f"{on.journal.acknowledged} acknowledged, {rows} rows")
        report.figures["rows"] = rows
        report.take(on.checked())
        report.require(on.service.returncode is None, "the service died")
        report.require(on.is_sound(), "integrity_check is not ok")
    return report


if __name__ == "__main__":
    Program("F-17", trial, (SQLITE,)).main()
