"""F-16: the disk that the database is on is full, and then has space again; nothing is restarted.

SQLite on a disk of 16 MB, half of which is its reserve, a PostgreSQL server on one of 128 MB; both are in memory
(tmpfs), which needs no device: that a disk finds itself full only when it is synced is not tried. 15 writes are tried.
With SQLite users are logged out, kicked and frozen meanwhile, and old data is pruned. Default and long: the same.
"""

from ..integration.servers import Client
from .journal import Outcome
from .load import CLIENT_SECONDS, Caller
from .machine import fill, small_disk
from .program import Duration, Program, Report
from .scenes import POSTGRESQL, SQLITE, Scene, scene

_MEBIBYTES = {SQLITE: 16, POSTGRESQL: 128}
_WRITES = 15
_FITTING = 500
"""How many registrations may still fit into the space that the database already has."""


def trial(store: str, duration: Duration) -> Report:
    report = Report()
    with scene(store, disk=lambda folder: small_disk(folder, _MEBIBYTES[store])) as on:
        with Client(on.service.port, CLIENT_SECONDS) as client:
            _try(report, on, Caller(client, on.journal))
        report.take(on.checked())
        report.require(on.service.returncode is None, "the service died")
        if store == SQLITE:
            report.require(on.is_sound(), "integrity_check is not ok")
    if store == SQLITE:
        with scene(store, disk=lambda folder: small_disk(folder, _MEBIBYTES[store])) as on:
            _take_away(report, on)
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
    if on.store == SQLITE:
        report.require(logout.status == 200, f"a logout is answered {logout.status}")
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


def _take_away(report: Report, on: Scene) -> None:
    """Acts that take rights away still work, over HTTP and at the command line, even if no process has the database
    open."""
    ballast = on.disk / "ballast"
    kicked, frozen, frozen_alone, signed_out = (f"1380000000{number}" for number in range(4))
    with on.service.client() as client:

        def asked(method: str, path: str, token: str) -> int:
            return client.request(method, path, headers={"token": token}).status

        tokens = {phone: client.register(phone).token for phone in (kicked, frozen, frozen_alone, signed_out)}
        fill(ballast)
        ended = asked("POST", "/api/user/sessions/end", tokens[signed_out])
        report.require(ended == 200, f"signing out others is answered {ended}")
        _command(report, on, "session", "kick", "--all", kicked)
        _command(report, on, "user", "freeze", frozen, "--reason", "spam")
        _command(report, on, "prune")
        ready = asked("GET", "/readyz", "")
        report.require(ready == 503, f"/readyz of a service that takes nobody is {ready}")
    on.service.stop()
    ballast.unlink()
    # With space again the reserve is made; without, the files of the log cannot be made.
    on.service.start()
    on.service.stop()
    fill(ballast)
    _command(report, on, "user", "freeze", frozen_alone, "--reason", "spam")
    _command(report, on, "prune")
    ballast.unlink()
    on.service.start()
    with on.service.client() as client:
        answers = [client.user_info(token).status for token in tokens.values()]
    report.require(answers == [401, 401, 401, 200], f"those kicked, frozen, frozen and neither are answered {answers}")


def _command(report: Report, on: Scene, *arguments: str) -> None:
    done = on.service.process(*arguments)
    report.require(done.returncode == 0, f"{arguments} on a full disk: {done.stderr}")


if __name__ == "__main__":
    Program("F-16", trial, (SQLITE, POSTGRESQL)).main()
