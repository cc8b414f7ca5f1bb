"""What a service must do while its database is down (RL-06), and how soon it must be back."""

import http.client
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from attrs import frozen

from menshen.entrypoints.readiness import HOLDS_SECONDS

from ..integration.racers import at_once
from ..integration.servers import Answer, Client
from .journal import Operation
from .load import CLIENT_SECONDS, Load, flaw_of
from .program import Report
from .recovery import RECOVERY_SECONDS
from .scenes import Scene

ANSWER_SECONDS = 5.0
_REQUESTS = 100
_CALLERS = 100
_CALLERS_AFTERWARDS = 20
_PROBE_SECONDS = 0.5


@frozen
class Timed:
    """An answer, and the moments between which it was awaited."""

    begin: float
    end: float
    status: int
    flaw: str | None

    @property
    def seconds(self) -> float:
        return self.end - self.begin


@frozen
class Outage:
    """A fault with a name: how it begins and how it ends."""

    name: str
    begin: Callable[[], None]
    end: Callable[[], None]

    def endure(
        self, report: Report, on: Scene, load: Load, seconds: float, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """Let the outage last *seconds* under *load*, check the answers, and wait until the service is back."""
        with load.running(), _probing(on) as probes:
            load.until_acknowledged(5)
            self.begin()
            began = time.monotonic()
            time.sleep(min(1.0, seconds / 4))
            crowd = _crowd(on, load, _CALLERS)
            meanwhile()
            time.sleep(max(0.0, began + seconds - time.monotonic()))
            ended = time.monotonic()
            self.end()
            healed = time.monotonic()
            load.until_acknowledged(1)
            recovery = time.monotonic() - healed
        crowd_afterwards = _crowd(on, load, _CALLERS_AFTERWARDS)
        self._judge_answers(report, on.journal.operations(), began, ended)
        # The result from just before it is used for a moment.
        first = began + HOLDS_SECONDS
        self._judge_probes(report, [probe for probe in probes if first <= probe.begin and probe.end <= ended])
        self._judge_crowd(report, "during", crowd, 503)
        self._judge_crowd(report, "after", crowd_afterwards, 200)
        report.figures[f"{self.name}: back after"] = recovery
        report.require(recovery <= RECOVERY_SECONDS, f"{self.name}: back after {recovery:.1f} s")

    def _judge_answers(self, report: Report, operations: Sequence[Operation], began: float, ended: float) -> None:
        touched = [each for each in operations if each.end >= began and each.begin <= ended]
        during = [each for each in touched if each.begin >= began and each.end <= ended]
        slowest = max(each.seconds for each in touched)
        report.figures |= {f"{self.name}: answers": len(during), f"{self.name}: slowest": slowest}
        report.require(bool(during), f"{self.name}: nothing was asked")
        for each in touched:
            said = f"{self.name}: {each.kind} {each.phone}, begun {each.begin - began:.1f} s after it"
            report.require(each.status != 0, f"{said}: not answered")
            report.require(each.seconds <= ANSWER_SECONDS, f"{said}: answered after {each.seconds:.1f} s")
        for each in during:
            said = f"{self.name}: {each.kind} {each.phone}, begun {each.begin - began:.1f} s after it"
            report.require(each.status == 503, f"{said}: answered {each.status}")

    def _judge_probes(self, report: Report, probes: Sequence[Timed]) -> None:
        report.require(bool(probes), f"{self.name}: /readyz was not asked")
        for each in probes:
            report.require(each.status == 503, f"{self.name}: /readyz: {each.status}")
            report.require(each.seconds <= ANSWER_SECONDS, f"{self.name}: /readyz: after {each.seconds:.1f} s")

    def _judge_crowd(self, report: Report, when: str, crowd: Sequence[Timed], status: int) -> None:
        slowest = max(each.seconds for each in crowd)
        report.figures[f"{self.name}: slowest of {len(crowd)} {when}"] = slowest
        for each in crowd:
            report.require(each.flaw is None, f"{self.name}: in the crowd {when}: {each.flaw}")
            report.require(each.status == status, f"{self.name}: in the crowd {when}: {each.status}")
        report.require(slowest <= ANSWER_SECONDS, f"{self.name}: in the crowd {when}: after {slowest:.1f} s")


def _crowd(on: Scene, load: Load, callers: int) -> list[Timed]:
    """A hundred requests with tokens, from as many callers at one moment."""
    known = load.live_tokens

    def call(number: int) -> list[Timed]:
        token = known[number % len(known)][1]
        with Client(on.service.port, CLIENT_SECONDS) as client:
            return [_timed(lambda: client.user_info(token)) for _ in range(_REQUESTS // callers)]

    return [answer for share in at_once(callers, call) for answer in share]


@contextmanager
def _probing(on: Scene) -> Iterator[list[Timed]]:
    """What /readyz says, all the time."""
    probes: list[Timed] = []
    stop = Event()

    def probe() -> None:
        with Client(on.service.port, CLIENT_SECONDS) as client:
            while not stop.wait(_PROBE_SECONDS):
                probes.append(_timed(lambda: client.request("GET", "/readyz")))

    thread = Thread(target=probe)
    thread.start()
    try:
        yield probes
    finally:
        stop.set()
        thread.join(CLIENT_SECONDS * 2)


def _timed(act: Callable[[], Answer]) -> Timed:
    begin = time.monotonic()
    try:
        answer = act()
    except (OSError, http.client.HTTPException) as error:
        return Timed(begin, time.monotonic(), 0, f"no answer: {error}")
    return Timed(begin, time.monotonic(), answer.status, flaw_of(answer))
