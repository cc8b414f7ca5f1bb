"""HEAD on every route with GET: the same head, without the body (RFC 9110, 9.3.2)."""

import falcon


class HeadAsGet:
    """Falcon middleware that lets the responder of GET answer HEAD, with all its guards. Falcon omits the body."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        if req.method == "HEAD":
            req.method = "GET"

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        req.method = req.env["REQUEST_METHOD"]
        # Only an answer to OPTIONS or a refused method names the methods.
        if req_succeeded and req.method != "OPTIONS":
            return
        allow = resp.get_header("Allow")
        allowed = [] if allow is None else allow.split(", ")
        if "GET" in allowed and "HEAD" not in allowed:
            allowed.insert(allowed.index("GET") + 1, "HEAD")
            resp.set_header("Allow", ", ".join(allowed))
