"""Accounts in an ASGI app of Falcon."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeAlias

import falcon.asgi

from ..domain.presences import Principal
from .accounts import Accounts, GuardMissing
from .asgi import NOT_LET_IN, AccountApi, Scope, credentials_of, judge_of, preflight_allows
from .exemptions import Exemptions, list_of_texts
from .guarding.envelopes import Refused
from .guarding.guard import Guard
from .http.app import ACCOUNT_PREFIX
from .http.guard import KeptOut
from .http.json_body import MAX_BODY_BYTES
from .judging import AsyncJudge

__all__ = ["DefaultDeny", "guard_of", "mount", "principal_of"]

App: TypeAlias = "falcon.asgi.App[Any, Any]"
Request: TypeAlias = falcon.asgi.Request
Response: TypeAlias = falcon.asgi.Response
Hook: TypeAlias = Callable[[Request, Any, Any, dict[str, Any]], Awaitable[None]]


def guard_of(accounts: Accounts | Guard) -> Hook:
    """A hook that lets a request through to its responder only with a valid token: ``@falcon.before(guard_of(accounts))``.

    The responder finds in ``req.context`` the ``principal``, and its ``user`` and ``session``. With
    ``accounts.strict_judge`` for *accounts* each request is read. Raises TypeError.
    """
    judge = judge_of(accounts)

    async def guard(req: Request, resp: Any, resource: Any, params: dict[str, Any]) -> None:
        # The app's own responder for OPTIONS, as in WSGI.
        if _preflight_allows(req) is None:
            await _check(judge, req, resp)

    return _Awaited(guard)


class _Awaited(partial[Awaitable[None]]):
    """A hook that Falcon's ASGI awaits, and that raises GuardMissing in a WSGI app, where nobody would await it.

    It is a ``partial``, as Falcon does not see of other objects that they have to be awaited.
    """

    def __call__(self, /, req: Any, *args: Any, **kwargs: Any) -> Awaitable[None]:
        if not isinstance(req, Request):
            raise GuardMissing("guard_of is for falcon.asgi.App; in a WSGI app it is accounts.guard")
        return super().__call__(req, *args, **kwargs)


def principal_of(req: Request) -> Principal:
    """Who was let in. Raises GuardMissing where there is no guard."""
    principal = getattr(req.context, "principal", None)
    if not isinstance(principal, Principal):
        raise GuardMissing("there is no guard before this route; see menshen.entrypoints.falcon_asgi.guard_of")
    return principal


class DefaultDeny:
    """Falcon middleware that guards everything but the *exempt* URI templates, spelled as in ``add_route``: routes, sinks,
    static files, unknown paths, and websockets.

    The account routes are answered by the account API itself. A preflight is answered here and reaches no guarded
    responder. HEAD is answered on every route with GET.
    """

    def __init__(self, accounts: Accounts, exempt: Iterable[str] = ()) -> None:
        self._judge = judge_of(accounts)
        self._accounts = accounts
        self._api = AccountApi(accounts)
        self._templates = frozenset(list_of_texts(exempt))
        self._exempt = Exemptions(self._templates)

    async def process_request(self, req: Request, resp: Response) -> None:
        """Guard by the path: the only hook in which Falcon shows sinks, static files and unknown paths."""
        if self._accounts.is_account_path(req.path):
            await _answer(self._api, req, resp)
            resp.complete = True
            return
        if req.method == "HEAD":
            req.method = "GET"
        if req.path in self._exempt:
            return
        allowed = _preflight_allows(req)
        if allowed is None:
            await _check(self._judge, req, resp)
        else:
            resp.set_header("Allow", allowed)
            resp.complete = True

    async def process_resource(self, req: Request, resp: Any, resource: object, params: dict[str, Any]) -> None:
        """Guard by the route: its path may match an exempt template by chance."""
        if req.uri_template not in self._templates and getattr(req.context, "principal", None) is None:
            await _check(self._judge, req, resp)

    async def process_response(self, req: Request, resp: Response, resource: object, req_succeeded: bool) -> None:
        req.method = req.scope["method"]

    async def process_request_ws(self, req: Request, ws: falcon.asgi.WebSocket) -> None:
        if req.path not in self._exempt:
            await _check(self._judge, req, ws)

    async def process_resource_ws(
        self, req: Request, ws: falcon.asgi.WebSocket, resource: object, params: dict[str, Any]
    ) -> None:
        await self.process_resource(req, ws, resource, params)


def mount(app: App, accounts: Accounts) -> None:
    """Answer everything below ``/api/user`` and ``/api/admin`` for which *app* itself has no route.

    A sink that is added to *app* later takes precedence.
    """
    api = AccountApi(accounts)

    async def answer(req: Request, resp: Any, **_params: Any) -> None:
        await _answer(api, req, resp)

    app.add_sink(answer, prefix=ACCOUNT_PREFIX)


def _preflight_allows(req: Request) -> str | None:
    # The responder is that of the method that middleware may have put into the request.
    return preflight_allows(_scope_of(req)) if req.method == "OPTIONS" else None


def _scope_of(req: Request) -> Scope:
    """The scope with the headers as Falcon has read them: those of ``falcon.testing`` can be read only once."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in req.headers_lower.items()]
    return {**req.scope, "headers": headers}


async def _check(judge: AsyncJudge, req: Request, resp: Response | falcon.asgi.WebSocket) -> None:
    """Raises KeptOut, or for a websocket what ends it in Falcon without an error."""
    found = await judge(*credentials_of(_scope_of(req)))
    if isinstance(found, Refused):
        if isinstance(resp, falcon.asgi.WebSocket):
            await resp.close(NOT_LET_IN, found.reason)
            raise falcon.WebSocketDisconnected(NOT_LET_IN)
        raise KeptOut(found)
    context = req.context
    context.principal, context.user, context.session = found, found.user, found.session


async def _answer(api: AccountApi, req: Request, resp: Response) -> None:
    async def receive() -> dict[str, Any]:
        # One byte more than is allowed shows that it is too long.
        return {"type": "http.request", "body": await req.stream.read(MAX_BODY_BYTES + 1), "more_body": False}

    status, headers, body = await api.answer(_scope_of(req), receive)
    resp.status, resp.data = status, body
    for name, value in headers:
        # Falcon computes the length from the body, which HEAD does not have.
        if name != b"content-length" or req.scope["method"] == "HEAD":
            resp.append_header(name.decode("latin-1"), value.decode("latin-1"))
