"""The guard and the account routes in Django.

``MIDDLEWARE`` has ``"menshen.entrypoints.django.GuardMiddleware"``, ``MENSHEN_EXEMPT`` the routes that need no token, and
``urlpatterns`` ends with ``*urls`` of this module. The accounts are those that the process has opened last; where there
are none, those that the ``MENSHEN_`` variables name are opened when the middleware is loaded.
"""

import inspect
import sys
from collections.abc import Callable
from functools import lru_cache, partial, wraps
from importlib import import_module
from typing import Any, TypeAlias

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, clear_url_caches, re_path, resolve
from django.urls.resolvers import RegexPattern, RoutePattern
from django.views.decorators.csrf import csrf_exempt

from ..domain.errors import StoreUnavailable
from ..domain.presences import Principal
from .accounts import Accounts, GuardMissing
from .exemptions import list_of_texts
from .guarding.envelopes import Refused
from .guarding.guard import Guard
from .http.preflights import allowed_by_preflight
from .judging import AsyncJudge
from .settings import SettingInvalid

View: TypeAlias = Callable[..., Any]

_kept: list[Accounts] = []
"""Those that this module has opened itself: nobody else keeps them."""


def accounts() -> Accounts:
    """The accounts of this process, opened if need be. Raises ImproperlyConfigured if they cannot be."""
    try:
        return Accounts.opened()
    except GuardMissing:
        pass
    try:
        _kept[:] = [Accounts.from_environment()]
    except (SettingInvalid, StoreUnavailable, OSError) as error:
        raise ImproperlyConfigured(f"menshen: {error}") from error
    return _kept[0]


class GuardMiddleware:
    """Guards everything, unknown paths as well, but the account routes and those in ``settings.MENSHEN_EXEMPT``.

    An exempt route is spelled as ``request.resolver_match.route`` has it, the texts of ``path()`` put together, with or
    without a slash before it. Of ``re_path()`` only a text that begins with ``^`` is exempt, outside any ``include()``. A
    view finds in ``request.menshen`` the principal who was let in, or None on an exempt route. Others get the contract's
    401. A preflight is answered here; middleware for other origins stands before this. Raises ImproperlyConfigured.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._accounts = accounts()
        self._judge = AsyncJudge(self._accounts.judge, self._accounts.without_waiting)
        self._exempt = _exempt_routes()
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        # Under ASGI Django would put a synchronous one into a thread, for each request.
        self.process_view = self._process_view_async if self._is_async else self._process_view

    def __call__(self, request: HttpRequest) -> Any:
        if self._is_async:
            return self._call_async(request)
        answer = None if self._is_open(request) else _check(request, self._accounts.judge)
        return self._get_response(request) if answer is None else answer

    async def _call_async(self, request: HttpRequest) -> Any:
        answer = None if self._is_open(request) else await _check_async(request, self._judge)
        return await self._get_response(request) if answer is None else answer

    def _process_view(self, request: HttpRequest, view: View, args: Any, kwargs: Any) -> Any:
        """Guard by the route that was found in the end: other middleware may have changed the path or the routes."""
        return None if self._is_open_or_judged(request) else _check(request, self._accounts.judge)

    async def _process_view_async(self, request: HttpRequest, view: View, args: Any, kwargs: Any) -> Any:
        return None if self._is_open_or_judged(request) else await _check_async(request, self._judge)

    def _is_open(self, request: HttpRequest) -> bool:
        """By the path, before Django looks for its route."""
        request.menshen = None
        try:
            return self._may_pass(request, resolve(request.path_info, getattr(request, "urlconf", None)))
        except Resolver404:
            return False

    def _is_open_or_judged(self, request: HttpRequest) -> bool:
        return request.menshen is not None or self._may_pass(request, request.resolver_match)

    def _may_pass(self, request: HttpRequest, match: Any) -> bool:
        if match.func is answer_by_account_api:
            return self._accounts.is_account_path(request.path_info)
        route: str = match.route
        return route.lstrip("/") in self._exempt and _is_whole(route, request.path_info)


def _is_whole(route: str, path_info: str) -> bool:
    """Whether *route*, which was found for the path, stands for the whole of it.

    ``re_path("news")`` has the text of ``path("news")``, and every path with this word in it.
    """
    return _pattern(route).match(path_info[1:]) is not None


# Not at the start, when the project may not have registered its converters yet.
@lru_cache(maxsize=1024)
def _pattern(route: str) -> Any:
    kind = RegexPattern if route.startswith("^") else RoutePattern
    return kind(route, is_endpoint=True)


def _exempt_routes() -> frozenset[str]:
    try:
        return frozenset(route.lstrip("/") for route in list_of_texts(getattr(settings, "MENSHEN_EXEMPT", ())))
    except TypeError as error:
        raise ImproperlyConfigured(f"MENSHEN_EXEMPT: {error}") from error


def guarded(view: View) -> View:
    """Let only requests with a valid token through to *view*, which finds the principal in ``request.menshen``.

    *view* is a function, synchronous or not; for a class of either kind, ``method_decorator(guarded, name="dispatch")``.
    Raises ImproperlyConfigured if there are no accounts, and none can be opened: without the middleware that is when
    Django imports the routes, for ``manage.py check`` or the first request, and then it answers no request at all.
    """
    return _guarded(view, is_strict=False)


def strictly_guarded(view: View) -> View:
    """The same, and user and session are read at each request, whatever is remembered."""
    return _guarded(view, is_strict=True)


def _guarded(view: View, *, is_strict: bool) -> View:
    if inspect.isclass(view):
        raise ImproperlyConfigured(f"{view.__qualname__} is a class: method_decorator(guarded, name='dispatch')")
    opened = accounts()
    judge = opened.strict_judge if is_strict else opened.judge
    async_judge = AsyncJudge(judge, None if is_strict else opened.without_waiting)

    def is_judged(request: HttpRequest) -> bool:
        return not is_strict and getattr(request, "menshen", None) is not None

    @wraps(view)
    async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        answer = None if is_judged(request) else await _check_async(request, async_judge)
        if answer is not None:
            return answer
        answer = view(request, *args, **kwargs)
        return await answer if inspect.isawaitable(answer) else answer

    @wraps(view)
    def guarded_sync(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        answer = None if is_judged(request) else _check(request, judge)
        return view(request, *args, **kwargs) if answer is None else answer

    return guarded_async if iscoroutinefunction(view) or _is_of_async_class(view) else guarded_sync


def _is_of_async_class(view: Any) -> bool:
    """Whether *view* is what ``method_decorator`` makes of the ``dispatch()`` of a view with asynchronous methods: an
    ordinary function that returns something to be awaited."""
    while view is not None:
        if isinstance(view, partial):
            return bool(getattr(getattr(view.func, "__self__", None), "view_is_async", False))
        view = getattr(view, "__wrapped__", None)
    return False


def _check(request: HttpRequest, judge: Guard) -> HttpResponse | None:
    """None if the request is let in; otherwise the answer to it."""
    return _preflight(request) or _noted(request, judge(*_headers(request)))


async def _check_async(request: HttpRequest, judge: AsyncJudge) -> HttpResponse | None:
    return _preflight(request) or _noted(request, await judge(*_headers(request)))


def _headers(request: HttpRequest) -> tuple[str | None, str | None, str | None]:
    header = request.META.get
    return header("HTTP_TOKEN"), header("HTTP_AUTHORIZATION"), header("HTTP_ACCEPT_LANGUAGE")


def _preflight(request: HttpRequest) -> HttpResponse | None:
    allowed = allowed_by_preflight(request.META)
    return None if allowed is None else HttpResponse(headers={"Allow": allowed})


def _noted(request: HttpRequest, found: Principal | Refused) -> HttpResponse | None:
    if isinstance(found, Refused):
        headers = {**found.headers, "Content-Length": str(len(found.body))}
        # Not every server leaves out the body itself.
        body = b"" if request.method == "HEAD" else found.body
        return HttpResponse(body, status=found.code, headers=headers)
    request.menshen = found
    return None


@csrf_exempt  # type: ignore[untyped-decorator]
def answer_by_account_api(request: HttpRequest) -> HttpResponse:
    """Let the account API answer, as it does alone. Its tokens come in headers, which no other site can forge."""
    heads: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[..., object]:
        heads.append((status, headers))
        return lambda _body: None

    body = b"".join(accounts().wsgi(_environ(request), start_response))
    status, headers = heads[-1]
    response = HttpResponse(body, status=int(status[:3]))
    for name, value in headers:
        if name.lower() == "set-cookie":
            response.cookies.load(value)
        else:
            response[name] = value
    return response


def _environ(request: HttpRequest) -> dict[str, Any]:
    """The WSGI environment of a request (PEP 3333), which may have come by ASGI. Its body is read through Django."""
    environ = dict(request.META)
    for name in ("PATH_INFO", "SCRIPT_NAME"):
        environ[name] = environ[name].encode("utf-8", "replace").decode("latin-1")
    scope = getattr(request, "scope", None)
    environ.setdefault("wsgi.errors", sys.stderr)
    if scope is not None or environ.get("CONTENT_LENGTH"):
        # A body without its length Django takes for an empty one under WSGI.
        environ["wsgi.input"] = request
    if scope is not None:
        environ["SERVER_PROTOCOL"] = f"HTTP/{scope['http_version']}"
        environ["wsgi.url_scheme"] = request.scheme
        if scope.get("raw_path") is not None:
            environ["RAW_URI"] = scope["raw_path"].decode("latin-1")
        # Django has the whole body by now, whichever way it was sent.
        environ["wsgi.input_terminated"] = True
    return environ


urls = [re_path(r"^api/(?:user|admin)(?:/|$)", answer_by_account_api, name="menshen")]
"""The account routes, for the end of ``urlpatterns``: everything below ``/api/user`` and ``/api/admin``."""


def mount(app: Any, opened: Accounts) -> None:
    """Add the account routes to the end of the project's ``urlpatterns``. *app* is its WSGI or ASGI application.

    Raises ImproperlyConfigured if other accounts guard the project, or its routes are no list.
    """
    if accounts() is not opened:
        raise ImproperlyConfigured("menshen: other accounts have been opened since")
    patterns = import_module(settings.ROOT_URLCONF).urlpatterns
    if not isinstance(patterns, list):
        raise ImproperlyConfigured("menshen: urlpatterns is no list; add the urls of menshen.entrypoints.django to it")
    patterns.extend(urls)
    clear_url_caches()
