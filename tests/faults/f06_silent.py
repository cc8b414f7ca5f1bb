"""F-06: the database falls silent: its processes are stopped for 10 s, then the way to it is cut for 15 s.

The way is a cable between two network namespaces or, if the machine allows none, a relay. Four callers continue all the
time, and /readyz is requested all the time; a hundred callers come at once in the middle, and a hundred requests,
twenty at a time, when it is over. Default and long: the same.
"""

from .outage import Outage
from .program import Duration, Program, Report
from .scenes import SERVERS, scene
from .wires import wire


def trial(store: str, duration: Duration) -> Report:
    report = Report()
    with wire() as way, scene(store, make=way.server) as on:
        load = on.load(pause=0.02)
        stopped = Outage("stopped", on.database.pause, on.database.resume)
        stopped.endure(report, on, load, 10)
        Outage(way.name, way.cut, way.mend).endure(report, on, load, 15)
        report.take(on.checked())
        report.require(on.service.returncode is None, "the service died")
    return report


if __name__ == "__main__":
    Program("F-06", trial, SERVERS).main()
