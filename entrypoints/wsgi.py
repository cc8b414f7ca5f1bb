"""The guard before any WSGI application (PEP 3333)."""

from collections.abc import Iterable
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from .accounts import Accounts
from .exemptions import Exemptions
from .guarding.envelopes import Refused
from .guarding.guard import Guard
from .http.preflights import allowed_by_preflight

PRINCIPAL = "menshen.principal"
"""Who was let in, in the environment of the request that *app* gets."""


class Guarded:
    """*app* behind a guard: it gets only requests with a valid token, and those for the *exempt* URI templates.

    With *accounts* the account routes are answered beside *app*, by the account API itself. With a judge alone, such as
    ``accounts.strict_judge``, there are none. A preflight is answered here and reaches nothing that is guarded; middleware
    that adds the headers for other origins goes around this. What *app* answers is returned as it is, so it may stream.
    """

    def __init__(self, app: WSGIApplication, accounts: Accounts | Guard, exempt: Iterable[str] = ()) -> None:
        if not callable(app):
            raise TypeError(f"no WSGI application: {app!r}")
        if not isinstance(accounts, Accounts | Guard):
            raise TypeError(f"neither accounts nor a judge: {accounts!r}")
        self._app = app
        self._accounts = accounts if isinstance(accounts, Accounts) else None
        self._judge = accounts.judge if isinstance(accounts, Accounts) else accounts
        self._exempt = Exemptions(exempt)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = path_of(environ)
        accounts = self._accounts
        if accounts is not None and accounts.is_account_path(path):
            # Not by the app: a route of its own that looks like one of ours is not opened by this.
            return accounts.wsgi(environ, start_response)
        environ.pop(PRINCIPAL, None)
        if path in self._exempt:
            return self._app(environ, start_response)
        allowed = allowed_by_preflight(environ)
        if allowed is not None:
            start_response("200 OK", [("Allow", allowed), ("Content-Type", "text/plain"), ("Content-Length", "0")])
            return []
        header = environ.get
        found = self._judge(header("HTTP_TOKEN"), header("HTTP_AUTHORIZATION"), header("HTTP_ACCEPT_LANGUAGE"))
        if isinstance(found, Refused):
            return refuse(found, environ, start_response)
        environ[PRINCIPAL] = found
        return self._app(environ, start_response)


def path_of(environ: WSGIEnvironment) -> str:
    """The path below the application, as text: PEP 3333 has its bytes, as if they were latin-1."""
    path: str = environ.get("PATH_INFO", "") or "/"
    return path if path.isascii() else path.encode("latin-1").decode("utf-8", "replace")


def refuse(refused: Refused, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Send a refusal as it is; to HEAD the same without the body."""
    headers = [*refused.headers.items(), ("Content-Length", str(len(refused.body)))]
    start_response(f"{refused.code} {HTTPStatus(refused.code).phrase}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [refused.body]
