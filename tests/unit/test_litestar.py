"""Accounts in a Litestar app, without a server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar import Litestar, Request, Response, WebSocket, asgi, delete, get, websocket
from litestar.background_tasks import BackgroundTask
from litestar.exceptions import ImproperlyConfiguredException
from litestar.params import FromPath
from litestar.response import Stream

from menshen.entrypoints.accounts import GuardMissing
from menshen.entrypoints.asgi import Guarded, principal_of
from menshen.entrypoints.litestar import GuardPlugin, LetIn

from .asgi_calls import EXTENSION, AsgiHouse, ask, check_refusals, got, is_refusal, phone_of
from .cases import for_each
from .http_service import LOGIN, PASSWORD, PHONE, REGISTER, USER_INFO

afterwards: list[str] = []


@get("/news")
async def news() -> dict[str, str]:
    return {"news": "open to everybody"}


@get("/news/{number:int}")
async def one(number: FromPath[int]) -> dict[str, int]:
    return {"number": number}


async def note(text: str) -> None:
    afterwards.append(text)


@get("/orders")
async def orders(principal: LetIn, request: Request[Any, Any, Any]) -> Response[dict[str, str]]:
    phone = phone_of(principal)
    assert request.state.menshen is principal
    return Response({"orders_of": phone}, background=BackgroundTask(note, phone))


@get("/stream")
async def stream() -> Stream:
    async def parts() -> AsyncIterator[bytes]:
        for part in (b"first", b"second"):
            yield part
            await asyncio.sleep(0)

    return Stream(parts())


@websocket("/ws")
async def socket(socket: WebSocket[Any, Any, Any], principal: LetIn) -> None:
    await socket.accept()
    await socket.send_text(phone_of(principal))
    await socket.close()


@asgi("/files", is_mount=True, copy_scope=True)
async def files(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


HANDLERS: list[Any] = [news, one, orders, stream, socket, files]


def app_of(house: AsgiHouse, *exempt: str) -> Litestar:
    app = Litestar(HANDLERS, plugins=[GuardPlugin(house.accounts, exempt or ["/news", "/news/{number:int}"])])
    house.accounts.mount(app)
    return app


def test_a_guarded_route_refuses_in_the_words_of_the_api() -> None:
    house = AsgiHouse()
    check_refusals(house, app_of(house))


def test_exempt_routes_are_open_and_all_others_are_not() -> None:
    app = app_of(AsgiHouse())
    assert got(app, "/news").json == {"news": "open to everybody"}
    assert got(app, "/news/5").json == {"number": 5}
    for path in (
        "/orders",
        "/orders/",
        "//orders",
        "/stream",
        "/files",
        "/files/news",
        "/schema",
        "/schema/openapi.json",
    ):
        assert got(app, path).status == 401, path
    # Litestar chooses the route before any middleware.
    assert (got(app, "/nothing").status, got(app, "/orders", method="POST").status) == (404, 405)


@for_each("exempt", ["/", "/files", "/files/news", ""])
def test_what_stands_below_a_mounted_app_is_never_exempt(exempt: str) -> None:
    app = app_of(AsgiHouse(), exempt, "/news")
    assert [got(app, path).status for path in ("/files", "/files/", "/files/news")] == [401] * 3


@for_each("exempt", ["/a/{x:int}/b", "/a/{x:int}", "/a", "/c/{y:str}"])
def test_of_routes_that_look_alike_only_the_exempt_one_is_open(exempt: str) -> None:
    paths = {"/a/{x:int}/b": "/a/1/b", "/a/{x:int}": "/a/1", "/a": "/a", "/c/{y:str}": "/c/1"}
    for templates in (list(paths), list(reversed(paths))):

        @get(templates)
        async def both() -> str:
            return "reached"

        app = Litestar([both], plugins=[GuardPlugin(AsgiHouse().accounts, [exempt])])
        opened = [template for template, path in paths.items() if got(app, path).status == 200]
        assert opened == [exempt]


@for_each("template", ["/news/{news_id:int}", "/news/{number:str}", "/news/{news_id:str}"])
def test_of_routes_that_differ_in_their_parameters_only_the_exempt_one_is_open(template: str) -> None:
    """Litestar keeps them in one place, with the template of the one that was added last."""

    @delete(template, status_code=200)
    async def remove(request: Request[Any, Any, Any]) -> str:
        return "removed"

    for handlers in ([one, remove], [remove, one]):
        app = Litestar(handlers, plugins=[GuardPlugin(AsgiHouse().accounts, ["/news/{number:int}"])])
        assert (got(app, "/news/5").status, got(app, "/news/5", method="DELETE").status) == (200, 401)
        app = Litestar(handlers, plugins=[GuardPlugin(AsgiHouse().accounts, [template])])
        assert (got(app, "/news/5").status, got(app, "/news/5", method="DELETE").status) == (401, 200)


def test_one_handler_is_open_where_two_of_its_routes_are_one_only_if_both_are_exempt() -> None:
    templates = ["/a/{x:int}", "/a/{y:int}"]

    @get(templates)
    async def both() -> str:
        return "reached"

    for exempt, status in ((templates[:1], 401), (templates[1:], 401), (templates, 200)):
        app = Litestar([both], plugins=[GuardPlugin(AsgiHouse().accounts, exempt)])
        assert got(app, "/a/1").status == status


def test_an_exempt_template_may_have_spaces_where_litestar_lets_it() -> None:
    for exempt in ("/news/{ number : int }", "/news/{number:int}"):
        app = Litestar([one], plugins=[GuardPlugin(AsgiHouse().accounts, [exempt])])
        assert got(app, "/news/5").status == 200


def test_background_tasks_run_and_answers_stream() -> None:
    house = AsgiHouse()
    app, token = app_of(house), house.http.registered()
    afterwards.clear()
    assert got(app, "/orders", token).json == {"orders_of": PHONE}
    assert afterwards == [PHONE]
    assert [each["body"] for each in got(app, "/stream", token).sent[1:]] == [b"first", b"second", b""]


def test_websockets_are_guarded() -> None:
    house = AsgiHouse()
    app, token = app_of(house), house.http.registered()
    assert is_refusal(ask(app, "GET", "/ws", kind="websocket", extensions=EXTENSION), house.http.user_info())
    let_in = ask(app, "GET", "/ws", [("token", token)], kind="websocket")
    assert [each.get("text") for each in let_in.sent] == [None, PHONE, None]


def test_the_account_routes_are_mounted() -> None:
    house = AsgiHouse()
    app = app_of(house)
    credentials = {"phone": PHONE, "password": PASSWORD}
    assert ask(app, "POST", REGISTER, body=credentials).json["code"] == 200
    token = ask(app, "POST", LOGIN, body=credentials).json["token"]
    assert got(app, USER_INFO, token).json["data"]["phone"] == PHONE
    for path in ("/api/user", "/api/user/nothing", "/api/user/user_info/", "/api/admin/users"):
        assert is_refusal(got(app, path, token), house.http.request("GET", path, token=token)), path


def test_a_preflight_is_answered_without_a_token() -> None:
    asking = [("origin", "https://app.example"), ("access-control-request-method", "GET")]
    assert ask(app_of(AsgiHouse()), "OPTIONS", "/orders", asking).headers == {"allow": "GET", "content-length": "0"}


def test_a_route_that_needs_somebody_does_not_start_without_the_guard() -> None:
    with pytest.raises(ImproperlyConfiguredException, match="principal"):
        Litestar([orders])
    with pytest.raises(TypeError):
        Litestar([orders], plugins=[GuardPlugin(None)])  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        GuardPlugin(AsgiHouse().accounts, "/news")


def test_a_whole_app_can_be_put_behind_the_pure_middleware() -> None:
    house = AsgiHouse()

    @get("/mine")
    async def mine(request: Request[Any, Any, Any]) -> str:
        return phone_of(principal_of(request.scope))

    app = Litestar([news, mine])
    outer = Guarded(app, house.accounts, ["/news"])
    check_refusals(house, outer, "/mine")
    assert (got(outer, "/news").status, got(outer, "/nothing").status) == (200, 401)
    with pytest.raises(GuardMissing):
        principal_of({})
