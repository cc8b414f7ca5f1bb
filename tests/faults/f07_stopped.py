"""F-07: the database is stopped, and started again; a service is started meanwhile, and must say why it does not.

Two callers continue all the time, and a hundred come at once in the middle. Default: 8 s. Long: 30 s.
"""

import time

from ..integration.servers import Server, free_port, only_line
from .outage import Outage
from .program import Duration, Program, Report
from .scenes import SERVERS, Scene, scene


def trial(store: str, duration: Duration) -> Report:
    report = Report()
    with scene(store) as on:
        load = on.load(threads=2, pause=0.02)
        outage = Outage("stopped", on.database.stop, on.database.start)
        outage.endure(report, on, load, duration.of(8, 30), lambda: _start_another(report, on))
        report.take(on.checked())
        report.require(on.service.returncode is None, "the service died")
    return report


def _start_another(report: Report, on: Scene) -> None:
    """A service that is started while the database is down."""
    another = Server(on.service.folder, on.service.settings, on.service.command, free_port())
    begin = time.monotonic()
    done = another.process("serve")
    report.figures["a start without it: exit code"] = done.returncode
    report.figures["after"] = time.monotonic() - begin
    report.require(done.returncode != 0, "it starts without its database")
    report.require(done.stderr.count("\n") == 1, f"not one line: {done.stderr}")
    report.require(bool(only_line(done.stderr)), "no line")


if __name__ == "__main__":
    Program("F-07", trial, SERVERS).main()
