"""F-28: the database takes no writes for a while, like a demoted primary; then it does again, and nothing is restarted.

Two callers continue all the time. Default: 6 s. Long: 60 s.
"""

import time
from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from menshen.entrypoints.readiness import HOLDS_SECONDS

from .journal import Kind, Operation
from .outage import ANSWER_SECONDS
from .program import Duration, Program, Report
from .recovery import RECOVERY_SECONDS
from .scenes import POSTGRESQL, SERVERS, Scene, execute, scene


def trial(store: str, duration: Duration) -> Report:
    report = Report()
    with scene(store, WORKERS="2") as on:
        load = on.load(threads=2, pause=0.02)
        with load.running():
            load.until_acknowledged(5)
            _turn(on, is_read_only=True)
            began = time.monotonic()
            time.sleep(HOLDS_SECONDS)
            ready = _readiness(on)
            time.sleep(duration.of(6, 60))
            ended = time.monotonic()
            _turn(on, is_read_only=False)
            healed = time.monotonic()
            load.until_acknowledged(1)
            recovery = time.monotonic() - healed
            load.until_acknowledged(20)
        _judge(report, [each for each in on.journal.operations() if each.begin >= began and each.end <= ended])
        report.figures["back after"] = recovery
        report.require(recovery <= RECOVERY_SECONDS, f"back after {recovery:.1f} s")
        report.require(ready == 503, f"/readyz meanwhile: {ready}")
        report.require(_readiness(on) == 200, "/readyz afterwards is not 200")
        report.take(on.checked())
        report.require(on.service.returncode is None, "the service died")
    return report


def _turn(on: Scene, *, is_read_only: bool) -> None:
    """Let new sessions write or not, and end the existing ones, as a proxy in front would."""
    elsewhere, name = on.database.url, make_url(on.url).database
    if on.store == POSTGRESQL:
        setting = "SET default_transaction_read_only = on" if is_read_only else "RESET default_transaction_read_only"
        execute(elsewhere, f"ALTER DATABASE {name} {setting}")
        if is_read_only:
            execute(elsewhere, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        return
    execute(elsewhere, f"SET GLOBAL tx_read_only = {'ON' if is_read_only else 'OFF'}")
    others = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id != CONNECTION_ID()"
    for (connection,) in on.rows(others) if is_read_only else ():
        # It may have ended already.
        with suppress(OperationalError):
            execute(elsewhere, f"KILL CONNECTION {connection}")


def _readiness(on: Scene) -> int:
    with on.service.client() as client:
        return client.request("GET", "/readyz").status


def _judge(report: Report, operations: Sequence[Operation]) -> None:
    writes = [each for each in operations if each.kind is not Kind.AUTHENTICATE]
    reads = [each for each in operations if each.kind is Kind.AUTHENTICATE]
    report.figures |= {"writes refused": len(writes), "reads": len(reads)}
    report.require(bool(writes), "nothing was written")
    for each in operations:
        report.require(each.seconds <= ANSWER_SECONDS, f"{each.kind} {each.phone}: after {each.seconds:.1f} s")
    for each in writes:
        report.require(each.status == 503, f"{each.kind} {each.phone}: {each.status}")
    for each in reads:
        report.require(each.status in {200, 401}, f"{each.kind} {each.phone}: {each.status}")


if __name__ == "__main__":
    Program("F-28", trial, SERVERS).main()
