"""One route with user_info's JSON in a Falcon app of one's own, on granian's WSGI interface, and what stands before it.

``python benchmarks/embedding.py open PORT WORKERS``     nothing
``python benchmarks/embedding.py guarded PORT WORKERS``  menshen's guard
``python benchmarks/embedding.py jwt PORT WORKERS``      PyJWT, which verifies the same token and looks nothing up
``python benchmarks/embedding.py serve PORT WORKERS``    no app of one's own: ``menshen serve`` with the guard taken out

The accounts are those that the ``MENSHEN_`` variables name.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, cast
from unittest.mock import patch

import falcon
import jwt
from attrs import evolve
from granian import Granian
from granian.constants import HTTPModes, Interfaces

from menshen.domain.presences import Principal
from menshen.entrypoints import services
from menshen.entrypoints.accounts import Accounts
from menshen.entrypoints.cli.main import main as menshen
from menshen.entrypoints.environment import read_settings
from menshen.entrypoints.secret import find_secret
from menshen.entrypoints.wiring import Service

_environ = dict(os.environ)  # noqa: TID251 - an embedding app has no other place to read it
_BODY = (
    '{"code":200,"data":{"id":1,"mid":null,"phone":"13800138000","user_name":null,"openid":null,'
    '"registration_time":"2026-11-23 17:45:11","account_balance":0.0000,"state":"正常","fee_percentage":4},'
    '"msg":"获取信息成功","time":"2026-11-23 17:45:11"}'
).encode()


class _Same:
    """The JSON of user_info, always the same."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.data = _BODY
        resp.content_type = "application/json; charset=utf-8"


class _Alive:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.text = "alive"


def _app(kind: str) -> Any:
    app = falcon.App()
    app.add_route("/healthz", _Alive())
    resource: object = _Same()
    if kind == "guarded":
        guard = Accounts.from_environment(_environ).guard
        resource = falcon.before(guard)(type("Guarded", (_Same,), {"on_get": _Same.on_get}))()
    elif kind == "jwt":
        settings = read_settings(_environ, say=lambda line: None)
        verify = partial(
            jwt.decode,
            key=cast(bytes, find_secret(settings)),
            algorithms=["HS256"],
            audience=settings.audience,
            issuer=settings.issuer,
        )

        def check(req: falcon.Request, resp: falcon.Response, resource: object, params: dict[str, Any]) -> None:
            req.context.claims = verify(req.env["HTTP_TOKEN"])

        resource = falcon.before(check)(type("Checked", (_Same,), {"on_get": _Same.on_get}))()
    app.add_route("/user_info", resource)
    return app


def _serve(kind: str, port: int, workers: int) -> None:
    multiprocessing.set_start_method("fork", force=True)
    Granian(
        "embedding",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        # More would only compete for the interpreter.
        blocking_threads=1,
        workers=workers,
        log_enabled=False,
    ).serve(target_loader=cast(Callable[..., Any], lambda *_: _app(kind)), wrap_loader=False)


def _serve_without_guard() -> int:
    """The very server, whose guard lets everybody in as the first whom it was to judge."""
    opened = services.open_service

    def without_guard(*arguments: Any, **named: Any) -> Service:
        service = opened(*arguments, **named)
        known: list[Principal] = []

        def let_in(token: str) -> Principal:
            if not known:
                known.append(service.authenticate(token))
            return known[0]

        return evolve(service, authenticate=let_in)

    with patch("menshen.entrypoints.cli.serving.open_service", without_guard):
        return menshen(["serve"], _environ)


if __name__ == "__main__":
    kind, port, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if kind == "serve":
        sys.exit(_serve_without_guard())
    _serve(kind, port, workers)
