"""After the fault: is everything there that was acknowledged, and nothing that was refused?"""

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
from .load import CLIENT_SECONDS, flaw_of, new_password_of, password_of
from .promises import Chain, Standing, by_token, may_be_reused, sessions

_CHECKERS = 4
_PATIENCE_SECONDS = 20.0


class Wrong(StrEnum):
    """What must not be found."""

    LOST = "lost"
    """An acknowledged registration, or change of a password, that does not log in."""
    DUPLICATES = "duplicates"
    """A phone with more than one row."""
    ENDED = "ended"
    """A refused token, or newest refresh token, of a session that nobody has ended."""
    REVIVED = "revived"
    """An accepted token of a session that ended, or an accepted old password, although the end or change was
    acknowledged."""
    LET_IN = "let in"
    """The same, or a wrong password, accepted during the fault."""
    UNEXPECTED = "unexpected"
    """A refused request that took effect, or a row that nobody asked for."""
    UNDECIDED = "undecided"
    """Something with an unknown outcome that has neither happened nor not happened: a registration that neither logs in
    nor can be repeated, a changed password of which not exactly one logs in, a refresh that cannot be repeated."""
    FLAWED = "flawed"
    """An answer that is none: outside the envelope, a 500, another's data."""


@frozen
class Finding:
    wrong: Wrong
    phone: str | None
    what: str


@frozen
class Writes:
    """How many there were of each."""

    registrations: int
    rotations: int
    password_changes: int

    def __str__(self) -> str:
        return f"{self.registrations} + {self.rotations} rotations + {self.password_changes} password changes"


@frozen
class Findings:
    """What the checker has to say."""

    acknowledged: Writes
    unknown: Writes
    """Those with an unknown outcome."""
    found: Sequence[Finding]

    def count(self, wrong: Wrong) -> int:
        return sum(each.wrong is wrong for each in self.found)

    @property
    def evidence(self) -> list[str]:
        return [f"{each.wrong}: {each.phone}: {each.what}" for each in self.found]


def check(operations: Sequence[Operation], port: int, rows: Callable[[], Iterable[str | None]]) -> Findings:
    """Compare what *operations* promise with the service at *port*, which has recovered, and with the phones in its
    *rows*.

    This uses up the refresh tokens, so a second check of the same service would say nothing about them.
    """
    found = [*_judged_alone(operations), *_judged_refreshes(operations)]
    kept, unsure = _phones(operations, Kind.REGISTER)
    changed, perhaps_changed = _phones(operations, Kind.CHANGE_PASSWORD)
    given = list(sessions(operations))
    live = [(each.phone, each.token) for each in given if each.is_live]
    ended = [(each.phone, each.token) for each in given if each.standing is Standing.ENDED]
    chains = [each.chain for each in given if each.standing is Standing.LIVE and each.chain is not None]
    with ThreadPoolExecutor(_CHECKERS) as pool, _asking(port) as asking:
        for part in (
            pool.map(asking.still_logs_in, sorted(kept - changed - perhaps_changed)),
            pool.map(asking.still_changed, sorted(changed)),
            pool.map(asking.changed_or_not, sorted(perhaps_changed)),
            pool.map(asking.still_valid, live),
            pool.map(asking.still_refused, ended),
            pool.map(asking.settled, sorted(unsure)),
        ):
            found += [finding for finding in part if finding is not None]
        # Last of all: a late repeat may rightly end its session.
        refreshed = pool.map(asking.still_refreshes, chains)
        found += [finding for finding in refreshed if finding is not None]
    missing = {finding.phone for finding in found if finding.wrong is Wrong.LOST}
    found += _judged_rows(list(rows()), kept - missing, asked=kept | unsure)
    count = Counter((each.kind, each.outcome) for each in operations)
    return Findings(
        Writes(len(kept), count[Kind.REFRESH, Outcome.OK], len(changed)),
        Writes(len(unsure), count[Kind.REFRESH, Outcome.UNKNOWN], len(perhaps_changed)),
        found,
    )


def _judged_alone(operations: Iterable[Operation]) -> Iterable[Finding]:
    """Answers that are wrong in themselves, whatever the service says later."""
    refusals = {
        Kind.REGISTER: (Wrong.UNEXPECTED, "a fresh phone was refused"),
        Kind.LOG_IN: (Wrong.LOST, "a known user was refused"),
        Kind.LOG_OUT: (Wrong.ENDED, "a live token was refused"),
        Kind.AUTHENTICATE: (Wrong.ENDED, "a live token was refused"),
        Kind.CHANGE_PASSWORD: (Wrong.LOST, "a live token and its user's password were refused"),
    }
    for each in operations:
        if each.flaw is not None:
            yield Finding(Wrong.FLAWED, each.phone, f"{each.kind}: {each.flaw}")
        if each.outcome is Outcome.REFUSED and each.kind in refusals:
            wrong, text = refusals[each.kind]
            yield Finding(wrong, each.phone, f"{text}: {each.status} {each.reason}")
        if each.outcome is Outcome.OK and each.kind in {Kind.GUESS, Kind.REUSE}:
            yield Finding(Wrong.LET_IN, each.phone, each.kind)


def _judged_refreshes(operations: Sequence[Operation]) -> Iterable[Finding]:
    for asked in by_token(operations, Kind.REFRESH).values():
        for number, each in enumerate(asked):
            if each.outcome is Outcome.REFUSED and not may_be_reused(asked[:number], each.reason, each.end):
                yield Finding(
                    Wrong.ENDED, each.phone, f"a newest refresh token was refused: {each.status} {each.reason}"
                )


def _phones(operations: Iterable[Operation], kind: Kind) -> tuple[set[str], set[str]]:
    """The phones for which it was done, and those for which this is unknown."""
    asked = [each for each in operations if each.kind is kind]
    done = {each.phone for each in asked if each.outcome is Outcome.OK}
    return done, {each.phone for each in asked if each.outcome is Outcome.UNKNOWN} - done


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
    """Requests to a service that has recovered; if it is busy, they are repeated."""

    clients: SimpleQueue[Client]

    def still_logs_in(self, phone: str) -> Finding | None:
        answer = self._patiently(lambda client: client.login(phone, password_of(phone)))
        if answer.status != 200:
            return Finding(Wrong.LOST, phone, f"no login: {answer.status} {answer.body!r}")
        return self._flaw(answer, phone) or self.still_valid((phone, answer.token))

    def still_changed(self, phone: str) -> Finding | None:
        old, new = self._with_both_passwords(phone)
        if new.status != 200:
            return Finding(Wrong.LOST, phone, f"no login with the new password: {new.status} {new.body!r}")
        if old.status != 403:
            return Finding(Wrong.REVIVED, phone, f"a login with the old password: {old.status} {old.body!r}")
        return self._flaw(new, phone) or self.still_valid((phone, new.token))

    def changed_or_not(self, phone: str) -> Finding | None:
        old, new = self._with_both_passwords(phone)
        if {old.status, new.status} != {200, 403}:
            return Finding(Wrong.UNDECIDED, phone, f"logins: old password {old.status}, new one {new.status}")
        answer = old if old.status == 200 else new
        return self._flaw(answer, phone) or self.still_valid((phone, answer.token))

    def _with_both_passwords(self, phone: str) -> tuple[Answer, Answer]:
        old = self._patiently(lambda client: client.login(phone, password_of(phone)))
        return old, self._patiently(lambda client: client.login(phone, new_password_of(phone)))

    def still_refreshes(self, chain: Chain) -> Finding | None:
        """Its newest refresh token is good, or was used without an answer, long enough ago."""
        answer = self._patiently(lambda client: client.refresh(chain.newest))
        if answer.status == 200:
            return self._flaw(answer, chain.phone) or self.still_valid((chain.phone, answer.token))
        if may_be_reused(chain.asked, answer.reason, time.monotonic()):
            return None
        what = f"its newest refresh token is refused: {answer.status} {answer.body!r}"
        return Finding(Wrong.UNDECIDED if chain.asked else Wrong.ENDED, chain.phone, what)

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
