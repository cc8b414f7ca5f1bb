"""Menshen inside another app, whatever framework that has."""

import os
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any, ClassVar, Self

import falcon
from falcon.routing import CompiledRouter

from ..domain.presences import Principal
from .environment import read_settings
from .guarding.guard import Guard
from .http.app import ACCOUNT_PREFIX, create_app, create_guard
from .http.guard import DefaultDeny, FalconGuard
from .http.head_as_get import HeadAsGet
from .http.users import user_data
from .services import open_service
from .settings import Settings
from .turns import take_turns
from .wiring import Service


class GuardMissing(RuntimeError):
    """Something is to be guarded, and there are no accounts to guard it with."""


class Accounts:
    """The account routes, and the guard for any other route.

    ``guard`` protects one resource or responder of Falcon: ``@falcon.before(accounts.guard)``. ``strict_guard`` does the
    same and reads user and session at each request, for routes on which not even another machine's change of the last
    second may be missed. ``judge`` and ``strict_judge`` are the same two without a framework. ``wsgi`` is the whole
    account API as a separate WSGI application. ``head_as_get`` is Falcon middleware that answers HEAD on every route with
    GET, with all guards.
    """

    _latest: ClassVar["weakref.ref[Accounts] | None"] = None

    def __init__(self, service: Service, settings: Settings) -> None:
        self.guard: FalconGuard = create_guard(service, settings)
        self.strict_guard: FalconGuard = create_guard(service, settings, is_strict=True)
        self.judge: Guard = self.guard.judge
        self.strict_judge: Guard = self.strict_guard.judge
        self.without_waiting: Callable[[], AbstractContextManager[None]] | None = service.without_waiting
        """Within it, ``judge`` raises WouldWait where it would have to read; None if it always reads."""
        self._router = CompiledRouter()
        self.head_as_get = HeadAsGet()
        self.wsgi = create_app(service, settings, self._router)
        self._mounted = False
        Accounts._latest = weakref.ref(self)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:  # noqa: TID251 - the one place, for embedders
        """Open the accounts that the ``MENSHEN_`` variables name. What does not exist yet is made.

        The threads of this process take turns from now on (SCHED_BATCH), unless it has a policy other than the usual one.
        Raises SettingInvalid, StoreUnavailable.
        """
        take_turns()
        settings = read_settings(environ, say=print)
        return cls(open_service(settings, say=print, warn=lambda line: print(f"warning: {line}")), settings)

    @staticmethod
    def opened() -> "Accounts":
        """Those that this process has opened last, for decorators that stand alone. Raises GuardMissing."""
        found = None if Accounts._latest is None else Accounts._latest()
        if found is None:
            raise GuardMissing("there are no accounts yet: call Accounts.from_environment() before anything is guarded")
        return found

    def default_deny(self, *, exempt: Iterable[str] = ()) -> DefaultDeny:
        """Falcon middleware that guards everything in the app but the account routes and the *exempt* URI templates."""
        return DefaultDeny(self.guard, exempt, self._is_open)

    def mount(self, app: Any) -> None:
        """Answer everything below ``/api/user`` and ``/api/admin`` for which *app* itself has no route.

        *app* is one of Falcon (WSGI or ASGI), Flask, Django, FastAPI, Starlette or Litestar. The account API runs as it
        does alone, with its own error answers; those of *app* stay as they are. Call this last: in some frameworks what
        is added later takes precedence, and gets the account routes unguarded. Raises TypeError for any other app.
        """
        for kind in type(app).__mro__:
            name = _MOUNTS.get(f"{kind.__module__}.{kind.__qualname__}")
            if name == "falcon":
                self._mounted = True
                app.add_sink(self._answer, prefix=ACCOUNT_PREFIX)
                return
            if name is not None:
                # Imported by its name, so that no framework is needed for another's app.
                import_module(f".{name}", __package__).mount(app, self)
                return
        raise TypeError(
            f"accounts cannot be mounted in {type(app).__module__}.{type(app).__qualname__}, which is no app of Falcon, Flask,"
            " Django, FastAPI, Starlette or Litestar; any other WSGI app can be wrapped: menshen.entrypoints.wsgi.Guarded"
        )

    def is_account_path(self, path: str) -> bool:
        """Whether it is the path of one of the account routes, which have their own guards."""
        return ACCOUNT_PREFIX.match(path) is not None and self._router.find(path) is not None

    def user_info(self, principal: Principal) -> dict[str, Any]:
        """The user, as the tutorial's ``user_info`` shows them: the members of ``data`` in its answer, and no others."""
        return user_data(principal.user, self.judge.envelopes)

    def _is_open(self, path: str) -> bool:
        return self._mounted and self.is_account_path(path)

    def _answer(self, req: falcon.Request, resp: falcon.Response, **_params: str) -> None:
        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: object = None, /
        ) -> Callable[[bytes], object]:
            resp.status = status
            for name, value in headers:
                if name.lower() == "set-cookie":
                    resp.append_header(name, value)
                # Falcon computes the length from the body, which HEAD does not have.
                elif name.lower() != "content-length" or req.env["REQUEST_METHOD"] == "HEAD":
                    resp.set_header(name, value)
            return lambda _body: None

        resp.data = b"".join(self.wsgi(req.env, start_response))


_MOUNTS = {
    "falcon.app.App": "falcon",
    "falcon.asgi.app.App": "falcon_asgi",
    "flask.app.Flask": "flask",
    "django.core.handlers.base.BaseHandler": "django",
    "fastapi.applications.FastAPI": "fastapi",
    "starlette.applications.Starlette": "starlette",
    "litestar.app.Litestar": "litestar",
}
"""The module that mounts the accounts in an app, by the class of the app."""
