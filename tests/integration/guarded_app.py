"""A guarded Starlette app that streams, works after its answers, and talks by websocket.

It is served by an ASGI server in a process of its own, and no part of the tests' package.
"""

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from menshen import Accounts
from menshen.entrypoints.starlette import Guarded, user_of

around: ContextVar[str] = ContextVar("around")
go_on = asyncio.Event()
done: list[str] = []


class Around:
    """Other middleware, outside of the guard."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        around.set(scope["type"])
        await self.app(scope, receive, send)


async def stream(request: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"first"
        # Whoever reads the first part says when the second may come.
        await go_on.wait()
        yield b"second"

    return StreamingResponse(parts())


async def orders(request: Request) -> JSONResponse:
    async def after() -> None:
        await asyncio.sleep(0.01)
        done.append(str(user_of(request).phone))

    return JSONResponse(
        {"around": around.get(), "loop": type(asyncio.get_running_loop()).__module__}, background=BackgroundTask(after)
    )


async def news(request: Request) -> JSONResponse:
    if "go" in request.query_params:
        go_on.set()
    return JSONResponse({"done": done})


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(f"{around.get()} of {user_of(websocket).phone}")
    await websocket.close()


app = Starlette(
    routes=[Route("/news", news), Route("/orders", orders), Route("/stream", stream), WebSocketRoute("/ws", socket)],
    middleware=[
        Middleware(Around),
        Middleware(Guarded, accounts=Accounts.from_environment(), exempt=["/news"]),
    ],
)
