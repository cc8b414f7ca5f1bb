"""The guard on an event loop."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest
from attrs import define, evolve, field

from menshen.domain.presences import Presence, Principal
from menshen.entrypoints.guarding.envelopes import Refused
from menshen.entrypoints.guarding.guard import Guard
from menshen.entrypoints.judging import READING_THREADS, THREADS, AsyncJudge, Threads

from .memory_house import House
from .remembering_house import RememberingHouse
from .test_guarding import envelopes_of


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
        at_once = evolve(judge, threads=_none)
        assert isinstance(await at_once(token, None, None), Principal)
        assert place.places == [False]

    asyncio.run(ask())


def _none() -> ThreadPoolExecutor:
    raise AssertionError("a thread was asked for")


def test_what_needs_no_store_is_refused_at_once(place: Place) -> None:
    judge = evolve(place.judge(), threads=_none)
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


def test_all_guards_of_a_process_share_one_bounded_pool() -> None:
    assert AsyncJudge.__attrs_attrs__.threads.default is THREADS
    pool = THREADS()
    assert THREADS() is pool
    assert pool._max_workers == READING_THREADS


def test_a_process_that_was_forked_makes_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = Threads(1)
    parents = threads()
    monkeypatch.setattr("menshen.entrypoints.judging.getpid", lambda: os.getpid() + 1)
    assert threads() is not parents
    assert threads() is threads()


def test_a_fault_of_the_judge_opens_nothing() -> None:
    house = House()

    def broken(token: str) -> Principal:
        raise KeyError(token)

    with pytest.raises(KeyError):
        asyncio.run(AsyncJudge(Guard(broken, envelopes_of(house)), None)("x", None, None))
