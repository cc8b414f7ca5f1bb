"""The HTTP API: its routes, on one page, and what holds for all of them."""

import logging
import re
from typing import Any, TypeAlias
from uuid import uuid4

import falcon
from attrs import frozen
from falcon.routing import CompiledRouter

from ...domain.errors import Refusal, StoreUnavailable
from ...domain.use_cases.authenticators.password import PhoneAndPassword
from ..settings import Settings
from ..wiring import Service
from .account import AccountResource, PasswordResource, ProfileResource, SessionResource, SessionsResource
from .admin import (
    AuditResource,
    Desk,
    EverybodysSessionsResource,
    ExplainResource,
    FeeResource,
    FreezeResource,
    UnfreezeResource,
    UserResource,
    UserSessionResource,
    UserSessionsResource,
    UsersResource,
)
from .clients import Clients
from .cross_origin import CrossOrigin
from .envelope import Envelopes
from .errors import InternalError, MethodNotAllowed, RequestInvalid, RouteNotFound
from .guard import DefaultDeny, Guard, RouteGuard
from .heads import check_head
from .health import AliveResource, ReadyResource
from .languages import Text
from .routes import RoutesApp
from .users import LoginResource, LogoutResource, RefreshResource, RegisterResource, UserInfoResource

App: TypeAlias = "falcon.App[falcon.Request, falcon.Response]"

_log = logging.getLogger("menshen.http")
_events = logging.getLogger("menshen.events")

ACCOUNT_PREFIX = re.compile(r"/api/(user|admin)(/|$)")
"""Where the account and admin routes are."""

OVERDUE = "menshen.overdue"
"""Set in the WSGI environment of a request that could not be answered in time, and is not to be worked on any more."""

_TUTORIAL_PATHS = frozenset({"/api/user/register", "/api/user/login", "/api/user/user_info"})


def create_guard(service: Service, settings: Settings) -> Guard:
    """The guard, for this app's routes and for anybody else's."""
    return Guard(service.authenticate, Envelopes(service.clock, settings.time_zone, settings.language))


OPEN_ROUTES = (
    *("/api/user/register", "/api/user/login", "/api/user/token/refresh"),
    *("/api/admin/login", "/api/admin/token/refresh"),
    *("/healthz", "/readyz"),
)
"""The routes that want no token. Every other is guarded, whoever adds it."""


def create_app(service: Service, settings: Settings, router: CompiledRouter | None = None) -> App:
    """The whole API as a WSGI application. *router* is filled with its routes."""
    guard, methods = create_guard(service, settings), dict[str, set[str]]()
    envelopes = guard.envelopes
    clients = Clients(settings.trusted_proxies)
    route_guard = RouteGuard(guard, Guard(service.authenticate_admin, envelopes), methods)
    # Of the answers the last sees most: that it was HEAD is known again before the others look.
    middleware: list[Any] = [
        CrossOrigin(settings.cors_origins),
        _EveryAnswer(envelopes, clients, settings),
        DefaultDeny(route_guard, exempt=OPEN_ROUTES),
    ]
    app = RoutesApp(methods, router=router, middleware=middleware)
    _add_user_routes(app, service, clients, envelopes)
    _add_admin_routes(app, service, clients, envelopes)
    app.add_route("/healthz", AliveResource())
    app.add_route("/readyz", ReadyResource(service.ping))

    errors = _ErrorHandlers(envelopes)
    app.add_error_handler(Exception, errors.fault)
    app.add_error_handler(falcon.HTTPError, errors.http_error)
    app.add_error_handler(Refusal, errors.refusal)
    return app


def _add_user_routes(app: App, service: Service, clients: Clients, envelopes: Envelopes) -> None:
    common = (clients, envelopes)
    app.add_route("/api/user/register", RegisterResource(service.register_and_login, *common))
    app.add_route("/api/user/login", LoginResource(service.login, PhoneAndPassword, *common))
    app.add_route("/api/user/token/refresh", RefreshResource(service.refresh, *common))
    app.add_route("/api/user/logout", LogoutResource(service.logout, *common))
    app.add_route("/api/user/user_info", UserInfoResource(envelopes))
    sessions = SessionsResource(service.list_sessions, service.end_sessions, *common)
    app.add_route("/api/user/sessions", sessions)
    app.add_route("/api/user/sessions/end", sessions, suffix="end")
    session = SessionResource(service.end_sessions, *common)
    app.add_route("/api/user/sessions/{session_id}", session)
    app.add_route("/api/user/sessions/{session_id}/end", session, suffix="end")
    app.add_route("/api/user/password", PasswordResource(service.change_password, *common))
    app.add_route("/api/user/profile", ProfileResource(service.rename_user, *common))
    account = AccountResource(service.close_account, *common)
    app.add_route("/api/user", account)
    app.add_route("/api/user/close", account, suffix="close")


def _add_admin_routes(app: App, service: Service, clients: Clients, envelopes: Envelopes) -> None:
    desk = Desk(service, clients, envelopes)
    app.add_route("/api/admin/login", LoginResource(service.admin_login, PhoneAndPassword, clients, envelopes))
    app.add_route("/api/admin/token/refresh", RefreshResource(service.admin_refresh, clients, envelopes))
    app.add_route("/api/admin/logout", LogoutResource(service.logout, clients, envelopes))
    app.add_route("/api/admin/users", UsersResource(desk))
    app.add_route("/api/admin/users/{user_id:int}", UserResource(desk))
    app.add_route("/api/admin/users/{user_id:int}/freeze", FreezeResource(desk))
    app.add_route("/api/admin/users/{user_id:int}/unfreeze", UnfreezeResource(desk))
    app.add_route("/api/admin/users/{user_id:int}/fee", FeeResource(desk))
    app.add_route("/api/admin/users/{user_id:int}/sessions", UserSessionsResource(desk))
    app.add_route("/api/admin/users/{user_id:int}/sessions/{session_id}", UserSessionResource(desk))
    app.add_route("/api/admin/sessions/kick", EverybodysSessionsResource(desk))
    app.add_route("/api/admin/audit", AuditResource(desk))
    app.add_route("/api/admin/explain", ExplainResource(desk))


@frozen
class _ErrorHandlers:
    """Whatever goes wrong, the answer is in the envelope."""

    envelopes: Envelopes

    def refusal(self, req: falcon.Request, resp: falcon.Response, refusal: Refusal, params: dict[str, Any]) -> None:
        self.envelopes.refuse(req, resp, refusal)

    def http_error(
        self, req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: dict[str, Any]
    ) -> None:
        """Falcon's own: no route, no such method, a header that cannot be read."""
        if isinstance(error, falcon.HTTPMethodNotAllowed):
            resp.set_headers(error.headers or {})
            self.envelopes.refuse(req, resp, MethodNotAllowed())
        elif error.status_code == 404:
            self.envelopes.refuse(req, resp, RouteNotFound())
        else:
            self.envelopes.refuse(req, resp, RequestInvalid())

    def fault(self, req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
        """Logged once, with its incident id; the caller learns the id and nothing else (ASVS 16.5.1)."""
        incident = uuid4().hex
        _log.error("incident %s: %s %s", incident, req.method, req.path, exc_info=error)
        self.envelopes.refuse(req, resp, InternalError(incident))


@frozen
class _EveryAnswer:
    """Falcon middleware: what holds for every request and every answer, whatever the resource."""

    envelopes: Envelopes
    clients: Clients
    settings: Settings

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        if OVERDUE in req.env:
            raise StoreUnavailable("the answer took too long")
        check_head(req)

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        if req.method == "OPTIONS" and resp.data is None:
            self.envelopes.write(req, resp, Text("允许的方法见Allow", "The header Allow says which methods there are."))
        self._log(req, resp)
        if self.settings.always_http_200 and req.path in _TUTORIAL_PATHS:
            resp.status = falcon.HTTP_200

    def _log(self, req: falcon.Request, resp: falcon.Response) -> None:
        """One event for everything that asks to get in or is kept out (ASVS 16.3.1); never a token or a password."""
        reason = getattr(req.context, "reason", None)
        if reason is None and req.method in {"GET", "HEAD", "OPTIONS"}:
            return
        user = getattr(req.context, "user", None)
        _events.info(
            "request",
            extra={
                "event": {
                    "method": req.method,
                    "path": req.path[:200],
                    "code": resp.status_code,
                    "reason": reason,
                    "user_id": None if user is None else user.id,
                    "address": self.clients.address(req),
                }
            },
        )
