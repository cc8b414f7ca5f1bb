"""The guard before any ASGI application, and on an event loop."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest
import uvloop
from attrs import define, field

from menshen.entrypoints import asgi, judging
from menshen.entrypoints.accounts import GuardMissing
from menshen.entrypoints.asgi import PRINCIPAL, AccountApi, Guarded, principal_of
from menshen.entrypoints.judging import AsyncJudge, Threads

from .asgi_calls import EXTENSION, AsgiHouse, Called, a_scope, ask, call, check_refusals, got, is_refusal, phone_of
from .cases import for_each
from .http_service import LOGIN, LOGOUT, PASSWORD, PHONE, REGISTER, SESSIONS, USER_INFO

LOOPS: list[Callable[[Coroutine[Any, Any, Any]], Any]] = [asyncio.run, uvloop.run]

around: ContextVar[str] = ContextVar("around", default="nothing")


@define(eq=False)
class App:
    """An application that answers with whom it was called for, and remembers its scopes."""

    scopes: list[Any] = field(factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
        elif scope["type"] == "http":
            principal = scope.get(PRINCIPAL)
            text = {"user": None if principal is None else phone_of(principal), "path": scope["path"]}
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": json.dumps(text).encode()})


def guarded(house: AsgiHouse, *exempt: str) -> tuple[Guarded, App]:
    app = App()
    return Guarded(app, house.accounts, exempt), app


# Who is let in.


def test_whoever_is_refused_is_told_what_the_api_tells() -> None:
    house = AsgiHouse()
    check_refusals(house, guarded(house)[0])


def test_nobody_who_is_refused_reaches_the_app() -> None:
    house = AsgiHouse()
    outer, app = guarded(house)
    for token in (None, *house.tokens().bad.values()):
        assert got(outer, "/orders", token).status == 401
    assert app.scopes == []


def test_the_app_finds_out_who_was_let_in() -> None:
    house = AsgiHouse()
    outer, app = guarded(house)
    assert got(outer, "/orders", house.http.registered()).json["user"] == PHONE
    [scope] = app.scopes
    assert phone_of(principal_of(scope)) == PHONE
    assert scope["state"][PRINCIPAL] is scope[PRINCIPAL]


def test_the_servers_scope_and_state_stay_as_they_are() -> None:
    house = AsgiHouse()
    outer, app = guarded(house)
    state = {"theirs": 1}
    assert ask(outer, "GET", "/orders", [("token", house.http.registered())], state=state).status == 200
    assert state == {"theirs": 1}
    assert app.scopes[0]["state"]["theirs"] == 1


def test_an_app_that_asks_who_it_is_without_a_guard_is_told_so() -> None:
    with pytest.raises(GuardMissing):
        principal_of({"type": "http"})


@for_each("path", ["/news", "/news/5", "/", "/files/a/b"])
def test_exempt_templates_are_open(path: str) -> None:
    outer, _ = guarded(AsgiHouse(), "/news", "/news/{number:int}", "/", "/files/{file:path}")
    assert got(outer, path).json == {"user": None, "path": path}


@for_each(
    "path",
    ["/orders", "/nothing", "/news/", "//news", "/news/x", "/news/5/", "/./news", "/x/../news", "/NEWS", "/news;x", ""],
)
def test_all_else_is_closed(path: str) -> None:
    house = AsgiHouse()
    outer, app = guarded(house, "/news", "/news/{number:int}", "/files/{file:path}")
    assert is_refusal(got(outer, path), house.http.user_info())
    assert app.scopes == []


def test_a_path_is_judged_below_where_the_app_is_mounted() -> None:
    outer, _ = guarded(AsgiHouse(), "/news")
    assert ask(outer, "GET", "/below/news", root_path="/below").status == 200
    assert ask(outer, "GET", "/belows/news", root_path="/below").status == 401
    assert ask(outer, "GET", "/below/below/news", root_path="/below").status == 401
    # Litestar takes the first place where it finds it, and means /orders.
    outer, _ = guarded(AsgiHouse(), "/files/{file:path}")
    assert ask(outer, "GET", "/files/below/orders", root_path="/below").status == 401
    assert ask(outer, "GET", "/below/files/orders", root_path="/below").status == 200


def test_head_is_refused_like_get_without_the_body() -> None:
    outer, _ = guarded(AsgiHouse())
    head, get = got(outer, "/orders", method="HEAD"), got(outer, "/orders")
    assert (head.status, head.headers, head.content) == (get.status, get.headers, b"")


def test_a_preflight_is_answered_and_does_not_reach_what_is_guarded() -> None:
    outer, app = guarded(AsgiHouse(), "/news")
    asking = [("origin", "https://app.example"), ("access-control-request-method", "PUT")]
    called = ask(outer, "OPTIONS", "/orders", asking)
    assert (called.status, called.headers, app.scopes) == (200, {"allow": "PUT", "content-length": "0"}, [])
    assert ask(outer, "OPTIONS", "/news", asking).json == {"user": None, "path": "/news"}
    assert ask(outer, "OPTIONS", "/orders", asking[:1]).status == 401
    assert ask(outer, "OPTIONS", "/orders", asking[1:]).status == 401
    assert ask(outer, "GET", "/orders", asking).status == 401


@for_each(
    "make",
    [
        lambda app, accounts: Guarded(None, accounts),  # type: ignore[arg-type]
        lambda app, accounts: Guarded(app, None),  # type: ignore[arg-type]
        lambda app, accounts: Guarded(app, accounts, "/news"),
        lambda app, accounts: Guarded(app, accounts, [1]),  # type: ignore[list-item]
    ],
)
def test_a_guard_that_could_not_guard_is_not_made(make: Callable[..., Guarded]) -> None:
    with pytest.raises(TypeError):
        make(App(), AsgiHouse().accounts)


def test_a_template_that_is_none_is_an_error_at_the_start() -> None:
    for template in ("news", "/{a:nothing}", "/{a b}"):
        with pytest.raises(ValueError, match=r"."):
            Guarded(App(), AsgiHouse().accounts, [template])


# The account routes.


def test_the_account_routes_are_answered_beside_the_app() -> None:
    house = AsgiHouse()
    outer, app = guarded(house)
    credentials = {"phone": PHONE, "password": PASSWORD}
    assert ask(outer, "POST", REGISTER, body=credentials).json["code"] == 200
    token = ask(outer, "POST", LOGIN, body=credentials).json["token"]
    assert got(outer, USER_INFO, token).json["data"]["phone"] == PHONE
    assert len(got(outer, SESSIONS, token).json["data"]["sessions"]) == 2
    assert got(outer, LOGOUT, token, "POST").json["code"] == 200
    assert got(outer, USER_INFO, token).json["reason"] == "session_logged_out"
    assert app.scopes == []


def test_an_account_answer_is_that_of_the_api_alone() -> None:
    house, alone = AsgiHouse(), AsgiHouse().http
    outer, _ = guarded(house)
    bodies: list[object] = [{"phone": PHONE, "password": PASSWORD}, {"phone": "1"}, {}, {"x": "x" * 20_000}, [], 1]
    for body in bodies:
        assert is_refusal(ask(outer, "POST", REGISTER, body=body), alone.post(REGISTER, body))
    for method in ("GET", "HEAD", "PUT", "OPTIONS"):
        assert is_refusal(ask(outer, method, LOGIN), alone.request(method, LOGIN)), method


def test_what_only_begins_like_an_account_route_is_guarded() -> None:
    house = AsgiHouse()
    outer, app = guarded(house)
    for path in ("/api/user/nothing", "/api/users", "/api/user/login/", "//api/user/login"):
        assert is_refusal(got(outer, path), house.http.user_info()), path
    assert app.scopes == []


def test_a_websocket_on_an_account_path_is_guarded() -> None:
    outer, app = guarded(AsgiHouse())
    assert ask(outer, "GET", LOGIN, kind="websocket").sent[0]["type"] == "websocket.close"
    assert app.scopes == []


def test_an_account_path_in_two_spellings_is_not_found() -> None:
    api = AccountApi(AsgiHouse().accounts)
    assert ask(api, "GET", USER_INFO, raw_path=b"/api/user/user%5Finfo").status == 404
    assert ask(api, "GET", USER_INFO, raw_path=None).status == 401


def test_a_judge_alone_guards_without_account_routes() -> None:
    house, app = AsgiHouse(), App()
    outer = Guarded(app, house.accounts.strict_judge)
    assert got(outer, LOGIN).status == 401
    assert got(outer, "/orders", house.http.registered()).status == 200


# Websockets, and what is no request.


def test_a_websocket_is_refused_before_it_is_accepted() -> None:
    house = AsgiHouse()
    outer, app = guarded(house)
    told = ask(outer, "GET", "/ws", kind="websocket", extensions=EXTENSION)
    assert [each["type"] for each in told.sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert is_refusal(told, house.http.user_info())
    closed = ask(outer, "GET", "/ws", [("token", "x")], kind="websocket")
    assert closed.sent == [{"type": "websocket.close", "code": 4401, "reason": "token_invalid"}]
    assert (told.received, closed.received, app.scopes) == (1, 1, [])


def test_a_websocket_with_a_token_is_the_apps() -> None:
    house = AsgiHouse()
    outer, app = guarded(house, "/open")
    accepted = ask(outer, "GET", "/ws", [("token", house.http.registered())], kind="websocket", extensions=EXTENSION)
    assert accepted.sent == [{"type": "websocket.accept"}]
    assert phone_of(principal_of(app.scopes[0])) == PHONE
    assert ask(outer, "GET", "/open", kind="websocket").sent == [{"type": "websocket.accept"}]


def test_lifespan_is_passed_on_as_it_is() -> None:
    outer, app = guarded(AsgiHouse())
    called, scope = Called(), {"type": "lifespan", "state": {}}
    asyncio.run(outer(scope, called.receive, called.send))
    assert app.scopes == [scope]
    assert app.scopes[0] is scope
    with pytest.raises(ValueError, match="nothing that can be guarded"):
        asyncio.run(outer({"type": "another", "path": "/"}, called.receive, called.send))
    assert len(app.scopes) == 1


# What middleware breaks that is not pure (supertokens-python#343).


@for_each("run", LOOPS)
def test_the_app_runs_in_the_callers_task_and_streams(run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
    house = AsgiHouse()
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((around.get(), asyncio.current_task()))
        around.set("inside")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        seen.append([each["type"] for each in called.sent])
        await send({"type": "http.response.body", "body": b"second"})
        # What frameworks call a background task is what the application does after its answer.
        await asyncio.sleep(0)
        seen.append("after the answer")

    called: Called

    async def go() -> None:
        nonlocal called
        called = Called()
        around.set("outside")

        scope = a_scope("http", "GET", "/orders", [("token", token)])
        await Guarded(app, house.accounts)(scope, called.receive, called.send)
        assert seen[0] == ("outside", asyncio.current_task())
        assert around.get() == "inside"

    token = house.http.registered()
    run(go())
    assert seen[1:] == [["http.response.start", "http.response.body"], "after the answer"]
    assert called.content == b"firstsecond"


# The threads of the process.


def test_account_routes_and_guards_share_one_executor() -> None:
    assert vars(asgi)["THREADS"] is judging.THREADS is AsyncJudge(AsgiHouse().accounts.judge, None).threads


def test_account_routes_say_when_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "THREADS", Threads(most=1, waiting=-1))
    called = ask(AccountApi(AsgiHouse().accounts), "GET", USER_INFO, [("token", "x")])
    assert (called.status, called.json["reason"]) == (503, "store_unavailable")


@for_each("run", LOOPS)
def test_many_are_judged_at_once(run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
    house = AsgiHouse()
    outer, token = Guarded(App(), house.accounts), house.http.registered()

    async def go() -> list[Called]:
        return await asyncio.gather(*(call(outer, "GET", "/orders", [("token", token)]) for _ in range(100)))

    assert [called.status for called in run(go())] == [200] * 100
