"""F-02: an answer leaves after its write is on the disk. strace shows when each of the two happens.

Default and long: 200 registrations.
"""

from collections.abc import Sequence

from ..integration.databases import server_folder
from ..integration.servers import COMMAND, serving
from .load import password_of
from .program import Duration, Program, Report
from .scenes import SQLITE
from .tracing import Synced, check_strace, judged, lines_of, traced

REGISTRATIONS = 200


def trial(store: str, duration: Duration) -> Report:
    found = traced_registrations(COMMAND)
    report = Report(
        {"acknowledged": found.answers, "writes to the log": found.writes, "before the sync": found.too_early}
    )
    report.require(found.answers == REGISTRATIONS, "the trace does not show each answer")
    report.require(found.writes >= REGISTRATIONS, "the trace does not show each write")
    report.require(found.too_early == 0, f"{found.too_early} answers left before the sync of their write")
    return report


def traced_registrations(command: Sequence[str], registrations: int = REGISTRATIONS) -> Synced:
    """What the trace of a service on SQLite shows for that many registrations."""
    check_strace()
    with server_folder() as folder:
        trace = folder / "trace"
        with serving(folder / "service", traced(command, trace)) as service:
            before = len(lines_of(trace))
            with service.client() as client:
                for number in range(registrations):
                    phone = f"138001{number:05}"
                    assert client.register(phone, password_of(phone)).status == 200
            service.stop()
        return judged(lines_of(trace)[before:])


if __name__ == "__main__":
    Program("F-02", trial, (SQLITE,)).main()
