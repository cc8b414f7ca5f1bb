"""Accounts in an ASGI app of Falcon, without a server."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import falcon
import falcon.asgi
import pytest
from falcon import testing
from falcon.testing import TestClient

from menshen.entrypoints.accounts import GuardMissing
from menshen.entrypoints.falcon_asgi import DefaultDeny, guard_of, principal_of

from .asgi_calls import AsgiHouse, ask, check_refusals, got, is_refusal, phone_of
from .cases import for_each
from .http_service import LOGIN, LOGOUT, PASSWORD, PHONE, REGISTER, USER_INFO

afterwards: list[str] = []


class News:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, **_: str) -> None:
        resp.media = {"news": "open to everybody"}


class Orders:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, **_: str) -> None:
        assert principal_of(req).user is req.context.user
        phone = phone_of(principal_of(req))
        resp.media = {"orders_of": phone}

        async def after() -> None:
            afterwards.append(phone)

        resp.schedule(after)

    async def on_websocket(self, req: falcon.asgi.Request, ws: falcon.asgi.WebSocket) -> None:
        await ws.accept()
        await ws.send_text(phone_of(principal_of(req)))
        await ws.close()


class Streaming:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        async def parts() -> AsyncIterator[bytes]:
            for part in (b"first", b"second"):
                yield part

        resp.stream = parts()


def app_of(house: AsgiHouse, *, default_deny: bool) -> Any:
    middleware = [DefaultDeny(house.accounts, ["/news"])] if default_deny else []
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App(middleware=middleware)
    app.add_route("/news", News())
    if default_deny:
        app.add_route("/orders", Orders())
    else:

        class GuardedOrders(Orders):
            # What is inherited is not decorated by a hook on the class.
            on_get = falcon.before(guard_of(house.accounts))(Orders.on_get)
            on_websocket = falcon.before(guard_of(house.accounts))(Orders.on_websocket)

        app.add_route("/orders", GuardedOrders())
    app.add_route("/stream", Streaming())
    house.accounts.mount(app)
    return app


@for_each("default_deny", [False, True])
def test_a_guarded_route_refuses_in_the_words_of_the_api(default_deny: bool) -> None:
    house = AsgiHouse()
    app = app_of(house, default_deny=default_deny)
    check_refusals(house, app)
    assert got(app, "/news").json == {"news": "open to everybody"}
    assert got(app, "/nothing").status == (401 if default_deny else 404)


@for_each("default_deny", [False, True])
def test_the_account_routes_are_mounted(default_deny: bool) -> None:
    house, alone = AsgiHouse(), AsgiHouse().http
    app = app_of(house, default_deny=default_deny)
    credentials = {"phone": PHONE, "password": PASSWORD}
    bodies: list[object] = [credentials, {"phone": "1"}, {"x": "x" * 20_000}, []]
    for body in bodies:
        assert is_refusal(ask(app, "POST", REGISTER, body=body), alone.post(REGISTER, body))
    for method in ("GET", "HEAD", "OPTIONS"):
        assert is_refusal(got(app, LOGIN, method=method), alone.request(method, LOGIN)), method
    token = ask(app, "POST", LOGIN, body=credentials).json["token"]
    assert got(app, USER_INFO, token).json["data"]["phone"] == PHONE
    unknown = got(app, "/api/user/nothing")
    assert unknown.status == (401 if default_deny else 404)
    assert is_refusal(got(app, "/api/user/nothing", token), house.http.request("GET", "/api/user/nothing"))
    assert got(app, LOGOUT, token, "POST").json["code"] == 200


def test_default_deny_guards_what_is_added_by_the_path_and_by_the_route() -> None:
    house = AsgiHouse()
    app: Any = falcon.asgi.App(middleware=[DefaultDeny(house.accounts, ["/{page}"])])
    app.add_route("/news", News())
    app.add_route("/pages/{page}", News())

    async def sink(req: Any, resp: Any, **_: Any) -> None:
        resp.media = {"sink": req.path}

    app.add_sink(sink, "/sink")
    # The path is exempt, its route is not.
    assert [got(app, path).status for path in ("/news", "/pages/x", "/sink/x", "/api/user/x")] == [401] * 4
    # A sink whose path is exempt.
    assert got(app, "/sink").status == 200


def test_head_and_preflights_are_answered_as_in_wsgi() -> None:
    house = AsgiHouse()
    app, token = app_of(house, default_deny=True), house.http.registered()
    head, get = got(app, "/orders", token, "HEAD"), got(app, "/orders", token)
    assert (head.status, head.headers, head.content) == (200, get.headers, b"")
    assert got(app, "/orders", method="HEAD").status == 401
    asking = [("origin", "https://app.example"), ("access-control-request-method", "PUT")]
    preflight = ask(app, "OPTIONS", "/orders", asking)
    assert (preflight.status, preflight.headers["allow"]) == (200, "PUT")
    assert got(app, "/orders", method="OPTIONS").status == 401


class Override:
    """Middleware that puts another method into the request."""

    async def process_request(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        req.method = req.get_header("X-HTTP-Method-Override") or req.method


@for_each("default_deny", [False, True])
def test_a_method_that_middleware_puts_in_is_no_preflight(default_deny: bool) -> None:
    house, reached = AsgiHouse(), []

    class Orders:
        @falcon.before(guard_of(house.accounts))
        async def on_delete(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
            reached.append(principal_of(req))

    middleware: list[Any] = [Override(), *([DefaultDeny(house.accounts)] if default_deny else [])]
    app: Any = falcon.asgi.App(middleware=middleware)
    app.add_route("/orders", Orders())
    asking = [("origin", "https://app.example"), ("access-control-request-method", "PUT")]
    override = [*asking, ("x-http-method-override", "DELETE")]
    for method in ("OPTIONS", "POST", "DELETE"):
        assert ask(app, method, "/orders", override).status == 401, method
    assert reached == []
    assert ask(app, "OPTIONS", "/orders", asking).status == 200


@for_each("default_deny", [False, True])
def test_an_app_can_be_tested_with_falcons_own_client(default_deny: bool) -> None:
    """It hands over headers that can be read only once."""
    house = AsgiHouse()
    client = TestClient(app_of(house, default_deny=default_deny))
    credentials = {"phone": PHONE, "password": PASSWORD}
    assert client.simulate_post(REGISTER, json=credentials).status_code == 200
    token = client.simulate_post(LOGIN, json=credentials).json["token"]
    assert client.simulate_get(USER_INFO, headers={"token": token}).json["data"]["phone"] == PHONE
    assert client.simulate_get("/orders", headers={"token": token}).json == {"orders_of": PHONE}
    assert client.simulate_get("/orders", headers=[("token", token), ("token", token)]).status_code == 401
    asking = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    assert client.simulate_options("/orders", headers=asking).headers["allow"] == "GET"


class Nobody:
    """Middleware that says beforehand that nobody was let in."""

    async def process_request(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        req.context.principal = None


def test_where_nobody_was_let_in_the_route_is_still_guarded() -> None:
    app: Any = falcon.asgi.App(middleware=[Nobody(), DefaultDeny(AsgiHouse().accounts, ["/{page}"])])
    app.add_route("/news", News())
    assert got(app, "/news").status == 401


def test_background_tasks_run_and_answers_stream() -> None:
    house = AsgiHouse()
    app, token = app_of(house, default_deny=True), house.http.registered()
    afterwards.clear()
    assert got(app, "/orders", token).json == {"orders_of": PHONE}
    assert afterwards == [PHONE]
    assert [each.get("body") for each in got(app, "/stream", token).sent[1:]] == [b"first", b"second", None]


@for_each("default_deny", [False, True])
def test_websockets_are_guarded(default_deny: bool) -> None:
    house = AsgiHouse()
    app, token = app_of(house, default_deny=default_deny), house.http.registered()
    refused = ask(app, "GET", "/orders", kind="websocket")
    [closed] = refused.sent
    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)
    let_in = ask(app, "GET", "/orders", [("token", token)], kind="websocket")
    assert [each.get("text") for each in let_in.sent] == [None, PHONE]


def test_a_hook_without_accounts_is_an_error_at_the_start() -> None:
    makers: list[Any] = [guard_of, DefaultDeny]
    for make in makers:
        with pytest.raises(TypeError):
            make(None)


def test_a_responder_that_asks_who_it_is_without_a_guard_serves_nobody() -> None:
    app: Any = falcon.asgi.App()
    app.add_route("/orders", Orders())
    assert got(app, "/orders", AsgiHouse().http.registered()).status == 500
    with pytest.raises(GuardMissing):
        principal_of(SimpleNamespace(context=SimpleNamespace()))  # type: ignore[arg-type]


def test_a_guard_of_asgi_in_a_wsgi_app_is_an_error_and_lets_nobody_in() -> None:
    class Sync:
        @falcon.before(guard_of(AsgiHouse().accounts))
        def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
            resp.media = "open"

    app: falcon.App[Any, Any] = falcon.App()
    app.add_route("/orders", Sync())
    assert testing.simulate_get(app, "/orders").status_code == 500
    with pytest.raises(GuardMissing, match=r"accounts\.guard"):
        guard_of(AsgiHouse().accounts)(falcon.Request(testing.create_environ()), None, None, {})  # type: ignore[arg-type]
