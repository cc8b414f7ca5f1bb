"""Accounts in a Starlette app, without a server."""

import asyncio
import inspect
import threading
from contextvars import ContextVar
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from menshen.entrypoints import asgi, fastapi, starlette
from menshen.entrypoints.accounts import GuardMissing
from menshen.entrypoints.starlette import Guarded, principal_of, user_of

from .asgi_calls import EXTENSION, AsgiHouse, ask, check_refusals, got, is_refusal, phone_of
from .cases import for_each
from .http_service import LOGIN, PASSWORD, PHONE, REGISTER, USER_INFO

around: ContextVar[str] = ContextVar("around", default="nothing")
afterwards: list[str] = []


class Around:
    """Another pure middleware, outside of the guard."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        around.set("set outside")
        await self.app(scope, receive, send)


async def news(request: Request) -> JSONResponse:
    return JSONResponse({"news": "open to everybody"})


async def orders(request: Request) -> JSONResponse:
    assert principal_of(request).user is user_of(request) is request.state.menshen.user
    return JSONResponse(
        {"orders_of": phone_of(principal_of(request)), "around": around.get()},
        background=BackgroundTask(afterwards.append, phone_of(principal_of(request))),
    )


def in_a_thread(request: Request) -> JSONResponse:
    return JSONResponse({"thread": threading.current_thread() is not threading.main_thread(), "around": around.get()})


async def stream(request: Request) -> StreamingResponse:
    async def parts() -> Any:
        for part in ("first", "second"):
            yield part
            await asyncio.sleep(0)

    return StreamingResponse(parts())


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(phone_of(principal_of(websocket)))
    await websocket.close()


def app_of(house: AsgiHouse, *, default_deny: bool) -> Starlette:
    one = [] if default_deny else [Middleware(Guarded, accounts=house.accounts)]
    everything = [Middleware(Guarded, accounts=house.accounts, exempt=["/news"])] if default_deny else []
    return Starlette(
        routes=[
            Route("/news", news),
            Route("/orders", orders, middleware=one),
            Route("/thread", in_a_thread, middleware=one),
            Route("/stream", stream, middleware=one),
            WebSocketRoute("/ws", socket, middleware=one),
        ],
        middleware=[Middleware(Around), *everything],
    )


@for_each("default_deny", [False, True])
def test_a_guarded_route_refuses_in_the_words_of_the_api(default_deny: bool) -> None:
    house = AsgiHouse()
    app = app_of(house, default_deny=default_deny)
    check_refusals(house, app)
    assert got(app, "/news").json == {"news": "open to everybody"}
    assert (got(app, "/nothing").status == 401) is default_deny


@for_each("default_deny", [False, True])
def test_background_tasks_context_variables_threads_and_streams_work(default_deny: bool) -> None:
    house = AsgiHouse()
    app, token = app_of(house, default_deny=default_deny), house.http.registered()
    afterwards.clear()
    assert got(app, "/orders", token).json == {"orders_of": PHONE, "around": "set outside"}
    assert afterwards == [PHONE]
    assert got(app, "/thread", token).json == {"thread": True, "around": "set outside"}
    streamed = got(app, "/stream", token)
    assert [each.get("body") for each in streamed.sent] == [None, b"first", b"second", b""]


@for_each("default_deny", [False, True])
def test_websockets_are_guarded(default_deny: bool) -> None:
    house = AsgiHouse()
    app, token = app_of(house, default_deny=default_deny), house.http.registered()
    assert is_refusal(ask(app, "GET", "/ws", kind="websocket", extensions=EXTENSION), house.http.user_info())
    let_in = ask(app, "GET", "/ws", [("token", token)], kind="websocket")
    assert [each.get("text") for each in let_in.sent] == [None, PHONE, None]


@for_each("default_deny", [False, True])
def test_the_account_routes_are_mounted(default_deny: bool) -> None:
    house = AsgiHouse()
    app = app_of(house, default_deny=default_deny)
    house.accounts.mount(app)
    credentials = {"phone": PHONE, "password": PASSWORD}
    assert ask(app, "POST", REGISTER, body=credentials).json["code"] == 200
    token = ask(app, "POST", LOGIN, body=credentials).json["token"]
    assert got(app, USER_INFO, token).json["data"]["phone"] == PHONE
    for path in ("/api/user", "/api/user/", "/api/user/nothing", "/api/admin/users"):
        assert is_refusal(got(app, path, token), house.http.request("GET", path, token=token)), path
    assert got(app, "/api/users", token).status == 404


def test_a_routes_own_guard_works_below_a_mount() -> None:
    house = AsgiHouse()
    inner = Starlette(
        routes=[Route("/news", news), Route("/orders", orders)],
        middleware=[Middleware(Guarded, accounts=house.accounts, exempt=["/news"])],
    )
    app = Starlette(routes=[Mount("/shop", inner)])
    assert (got(app, "/shop/news").status, got(app, "/shop/orders").status, got(app, "/news").status) == (200, 401, 404)


def test_a_route_that_asks_who_it_is_without_a_guard_serves_nobody() -> None:
    app = Starlette(routes=[Route("/orders", orders)])
    with pytest.raises(GuardMissing):
        got(app, "/orders", AsgiHouse().http.registered())


def test_an_app_whose_guard_cannot_guard_does_not_start() -> None:
    async def start(app: Starlette) -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "lifespan.startup" if not sent else "lifespan.shutdown"}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await app({"type": "lifespan", "asgi": {}}, receive, send)
        return sent

    assert asyncio.run(start(app_of(AsgiHouse(), default_deny=True)))[0] == "lifespan.startup.complete"
    for broken in ({"accounts": None}, {"accounts": AsgiHouse().accounts, "exempt": "/news"}, {}):
        app = Starlette(routes=[Route("/orders", orders)], middleware=[Middleware(Guarded, **broken)])
        with pytest.raises(TypeError):
            asyncio.run(start(app))


def test_nothing_is_starlettes_middleware_that_breaks_others() -> None:
    """supertokens-python#343: BaseHTTPMiddleware runs the app in another task."""
    for module in (asgi, starlette, fastapi):
        assert "BaseHTTPMiddleware" not in inspect.getsource(module)
