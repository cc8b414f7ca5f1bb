"""What stands in front of the application: nobody waits for ever."""

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
from attrs import define, field
from granian.rsgi import Scope

from menshen.entrypoints import server
from menshen.entrypoints.server import Front, Response

from .http_service import serve

REQUESTS = 5


@define
class AScope:
    """A request as granian tells of it."""

    path: str
    method: str = "GET"
    query_string: str = ""
    http_version: str = "1.1"
    scheme: str = "http"
    server: str = "127.0.0.1:8000"
    client: str = "127.0.0.1:50000"
    headers: dict[str, str] = field(factory=lambda: {"host": "localhost", "accept-language": "en"})


@define
class Exchange:
    """Where the answer goes."""

    answers: list[Response] = field(factory=list)

    async def __call__(self) -> bytes:
        return b""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.answers.append((status, headers, body))


@define(eq=False)
class SlowStore:
    """A store whose ping waits until it is told that the time of waiting is over."""

    over: threading.Event = field(factory=threading.Event)
    asked: list[int] = field(factory=list)

    def ping(self) -> None:
        self.asked.append(1)
        assert self.over.wait(30)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowStore]:
    monkeypatch.setattr(server, "ANSWER_SECONDS", 0.05)
    store = SlowStore()
    yield store
    store.over.set()


def ask(slow: SlowStore, path: str, *, threads: int) -> list[Response]:
    """The answers to some requests at once."""

    client = serve(ping=slow.ping).client
    front = Front(client.app, threads=threads, runs_inline=lambda _scope: False, port=0)
    exchanges = [Exchange() for _ in range(REQUESTS)]

    async def all_at_once() -> None:
        loop = asyncio.get_running_loop()
        front.__rsgi_init__(loop)
        await asyncio.gather(*(front.__rsgi__(cast(Scope, AScope(path)), exchange) for exchange in exchanges))
        slow.over.set()
        front.__rsgi_del__(loop)

    asyncio.run(all_at_once())
    return [answer for exchange in exchanges for answer in exchange.answers]


def body(answer: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer[2])
    return found


def test_what_takes_too_long_is_answered_in_the_envelope(slow: SlowStore) -> None:
    answers = ask(slow, "/readyz", threads=REQUESTS)
    assert len(answers) == REQUESTS
    for answer in answers:
        status, headers, _ = answer
        assert status == 503
        assert int(dict(headers)["retry-after"]) >= 1
        assert (body(answer)["code"], body(answer)["reason"]) == (503, "store_unavailable")
        assert body(answer)["msg"].isascii()
        assert body(answer)["time"]


def test_what_has_not_begun_in_time_is_not_begun_any_more(slow: SlowStore) -> None:
    answers = ask(slow, "/readyz", threads=1)
    assert [status for status, _, _ in answers] == [503] * REQUESTS
    assert len(slow.asked) == 1


def test_what_is_in_time_is_answered_as_it_is(slow: SlowStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ANSWER_SECONDS", 30)
    answers = ask(slow, "/healthz", threads=1)
    assert [status for status, _, _ in answers] == [200] * REQUESTS
