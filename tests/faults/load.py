"""Callers who register, log in and out as long as it lasts, and write down what came of it."""

import http.client
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import Event, Thread

from attrs import define, field, frozen

from ..integration.servers import Answer, Client, assert_envelope
from .journal import Journal, Kind, Operation, Outcome

CLIENT_SECONDS = 20.0
"""How long a caller waits for an answer; no answer may take so long."""

_PAUSE_SECONDS = 0.1
"""After an answer that settles nothing, a caller waits a little: he would only count how fast he is told so."""


def password_of(phone: str) -> str:
    """Each has his own, so that an account in another's place is noticed."""
    return f"the secret of {phone}"


def flaw_of(answer: Answer) -> str | None:
    """What is wrong with an answer in any case: no envelope, a server error, a 503 that does not say when to return."""
    try:
        assert_envelope(answer)
    except (AssertionError, ValueError, KeyError):
        return f"{answer.status} outside the envelope: {answer.body[:200]!r}"
    if answer.status >= 500 and answer.status != 503:
        return f"{answer.status}: {answer.body[:200]!r}"
    if answer.status == 503 and not answer.headers.get("retry-after", "").isdecimal():
        return "503 without Retry-After"
    if answer.status == 503 and "token" in answer.json:
        return "503 with a token"
    return None


@frozen
class Caller:
    """One who writes down each of his requests before he makes the next."""

    client: Client
    journal: Journal

    def register(self, phone: str) -> Operation:
        return self._do(Kind.REGISTER, phone, lambda: self.client.register(phone, password_of(phone)))

    def log_in(self, phone: str) -> Operation:
        return self._do(Kind.LOG_IN, phone, lambda: self.client.login(phone, password_of(phone)))

    def guess(self, phone: str) -> Operation:
        return self._do(Kind.GUESS, phone, lambda: self.client.login(phone, "no secret of his"))

    def log_out(self, phone: str, token: str) -> Operation:
        return self._do(Kind.LOG_OUT, phone, lambda: self.client.logout(token), token)

    def authenticate(self, phone: str, token: str) -> Operation:
        return self._do(Kind.AUTHENTICATE, phone, lambda: self.client.user_info(token), token)

    def reuse(self, phone: str, token: str) -> Operation:
        return self._do(Kind.REUSE, phone, lambda: self.client.user_info(token), token)

    def _do(self, kind: Kind, phone: str, act: Callable[[], Answer], shown: str | None = None) -> Operation:
        begin = time.monotonic()
        try:
            answer = act()
        except (OSError, http.client.HTTPException):
            done = Operation(kind, phone, begin, time.monotonic(), Outcome.UNKNOWN, token=shown)
        else:
            done = _told(kind, phone, begin, answer, shown)
        self.journal.append(done)
        return done


def _told(kind: Kind, phone: str, begin: float, answer: Answer, shown: str | None) -> Operation:
    end = time.monotonic()
    flaw = flaw_of(answer)
    if flaw is not None:
        return Operation(kind, phone, begin, end, Outcome.UNKNOWN, answer.status, None, shown, flaw)
    if answer.status == 200 and kind is Kind.AUTHENTICATE and answer.json["data"]["phone"] != phone:
        flaw = f"the data of another: {answer.json['data']['phone']}"
    outcome = {200: Outcome.OK, 503: Outcome.UNKNOWN}.get(answer.status, Outcome.REFUSED)
    token = shown or answer.json.get("token")
    return Operation(kind, phone, begin, end, outcome, answer.status, answer.reason, token, flaw)


@define(eq=False)
class Load:
    """Callers, each in a thread of his own; numbers go on from one spell to the next.

    Each registers a fresh phone and shows a token that he has; every 5th time he also logs in, every 10th time somebody
    guesses, and every 25th time he logs out, and tries the token once more.
    """

    port: int
    journal: Journal
    threads: int = 4
    pause: float = 0.0
    """What each caller waits between two rounds: for a load that leaves the machine to others."""
    _numbers: Iterator[int] = field(factory=lambda: count(1), init=False)
    _tokens: deque[tuple[str, str]] = field(factory=lambda: deque(maxlen=50), init=False)

    @contextmanager
    def running(self) -> Iterator[None]:
        stop = Event()
        threads = [Thread(target=self._call, args=(stop,)) for _ in range(self.threads)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(CLIENT_SECONDS * 5)
                assert not thread.is_alive()

    def until_acknowledged(self, more: int, seconds: float = 60.0) -> None:
        """Wait until so many *more* registrations are acknowledged."""
        goal, end = self.journal.acknowledged + more, time.monotonic() + seconds
        while self.journal.acknowledged < goal:
            assert time.monotonic() < end, f"not {more} registrations within {seconds} s"
            time.sleep(0.005)

    @property
    def live_tokens(self) -> list[tuple[str, str]]:
        """Phones and tokens that nobody logs out."""
        return list(self._tokens)

    def _call(self, stop: Event) -> None:
        with Client(self.port, CLIENT_SECONDS) as client:
            caller = Caller(client, self.journal)
            while not stop.is_set():
                if not self._one_round(caller, next(self._numbers)):
                    stop.wait(_PAUSE_SECONDS)
                if self.pause:
                    stop.wait(self.pause)

    def _one_round(self, caller: Caller, number: int) -> bool:
        """Whether everything was settled."""
        phone = f"13{number:09}"
        done = [caller.register(phone)]
        token = done[0].token
        if token is not None and number % 25 == 0:
            done.append(caller.log_out(phone, token))
            if done[-1].outcome is Outcome.OK:
                done.append(caller.reuse(phone, token))
        elif token is not None:
            self._tokens.append((phone, token))
        if number % 10 == 0:
            done.append(caller.guess(phone))
        if self._tokens:
            known_phone, known_token = self._tokens[number % len(self._tokens)]
            done.append(caller.authenticate(known_phone, known_token))
            if number % 5 == 0:
                done.append(caller.log_in(known_phone))
        return all(each.outcome is not Outcome.UNKNOWN for each in done)
