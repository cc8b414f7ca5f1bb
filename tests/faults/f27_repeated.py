"""F-27: each registration is delivered repeatedly, as the caller waits no more than 50 ms for an answer.

8 callers, hashes that take 80 ms, two deliveries without waiting, then one that waits. A repeat is answered 200, or
403 phone_taken where an earlier delivery has made the account. Default: 48 registrations. Long: 480.
"""

import http.client
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from attrs import frozen

from ..integration.racers import at_once
from ..integration.servers import Answer, Client
from .load import CLIENT_SECONDS, flaw_of, password_of
from .program import Duration, Program, Report
from .scenes import SLOW_HASHES, STORES, Scene, scene

_CALLERS = 8
_IMPATIENT_SECONDS = 0.05
_DELIVERIES = 2


@frozen
class _Repeated:
    phone: str
    deliveries: int
    answer: Answer


def trial(store: str, duration: Duration) -> Report:
    report = Report()
    each = int(duration.of(6, 60))
    with scene(store, command=SLOW_HASHES, WORKERS="2") as on:
        shares = at_once(_CALLERS, lambda caller: [_repeated(on, caller, number) for number in range(each)])
        done = [one for share in shares for one in share]
        _judge(report, on, done)
    return report


def _repeated(on: Scene, caller: int, number: int) -> _Repeated:
    phone = f"137{caller}{number:07}"
    for delivery in range(1, _DELIVERIES + 1):
        with suppress(OSError, http.client.HTTPException), Client(on.service.port, _IMPATIENT_SECONDS) as client:
            return _Repeated(phone, delivery, client.register(phone, password_of(phone)))
    # This tests the callers' patience, not the service's time limits.
    answer = _patiently(on.service.port, lambda client: client.register(phone, password_of(phone)))
    return _Repeated(phone, _DELIVERIES + 1, answer)


def _judge(report: Report, on: Scene, done: list[_Repeated]) -> None:
    for one in done:
        flaw = flaw_of(one.answer)
        report.require(flaw is None, f"{one.phone}: {flaw}")
        settled = one.answer.status == 200 or one.answer.reason == "phone_taken"
        report.require(settled, f"{one.phone}: {one.answer.status} {one.answer.reason}")
        with on.service.client() as client:
            status = client.login(one.phone, password_of(one.phone)).status
        report.require(status == 200, f"lost: {one.phone}: its login is answered {status}")
    rows = Counter(on.phones())
    repeated = sum(one.deliveries > 1 for one in done)
    report.figures |= {
        "registrations": len(done),
        "delivered more than once": repeated,
        "deliveries": sum(one.deliveries for one in done),
        "acknowledged": sum(one.answer.status == 200 for one in done),
        "taken": sum(one.answer.reason == "phone_taken" for one in done),
        "duplicates": sum(number > 1 for number in rows.values()),
    }
    report.require(rows == Counter(one.phone for one in done), "the rows are not one for each phone")
    report.require(repeated >= len(done) // 4, f"only {repeated} were delivered more than once")


def _patiently(port: int, act: Callable[[Client], Answer]) -> Answer:
    end = time.monotonic() + CLIENT_SECONDS
    with Client(port, CLIENT_SECONDS) as client:
        while True:
            answer = act(client)
            if answer.status != 503 or time.monotonic() > end:
                return answer
            time.sleep(0.1)


if __name__ == "__main__":
    Program("F-27", trial, STORES).main()
