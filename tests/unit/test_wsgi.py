"""The guard before any WSGI application."""

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

import pytest
from attrs import define, field
from falcon.testing import Result, create_environ

from menshen.domain.presences import Principal
from menshen.entrypoints.accounts import Accounts
from menshen.entrypoints.exemptions import Exemptions
from menshen.entrypoints.wsgi import PRINCIPAL, Guarded

from .cases import for_each
from .http_service import PHONE, REGISTER, USER_INFO, HttpService, envelope, granted, refused, routes_of, serve

EXEMPT = ["/news", "/news/{number:int}", "/files/{name:path}"]


@define
class App:
    """An application that notes what comes to it."""

    seen: list[dict[str, Any]] = field(factory=list)
    closed: int = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.seen.append(environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return self.stream()

    def stream(self) -> Iterator[bytes]:
        try:
            yield b"one"
            yield b"two"
        finally:
            self.closed += 1


class Place:
    """That application behind a guard."""

    def __init__(self, *, is_bare: bool = False, exempt: Iterable[str] = EXEMPT) -> None:
        self.http: HttpService = serve()
        self.accounts = Accounts(self.http.service, self.http.settings)
        self.app = App()
        self.guarded = Guarded(self.app, self.accounts.judge if is_bare else self.accounts, exempt)

    def ask(self, path: str, method: str = "GET", token: str | None = None, **headers: str) -> Result:
        headers |= {} if token is None else {"token": token}
        return call(self.guarded, create_environ(method=method, path=path, headers=headers))


def call(app: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> Result:
    heads: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[..., Any]:
        heads.append((status, headers))
        return heads.append

    return Result(list(app(environ, start_response)), *heads[-1])


def test_a_request_with_a_token_comes_through_with_its_principal() -> None:
    place = Place()
    assert place.ask("/orders", token=place.http.registered()).text == "onetwo"
    found = place.app.seen[0][PRINCIPAL]
    assert isinstance(found, Principal)
    assert found.user.phone is not None
    assert found.user.phone.digits == PHONE


@for_each(
    "path", ["/orders", "/", "", "/news/", "/news/x", "/newsx", "/NEWS", "/static/a", "/api/user/nothing", "/nothing"]
)
def test_everything_that_is_not_exempt_is_refused(path: str) -> None:
    place = Place()
    for method in ("GET", "POST", "DELETE", "OPTIONS", "PROPFIND"):
        refused(place.ask(path, method), 401, "token_missing")
    assert place.ask(path).headers["www-authenticate"] == "Bearer"
    assert place.app.seen == []


@for_each("path", ["/news", "/news/1", "/files/a", "/files/a/b.txt", "/files/é"])
def test_what_is_exempt_needs_no_token(path: str) -> None:
    place = Place()
    for method in ("GET", "POST", "OPTIONS"):
        assert place.ask(path, method, token="x").text == "onetwo"
    assert [PRINCIPAL in environ for environ in place.app.seen] == [False] * 3


@for_each(
    "path", ["//news", "/files/../orders", "/files/./a", "/files/a//b", "/files/a/..", "/files/a;b", "/files/a\\..\\b"]
)
def test_a_second_spelling_is_exempt_from_nothing(path: str) -> None:
    place = Place()
    environ = create_environ(path="/news")
    environ["PATH_INFO"] = path
    refused(call(place.guarded, environ), 401, "token_missing")
    assert place.app.seen == []


def test_a_principal_that_somebody_else_put_there_is_none() -> None:
    place = Place()
    call(place.guarded, {**create_environ(path="/news"), PRINCIPAL: "me"})
    assert PRINCIPAL not in place.app.seen[0]


def test_what_the_app_answers_is_returned_as_it_is() -> None:
    place, made = Place(), [b"one"]
    place.guarded._app = lambda environ, start_response: made
    assert place.guarded(create_environ(path="/news"), lambda *_: lambda _: None) is made


def test_it_keeps_to_pep_3333() -> None:
    """As wsgiref checks it, on both sides."""
    place = Place()
    place.guarded._app = validator(place.app)
    checked: Any = validator(place.guarded)
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    asked = [
        ("GET", {}),
        ("HEAD", {}),
        ("POST", {}),
        ("OPTIONS", preflight),
        ("GET", {"token": place.http.registered()}),
    ]
    for method, headers in asked:
        for path in ("/orders", "/news", USER_INFO):
            environ = create_environ(method=method, path=path, headers=headers)
            environ["wsgi.errors"] = io.StringIO()
            answer = checked(environ, lambda *_: lambda _: None)
            assert all(isinstance(part, bytes) for part in answer)
            answer.close()


def test_an_answer_is_streamed_and_closed() -> None:
    place = Place()
    answer: Any = place.guarded(
        create_environ(path="/orders", headers={"token": place.http.registered()}),
        lambda *_: lambda _: None,
    )
    assert next(answer) == b"one"
    answer.close()
    assert place.app.closed == 1


def test_a_refusal_is_the_apis_own_to_the_byte() -> None:
    place = Place()
    for headers in ({}, {"token": "x"}, {"Accept-Language": "en"}, {"token": "a", "Authorization": "Bearer b"}):
        ours, theirs = place.ask("/orders", **headers), place.http.user_info(**headers)
        assert (ours.status, ours.content, ours.headers) == (theirs.status, theirs.content, theirs.headers)
        assert ours.headers["content-length"] == str(len(ours.content))


def test_two_tokens_joined_by_the_server_are_none() -> None:
    place = Place()
    token = place.http.registered()
    refused(place.ask("/orders", token=f"{token},{token}"), 401, "token_invalid")


def test_a_refused_head_has_the_length_of_the_body_and_none() -> None:
    place = Place()
    whole, head = place.ask("/orders"), place.ask("/orders", "HEAD")
    assert (head.status, head.content) == (whole.status, b"")
    assert head.headers == whole.headers


def test_a_preflight_is_answered_and_reaches_nothing_that_is_guarded() -> None:
    place = Place()
    for method, allow in (("PUT", "PUT"), ("NONSENSE", "GET")):
        headers = {"Origin": "https://a.example", "Access-Control-Request-Method": method}
        answer = place.ask("/orders", "OPTIONS", **headers)
        assert (answer.status_code, answer.headers["allow"], answer.content) == (200, allow, b"")
    refused(place.ask("/orders", "OPTIONS", Origin="https://a.example"), 401, "token_missing")
    assert place.app.seen == []
    headers = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    assert place.ask("/news", "OPTIONS", **headers).text == "onetwo"


def test_the_account_routes_are_answered_by_the_account_api() -> None:
    place = Place()
    body = b'{"phone": "13800138000", "password": "a good password"}'
    environ = create_environ(method="POST", path=REGISTER, body=body, headers={"Content-Type": "application/json"})
    token = granted(call(place.guarded, environ))
    assert envelope(place.ask(USER_INFO, token=token))["data"]["phone"] == PHONE
    for route in routes_of(place.http):
        if route.path.startswith("/api/"):
            place.ask(route.path, route.method)
    assert place.app.seen == []


def test_a_judge_alone_opens_no_account_route() -> None:
    place = Place(is_bare=True)
    for route in routes_of(place.http):
        refused(place.ask(route.path, route.method), 401, "token_missing")
    assert place.app.seen == []


def test_a_fault_of_the_guard_opens_nothing() -> None:
    place = Place()

    def broken(*_: object) -> Any:
        raise KeyError("x")

    place.guarded._judge = broken  # type: ignore[assignment]
    with pytest.raises(KeyError):
        place.ask("/orders")
    assert place.app.seen == []


def test_the_body_is_left_to_the_app() -> None:
    place = Place()
    environ = create_environ(method="POST", path="/orders", headers={"token": place.http.registered()})
    environ["wsgi.input"] = io.BytesIO(b"mine")
    call(place.guarded, environ)
    assert place.app.seen[0]["wsgi.input"].read() == b"mine"


@for_each(
    ("exempt", "error"),
    [("/news", TypeError), (b"/news", TypeError), ([1], TypeError), (["news"], ValueError), (["/{a}/{a}"], ValueError)],
)
def test_wrong_templates_are_an_error_at_the_start(exempt: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Exemptions(exempt)


def test_what_is_no_app_or_has_no_accounts_is_an_error_at_the_start() -> None:
    http = serve()
    accounts = Accounts(http.service, http.settings)
    with pytest.raises(TypeError, match="no WSGI application"):
        Guarded(None, accounts)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="neither accounts nor a judge"):
        Guarded(App(), None)  # type: ignore[arg-type]
