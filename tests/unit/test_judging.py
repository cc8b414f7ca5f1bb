"""The guard on an event loop."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest
import uvloop
from attrs import define, evolve, field

from menshen.adapters.remembering.judgements import Patience
from menshen.domain.ports.reading import WouldWait
from menshen.domain.presences import Presence, Principal
from menshen.domain.tokens import TokenInvalid
from menshen.entrypoints import judging
from menshen.entrypoints.databases import SERVING_THREADS
from menshen.entrypoints.guarding.envelopes import Refused
from menshen.entrypoints.guarding.guard import Guard
from menshen.entrypoints.judging import THREADS, AsyncJudge, Threads

from .asgi_calls import AsgiHouse
from .cases import for_each
from .memory_house import House
from .remembering_house import RememberingHouse
from .test_guarding import envelopes_of

LOOPS: list[Callable[[Coroutine[Any, Any, Any]], Any]] = [asyncio.run, uvloop.run]


@define
class Place:
    """A guard that remembers, and where it reads."""

    house: RememberingHouse = field(factory=RememberingHouse)
    places: list[bool] = field(factory=list)
    """For each read, whether it was on the thread of the event loop."""

    def judge(self) -> AsyncJudge:
        reading, judgements = self.house.reading, self.house.judgements
        inner, places = reading.by_session, self.places

        def by_session(*wanted: Any) -> Presence | None:
            places.append(threading.current_thread() is threading.main_thread())
            return inner(*wanted)

        strict = evolve(judgements.judge, presences=_Reading(by_session))
        judgements.judge = strict
        return AsyncJudge(Guard(judgements, envelopes_of(self.house.house)), judgements.patience.without)


@define
class _Reading:
    by_session: Callable[..., Presence | None]


@pytest.fixture
def place() -> Place:
    found = Place()
    found.house.house.register()
    return found


def test_what_must_be_read_is_read_in_a_thread_and_what_is_remembered_judged_at_once(place: Place) -> None:
    judge, token = place.judge(), place.house.login().access_token

    async def ask() -> None:
        assert isinstance(await judge(token, None, None), Principal)
        assert place.places == [False]
        # What is remembered asks for no thread.
        at_once = evolve(judge, threads=_NoThreads(1, 1))
        assert isinstance(await at_once(token, None, None), Principal)
        assert place.places == [False]

    asyncio.run(ask())


class _NoThreads(Threads):
    async def run(self, *arguments: Any, **named: Any) -> Any:
        raise AssertionError("a thread was asked for")


def test_what_needs_no_store_is_refused_at_once(place: Place) -> None:
    judge = evolve(place.judge(), threads=_NoThreads(1, 1))
    for token, reason in ((None, "token_missing"), ("x", "token_invalid")):
        refused = asyncio.run(judge(token, None, None))
        assert isinstance(refused, Refused)
        assert refused.reason == reason
    assert place.places == []


def test_a_judge_that_always_reads_does_so_in_a_thread() -> None:
    house = House()
    house.register()
    seen: list[bool] = []

    def authenticate(token: str) -> Principal:
        seen.append(threading.current_thread() is threading.main_thread())
        return house.service.authenticate(token)

    judge = AsyncJudge(Guard(authenticate, envelopes_of(house)), None)
    assert isinstance(asyncio.run(judge(house.login().access_token, None, None)), Principal)
    assert seen == [False]


def test_whoever_asks_keeps_their_context_and_their_loop(place: Place) -> None:
    judge, token = place.judge(), place.house.login().access_token
    whose: ContextVar[str] = ContextVar("whose", default="nobody's")

    async def ask(name: str) -> None:
        whose.set(name)
        loop = asyncio.get_running_loop()
        await judge(token, None, None)
        assert (whose.get(), asyncio.get_running_loop()) == (name, loop)

    async def ask_all() -> None:
        await asyncio.gather(*(ask(str(number)) for number in range(10)))

    asyncio.run(ask_all())


def test_all_guards_of_a_process_share_the_executor_which_is_as_large_as_the_services() -> None:
    assert AsyncJudge.__attrs_attrs__.threads.default is THREADS
    assert THREADS.most == SERVING_THREADS


def test_a_fault_of_the_judge_opens_nothing() -> None:
    house = House()

    def broken(token: str) -> Principal:
        raise KeyError(token)

    with pytest.raises(KeyError):
        asyncio.run(AsyncJudge(Guard(broken, envelopes_of(house)), None)("x", None, None))


# On asyncio's loop and on uvloop's (supertokens-python#532, #294), and where there are too many.


@define(eq=False)
class Remembering:
    """Authenticate that remembers one token, and notes in which threads it was asked and in which it read."""

    principal: Principal
    patience: Patience = field(factory=Patience)
    asked: list[str] = field(factory=list)
    reading: list[str] = field(factory=list)
    hold: threading.Event | None = None

    def __call__(self, token: str) -> Principal:
        self.asked.append(threading.current_thread().name)
        if token == "remembered":
            return self.principal
        if token == "garbage":
            raise TokenInvalid
        if self.patience.is_lost:
            raise WouldWait
        self.reading.append(threading.current_thread().name)
        assert self.hold is None or self.hold.wait(30)
        return self.principal


def remembering(house: AsgiHouse) -> Remembering:
    found = house.accounts.judge(house.http.registered(), None, None)
    assert isinstance(found, Principal)
    return Remembering(found)


def judge_by(house: AsgiHouse, authenticate: Remembering, threads: Threads = judging.THREADS) -> AsyncJudge:
    judge = Guard(authenticate, house.accounts.judge.envelopes)
    return AsyncJudge(judge, authenticate.patience.without, threads)


@for_each("run", LOOPS)
def test_what_is_remembered_is_judged_on_the_loop_and_only_what_is_read_in_a_thread(
    run: Callable[[Coroutine[Any, Any, Any]], Any],
) -> None:
    house = AsgiHouse()
    authenticate = remembering(house)
    judge = judge_by(house, authenticate)
    here = threading.current_thread().name
    assert run(judge("remembered", None, None)) is authenticate.principal
    assert run(judge(None, None, None)).reason == "token_missing"
    assert run(judge("garbage", None, None)).reason == "token_invalid"
    assert (authenticate.asked, authenticate.reading) == ([here, here], [])
    assert run(judge("unread", None, None)) is authenticate.principal
    assert [name.startswith("menshen") for name in authenticate.reading] == [True]
    assert not authenticate.patience.is_lost


def test_a_judge_that_always_reads_is_asked_in_a_thread_only() -> None:
    house = AsgiHouse()
    authenticate = remembering(house)
    judge = AsyncJudge(judge_by(house, authenticate).judge, None)
    assert asyncio.run(judge("unread", None, None)) is authenticate.principal
    assert authenticate.asked == authenticate.reading
    assert [name.startswith("menshen") for name in authenticate.asked] == [True]


def test_the_loop_goes_on_while_a_thread_reads() -> None:
    house = AsgiHouse()
    authenticate = remembering(house)
    authenticate.hold = threading.Event()
    judge = judge_by(house, authenticate)

    async def go() -> None:
        reading = asyncio.ensure_future(judge("unread", None, None))
        assert await judge("remembered", None, None) is authenticate.principal
        assert not reading.done()
        assert authenticate.hold is not None
        authenticate.hold.set()
        assert await reading is authenticate.principal

    asyncio.run(go())


def test_when_too_many_wait_the_next_is_told_to_try_again() -> None:
    house = AsgiHouse()
    authenticate = remembering(house)
    authenticate.hold = threading.Event()
    judge = judge_by(house, authenticate, Threads(most=1, waiting=2))

    async def go() -> list[Any]:
        waiting = [asyncio.ensure_future(judge("unread", None, None)) for _ in range(3)]
        await asyncio.sleep(0)
        refused = await judge("unread", None, "en")
        assert authenticate.hold is not None
        authenticate.hold.set()
        found = [refused, *await asyncio.gather(*waiting)]
        # Their places are free again.
        return [*found, await judge("unread", None, None)]

    refused, *let_in = asyncio.run(go())
    assert isinstance(refused, Refused)
    assert (refused.code, refused.reason, refused.headers["Retry-After"]) == (503, "store_unavailable", "1")
    assert let_in == [authenticate.principal] * 4


def test_a_store_that_does_not_answer_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "ANSWER_SECONDS", 0.02)
    house = AsgiHouse()
    authenticate = remembering(house)
    authenticate.hold = threading.Event()
    refused = asyncio.run(judge_by(house, authenticate)("unread", None, None))
    authenticate.hold.set()
    assert isinstance(refused, Refused)
    assert (refused.code, refused.reason) == (503, "store_unavailable")


def test_what_runs_in_a_thread_sees_the_callers_context() -> None:
    whose: ContextVar[str] = ContextVar("whose", default="nobody's")

    async def go() -> str:
        whose.set("the caller's")
        return await judging.THREADS.run(whose.get)

    assert asyncio.run(go()) == "the caller's"


def test_a_process_has_one_executor_and_its_child_another(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = Threads(most=1, waiting=0)

    def name() -> str:
        return f"{threading.get_ident()}"

    first, second = (asyncio.run(threads.run(name)) for _ in range(2))
    monkeypatch.setattr(judging, "getpid", lambda: -1)
    assert first == second != asyncio.run(threads.run(name))
