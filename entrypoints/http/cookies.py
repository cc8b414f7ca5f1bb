"""The cookie of browsers at menshen's own routes: set by a login, cleared by a logout, and accepted by the guard of users."""

import falcon
from attrs import frozen

from ..guarding.cookies import Cookies
from ..guarding.login_page import LoginPage
from ..guarding.refusals import ReturnInvalid

USERS = "/api/user/"
RETURN = "/api/user/return"

_LOGOUT = "/api/user/logout"


@frozen
class CookieOfUsers:
    """Falcon middleware, before the guard. Admins have no cookie."""

    cookies: Cookies
    opened: set[str]
    """The routes that require no token."""

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: object, params: dict[str, object]
    ) -> None:
        """Raises CrossSite."""
        template = req.uri_template or ""
        if template in self.opened or not f"{template}/".startswith(USERS):
            return
        method = req.env["REQUEST_METHOD"]
        token = self.cookies.token(req.get_header, method=method, authority=req.env.get("HTTP_HOST", ""))
        if token is not None:
            req.env["HTTP_TOKEN"] = token

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        if not (req_succeeded and req.path.startswith(USERS)):
            return
        granted = getattr(req.context, "granted", None)
        if granted is not None:
            resp.append_header("Set-Cookie", self.cookies.set(granted.access_token, granted.access_token_ttl))
        elif req.path == _LOGOUT and req.method == "POST":
            resp.append_header("Set-Cookie", self.cookies.clear())


@frozen
class ReturnResource:
    """GET /api/user/return: back to where the browser was sent to the login page from."""

    login_page: LoginPage

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        address = req.get_param("return")
        if address is None:
            raise ReturnInvalid
        resp.status = falcon.HTTP_302
        resp.set_headers({"Location": self.login_page.address(address), "Cache-Control": "no-store"})
