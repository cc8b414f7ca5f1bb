"""F-16: the disk that the database is on is full, and then has space again; nothing is restarted.

SQLite on a disk of 3 MB, a PostgreSQL server on one of 128 MB; both are in memory (tmpfs), which needs no device: that
a disk finds itself full only when it is synced is not tried. 15 writes are tried. Default and long: the same.
"""

from ..integration.servers import Client
from .journal import Outcome
from .load import CLIENT_SECONDS, Caller
from .machine import fill, small_disk
from .program import Duration, Program, Report
from .scenes import POSTGRESQL, SQLITE, Scene, scene

_MEBIBYTES = {SQLITE: 3, POSTGRESQL: 128}
_WRITES = 15
_FITTING = 500
"""How many registrations may still fit into what the database has got already."""


def trial(store: str, duration: Duration) -> Report:
    report = Report()
    with scene(store, disk=lambda folder: small_disk(folder, _MEBIBYTES[store])) as on:
        with Client(on.service.port, CLIENT_SECONDS) as client:
            _try(report, on, Caller(client, on.journal))
        report.take(on.checked())
        report.require(on.service.returncode is None, "the service died")
        if store == SQLITE:
            report.require(on.is_sound(), "integrity_check is not ok")
    return report


def _try(report: Report, on: Scene, caller: Caller) -> None:
    first = caller.register("13800000001")
    token = first.token
    assert token is not None, first
    leaver = caller.register("13800000002").token
    assert leaver is not None
    ballast = on.disk / "ballast"
    fill(ballast)
    # What still fits into the files as they are is kept, and rightly.
    fitting = 0
    while (last := caller.register(f"137{fitting:08}")).outcome is Outcome.OK:
        fitting += 1
        assert fitting < _FITTING, "the disk is not full"
    writes = [last, *(caller.register(f"136{number:08}") for number in range(_WRITES - 1))]
    logout = caller.log_out("13800000002", leaver)
    reads = [caller.authenticate("13800000001", token) for _ in range(_WRITES)]
    ballast.unlink()
    again = caller.register("13900000001")
    refused = sum(each.status == 503 for each in writes)
    read = sum(each.status == 200 for each in reads)
    report.figures |= {"fitted in": fitting, "writes refused": f"{refused}/{_WRITES}", "reads": f"{read}/{_WRITES}"}
    report.figures |= {"logout": logout.status, "first registration afterwards": again.status}
    report.require(refused == _WRITES, f"writes were answered {sorted({each.status for each in writes})}")
    report.require(read == _WRITES, f"reads were answered {sorted({each.status for each in reads})}")
    report.require(again.outcome is Outcome.OK, f"the first registration afterwards is answered {again.status}")
    # Those that failed left nothing behind: a phone is free, or its registration was acknowledged.
    attempted = {each.phone for each in writes}
    report.require(not attempted & set(on.phones()), "what was not acknowledged is there")


if __name__ == "__main__":
    Program("F-16", trial, (SQLITE, POSTGRESQL)).main()
