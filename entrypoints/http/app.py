"""The HTTP API: its routes, on one page, and what holds for all of them."""

import logging
from typing import Any
from uuid import uuid4

import falcon
from attrs import frozen

from ...domain.errors import Refusal
from ..settings import Settings
from ..wiring import Service
from .clients import client_address
from .envelope import Envelopes
from .errors import InternalError, MethodNotAllowed, RequestInvalid, RouteNotFound
from .guard import Guard
from .health import AliveResource, ReadyResource
from .languages import Text
from .users import LoginResource, LogoutResource, RegisterResource, UserInfoResource

_log = logging.getLogger("menshen.http")
_events = logging.getLogger("menshen.events")

ACCOUNT_PREFIX = "/api/user/"

_TUTORIAL_PATHS = frozenset({"/api/user/register", "/api/user/login", "/api/user/user_info"})

ACCOUNT_PATHS = _TUTORIAL_PATHS | {"/api/user/logout"}


def create_guard(service: Service, settings: Settings) -> Guard:
    """The guard, for this app's routes and for anybody else's."""
    return Guard(service.authenticate, Envelopes(service.clock, settings.time_zone, settings.language))


def create_app(service: Service, settings: Settings) -> "falcon.App[falcon.Request, falcon.Response]":
    """The whole API as a WSGI application."""
    guard = create_guard(service, settings)
    envelopes = guard.envelopes
    app = falcon.App(middleware=[_EveryAnswer(envelopes, settings)])

    app.add_route("/api/user/register", RegisterResource(service.register_and_login, envelopes))
    app.add_route("/api/user/login", LoginResource(service.login, envelopes))
    app.add_route("/api/user/logout", LogoutResource(service.logout, guard, envelopes))
    app.add_route("/api/user/user_info", UserInfoResource(guard, envelopes))
    app.add_route("/healthz", AliveResource())
    app.add_route("/readyz", ReadyResource(service.ping))

    errors = _ErrorHandlers(envelopes)
    app.add_error_handler(Exception, errors.fault)
    app.add_error_handler(falcon.HTTPError, errors.http_error)
    app.add_error_handler(Refusal, errors.refusal)
    return app


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
    """Falcon middleware: what is done to every answer, after it has been made."""

    envelopes: Envelopes
    settings: Settings

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
        if reason is None and req.method != "POST":
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
                    "address": client_address(req, self.settings.trusted_proxies),
                }
            },
        )
