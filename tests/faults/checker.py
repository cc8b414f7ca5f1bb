"""After the fault is over: is everything there that was acknowledged, and nothing that was refused?"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from queue import SimpleQueue

from attrs import frozen

from ..integration.servers import Answer, Client
from .journal import Kind, Operation, Outcome
from .load import CLIENT_SECONDS, flaw_of, password_of

_CHECKERS = 4
_PATIENCE_SECONDS = 20.0


class Wrong(StrEnum):
    """What must not be found."""

    LOST = "lost"
    """An acknowledged registration that does not log in."""
    DUPLICATES = "duplicates"
    """A phone with more than one row."""
    ENDED = "ended"
    """A token that nobody has logged out, and that is refused."""
    REVIVED = "revived"
    """A token whose logout was acknowledged, and that is accepted."""
    LET_IN = "let in"
    """A wrong password, or a token that was logged out, that was accepted during the fault."""
    UNEXPECTED = "unexpected"
    """What was refused and took effect, or a row for which nobody has asked."""
    UNDECIDED = "undecided"
    """A registration with an unknown outcome that neither logs in nor can be repeated."""
    FLAWED = "flawed"
    """An answer that is none: outside the envelope, a 500, another's data."""


@frozen
class Finding:
    wrong: Wrong
    phone: str | None
    what: str


@frozen
class Findings:
    """What the checker has to say."""

    acknowledged: int
    """Registrations."""
    unknown: int
    """Registrations of which the caller knew nothing."""
    found: Sequence[Finding]

    def count(self, wrong: Wrong) -> int:
        return sum(each.wrong is wrong for each in self.found)

    @property
    def evidence(self) -> list[str]:
        return [f"{each.wrong}: {each.phone}: {each.what}" for each in self.found]


def check(operations: Sequence[Operation], port: int, rows: Callable[[], Iterable[str | None]]) -> Findings:
    """Judge what *operations* promise by the service at *port*, which is well again, and by the phones in its *rows*."""
    found = list(_judged_alone(operations))
    kept, unsure = _registrations(operations)
    live, revoked = _tokens(operations)
    with ThreadPoolExecutor(_CHECKERS) as pool, _asking(port) as asking:
        for part in (
            pool.map(asking.still_logs_in, sorted(kept)),
            pool.map(asking.still_valid, live),
            pool.map(asking.still_refused, revoked),
            pool.map(asking.settled, sorted(unsure)),
        ):
            found += [finding for finding in part if finding is not None]
    missing = {finding.phone for finding in found if finding.wrong is Wrong.LOST}
    found += _judged_rows(list(rows()), kept - missing, asked=kept | unsure)
    return Findings(len(kept), len(unsure), found)


def _judged_alone(operations: Iterable[Operation]) -> Iterable[Finding]:
    """What is wrong by itself, whatever the service says later."""
    refusals = {
        Kind.REGISTER: (Wrong.UNEXPECTED, "a fresh phone was refused"),
        Kind.LOG_IN: (Wrong.LOST, "a known user was refused"),
        Kind.LOG_OUT: (Wrong.ENDED, "a live token was refused"),
        Kind.AUTHENTICATE: (Wrong.ENDED, "a live token was refused"),
    }
    for each in operations:
        if each.flaw is not None:
            yield Finding(Wrong.FLAWED, each.phone, f"{each.kind}: {each.flaw}")
        if each.outcome is Outcome.REFUSED and each.kind in refusals:
            wrong, text = refusals[each.kind]
            yield Finding(wrong, each.phone, f"{text}: {each.status} {each.reason}")
        if each.outcome is Outcome.OK and each.kind in {Kind.GUESS, Kind.REUSE}:
            yield Finding(Wrong.LET_IN, each.phone, each.kind)


def _registrations(operations: Iterable[Operation]) -> tuple[set[str], set[str]]:
    """The phones that were registered, and those of which that is unknown."""
    asked = [each for each in operations if each.kind is Kind.REGISTER]
    kept = {each.phone for each in asked if each.outcome is Outcome.OK}
    return kept, {each.phone for each in asked if each.outcome is Outcome.UNKNOWN} - kept


def _tokens(operations: Sequence[Operation]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Phones and tokens: those that live, and those whose logout was acknowledged."""
    logouts = [each for each in operations if each.kind is Kind.LOG_OUT]
    shown = {each.token for each in logouts}
    logins = [each for each in operations if each.kind in {Kind.REGISTER, Kind.LOG_IN}]
    live = [each for each in logins if each.outcome is Outcome.OK and each.token not in shown]
    revoked = [each for each in logouts if each.outcome is Outcome.OK]
    return _known(live), _known(revoked)


def _known(operations: Iterable[Operation]) -> list[tuple[str, str]]:
    return [(each.phone, each.token) for each in operations if each.token is not None]


def _judged_rows(rows: Sequence[str | None], kept: set[str], asked: set[str]) -> Iterable[Finding]:
    counts = Counter(rows)
    for phone, number in counts.items():
        if number > 1:
            yield Finding(Wrong.DUPLICATES, phone, f"{number} rows")
        if phone not in asked:
            yield Finding(Wrong.UNEXPECTED, phone, "a row for which nobody has asked, or that was refused")
    for phone in sorted(kept - counts.keys()):
        yield Finding(Wrong.LOST, phone, "no row")


@frozen
class _Asking:
    """Questions to a service that is well; where it says that it is busy, it is asked again."""

    clients: SimpleQueue[Client]

    def still_logs_in(self, phone: str) -> Finding | None:
        answer = self._patiently(lambda client: client.login(phone, password_of(phone)))
        if answer.status != 200:
            return Finding(Wrong.LOST, phone, f"no login: {answer.status} {answer.body!r}")
        return self._flaw(answer, phone) or self.still_valid((phone, answer.token))

    def still_valid(self, known: tuple[str, str]) -> Finding | None:
        phone, token = known
        answer = self._patiently(lambda client: client.user_info(token))
        if answer.status != 200:
            return Finding(Wrong.ENDED, phone, f"a live token is refused: {answer.status} {answer.body!r}")
        if answer.json["data"]["phone"] != phone:
            return Finding(Wrong.FLAWED, phone, f"the data of another: {answer.json['data']['phone']}")
        return self._flaw(answer, phone)

    def still_refused(self, known: tuple[str, str]) -> Finding | None:
        phone, token = known
        answer = self._patiently(lambda client: client.user_info(token))
        return None if answer.status == 401 else Finding(Wrong.REVIVED, phone, f"{answer.status} {answer.body!r}")

    def settled(self, phone: str) -> Finding | None:
        """It happened, or it can be repeated."""
        answer = self._patiently(lambda client: client.login(phone, password_of(phone)))
        if answer.status == 403:
            again = self._patiently(lambda client: client.register(phone, password_of(phone)))
            if again.status == 200:
                return None
            answer = self._patiently(lambda client: client.login(phone, password_of(phone)))
        if answer.status != 200:
            return Finding(Wrong.UNDECIDED, phone, f"{answer.status} {answer.body!r}")
        return self._flaw(answer, phone)

    def _flaw(self, answer: Answer, phone: str) -> Finding | None:
        flaw = flaw_of(answer)
        return None if flaw is None else Finding(Wrong.FLAWED, phone, flaw)

    def _patiently(self, act: Callable[[Client], Answer]) -> Answer:
        client = self.clients.get()
        end = time.monotonic() + _PATIENCE_SECONDS
        try:
            while True:
                answer = act(client)
                if answer.status != 503 or time.monotonic() > end:
                    return answer
                time.sleep(0.1)
        finally:
            self.clients.put(client)


@contextmanager
def _asking(port: int) -> Iterator[_Asking]:
    clients: SimpleQueue[Client] = SimpleQueue()
    with ExitStack() as stack:
        for _ in range(_CHECKERS):
            clients.put(stack.enter_context(Client(port, CLIENT_SECONDS)))
        yield _Asking(clients)
