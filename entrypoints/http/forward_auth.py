"""Forward-auth: a proxy asks about each request before it passes it on to an app."""

from collections.abc import Callable

import falcon
from attrs import evolve, frozen

from ...domain.use_cases.forwarding import IssueHostToken
from ..guarding.cookies import Header
from ..guarding.envelopes import Refused
from ..guarding.forwarding import ForwardGuard, Target, forwarded_target, original_target
from ..guarding.login_page import LoginPage
from ..guarding.refusals import CallerNotTrusted
from .clients import Clients
from .guard import KeptOut
from .routes import RoutesApp

FOR_NGINX = "/auth/request"
FOR_OTHERS = "/auth/forward"

USER_HEADER = "X-Menshen-User"
TOKEN_HEADER = "X-Menshen-Token"


@frozen
class ForwardAuthResource:
    """GET /auth/request and GET /auth/forward: 200 where the request may pass, or the refusal that the client is to get.

    Nothing is read from the query: Caddy appends the client's.
    """

    target: Callable[[Header], Target]
    guard: ForwardGuard
    issue: IssueHostToken
    clients: Clients
    login_page: LoginPage | None
    redirects: int
    """The status that sends a browser to the login page."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        if not self.clients.is_proxy(req):
            raise CallerNotTrusted
        target = self.target(req.get_header)
        found = self.guard(target, req.get_header)
        if isinstance(found, Refused):
            raise KeptOut(self._told(found, target, req.get_header))
        resp.status, resp.data = falcon.HTTP_200, b""
        resp.set_headers({"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})
        who = found.principal
        # On an open route they are empty, not missing: of a missing one some proxies keep what a stranger sent, and Caddy
        # 2.6 sends the name of its variable.
        resp.set_header(TOKEN_HEADER, "" if who is None else self.issue(who, found.host))
        resp.set_header(USER_HEADER, "" if who is None else str(who.user.id))

    def _told(self, refused: Refused, target: Target, header: Header) -> Refused:
        """The refusal, or, for a browser that is not logged in, the way to the login page."""
        location = None
        if self.login_page is not None and refused.code == 401:
            location = self.login_page.location(target, header)
        if location is None:
            return refused
        return evolve(refused, code=self.redirects, headers={**refused.headers, "Location": location})


def add_forward_auth(
    app: RoutesApp, guard: ForwardGuard, issue: IssueHostToken, clients: Clients, login_page: LoginPage | None
) -> None:
    """Add both routes; each has its own guard, so they are open to the app's."""
    common = (guard, issue, clients, login_page)
    # nginx takes no 302 for an answer: it makes one of the Location itself, by our configuration.
    app.add_open_route(FOR_NGINX, ForwardAuthResource(original_target, *common, redirects=401))
    app.add_open_route(FOR_OTHERS, ForwardAuthResource(forwarded_target, *common, redirects=302))
