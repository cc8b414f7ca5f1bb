"""The guard in Falcon: before one responder, or before a whole app."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import falcon
from attrs import frozen

from ...domain.presences import Principal
from ..exemptions import Exemptions, list_of_texts
from ..guarding.envelopes import Refused
from ..guarding.guard import Guard
from .cross_origin import is_preflight
from .head_as_get import HeadAsGet
from .preflights import allowed_by_preflight
from .routes import Routes


class KeptOut(falcon.HTTPStatus):
    """A finished refusal of the guard, which no error handler of the app can change."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.code, headers=refused.headers, text=refused.body.decode())
        self.refused = refused


def principal_of(req: falcon.Request) -> Principal:
    """Who was let in; behind a guard there is always somebody."""
    principal: Principal = req.context.principal
    return principal


def principal_if_any(req: falcon.Request) -> Principal | None:
    """The same where there may be no guard."""
    principal: Principal | None = getattr(req.context, "principal", None)
    return principal


@frozen
class FalconGuard:
    """Lets a request through to its responder only with a valid token.

    Put it on one resource or responder with ``@falcon.before(guard)``. The responder then finds in ``req.context`` the
    ``principal``, and its ``user`` and ``session``; all others get the contract's 401.
    """

    judge: Guard

    def __call__(self, req: falcon.Request, resp: falcon.Response, resource: object, params: dict[str, Any]) -> None:
        # The app's own responder for OPTIONS: a preflight has no token, and refusing it would prevent every
        # cross-origin request.
        if req.method != "OPTIONS" or not is_preflight(req):
            self.check(req, resp)

    def check(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Raises KeptOut."""
        header = req.env.get
        found = self.judge(header("HTTP_TOKEN"), header("HTTP_AUTHORIZATION"), header("HTTP_ACCEPT_LANGUAGE"))
        if isinstance(found, Refused):
            raise KeptOut(found)
        context = req.context
        context.principal, context.user, context.session = found, found.user, found.session


class Checking(Protocol):
    """Lets a request through and puts user and session into its context, or raises the finished refusal."""

    def check(self, req: falcon.Request, resp: falcon.Response) -> None: ...


@frozen
class RouteGuard:
    """The guard of the API's own routes: admin routes require the token of an admin, all others that of a user.

    Falcon's own answers, that a route lacks a method or which methods it has, are open to anybody.
    """

    users: FalconGuard
    admins: FalconGuard
    routes: Routes

    def check(self, req: falcon.Request, resp: falcon.Response) -> None:
        template = req.uri_template or ""
        if template in self.routes.opened:
            return
        methods = self.routes.methods.get(template)
        if methods is None or req.method in methods:
            guard = self.admins if template.startswith("/api/admin") else self.users
            guard.check(req, resp)


class GuardedRoutes(HeadAsGet):
    """Falcon middleware that guards every route of an app that has nothing but routes. HEAD is answered on every one with GET."""

    def __init__(self, guard: Checking) -> None:
        self._guard = guard

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: object, params: dict[str, Any]
    ) -> None:
        self._guard.check(req, resp)


class DefaultDeny(GuardedRoutes):
    """The same for every path except the *exempt* ones: routes, sinks, static files, and unknown paths.

    *exempt* has URI templates, spelled as in ``add_route``. A preflight is answered here and reaches no guarded responder.
    *is_open* recognises the paths of a sink that has its own guard.
    """

    def __init__(self, guard: Checking, exempt: Iterable[str], is_open: Callable[[str], bool]) -> None:
        super().__init__(guard)
        self._templates = frozenset(list_of_texts(exempt))
        self._exempt = Exemptions(self._templates)
        self._is_open = is_open

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Guard by the path: the only hook in which Falcon shows sinks, static files and unknown paths."""
        super().process_request(req, resp)
        if self._is_open(req.path) or req.path in self._exempt:
            return
        allowed = allowed_by_preflight(req.env)
        if allowed is None:
            self._guard.check(req, resp)
        else:
            # For the app's CORS middleware to pass on.
            resp.set_header("Allow", allowed)
            resp.complete = True

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: object, params: dict[str, Any]
    ) -> None:
        """Guard by the route: its path may match an exempt template, or be an open path, by chance."""
        if req.uri_template not in self._templates and principal_if_any(req) is None:
            super().process_resource(req, resp, resource, params)
