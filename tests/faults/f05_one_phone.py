"""F-05: 16 callers register the same phone at one moment, each with a different password; four processes serve.

Default: 50 rounds. Long: 200.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack

from ..integration.racers import at_once
from ..integration.servers import Answer, Client
from .load import CLIENT_SECONDS, flaw_of
from .program import Duration, Program, Report
from .scenes import CHEAP_HASHES, STORES, Scene, scene

_CALLERS = 16
_UNAVAILABLE_SHARE = 0.01


def trial(store: str, duration: Duration) -> Report:
    rounds = round(duration.of(50, 200))
    report = Report({"rounds": rounds})
    answers: Counter[int] = Counter()
    with scene(store, command=CHEAP_HASHES, WORKERS="4") as on, ExitStack() as stack:
        clients = [stack.enter_context(Client(on.service.port, CLIENT_SECONDS)) for _ in range(_CALLERS)]
        winners = 0
        for number in range(rounds):
            volley = _volley(clients, _phone(number))
            answers.update(answer.status for answer in volley)
            winners += _judged(report, on, _phone(number), volley)
        rows = Counter(on.phones())
    unavailable = answers[503]
    report.figures |= {
        "exactly one acknowledged": winners,
        "refused": answers[403],
        "503": unavailable,
        "other": answers.total() - answers[200] - answers[403] - unavailable,
        "rows": rows.total(),
    }
    report.require(winners == rounds, f"exactly one was acknowledged in {winners} rounds")
    report.require(unavailable <= _UNAVAILABLE_SHARE * answers.total(), f"{unavailable} answers were 503")
    report.require(rows == Counter(map(_phone, range(rounds))), "the rows are not one for each phone")
    return report


def _phone(number: int) -> str:
    return f"138{number:08}"


def _password(caller: int) -> str:
    return f"the secret of caller {caller}"


def _volley(clients: Sequence[Client], phone: str) -> list[Answer]:
    return at_once(_CALLERS, lambda caller: clients[caller].register(phone, _password(caller)))


def _judged(report: Report, on: Scene, phone: str, volley: Sequence[Answer]) -> bool:
    """Whether exactly one is acknowledged, and that caller's password is stored."""
    for answer in volley:
        flaw = flaw_of(answer)
        report.require(flaw is None, f"{phone}: {flaw}")
        taken = answer.status in {200, 503} or answer.reason == "phone_taken"
        report.require(taken, f"{phone}: {answer.status} {answer.reason}")
    winners = [caller for caller, answer in enumerate(volley) if answer.status == 200]
    if len(winners) != 1:
        report.broken.append(f"{phone}: {len(winners)} were acknowledged")
        return False
    with on.service.client() as client:
        for caller in (winners[0], (winners[0] + 1) % _CALLERS):
            status = client.login(phone, _password(caller)).status
            report.require(
                (status == 200) == (caller in winners), f"{phone}: the login of {caller} was answered {status}"
            )
    return True


if __name__ == "__main__":
    Program("F-05", trial, STORES).main()
