"""Menshen inside another Falcon app."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import falcon
from falcon.routing import CompiledRouter

from .environment import read_settings
from .http.app import ACCOUNT_PREFIX, create_app, create_guard
from .http.guard import DefaultDeny, FalconGuard
from .http.head_as_get import HeadAsGet
from .services import open_service
from .settings import Settings
from .turns import take_turns
from .wiring import Service


class Accounts:
    """The account routes, and the guard for any other route.

    ``guard`` protects one resource or responder: ``@falcon.before(accounts.guard)``. ``strict_guard`` does the same and
    reads user and session at each request, for routes on which not even another machine's change of the last second may
    be missed. ``wsgi`` is the whole account API as a separate WSGI application. ``head_as_get`` is middleware that
    answers HEAD on every route with GET, with all guards.
    """

    def __init__(self, service: Service, settings: Settings) -> None:
        self.guard: FalconGuard = create_guard(service, settings)
        self.strict_guard: FalconGuard = create_guard(service, settings, is_strict=True)
        self._router = CompiledRouter()
        self.head_as_get = HeadAsGet()
        self.wsgi = create_app(service, settings, self._router)
        self._mounted = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:  # noqa: TID251 - the one place, for embedders
        """Open the accounts that the ``MENSHEN_`` variables name. What does not exist yet is made.

        The threads of this process take turns from now on (SCHED_BATCH), unless it has a policy other than the usual one;
        a guarded route answers a third more requests. Raises SettingInvalid, StoreUnavailable.
        """
        take_turns()
        settings = read_settings(environ, say=print)
        return cls(open_service(settings, say=print, warn=lambda line: print(f"warning: {line}")), settings)

    def default_deny(self, *, exempt: Iterable[str] = ()) -> DefaultDeny:
        """Falcon middleware that guards everything in the app but the account routes and the *exempt* URI templates."""
        return DefaultDeny(self.guard, exempt, self._is_open)

    def mount(self, app: "falcon.App[Any, Any]") -> None:
        """Answer everything below ``/api/user`` and ``/api/admin`` for which *app* itself has no route.

        The account API runs as it does alone, with its own error answers; those of *app* stay as they are. Call this
        last: a sink added to *app* later takes precedence, and gets the account routes unguarded.
        """
        self._mounted = True
        app.add_sink(self._answer, prefix=ACCOUNT_PREFIX)

    def _is_open(self, path: str) -> bool:
        """Whether it is one of the account routes, which have their own guards."""
        return self._mounted and ACCOUNT_PREFIX.match(path) is not None and self._router.find(path) is not None

    def _answer(self, req: falcon.Request, resp: falcon.Response, **_params: str) -> None:
        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: object = None, /
        ) -> Callable[[bytes], object]:
            resp.status = status
            # Falcon computes the length from the body, which HEAD does not have.
            kept = [
                each for each in headers if req.env["REQUEST_METHOD"] == "HEAD" or each[0].lower() != "content-length"
            ]
            resp.set_headers(kept)
            return lambda _body: None

        resp.data = b"".join(self.wsgi(req.env, start_response))
