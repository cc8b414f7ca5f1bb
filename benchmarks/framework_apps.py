"""One route in an app of each framework, open or guarded as ``docs/examples`` has it, on granian with one worker.

``python benchmarks/framework_apps.py FRAMEWORK WAY PORT``, where WAY is ``open`` or one of ``WAYS[FRAMEWORK]``. The
accounts are those that the ``MENSHEN_`` variables name, and are mounted where there is a guard; an open app has none.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any, cast

from granian import Granian
from granian.constants import HTTPModes, Interfaces

from menshen.domain.users import Profile
from menshen.entrypoints.accounts import Accounts
from menshen.entrypoints.turns import take_turns

OPEN = "open"
DENYING = "all guarded by default"
DECORATED = "a decorator on the route"
DEPENDING = "a dependency of the route"
BOTH = "all guarded by default, and a dependency"

WAYS: dict[str, tuple[str, ...]] = {
    "falcon": (DENYING,),
    "falcon_asgi": (DENYING,),
    "flask": (DENYING, DECORATED),
    "django": (DENYING,),
    "fastapi": (DEPENDING, BOTH),
    "starlette": (DENYING,),
    "litestar": (DENYING,),
}
"""How its route is guarded, by framework."""

# In an open app the route answers the same JSON.
_PHONE = "13800138000"
_EXEMPT = "/healthz"


def _digits(user: Profile) -> str:
    assert user.phone is not None
    return user.phone.digits


def falcon(accounts: Accounts | None, way: str) -> Any:
    import falcon

    class Alive:
        def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
            resp.text = "alive"

    class Open:
        def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
            resp.media = {"orders_of": _PHONE}

    class Orders:
        def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
            resp.media = {"orders_of": _digits(req.context.user)}

    app = falcon.App(middleware=[accounts.default_deny(exempt=[_EXEMPT])] if accounts else [])
    app.add_route(_EXEMPT, Alive())
    app.add_route("/orders", Orders() if accounts else Open())
    return app


def falcon_asgi(accounts: Accounts | None, way: str) -> Any:
    import falcon.asgi

    from menshen.entrypoints.falcon_asgi import DefaultDeny

    class Alive:
        async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
            resp.text = "alive"

    class Open:
        async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
            resp.media = {"orders_of": _PHONE}

    class Orders:
        async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
            resp.media = {"orders_of": _digits(req.context.user)}

    app = falcon.asgi.App(middleware=[DefaultDeny(accounts, exempt=[_EXEMPT])] if accounts else [])
    app.add_route(_EXEMPT, Alive())
    app.add_route("/orders", Orders() if accounts else Open())
    return app


def flask(accounts: Accounts | None, way: str) -> Any:
    from flask import Flask, g

    from menshen.entrypoints.flask import default_deny, user_token_required

    app = Flask(__name__)

    @app.get(_EXEMPT)
    def alive() -> str:
        return "alive"

    def open_orders() -> dict[str, Any]:
        return {"orders_of": _PHONE}

    def orders() -> dict[str, Any]:
        return {"orders_of": _digits(g.user)}

    def orders_of(user_info: dict[str, Any]) -> dict[str, Any]:
        return {"orders_of": user_info["phone"]}

    if accounts is None:
        app.get("/orders")(open_orders)
    elif way == DECORATED:
        app.get("/orders")(user_token_required(orders_of))
    else:
        default_deny(app, accounts, exempt=[_EXEMPT])
        app.get("/orders")(orders)
    return app


def django(accounts: Accounts | None, way: str) -> Any:
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpRequest, HttpResponse, JsonResponse
    from django.urls import path

    from menshen.entrypoints.django import urls

    def alive(request: HttpRequest) -> HttpResponse:
        return HttpResponse("alive")

    def open_orders(request: HttpRequest) -> HttpResponse:
        return JsonResponse({"orders_of": _PHONE})

    def orders(request: HttpRequest) -> HttpResponse:
        return JsonResponse({"orders_of": _digits(request.menshen.user)})

    own = [path("healthz", alive), path("orders", orders if accounts else open_orders)]
    guard = ["menshen.entrypoints.django.GuardMiddleware"] if accounts else []
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        MIDDLEWARE=["django.middleware.common.CommonMiddleware", *guard],
        MENSHEN_EXEMPT=["healthz"],
        ROOT_URLCONF=type("Urls", (), {"urlpatterns": [*own, *urls] if accounts else own}),
        SECRET_KEY="a key that is long enough, and no secret",
    )
    return get_wsgi_application()


def fastapi(accounts: Accounts | None, way: str) -> Any:
    from fastapi import Depends, FastAPI

    from menshen.domain.presences import Principal
    from menshen.entrypoints.fastapi import Guard, Guarded

    app = FastAPI()

    @app.get(_EXEMPT)
    async def alive() -> str:
        return "alive"

    async def open_orders() -> dict[str, str]:
        return {"orders_of": _PHONE}

    if accounts is None:
        app.get("/orders")(open_orders)
        return app
    if way == BOTH:
        app.add_middleware(Guarded, accounts=accounts, exempt=[_EXEMPT])
    let_in = Depends(Guard(app, accounts))

    async def orders(principal: Annotated[Principal, let_in]) -> dict[str, str]:
        return {"orders_of": _digits(principal.user)}

    app.get("/orders")(orders)
    return app


def starlette(accounts: Accounts | None, way: str) -> Any:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import JSONResponse, PlainTextResponse
    from starlette.routing import Route

    from menshen.entrypoints.starlette import Guarded, user_of

    async def alive(request: Request) -> PlainTextResponse:
        return PlainTextResponse("alive")

    async def open_orders(request: Request) -> JSONResponse:
        return JSONResponse({"orders_of": _PHONE})

    async def orders(request: Request) -> JSONResponse:
        return JSONResponse({"orders_of": _digits(user_of(request))})

    return Starlette(
        routes=[Route(_EXEMPT, alive), Route("/orders", orders if accounts else open_orders)],
        middleware=[Middleware(Guarded, accounts=accounts, exempt=[_EXEMPT])] if accounts else [],
    )


def litestar(accounts: Accounts | None, way: str) -> Any:
    from litestar import Litestar, get

    from menshen.entrypoints.litestar import GuardPlugin, LetIn

    @get(_EXEMPT)
    async def alive() -> str:
        return "alive"

    @get("/orders")
    async def open_orders() -> dict[str, str]:
        return {"orders_of": _PHONE}

    @get("/orders")
    async def orders(principal: LetIn) -> dict[str, str]:
        return {"orders_of": _digits(principal.user)}

    if accounts is None:
        return Litestar([alive, open_orders])
    return Litestar([alive, orders], plugins=[GuardPlugin(accounts, exempt=[_EXEMPT])])


APPS: dict[str, Callable[[Accounts | None, str], Any]] = {
    "falcon": falcon,
    "falcon_asgi": falcon_asgi,
    "flask": flask,
    "django": django,
    "fastapi": fastapi,
    "starlette": starlette,
    "litestar": litestar,
}
_WSGI = {"falcon", "flask", "django"}


def _app(framework: str, way: str) -> Any:
    if way == OPEN:
        # As where there are accounts: it is not the scheduler that is to be compared.
        take_turns()
        return APPS[framework](None, way)
    accounts = Accounts.from_environment(dict(os.environ))  # noqa: TID251 - an embedding app has no other place to read it
    app = APPS[framework](accounts, way)
    # In Django they are among the URLs.
    if framework != "django":
        accounts.mount(app)
    return app


def _serve(framework: str, way: str, port: int) -> None:
    multiprocessing.set_start_method("fork", force=True)
    Granian(
        "framework_apps",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI if framework in _WSGI else Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        # More would only compete for the interpreter.
        blocking_threads=1,
        workers=1,
        log_enabled=False,
    ).serve(target_loader=cast(Callable[..., Any], lambda *_: _app(framework, way)), wrap_loader=False)


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
