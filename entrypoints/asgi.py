"""The guard before any ASGI 3 application, and the account API as one."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, TypeAlias

from attrs import frozen

from ..domain.errors import StoreUnavailable
from ..domain.ports.reading import WouldWait
from ..domain.presences import Principal
from .accounts import Accounts, GuardMissing
from .exemptions import Exemptions
from .front import collect, has_body, respond
from .guarding.envelopes import Refused
from .guarding.guard import Guard
from .http.app import OVERDUE
from .http.environs import environ_of, path_of
from .http.messages import Response
from .http.preflights import allowed_by_preflight
from .http.users import USER_INFO
from .judging import THREADS, AsyncJudge

# As wide as in the frameworks' own types, so that theirs are accepted.
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

PRINCIPAL = "menshen"
"""Who was let in, in the scope that the guarded application gets, and in its state: ``request.state.menshen``."""

NOT_LET_IN = 4401
"""Closes a websocket that was not accepted yet; a server then answers 403."""


class Guarded:
    """*app* behind a guard: it gets only requests with a valid token, and those for the *exempt* URI templates.

    Both ``http`` and ``websocket`` are guarded; ``lifespan`` is passed on. With *accounts* the account routes are answered
    beside *app*, by the account API itself. With a judge alone, such as ``accounts.strict_judge``, there are none, and
    each request is read. A preflight is answered here and reaches nothing that is guarded; middleware that adds the
    headers for other origins goes around this. *app* itself is called in the same task and with the same *receive* and
    *send*, so that it may stream, run what comes after the answer, and see the context variables of what is around it.
    """

    def __init__(self, app: AsgiApp, accounts: Accounts | Guard, exempt: Iterable[str] = ()) -> None:
        if not callable(app):
            raise TypeError(f"no ASGI application: {app!r}")
        self._app = app
        self._judge = judge_of(accounts)
        self._api = AccountApi(accounts) if isinstance(accounts, Accounts) else None
        self._exempt = Exemptions(exempt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] not in {"http", "websocket"}:
            # Nothing else is known, and what is not known is not let through.
            raise ValueError(f"nothing that can be guarded: {scope['type']!r}")
        path, api = path_of(scope), self._api
        if api is not None and scope["type"] == "http" and api.accounts.is_account_path(path):
            # Not by the app: a route of its own that looks like one of ours is not opened by this.
            await api(scope, receive, send)
        elif path in self._exempt and not _may_be_cut(scope, path):
            await self._app(scope, receive, send)
        else:
            await let_through(self._app, self._judge, scope, receive, send)


def _may_be_cut(scope: Scope, path: str) -> bool:
    """Whether a framework may take another path for it: Litestar cuts off the root path wherever that is."""
    root: str = scope.get("root_path") or ""
    return bool(root) and root in path


async def let_through(app: AsgiApp, judge: AsyncJudge, scope: Scope, receive: Receive, send: Send) -> None:
    """Pass on a request with a valid token, and answer all others."""
    allowed = preflight_allows(scope)
    if allowed is not None:
        await send_response(send, "GET", (200, [(b"allow", allowed.encode()), (b"content-length", b"0")], b""))
        return
    credentials = credentials_of(scope)
    found = judge.at_once(*credentials) or await judge.by_reading(*credentials)
    if isinstance(found, Refused):
        await refuse(found, scope, receive, send)
    else:
        await app(with_principal(scope, found), receive, send)


def judge_of(accounts: Accounts | Guard) -> AsyncJudge:
    """The judge of *accounts*, or one that always reads. Raises TypeError for anything else."""
    if isinstance(accounts, Accounts):
        return AsyncJudge(accounts.judge, accounts.without_waiting)
    if isinstance(accounts, Guard):
        return AsyncJudge(accounts, None)
    raise TypeError(f"neither accounts nor a judge: {accounts!r}")


def credentials_of(scope: Scope) -> tuple[str | None, str | None, str | None]:
    """``token``, ``Authorization`` and ``Accept-Language``. One that comes twice is joined as in WSGI: two tokens are none."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _READ:
            found[name] = found[name] + b"," + value if name in found else value
    token, authorization, language = map(found.get, (b"token", b"authorization", b"accept-language"))
    return _text(token), _text(authorization), _text(language)


def principal_of(scope: Mapping[str, object]) -> Principal:
    """Who was let in. Raises GuardMissing where there is no guard, so that nobody is served by mistake."""
    found = scope.get(PRINCIPAL)
    if not isinstance(found, Principal):
        raise GuardMissing("there is no guard before this route; see menshen.entrypoints.asgi.Guarded")
    return found


def with_principal(scope: Scope, principal: Principal) -> Scope:
    """A scope for the application; that of the server stays as it is."""
    return {**scope, PRINCIPAL: principal, "state": {**(scope.get("state") or {}), PRINCIPAL: principal}}


def preflight_allows(scope: Scope) -> str | None:
    """What ``Allow`` says in the answer to a browser's preflight request; None if it is no such request."""
    if scope["type"] != "http" or scope["method"] != "OPTIONS":
        return None
    return allowed_by_preflight(environ_of(scope))


async def refuse(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a refusal as it is. A websocket gets the same instead of being accepted, or a 403 from an old server."""
    response = response_of(refused)
    if scope["type"] == "http":
        await send_response(send, scope["method"], response)
        return
    await receive()
    if "websocket.http.response" in (scope.get("extensions") or {}):
        await send_response(send, "GET", response, "websocket.http.response")
    else:
        await send({"type": "websocket.close", "code": NOT_LET_IN, "reason": refused.reason})


def response_of(refused: Refused) -> Response:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in refused.headers.items()]
    return refused.code, [*headers, (b"content-length", b"%d" % len(refused.body))], refused.body


async def send_response(send: Send, method: str, response: Response, kind: str = "http.response") -> None:
    """To HEAD the same without the body."""
    status, headers, body = response
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": b"" if method == "HEAD" else body})


@frozen
class AccountApi:
    """The account API of *accounts* as an ASGI application: it answers everything, also that there is no such route.

    It has the limits of the service for the body and for the time that an answer takes, and the threads of the guards.
    """

    accounts: Accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_response(send, scope["method"], await self.answer(scope, receive))

    async def answer(self, scope: Scope, receive: Receive) -> Response:
        environ = environ_of(scope)
        if has_body(environ):
            await collect(environ, receive)
        elif environ["PATH_INFO"] == USER_INFO and self.accounts.without_waiting is not None:
            try:
                with self.accounts.without_waiting():
                    return respond(self.accounts.wsgi, environ.copy())
            except WouldWait:
                pass
        try:
            return await THREADS.run(respond, self.accounts.wsgi, environ)
        except StoreUnavailable:
            # It says so itself, and reads nothing.
            return respond(self.accounts.wsgi, {**environ, OVERDUE: True})


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


_READ = frozenset({b"token", b"authorization", b"accept-language"})
