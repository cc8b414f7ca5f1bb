"""The front of the application: nobody waits endlessly."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import define, field

from menshen.adapters.remembering.judgements import Patience
from menshen.domain.ports.reading import WouldWait
from menshen.entrypoints import front as fronts
from menshen.entrypoints.front import Front
from menshen.entrypoints.http.environs import environ_of
from menshen.entrypoints.http.messages import Response, Scope

from .cases import for_each
from .http_service import serve

REQUESTS = 5


def a_scope(path: str) -> Scope:
    """A request as an ASGI server describes it."""
    return {
        "type": "http",
        "path": path,
        "raw_path": path.encode(),
        "method": "GET",
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", "8000"),
        "client": ("127.0.0.1", 50000),
        "headers": [(b"host", b"localhost"), (b"accept-language", b"en")],
    }


@define
class Exchange:
    """Where the answer goes."""

    sent: list[dict[str, Any]] = field(factory=list)

    async def receive(self) -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    @property
    def answer(self) -> Response:
        head, body = self.sent
        return head["status"], head["headers"], body["body"]


@define(eq=False)
class SlowStore:
    """A store whose ping waits until it is released."""

    over: threading.Event = field(factory=threading.Event)
    asked: list[int] = field(factory=list)

    def ping(self) -> None:
        self.asked.append(1)
        assert self.over.wait(30)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowStore]:
    monkeypatch.setattr(fronts, "ANSWER_SECONDS", 0.05)
    store = SlowStore()
    yield store
    store.over.set()


def ask(slow: SlowStore, path: str, *, threads: int) -> list[Response]:
    """The answers to some requests at once."""
    client = serve(ping=slow.ping).client
    front = Front(client.app, threads=threads, runs_inline=lambda _method, _path: False, port=0, crowd=1)
    return answers_of(front, path, slow.over.set)


def answers_of(front: Front, path: str, at_end: Callable[[], None] = lambda: None) -> list[Response]:
    exchanges = [Exchange() for _ in range(REQUESTS)]

    async def all_at_once() -> None:
        messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        started = asyncio.Event()

        async def is_up(message: dict[str, Any]) -> None:
            started.set()

        life = asyncio.create_task(front({"type": "lifespan"}, messages.get, is_up))
        messages.put_nowait({"type": "lifespan.startup"})
        await started.wait()
        await asyncio.gather(*(front(a_scope(path), exchange.receive, exchange.send) for exchange in exchanges))
        at_end()
        messages.put_nowait({"type": "lifespan.shutdown"})
        await life

    asyncio.run(all_at_once())
    return [exchange.answer for exchange in exchanges]


def body(answer: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer[2])
    return found


def test_what_takes_too_long_is_answered_in_the_envelope(slow: SlowStore) -> None:
    answers = ask(slow, "/readyz", threads=REQUESTS)
    assert len(answers) == REQUESTS
    for answer in answers:
        status, headers, _ = answer
        assert status == 503
        assert int(dict(headers)[b"retry-after"]) >= 1
        assert (body(answer)["code"], body(answer)["reason"]) == (503, "store_unavailable")
        assert body(answer)["msg"].isascii()
        assert body(answer)["time"]


def test_what_has_not_begun_in_time_is_not_begun_any_more(slow: SlowStore) -> None:
    answers = ask(slow, "/readyz", threads=1)
    assert [status for status, _, _ in answers] == [503] * REQUESTS
    assert len(slow.asked) == 1


def test_what_is_in_time_is_answered_as_it_is(slow: SlowStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fronts, "ANSWER_SECONDS", 30)
    answers = ask(slow, "/healthz", threads=1)
    assert [status for status, _, _ in answers] == [200] * REQUESTS


@for_each("is_at_hand", [True, False])
def test_what_is_at_hand_is_answered_at_once_and_what_would_wait_by_a_thread(is_at_hand: bool) -> None:
    patience, asked = Patience(), list[tuple[bool, bool]]()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        asked.append((threading.current_thread() is threading.main_thread(), patience.is_lost))
        # What an app leaves there is not there when it is asked again.
        assert environ.setdefault("left", len(asked)) == len(asked)
        if patience.is_lost and not is_at_hand:
            raise WouldWait
        start_response("200 OK", [("content-type", "text/plain")])
        return [b"done"]

    front = Front(
        app, threads=1, runs_inline=lambda _method, _path: True, port=0, crowd=1, without_waiting=patience.without
    )
    assert {(status, body) for status, _, body in answers_of(front, "/x")} == {(200, b"done")}
    at_once, by_a_thread = (True, True), (False, False)
    assert Counter(asked) == ({at_once: REQUESTS} if is_at_hand else {at_once: REQUESTS, by_a_thread: REQUESTS})
    assert not patience.is_lost


def test_a_server_may_leave_out_the_scheme() -> None:
    scope = a_scope("/x")
    assert environ_of({**scope, "scheme": "https"})["wsgi.url_scheme"] == "https"
    del scope["scheme"]
    assert environ_of(scope)["wsgi.url_scheme"] == "http"
