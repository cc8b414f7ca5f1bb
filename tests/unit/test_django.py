"""The guard and the account routes in Django, over WSGI and over ASGI."""

import asyncio
import gc
import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from types import ModuleType
from typing import Any
from unittest.mock import patch

import django
import pytest
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from attrs import define, field
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.test.utils import override_settings
from django.urls import include, path, re_path
from django.utils.decorators import method_decorator
from django.views import View
from falcon.testing import Result, create_environ

from menshen.adapters.memory.fakes import FakeTokenCodec
from menshen.domain.ports.outside import TokenCodec
from menshen.domain.tokens import AccessTokenClaims
from menshen.entrypoints.accounts import Accounts
from menshen.entrypoints.django import GuardMiddleware, guarded, mount, strictly_guarded, urls
from menshen.entrypoints.settings import SettingInvalid

from .cases import for_each
from .embedding import with_cookies
from .http_service import LOGIN, PASSWORD, PHONE, REGISTER, USER_INFO, HttpService, refused, routes_of, serve

if not settings.configured:
    settings.configure(ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None, SECRET_KEY="x" * 50)
    django.setup()

GUARD = "menshen.entrypoints.django.GuardMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"


def who(request: HttpRequest, **found: Any) -> JsonResponse:
    principal = getattr(request, "menshen", None)
    return JsonResponse({"user": None if principal is None else principal.user.phone.digits, **found})


async def who_async(request: HttpRequest, **found: Any) -> JsonResponse:
    return who(request, thread=threading.current_thread() is threading.main_thread(), **found)


class Place:
    """A Django project with accounts, and a server of one kind."""

    def __init__(
        self,
        is_async: bool,
        routes: Callable[[], Sequence[Any]] = list,
        *,
        middleware: Iterable[str] = (COMMON, CSRF, GUARD),
        exempt: Any = ("news", "news/<int:number>"),
        mounts: bool = True,
        codec: TokenCodec | None = None,
    ) -> None:
        self.http: HttpService = serve(codec=codec)
        self.accounts = Accounts(self.http.service, self.http.settings)
        self.is_async = is_async
        urlconf = ModuleType("a_shop_urls")
        urlconf.urlpatterns = [*routes(), *(urls if mounts else [])]  # type: ignore[attr-defined]
        self.settings = {"ROOT_URLCONF": "a_shop_urls", "MIDDLEWARE": list(middleware), "MENSHEN_EXEMPT": exempt}
        self.urlconf = urlconf
        with self.project():
            self.app: Any = ASGIHandler() if is_async else WSGIHandler()

    @contextmanager
    def project(self) -> Iterator[None]:
        with patch.dict(sys.modules, {"a_shop_urls": self.urlconf}), override_settings(**self.settings):
            yield

    def ask(self, path: str, method: str = "GET", token: str | None = None, body: Any = None, **headers: str) -> Result:
        headers |= {} if token is None else {"token": token}
        sent = b"" if body is None else json.dumps(body).encode()
        headers |= {} if body is None else {"Content-Type": "application/json"}
        with self.project():
            if self.is_async:
                return asyncio.run(_asked(self.app, path, method, sent, headers))
            return _called(self.app, create_environ(method=method, path=path, body=sent, headers=headers))


def _called(app: Any, environ: dict[str, Any]) -> Result:
    heads: list[Any] = []
    answer = app(environ, lambda *head: heads.append(head[:2]))
    found = Result([b"".join(answer)], heads[-1][0], heads[-1][1])
    answer.close()
    return found


async def _asked(app: Any, path: str, method: str, body: bytes, headers: dict[str, str]) -> Result:
    own = {"host": "falconframework.org", **({"content-length": str(len(body))} if body else {}), **headers}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in own.items()],
        "client": ("198.51.100.7", 1),
        "server": ("127.0.0.1", 80),
    }
    sent: list[Any] = []
    is_read, never = False, asyncio.Event()

    async def receive() -> dict[str, Any]:
        nonlocal is_read
        if is_read:
            await never.wait()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *rest = sent
    found = [(name.decode(), value.decode("latin-1")) for name, value in start["headers"]]
    return Result([b"".join(part["body"] for part in rest)], f"{start['status']} ?", found)


@define
class Counting(FakeTokenCodec):
    """It knows how many tokens were judged, and in which threads."""

    decoded: int = 0
    threads: list[str] = field(factory=list)

    def decode(self, token: str) -> AccessTokenClaims:
        self.decoded += 1
        self.threads.append(threading.current_thread().name)
        return super().decode(token)


BOTH = [False, True]


def routes() -> Sequence[Any]:
    return [
        path("news", who),
        path("news/<int:number>", who),
        path("news/<name>", who),
        path("orders", who),
        path("orders_async", who_async),
        path("more/", include([path("news", who)])),
    ]


# Default deny.


@for_each("is_async", BOTH)
def test_everything_that_is_not_exempt_is_refused(is_async: bool) -> None:
    place = Place(is_async, routes)
    for path_ in (
        "/news/",
        "/news/x",
        "/orders",
        "/orders_async",
        "/more/news",
        "/nothing",
        "//news",
        "/",
        "/api/user/x",
    ):
        for method in ("GET", "POST", "OPTIONS"):
            answer = place.ask(path_, method)
            refused(answer, 401, "token_missing")
    for path_ in ("/news", "/news/7"):
        assert place.ask(path_).json["user"] is None, path_
        assert place.ask(path_, token="x").json["user"] is None, path_


@for_each("is_async", BOTH)
def test_a_view_finds_who_was_let_in(is_async: bool) -> None:
    place = Place(is_async, routes)
    token = place.http.registered()
    for path_ in ("/orders", "/orders_async", "/news/x", "/more/news"):
        assert place.ask(path_, token=token).json["user"] == PHONE, path_
    assert place.ask("/nothing", token=token).status_code == 404


@for_each("is_async", BOTH)
def test_an_exempt_route_is_spelled_as_django_has_it(is_async: bool) -> None:
    place = Place(is_async, routes, exempt=["/more/news"])
    assert place.ask("/more/news").json["user"] is None
    refused(place.ask("/news"), 401, "token_missing")


@for_each("is_async", BOTH)
def test_a_regular_expression_that_is_spelled_like_an_exempt_route_stays_closed(is_async: bool) -> None:
    place = Place(is_async, lambda: [path("news", who), re_path("news", who)], exempt=["news"])
    for path_ in ("/newsroom", "/private/news/drafts", "/news/"):
        refused(place.ask(path_), 401, "token_missing")
    assert place.ask("/news").json == {"user": None}


@for_each("is_async", BOTH)
def test_a_regular_expression_is_exempt_with_its_beginning(is_async: bool) -> None:
    both = [re_path(r"^news/([0-9]+)$", lambda request, _: who(request)), re_path(r"old/([0-9]+)$", lambda *_: None)]
    place = Place(is_async, lambda: both, exempt=[r"^news/([0-9]+)$", r"old/([0-9]+)$"])
    assert place.ask("/news/7").json == {"user": None}
    refused(place.ask("/old/7"), 401, "token_missing")
    place = Place(is_async, lambda: [re_path("^a", include([re_path("b", who)]))], exempt=["^ab"])
    assert place.ask("/ab").json == {"user": None}
    refused(place.ask("/a/private/b"), 401, "token_missing")


@for_each("is_async", BOTH)
def test_a_refusal_is_the_apis_own_to_the_byte(is_async: bool) -> None:
    place = Place(is_async, routes, middleware=[GUARD])
    for headers in ({}, {"token": "x"}, {"Accept-Language": "en"}, {"token": "a", "Authorization": "Bearer b"}):
        ours, theirs = place.ask("/orders", **headers), place.http.user_info(**headers)
        assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content)
        assert ours.headers == theirs.headers
        head = place.ask("/orders", "HEAD", **headers)
        assert (head.status_code, head.content) == (401, b"")
        assert head.headers == theirs.headers


@for_each("is_async", BOTH)
def test_a_preflight_is_answered_before_any_view(is_async: bool) -> None:
    place = Place(is_async, routes)
    headers = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    for path_ in ("/orders", "/nothing"):
        answer = place.ask(path_, "OPTIONS", **headers)
        assert (answer.status_code, answer.headers["allow"], answer.content) == (200, "PUT", b"")


class Rerouting:
    """Middleware behind the guard that sends an exempt path to a route that is none."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        request.path_info = "/orders"
        return self._get_response(request)


@for_each("is_async", BOTH)
def test_the_route_that_is_found_in_the_end_decides(is_async: bool) -> None:
    place = Place(is_async, routes, middleware=[GUARD, f"{__name__}.Rerouting"])
    refused(place.ask("/news"), 401, "token_missing")
    assert place.ask("/news", token=place.http.registered()).json["user"] == PHONE


@for_each("is_async", BOTH)
def test_an_apps_own_route_that_looks_like_ours_stays_closed(is_async: bool) -> None:
    place = Place(is_async, lambda: [path("api/user/sessions/mine", who), path("api/user/login", who)])
    for path_ in ("/api/user/sessions/mine", "/api/user/login"):
        refused(place.ask(path_, "GET"), 401, "token_missing")


# The decorator, without the middleware.


@for_each("is_async", BOTH)
def test_a_decorated_view_is_guarded_alone(is_async: bool) -> None:
    class Bills(View):  # type: ignore[misc]
        @method_decorator(guarded)  # type: ignore[untyped-decorator]
        def get(self, request: HttpRequest) -> JsonResponse:
            return who(request)

    place = Place(
        is_async,
        lambda: [
            path("orders/<int:number>", guarded(who)),
            path("orders_async/<int:number>", guarded(who_async)),
            path("pay/<int:number>", strictly_guarded(who)),
            path("pay_async/<int:number>", strictly_guarded(who_async)),
            path("bills", method_decorator(guarded, name="dispatch")(Bills).as_view()),
            path("open", who),
        ],
        middleware=[],
    )
    token = place.http.registered()
    for path_ in ("/orders/7", "/orders_async/7", "/pay/7", "/pay_async/7", "/bills"):
        refused(place.ask(path_), 401, "token_missing")
        assert place.ask(path_, token=token).json["user"] == PHONE, path_
        preflight = place.ask(path_, "OPTIONS", **{"Origin": "https://a.b", "Access-Control-Request-Method": "PUT"})
        assert preflight.headers["allow"] == "PUT"
    assert place.ask("/open").json["user"] is None


def passed_on(view: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that changes nothing."""

    @wraps(view)
    def passing(*arguments: Any, **named: Any) -> Any:
        return view(*arguments, **named)

    return passing


@for_each("is_async", BOTH)
def test_a_class_with_asynchronous_methods_is_guarded_whole(is_async: bool) -> None:
    def a_class(*decorators: Any) -> Any:
        class Bills(View):  # type: ignore[misc]
            async def get(self, request: HttpRequest) -> JsonResponse:
                return who(request)

        return method_decorator(list(decorators), name="dispatch")(Bills).as_view()

    codec = Counting()
    place = Place(
        is_async,
        lambda: [
            path("bills", a_class(guarded)),
            path("pay", a_class(strictly_guarded)),
            path("more", a_class(passed_on, guarded, passed_on)),
        ],
        middleware=[],
        codec=codec,
    )
    token = place.http.registered()
    for path_ in ("/bills", "/pay", "/more"):
        refused(place.ask(path_), 401, "token_missing")
        refused(place.ask(path_, token="x"), 401, "token_invalid")
        assert place.ask(path_, token=token).json["user"] == PHONE, path_
        preflight = place.ask(path_, "OPTIONS", **{"Origin": "https://a.b", "Access-Control-Request-Method": "PUT"})
        assert preflight.headers["allow"] == "PUT"
    # Never on the event loop, under WSGI neither, where Django runs one for such a view.
    assert {name.partition("_")[0] for name in codec.threads} == {"menshen"}


@for_each("is_async", BOTH)
def test_behind_the_middleware_a_decorator_judges_again_only_where_it_is_strict(is_async: bool) -> None:
    codec = Counting()
    place = Place(is_async, lambda: [path("orders", guarded(who)), path("pay", strictly_guarded(who))], codec=codec)
    token = place.http.registered()
    assert place.ask("/orders", token=token).json["user"] == PHONE
    assert codec.decoded == 1
    assert place.ask("/pay", token=token).json["user"] == PHONE
    assert codec.decoded == 3


# What does not start.


def test_a_guard_without_accounts_is_an_error_at_the_start() -> None:
    gc.collect()
    Accounts._latest = None
    with patch.object(Accounts, "from_environment", side_effect=SettingInvalid("MENSHEN_X is no setting")):
        for begin in (lambda: GuardMiddleware(who), lambda: guarded(who), lambda: strictly_guarded(who_async)):
            with pytest.raises(ImproperlyConfigured, match="MENSHEN_X is no setting"):
                begin()


@for_each("exempt", ["news", b"news", [1], None])
def test_wrong_exemptions_are_an_error_at_the_start(exempt: Any) -> None:
    with pytest.raises((ImproperlyConfigured, TypeError)):
        Place(False, exempt=exempt)


def test_a_decorated_class_is_an_error_at_the_start() -> None:
    place = Place(False)
    with pytest.raises(ImproperlyConfigured, match="method_decorator"):
        guarded(type(place))


def test_accounts_that_were_opened_before_others_are_not_mounted() -> None:
    place = Place(False)
    Place(False)
    with pytest.raises(ImproperlyConfigured, match="other accounts"), place.project():
        mount(place.app, place.accounts)


def test_routes_that_are_no_list_are_an_error_at_the_start() -> None:
    place = Place(False)
    place.urlconf.urlpatterns = ()  # type: ignore[attr-defined]
    with pytest.raises(ImproperlyConfigured, match="no list"), place.project():
        place.accounts.mount(place.app)


# The account routes.


@for_each("is_async", BOTH)
def test_every_account_route_answers_as_it_does_alone(is_async: bool) -> None:
    place, alone = Place(is_async), serve()
    for route in routes_of(alone):
        if not route.path.startswith("/api/"):
            continue
        for token in (None, "x"):
            theirs = place.ask(route.path, route.method, token, {})
            ours = alone.request(route.method, route.path, {}, **({} if token is None else {"token": token}))
            assert (theirs.status_code, theirs.content) == (ours.status_code, ours.content), route
            assert dict(theirs.headers) == dict(ours.headers), route


@for_each("is_async", BOTH)
def test_one_registers_logs_in_and_is_known(is_async: bool) -> None:
    place = Place(is_async, routes)
    body = {"phone": PHONE, "password": PASSWORD}
    assert place.ask(REGISTER, "POST", body=body).status_code == 200
    token = place.ask(LOGIN, "POST", body=body).json["token"]
    assert place.ask(USER_INFO, token=token).json["data"]["phone"] == PHONE
    assert place.ask("/orders", token=token).json["user"] == PHONE


class Reading:
    """Middleware of the project that reads the body."""

    sync_capable, async_capable = True, False

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        assert request.method != "POST" or request.body
        return self._get_response(request)


@for_each("is_async", BOTH)
def test_middleware_of_the_project_may_read_the_body_first(is_async: bool) -> None:
    place = Place(is_async, middleware=[f"{__name__}.Reading", GUARD])
    assert place.ask(REGISTER, "POST", body={"phone": PHONE, "password": PASSWORD}).status_code == 200


@for_each("is_async", BOTH)
def test_an_account_route_may_set_cookies(is_async: bool) -> None:
    place = Place(is_async)
    place.accounts.wsgi = with_cookies  # type: ignore[assignment]
    answer = place.ask(USER_INFO)
    assert answer.text == "set"
    assert {cookie.name: (cookie.value, cookie.secure) for cookie in answer.cookies.values()} == {
        "__Host-a": ("1", True),
        "__Host-b": ("2", True),
    }
    assert (answer.cookies["__Host-a"].http_only, answer.cookies["__Host-a"].same_site) == (True, "Lax")


@for_each("is_async", BOTH)
def test_unknown_paths_below_ours_are_answered_in_the_envelope(is_async: bool) -> None:
    place = Place(is_async, middleware=[COMMON])
    for path_ in ("/api/user/nothing", "/api/user/", "/api/admin/", "/api/user/login/", "/api/user/é"):
        refused(place.ask(path_), 404, "not_found")
    assert place.ask("/api/users").headers["content-type"].startswith("text/html")


@for_each("is_async", BOTH)
def test_accounts_are_mounted_behind_the_routes_of_the_project(is_async: bool) -> None:
    place = Place(is_async, lambda: [path("api/user/login", who)], mounts=False, middleware=[])
    assert place.ask(USER_INFO).status_code == 404
    with place.project():
        place.accounts.mount(place.app)
    refused(place.ask(USER_INFO), 401, "token_missing")
    assert place.ask("/api/user/login").json == {"user": None}


def test_a_body_that_comes_in_chunks_is_read_under_wsgi() -> None:
    place = Place(False)
    body = json.dumps({"phone": PHONE, "password": PASSWORD}).encode()
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    environ = create_environ(method="POST", path=REGISTER, body=body, headers=headers)
    del environ["CONTENT_LENGTH"]
    environ["wsgi.input_terminated"] = True
    with place.project():
        assert _called(place.app, environ).status_code == 200
