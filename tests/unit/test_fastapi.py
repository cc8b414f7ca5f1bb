"""Accounts in a FastAPI app, without a server."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse

from menshen.domain.presences import Principal
from menshen.entrypoints.fastapi import Guard, Guarded, principal_of

from .asgi_calls import EXTENSION, AsgiHouse, ask, check_refusals, got, is_refusal, phone_of
from .cases import for_each
from .http_service import LOGIN, PASSWORD, PHONE, REGISTER, USER_INFO

afterwards: list[str] = []


def app_of(house: AsgiHouse) -> FastAPI:
    app = FastAPI()
    house.accounts.mount(app)
    guard = Guard(app, house.accounts)
    behind = APIRouter(prefix="/behind", dependencies=[Depends(guard)])

    @app.get("/news")
    async def news() -> dict[str, str]:
        return {"news": "open to everybody"}

    @app.get("/orders")
    async def orders(principal: Annotated[Principal, Depends(guard)], after: BackgroundTasks) -> dict[str, str]:
        after.add_task(afterwards.append, phone_of(principal))
        return {"orders_of": phone_of(principal)}

    @behind.get("/thread")
    def in_a_thread() -> dict[str, str]:
        return {"behind": "a guard"}

    @app.websocket("/ws")
    async def socket(websocket: WebSocket, principal: Annotated[Principal, Depends(guard)]) -> None:
        await websocket.accept()
        await websocket.send_text(phone_of(principal))
        await websocket.close()

    # Whatever the app does with errors, a refusal stays as it is.
    @app.exception_handler(401)
    async def of_status(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"mine": True}, 418)

    @app.exception_handler(HTTPException)
    async def of_any(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"mine": True}, 418)

    app.include_router(behind)
    return app


def test_a_guarded_route_refuses_in_the_words_of_the_api() -> None:
    for path in ("/orders", "/behind/thread"):
        house = AsgiHouse()
        check_refusals(house, app_of(house), path)


def test_the_rest_of_the_app_stays_open() -> None:
    app = app_of(AsgiHouse())
    assert got(app, "/news").json == {"news": "open to everybody"}
    assert (got(app, "/nothing").status, got(app, "/docs").status) == (404, 200)


def test_the_route_finds_out_who_it_is_and_background_tasks_run() -> None:
    house = AsgiHouse()
    afterwards.clear()
    assert got(app_of(house), "/orders", house.http.registered()).json == {"orders_of": PHONE}
    assert afterwards == [PHONE]


def test_websockets_are_guarded() -> None:
    house = AsgiHouse()
    app, token = app_of(house), house.http.registered()
    assert is_refusal(ask(app, "GET", "/ws", kind="websocket", extensions=EXTENSION), house.http.user_info())
    closed = ask(app, "GET", "/ws", kind="websocket")
    assert closed.sent == [{"type": "websocket.close", "code": 4401, "reason": "token_missing"}]
    let_in = ask(app, "GET", "/ws", [("token", token)], kind="websocket")
    assert [each.get("text") for each in let_in.sent] == [None, PHONE, None]


def test_openapi_shows_where_the_token_goes() -> None:
    described: Any = app_of(AsgiHouse()).openapi()
    assert described["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "token": {"type": "apiKey", "in": "header", "name": "token"},
    }
    for path in ("/orders", "/behind/thread"):
        route = described["paths"][path]["get"]
        assert route["security"] == [{"bearer": []}, {"token": []}]
        assert "parameters" not in route
    assert "security" not in described["paths"]["/news"]["get"]
    assert not [path for path in described["paths"] if path.startswith("/api")]


def test_the_account_routes_are_mounted() -> None:
    house = AsgiHouse()
    app = app_of(house)
    credentials = {"phone": PHONE, "password": PASSWORD}
    assert ask(app, "POST", REGISTER, body=credentials).json["code"] == 200
    token = ask(app, "POST", LOGIN, body=credentials).json["token"]
    assert got(app, USER_INFO, token).json["data"]["phone"] == PHONE
    assert is_refusal(got(app, "/api/user/nothing"), house.http.request("GET", "/api/user/nothing"))


def test_the_middleware_guards_everything_before_the_app() -> None:
    house = AsgiHouse()
    app = FastAPI()
    app.add_middleware(Guarded, accounts=house.accounts, exempt=["/news"])

    @app.get("/news")
    async def news() -> dict[str, str]:
        return {"news": "open to everybody"}

    @app.get("/orders")
    async def orders(request: Request) -> dict[str, str]:
        return {"orders_of": phone_of(principal_of(request))}

    check_refusals(house, app)
    assert got(app, "/news").status == 200
    assert [got(app, path).status for path in ("/nothing", "/docs", "/openapi.json")] == [401] * 3
    assert got(app, "/orders", house.http.registered("13800138999")).json == {"orders_of": "13800138999"}


@for_each("made_with", ["no app", "no accounts"])
def test_a_guard_without_what_it_needs_is_an_error_at_the_start(made_with: str) -> None:
    """supertokens-python#346: a guard that passes when the middleware is missing."""
    accounts: Any = AsgiHouse().accounts
    with pytest.raises(TypeError):
        Guard(*((None, accounts) if made_with == "no app" else (FastAPI(), None)))


def test_a_guard_of_another_app_lets_nobody_in() -> None:
    house, other = AsgiHouse(), FastAPI()
    guard = Guard(FastAPI(), house.accounts)
    reached: list[str] = []

    @other.get("/orders")
    async def orders(principal: Annotated[Principal, Depends(guard)]) -> None:
        reached.append(phone_of(principal))

    assert is_refusal(got(other, "/orders"), house.http.user_info())
    assert reached == []


def test_a_guard_stands_before_the_routes_of_an_app_that_is_mounted_in_its_own() -> None:
    house, app, below = AsgiHouse(), FastAPI(), FastAPI()
    guard = Guard(app, house.accounts)

    @below.get("/orders")
    async def orders(principal: Annotated[Principal, Depends(guard)]) -> dict[str, str]:
        return {"orders_of": phone_of(principal)}

    @below.websocket("/ws")
    async def socket(websocket: WebSocket, principal: Annotated[Principal, Depends(guard)]) -> None:
        await websocket.accept()

    app.mount("/below", below)
    check_refusals(house, app, "/below/orders")
    closed = ask(app, "GET", "/below/ws", kind="websocket")
    assert closed.sent == [{"type": "websocket.close", "code": 4401, "reason": "token_missing"}]


def test_a_strict_guard_reads_each_time() -> None:
    house = AsgiHouse()
    app = FastAPI()
    guard = Guard(app, house.accounts.strict_judge)

    @app.get("/orders")
    async def orders(principal: Annotated[Principal, Depends(guard)]) -> str:
        return phone_of(principal)

    assert got(app, "/orders", house.http.registered()).json == PHONE
    assert got(app, "/orders").status == 401
