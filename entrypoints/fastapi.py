"""Accounts in a FastAPI app: a dependency that is a security scheme in its OpenAPI.

Middleware before the whole app is that of Starlette: ``app.add_middleware(Guarded, accounts=accounts, exempt=["/news"])``.
"""

from typing import Annotated

from fastapi import FastAPI, Security
from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBearer, SecurityBase
from fastapi.requests import HTTPConnection
from fastapi.responses import Response
from fastapi.security.base import SecurityBase as SecurityScheme
from fastapi.websockets import WebSocket

from ..domain.presences import Principal
from .accounts import Accounts
from .asgi import NOT_LET_IN, Guarded, credentials_of, judge_of
from .guarding import guard
from .guarding.envelopes import Refused
from .starlette import account_routes, principal_of, user_of

__all__ = ["Guard", "Guarded", "mount", "principal_of", "user_of"]


def mount(app: FastAPI, accounts: Accounts) -> None:
    """Answer everything below ``/api/user`` and ``/api/admin`` for which *app* has no route so far."""
    app.router.routes.extend(account_routes(accounts))


class KeptOut(Exception):
    """A finished refusal. It is no HTTPException, so that no handler of those changes it."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.reason)
        self.refused = refused


class _Scheme(SecurityScheme):
    """Tells OpenAPI where a token may be, and does nothing else."""

    def __init__(self, name: str, model: SecurityBase) -> None:
        self.scheme_name = name
        self.model = model

    async def __call__(self) -> None:
        return None


_IN_AUTHORIZATION = _Scheme("bearer", HTTPBearer(bearerFormat="JWT"))
_IN_TOKEN = _Scheme("token", APIKey.model_validate({"in": APIKeyIn.header, "name": "token"}))


class Guard:
    """A dependency that lets a request through only with a valid token, and is then who was let in.

    ``Annotated[Principal, Depends(guard)]`` for one route, ``dependencies=[Depends(guard)]`` for a router. It is made with
    the *app* that sends its refusals, so that there is none without: the contract's answer, in HTTP and to a websocket
    that is not accepted. With ``accounts.strict_judge`` for *accounts* each request is read. Raises TypeError for what is
    no app, and for what can judge nobody.
    """

    def __init__(self, app: FastAPI, accounts: Accounts | guard.Guard) -> None:
        if not isinstance(app, FastAPI):
            raise TypeError(f"no FastAPI app: {app!r}")
        self._judge = judge_of(accounts)
        # For requests and websockets, which the types have apart.
        app.add_exception_handler(KeptOut, _send)  # type: ignore[arg-type]

    async def __call__(
        self,
        connection: HTTPConnection,
        _in_authorization: Annotated[None, Security(_IN_AUTHORIZATION)] = None,
        _in_token: Annotated[None, Security(_IN_TOKEN)] = None,
    ) -> Principal:
        found = await self._judge(*credentials_of(connection.scope))
        if isinstance(found, Refused):
            # An app that is mounted below the one of this guard has handlers of its own. Starlette has no public way to
            # add one to an app that runs; without it the refusal would be an error of the server.
            handlers, _ = connection.scope.get("starlette.exception_handlers", ({}, None))
            handlers.setdefault(KeptOut, _send)
            raise KeptOut(found)
        return found


async def _send(connection: HTTPConnection, kept_out: Exception) -> Response | None:
    assert isinstance(kept_out, KeptOut)  # noqa: S101 - it is registered for nothing else
    refused = kept_out.refused
    response = Response(refused.body, refused.code, refused.headers)
    if not isinstance(connection, WebSocket):
        return response
    if "websocket.http.response" in connection.scope.get("extensions", {}):
        await connection.send_denial_response(response)
    else:
        await connection.close(NOT_LET_IN, refused.reason)
    return None
