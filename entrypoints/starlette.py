"""Accounts in a Starlette app.

The guard is ``Guarded`` of ``menshen.entrypoints.asgi``: before the whole app by
``Middleware(Guarded, accounts=accounts, exempt=["/news"])``, or before one route by the same without *exempt* in its
``middleware``. It is constructed when the app starts, and one that cannot guard does not start.
"""

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route

from ..domain import presences, users
from . import asgi
from .accounts import Accounts
from .asgi import AccountApi, Guarded

__all__ = ["Guarded", "account_routes", "mount", "principal_of", "user_of"]


def mount(app: Starlette, accounts: Accounts) -> None:
    """Answer everything below ``/api/user`` and ``/api/admin`` for which *app* has no route so far."""
    app.router.routes.extend(account_routes(accounts))


def account_routes(accounts: Accounts) -> list[BaseRoute]:
    """The same as routes, for a list of them."""
    api = AccountApi(accounts)
    paths = [f"/api/{part}{rest}" for part in ("user", "admin") for rest in ("", "/{rest:path}")]
    return [Route(path, endpoint=api, include_in_schema=False) for path in paths]


def user_of(connection: HTTPConnection) -> users.Profile:
    """The user who was let in. Raises GuardMissing where there is no guard."""
    return principal_of(connection).user


def principal_of(connection: HTTPConnection) -> presences.Principal:
    """The same with the session. Raises GuardMissing."""
    return asgi.principal_of(connection.scope)
