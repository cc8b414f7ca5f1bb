"""Journeys: sequences of use-case calls, as data, that can be replayed on any store.

A step names users, sessions and tokens by when they came: user 0 is the first that registered, session 0 is the one that
was opened last, refresh token 1 the one that was given out before the last. Where there is none, a step does nothing.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import count
from typing import Any, Protocol, TypeVar

from attrs import define, field, frozen

from menshen.adapters.conformance.steps import Steps
from menshen.adapters.memory.fakes import (
    FakeClock,
    FakeHostTokenCodec,
    FakeLastSeen,
    FakePasswordHasher,
    FakeSeal,
    FakeTokenCodec,
)
from menshen.adapters.refresh_token_codec import HmacRefreshTokenCodec
from menshen.domain.audit import AuditEntry
from menshen.domain.errors import Refusal
from menshen.domain.ports.reading import UserFilter
from menshen.domain.ports.stores import Store
from menshen.domain.presences import Principal
from menshen.domain.refresh_tokens import RefreshToken
from menshen.domain.sessions import SessionId, SessionKind
from menshen.domain.use_cases.issuing import Granted
from menshen.domain.users import MAX_USER_ID, UserFacts, UserId
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.wiring import Adapters, Service, wire

from .journey_answers import Numbering, difference

COMMON_PASSWORD = "iloveyou1"

_ALL = 1_000_000


class NothingThere(Exception):
    """The step is about something that the journey has not come to."""


@define
class _CountedIds:
    """RandomIds that are the same in each replay, and whose order and case say nothing of when they were made."""

    _numbers: "count[int]" = field(factory=count)

    def new_id(self) -> str:
        return (
            urlsafe_b64encode(hashlib.sha256(f"id {next(self._numbers)}".encode()).digest()[:16]).decode().rstrip("=")
        )


class _RepeatableCodec(HmacRefreshTokenCodec):
    """Refresh tokens that are the same in each replay."""

    def new(self, session_id: SessionId) -> RefreshToken:
        return RefreshToken(session_id, hashlib.sha256(session_id.encode()).digest())


AnyUser = TypeVar("AnyUser", bound=UserFacts)


@define(eq=False)
class House:
    """The service on one store, and what one journey has met there."""

    store: Store
    settings: Settings
    begin: datetime
    clock: FakeClock = field(init=False)
    service: Service = field(init=False)
    numbering: Numbering = field(factory=Numbering, init=False)
    opened: list[Granted] = field(factory=list, init=False)
    granted: list[Granted] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.clock = FakeClock(self.begin)
        adapters = Adapters(
            store=self.store,
            hasher=FakePasswordHasher(),
            codec=FakeTokenCodec(),
            admin_codec=FakeTokenCodec("admin"),
            refresh_codec=_RepeatableCodec(b"the secret of all journeys"),
            host_codec=FakeHostTokenCodec(),
            seal=FakeSeal(),
            last_seen=FakeLastSeen(self.store.work),
            clock=self.clock,
            ids=_CountedIds(),
            common_passwords=frozenset({COMMON_PASSWORD}),
        )
        self.service = wire(self.settings, adapters)

    def welcome(self, user: AnyUser) -> AnyUser:
        """Take note of a new user."""
        self.numbering.users.append(user.id)
        return user

    def open(self, granted: Granted) -> Granted:
        """Take note of a new session."""
        self.opened.append(granted)
        return self.grant(granted)

    def grant(self, granted: Granted) -> Granted:
        """Take note of new tokens."""
        self.granted.append(granted)
        return granted

    def user(self, number: int | None) -> UserId:
        """The user of this number; of None, one that never was."""
        if number is None:
            return UserId(MAX_USER_ID)
        if not self.numbering.users:
            raise NothingThere
        return UserId(self.numbering.users[number % len(self.numbering.users)])

    def session(self, number: int) -> Granted:
        """The session of this number, as it was when it was opened."""
        if not self.opened:
            raise NothingThere
        return self.opened[-1 - number % len(self.opened)]

    def tokens(self, number: int) -> Granted:
        """The tokens of this number."""
        if not self.granted:
            raise NothingThere
        return self.granted[-1 - number % len(self.granted)]

    def guarded(self, session: int, *, is_late: bool) -> Principal:
        """What the guard says of a session; *is_late*: what it said before everything that came since."""
        granted = self.session(session)
        if is_late:
            return granted.principal
        return self.service.authenticate(granted.access_token)

    def log(self) -> Sequence[AuditEntry]:
        """The whole log, newest first, numbered."""
        entries = self.store.audit.find(subject=None, before=None, limit=_ALL)
        known = set(self.numbering.entries)
        self.numbering.entries += sorted(entry.id for entry in entries if entry.id not in known)
        return entries


class Step(Protocol):
    """One call of a use case."""

    def take(self, house: House) -> object:
        """What the use case answers. Raises a Refusal, NothingThere."""
        ...


@frozen(repr=False)
class Journey:
    """Steps, one after the other, under some settings, that begin at some moment."""

    steps: tuple[Step, ...]
    settings: Settings
    begin: datetime

    def __repr__(self) -> str:
        lines = [
            f"\nunder {self.settings.device_policy}, {self.settings.password_policy} passwords, from {self.begin}:"
        ]
        return "\n".join([*lines, *(f"  {number:3}. {step}" for number, step in enumerate(self.steps))])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """How hypothesis shows a journey: as it is read, not as it is made."""
        printer.text(repr(self))


@frozen
class Replay:
    """All answers of one store on a journey: to each step, and its contents in the end."""

    answers: tuple[Any, ...]
    met: "Counter[str]"
    """How often each step was done, why steps were refused, how sessions had ended, and what is in the log."""


def replay(journey: Journey, store: Store) -> Replay:
    """Carry out the *journey* in *store*, which is empty."""
    house = House(store, journey.settings, journey.begin)
    met: Counter[str] = Counter()
    answers = []
    for step in journey.steps:
        answers.append(house.numbering.plain(_answer(step, house, met)))
    sessions = [store.sessions.by_id(granted.session.id) for granted in house.opened]
    met.update(f"a session ended: {each.end.reason}" for each in sessions if each is not None and each.end is not None)
    log = house.log()
    met.update(f"{entry.event.action} in the log" for entry in log)
    now = house.clock.now()
    everybody = Steps(store).users.find(UserFilter(), after=UserId(0), limit=_ALL, now=now)
    live = [store.sessions.live(user.id, kind, now) for user in everybody for kind in SessionKind]
    last: list[object] = [everybody, sessions, live, log]
    return Replay((*answers, *map(house.numbering.plain, last)), met)


def _answer(step: Step, house: House, met: "Counter[str]") -> object:
    name = type(step).__name__
    try:
        answer = step.take(house)
    except NothingThere:
        return None
    except Refusal as refusal:
        met[f"refused: {refusal.reason}"] += 1
        return refusal
    met[f"{name} done"] += 1
    return answer


def first_difference(journey: Journey, one: Replay, other: Replay) -> str | None:
    """Where two replays part, with the step; None where they are the same."""
    last = ["all users", "all sessions", "the live ones", "the whole log"]
    for place, *pair in zip([*journey.steps, *last], one.answers, other.answers, strict=True):
        found = difference(*pair)
        if found is not None:
            return f"{place}: {found}"
    return None
