"""Callers that register, log in and out for a while, and record the outcomes."""

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

_TURNS = 20
"""After so many rounds the rarer things are done again."""

_PAUSE_SECONDS = 0.1
"""After an answer that settles nothing, a caller waits a little, instead of repeating it at full speed."""


def password_of(phone: str) -> str:
    """Each phone has a different one, so that a wrong account is noticed."""
    return f"the secret of {phone}"


def new_password_of(phone: str) -> str:
    """The password after a change."""
    return f"the new secret of {phone}"


def flaw_of(answer: Answer) -> str | None:
    """What is wrong with any answer: no envelope, a server error, a 503 that does not say when to try again."""
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
    """A caller that records each request before making the next."""

    client: Client
    journal: Journal

    def register(self, phone: str) -> Operation:
        return self._do(Kind.REGISTER, phone, lambda: self.client.register(phone, password_of(phone)))

    def log_in(self, phone: str) -> Operation:
        return self._do(Kind.LOG_IN, phone, lambda: self.client.login(phone, password_of(phone)))

    def log_in_anew(self, phone: str) -> Operation:
        """After the password was changed."""
        return self._do(Kind.LOG_IN, phone, lambda: self.client.login(phone, new_password_of(phone)))

    def guess(self, phone: str) -> Operation:
        return self._do(Kind.GUESS, phone, lambda: self.client.login(phone, "no secret of theirs"))

    def try_the_old_one(self, phone: str) -> Operation:
        """After the password was changed."""
        return self._do(Kind.GUESS, phone, lambda: self.client.login(phone, password_of(phone)))

    def change_password(self, phone: str, token: str) -> Operation:
        old, new = password_of(phone), new_password_of(phone)
        return self._do(Kind.CHANGE_PASSWORD, phone, lambda: self.client.change_password(token, old, new), token)

    def refresh(self, phone: str, refresh_token: str) -> Operation:
        return self._do(Kind.REFRESH, phone, lambda: self.client.refresh(refresh_token), refresh_token)

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


_GIVING = {Kind.REGISTER, Kind.LOG_IN, Kind.REFRESH}


def _told(kind: Kind, phone: str, begin: float, answer: Answer, shown: str | None) -> Operation:
    end = time.monotonic()
    flaw = flaw_of(answer)
    if flaw is not None:
        return Operation(kind, phone, begin, end, Outcome.UNKNOWN, answer.status, None, shown, flaw=flaw)
    if answer.status == 200 and kind is Kind.AUTHENTICATE and answer.json["data"]["phone"] != phone:
        flaw = f"the data of another: {answer.json['data']['phone']}"
    outcome = {200: Outcome.OK, 503: Outcome.UNKNOWN}.get(answer.status, Outcome.REFUSED)
    given = None
    if answer.status == 200 and kind in _GIVING:
        given = answer.json["data"].get("refresh_token")
        if given is None:
            flaw = "no refresh token"
    token = shown or answer.json.get("token")
    return Operation(kind, phone, begin, end, outcome, answer.status, answer.reason, token, given, flaw)


@define(eq=False)
class Load:
    """Callers, one for each thread; phone numbers continue from one load to the next.

    Each registers a fresh phone and uses a token that it has; every 5th time it also logs in, every 10th time a
    password is guessed, and every 25th time it logs out, and tries the token again. Every 10th time a session is
    refreshed twice in a row, a new one or the one that has waited longest. Of 20 users two log in again, and one of the
    two sessions changes the password some time later, which ends the other; then the old password and the new one are
    tried.
    """

    port: int
    journal: Journal
    threads: int = 4
    pause: float = 0.0
    """What each caller waits between two rounds: for a load that leaves the machine to others."""
    _numbers: Iterator[int] = field(factory=lambda: count(1), init=False)
    _tokens: deque[tuple[str, str]] = field(factory=lambda: deque(maxlen=50), init=False)
    _refreshed: deque[tuple[str, str]] = field(factory=deque, init=False)
    """Phones and the newest refresh tokens of their sessions; a token in use is taken out."""
    _changing: deque[tuple[str, str, str]] = field(factory=deque, init=False)
    """Phones with the tokens of two sessions: the first is to change the password, the second to end."""
    _changed: deque[str] = field(factory=lambda: deque(maxlen=50), init=False)
    """Phones whose passwords were changed."""

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
        """Phones and tokens that are never logged out."""
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
        turn = number % _TURNS
        phone = f"13{number:09}"
        done = [caller.register(phone)]
        token, refresh_token = done[0].token, done[0].refresh_token
        if token is None or refresh_token is None:
            pass
        elif number % 25 == 0:
            done += self._log_out(caller, phone, token)
        elif turn in {1, 2}:
            other = caller.log_in(phone)
            done.append(other)
            if other.token is not None:
                self._changing.append((phone, token, other.token))
        elif turn == 3:
            self._refreshed.appendleft((phone, refresh_token))
        else:
            self._tokens.append((phone, token))
        if turn in {3, 13}:
            done += self._refresh(caller)
        # One more is ready than is changed, so that one is left while nobody can register.
        if turn in {2, 12}:
            done += self._change_password(caller)
        if turn == 6 and self._changed:
            done += self._try_passwords(caller, self._changed[number // _TURNS % len(self._changed)])
        if number % 10 == 0:
            done.append(caller.guess(phone))
        if self._tokens:
            known_phone, known_token = self._tokens[number % len(self._tokens)]
            done.append(caller.authenticate(known_phone, known_token))
            if number % 5 == 0:
                done.append(caller.log_in(known_phone))
        return all(each.outcome is not Outcome.UNKNOWN for each in done)

    def _log_out(self, caller: Caller, phone: str, token: str) -> list[Operation]:
        done = [caller.log_out(phone, token)]
        if done[0].outcome is Outcome.OK:
            done.append(caller.reuse(phone, token))
        return done

    def _change_password(self, caller: Caller) -> list[Operation]:
        try:
            phone, token, other = self._changing.popleft()
        except IndexError:
            return []
        done = [caller.change_password(phone, token)]
        if done[0].outcome is Outcome.OK:
            self._changed.append(phone)
            done.append(caller.reuse(phone, other))
        return done

    def _refresh(self, caller: Caller) -> list[Operation]:
        try:
            phone, refresh_token = self._refreshed.popleft()
        except IndexError:
            return []
        done: list[Operation] = []
        for _ in range(2):
            done.append(caller.refresh(phone, refresh_token))
            if done[-1].outcome is not Outcome.OK:
                break
            refresh_token = done[-1].refresh_token or refresh_token
        if done[-1].outcome is Outcome.OK:
            self._refreshed.append((phone, refresh_token))
        elif done[-1].outcome is Outcome.UNKNOWN:
            # The next caller repeats it, like an app whose answer was lost.
            self._refreshed.appendleft((phone, refresh_token))
        return done

    def _try_passwords(self, caller: Caller, phone: str) -> list[Operation]:
        return [caller.try_the_old_one(phone), caller.log_in_anew(phone)]
