"""Browser apps on other origins (the Fetch standard, "CORS protocol"): exactly the listed ones, and never with cookies."""

import falcon
from attrs import frozen

from .preflights import allowed_by_preflight

_PREFLIGHT_SECONDS = 600


@frozen
class CrossOrigin:
    """Falcon middleware that lets pages of *origins* read every answer, refusals too. Without origins it does nothing.

    Tokens travel in headers, so the browser is never asked for credentials (ASVS 3.4.2).
    """

    origins: tuple[str, ...]

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        if not self.origins:
            return
        # Always, or a cache would give one origin the answer to another.
        resp.append_header("Vary", "Origin")
        origin = req.get_header("Origin")
        if origin not in self.origins:
            return
        resp.set_header("Access-Control-Allow-Origin", origin)
        resp.set_header("Access-Control-Expose-Headers", "Allow, Retry-After, WWW-Authenticate")
        allow = resp.get_header("Allow")
        if is_preflight(req) and allow is not None:
            resp.append_header("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
            resp.set_header("Access-Control-Allow-Methods", allow)
            resp.set_header("Access-Control-Allow-Headers", "authorization, content-type, token")
            resp.set_header("Access-Control-Max-Age", str(_PREFLIGHT_SECONDS))


def is_preflight(req: falcon.Request) -> bool:
    """Whether it is a browser's preflight request, which never carries a token, whatever the page wants to send."""
    return allowed_by_preflight(req.env) is not None
