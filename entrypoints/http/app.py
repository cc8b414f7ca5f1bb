"""The HTTP API: its routes, on one page, and what applies to all of them."""

import logging
import re
from typing import Any, TypeAlias
from uuid import uuid4

import falcon
from attrs import frozen
from falcon.routing import CompiledRouter

from ...domain.errors import Refusal, StoreUnavailable
from ...domain.ports.reading import WouldWait
from ...domain.use_cases.authenticators.password import PhoneAndPassword
from ..guarding.answers import NOT_REGISTERED, PASSWORD_NOT_CHANGED, PROFILE_NOT_CHANGED
from ..guarding.cookies import Cookies
from ..guarding.envelopes import Refused
from ..guarding.forwarding import ForwardGuard
from ..guarding.guard import Guard
from ..guarding.languages import Text
from ..guarding.login_page import LoginPage
from ..guarding.refusals import InternalError, MethodNotAllowed, RequestInvalid, RouteNotFound
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
from .cookies import RETURN, CookieOfUsers, ReturnResource
from .cross_origin import CrossOrigin
from .envelope import FalconEnvelopes, write_refused
from .events import Events
from .forward_auth import add_forward_auth
from .guard import FalconGuard, GuardedRoutes, KeptOut, RouteGuard
from .heads import check_head
from .health import AliveResource, ReadyResource
from .routes import Routes, RoutesApp
from .users import USER_INFO, LoginResource, LogoutResource, RefreshResource, RegisterResource, UserInfoResource

App: TypeAlias = "falcon.App[falcon.Request, falcon.Response]"

_log = logging.getLogger("menshen.http")

ACCOUNT_PREFIX = re.compile(r"/api/(user|admin)(/|$)")
"""Where the account and admin routes are."""

OVERDUE = "menshen.overdue"
"""Set in the WSGI environment of a request that could not be answered in time and is not to be processed any more."""

_TUTORIAL_PATHS = frozenset({"/api/user/register", "/api/user/login", USER_INFO})


_FAILED = {"/api/user/password": PASSWORD_NOT_CHANGED, "/api/user/profile": PROFILE_NOT_CHANGED}
"""What a route was to do, if a rule applies to several; registering for all others."""


def create_guard(service: Service, settings: Settings, *, is_strict: bool = False) -> FalconGuard:
    """The guard of users, for this app's routes and for those of other apps.

    A strict one reads the store for every request, remembering nothing.
    """
    authenticate = service.authenticate_strictly if is_strict else service.authenticate
    return FalconGuard(Guard(authenticate, _envelopes(service, settings)))


def _envelopes(service: Service, settings: Settings) -> FalconEnvelopes:
    return FalconEnvelopes(service.clock, settings.time_zone, settings.language)


def create_app(
    service: Service, settings: Settings, router: CompiledRouter | None = None, *, is_alone: bool = False
) -> App:
    """The whole API as a WSGI application. *router* is filled with its routes.

    Only where it *is_alone*, not in an app of others, may it take cookies and answer proxies: the guards of such an app take
    no cookie, and its server may pass ``X_Forwarded_Uri`` off as ``X-Forwarded-Uri``.
    """
    envelopes, clients = _envelopes(service, settings), Clients(settings.trusted_proxies)
    events, routes = Events(clients), Routes()
    guard = RouteGuard(
        users=FalconGuard(Guard(service.authenticate, envelopes)),
        admins=FalconGuard(Guard(service.authenticate_admin, envelopes)),
        routes=routes,
    )
    cookies = Cookies(service.seal) if is_alone and settings.cookie else None
    # Responses pass the middleware in reverse order: the last restores HEAD before the others look at the request.
    middleware: list[Any] = [
        CrossOrigin(settings.cors_origins),
        _EveryAnswer(envelopes, events, settings),
        *([] if cookies is None else [CookieOfUsers(cookies, routes.opened)]),
        # By the route, not by the path: which routes exist is public, and a misspelled path gets a 404.
        GuardedRoutes(guard),
    ]
    app = RoutesApp(routes, router=router, middleware=middleware)
    _add_user_routes(app, service, clients, envelopes)
    _add_admin_routes(app, service, clients, envelopes)
    if is_alone and settings.forward_rules is not None:
        forward = ForwardGuard(settings.forward_rules, guard.users.judge, guard.admins.judge, cookies)
        login_page = None
        if cookies is not None and settings.login_page is not None:
            login_page = LoginPage(settings.login_page, settings.return_hosts, service.seal)
            app.add_open_route(RETURN, ReturnResource(login_page))
        add_forward_auth(app, forward, service.issue_host_token, clients, login_page)
    app.add_open_route("/healthz", AliveResource())
    app.add_open_route("/readyz", ReadyResource(service.trouble))

    errors = _ErrorHandlers(envelopes, events)
    app.add_error_handler(Exception, errors.fault)
    app.add_error_handler(falcon.HTTPError, errors.http_error)
    app.add_error_handler(Refusal, errors.refusal)
    app.add_error_handler(KeptOut, errors.kept_out)
    app.add_error_handler(WouldWait, _let_through)
    return app


def _add_user_routes(app: RoutesApp, service: Service, clients: Clients, envelopes: FalconEnvelopes) -> None:
    common = (clients, envelopes)
    app.add_open_route("/api/user/register", RegisterResource(service.register_and_login, *common))
    app.add_open_route("/api/user/login", LoginResource(service.login, PhoneAndPassword, *common))
    app.add_open_route("/api/user/token/refresh", RefreshResource(service.refresh, *common))
    app.add_route("/api/user/logout", LogoutResource(service.logout, *common))
    app.add_route(USER_INFO, UserInfoResource(envelopes))
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


def _add_admin_routes(app: RoutesApp, service: Service, clients: Clients, envelopes: FalconEnvelopes) -> None:
    desk = Desk(service, clients, envelopes)
    app.add_open_route("/api/admin/login", LoginResource(service.admin_login, PhoneAndPassword, clients, envelopes))
    app.add_open_route("/api/admin/token/refresh", RefreshResource(service.admin_refresh, clients, envelopes))
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


def _let_through(req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
    """No fault, and no answer: the server asks again where it can wait."""
    raise error


@frozen
class _ErrorHandlers:
    """Whatever goes wrong, the answer is in the envelope, and the event is logged."""

    envelopes: FalconEnvelopes
    events: Events

    def refusal(self, req: falcon.Request, resp: falcon.Response, refusal: Refusal, params: dict[str, Any]) -> None:
        failed = _FAILED.get(req.uri_template or "", NOT_REGISTERED)
        self._refuse(req, resp, self.envelopes.refused(req.get_header("Accept-Language"), refusal, failed))

    def kept_out(self, req: falcon.Request, resp: falcon.Response, status: KeptOut, params: dict[str, Any]) -> None:
        self._refuse(req, resp, status.refused)

    def http_error(
        self, req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: dict[str, Any]
    ) -> None:
        """Falcon's errors: no route, no such method, an unreadable header."""
        if isinstance(error, falcon.HTTPMethodNotAllowed):
            resp.set_headers(error.headers or {})
            self.refusal(req, resp, MethodNotAllowed(), params)
        elif error.status_code == 404:
            self.refusal(req, resp, RouteNotFound(), params)
        else:
            self.refusal(req, resp, RequestInvalid(), params)

    def fault(self, req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
        """Logged once, with its incident id; the caller learns the id and nothing else (ASVS 16.5.1)."""
        incident = uuid4().hex
        _log.error("incident %s: %s %s", incident, req.method, req.path, exc_info=error)
        self.refusal(req, resp, InternalError(incident), params)

    def _refuse(self, req: falcon.Request, resp: falcon.Response, refused: Refused) -> None:
        write_refused(resp, refused)
        self.events.note(req, refused.code, refused.reason)


@frozen
class _EveryAnswer:
    """Falcon middleware: what applies to every request and answer, whatever the resource."""

    envelopes: FalconEnvelopes
    events: Events
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
        # Refusals have been logged already.
        if req_succeeded and req.method not in {"GET", "HEAD", "OPTIONS"}:
            self.events.note(req, resp.status_code)
        if self.settings.always_http_200 and req.path in _TUTORIAL_PATHS:
            resp.status = falcon.HTTP_200
