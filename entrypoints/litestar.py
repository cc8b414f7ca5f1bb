"""Accounts in a Litestar app.

Litestar 2.23 is the first that has all of this.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any, TypeAlias

from litestar import Litestar, asgi
from litestar.config.app import AppConfig
from litestar.di import Dependency, Provide
from litestar.handlers import ASGIRouteHandler
from litestar.middleware import DefineMiddleware
from litestar.plugins import InitPlugin
from litestar.types import Receive, Scope, Send

from ..domain.presences import Principal
from .accounts import Accounts
from .asgi import AccountApi, AsgiApp, judge_of, let_through, principal_of
from .exemptions import list_of_texts
from .guarding.guard import Guard
from .judging import AsyncJudge

__all__ = ["GuardPlugin", "LetIn", "mount"]

LetIn: TypeAlias = Annotated[Principal, Dependency()]
"""Who was let in, as a parameter called ``principal``. Litestar does not start with such a route where there is no guard."""

_ACCOUNTS = "menshen_accounts"


class GuardPlugin(InitPlugin):
    """Guards every route of an app but those with the *exempt* path templates, spelled in full as the routes have them.

    ``Litestar([news, orders], plugins=[GuardPlugin(accounts, exempt=["/news"])])``. It also offers the dependency
    ``principal``. Litestar chooses the route before any middleware: what has none is its own 404 or 405 to everybody. With
    ``accounts.strict_judge`` for *accounts* each request is read. Raises TypeError.
    """

    def __init__(self, accounts: Accounts | Guard, exempt: Iterable[str] = ()) -> None:
        self._judge = judge_of(accounts)
        self._exempt = frozenset(map(_spelled, list_of_texts(exempt)))

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.middleware.insert(0, DefineMiddleware(_RouteGuard, judge=self._judge, exempt=self._exempt))
        app_config.dependencies["principal"] = Provide(_principal, sync_to_thread=False)
        return app_config


def mount(app: Litestar, accounts: Accounts) -> None:
    """Answer everything below ``/api/user`` and ``/api/admin`` for which *app* has no route."""
    api = AccountApi(accounts)
    for prefix in ("/api/user", "/api/admin"):
        app.register(_account_handler(api, prefix))


def _account_handler(api: AccountApi, prefix: str) -> ASGIRouteHandler:
    @asgi(prefix, is_mount=True, copy_scope=True, opt={_ACCOUNTS: True})
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        # Litestar leaves the path below the mount, with a slash at its end.
        path = prefix + scope["path"].rstrip("/")
        await api({**scope, "path": path}, receive, send)

    return answer


def _principal(scope: Scope) -> Principal:
    return principal_of(scope)


class _RouteGuard:
    """Middleware before one handler of one route. It goes by the route: Litestar has changed the path by then."""

    def __init__(self, app: AsgiApp, judge: AsyncJudge, exempt: frozenset[str]) -> None:
        self._app = app
        self._judge = judge
        self._exempt = exempt
        self._is_open: bool | None = None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if self._is_open is None:
            # Only a request tells before which handler this stands; that is then always the same.
            self._is_open = self._finds_open(scope)
        if self._is_open:
            await self._app(scope, receive, send)
        else:
            await let_through(self._app, self._judge, scope, receive, send)

    def _finds_open(self, scope: dict[str, Any]) -> bool:
        handler = scope["route_handler"]
        if handler.opt.get(_ACCOUNTS):
            return True
        # Whatever stands below a mounted app has the template of another route.
        if getattr(handler, "is_mount", False):
            return False
        # Routes that differ only in what their parameters are called, or in their types, all have the template of the
        # one that was added last. So this goes by the own routes of the handler.
        shape = _shape(scope["path_template"])
        own = [
            route.path for route in scope["litestar_app"].routes if _has(route, handler) and _shape(route.path) == shape
        ]
        return bool(own) and all(_spelled(path) in self._exempt for path in own)


def _has(route: Any, handler: object) -> bool:
    """Whether *handler* is that of *route*, or one of several."""
    handlers = route.route_handlers if hasattr(route, "route_handlers") else [route.route_handler]
    return any(each is handler for each in handlers)


def _shape(template: str) -> str:
    """*template* with nothing in its parameters."""
    return re.sub(r"\{[^/]*\}", "{}", template)


def _spelled(template: str) -> str:
    """*template* as ``{name:type}``, without the spaces that there may be."""
    return re.sub(r"\{\s*([^/:]*?)\s*:\s*([^/:]*?)\s*\}", r"{\1:\2}", template)
