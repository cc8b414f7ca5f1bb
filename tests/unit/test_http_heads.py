"""Checks of the head of a request; HEAD; and browser apps on other origins."""

import falcon
import pytest
from attrs import evolve
from falcon.testing import Result

from menshen.domain.errors import StoreUnavailable
from menshen.entrypoints.settings import Settings

from .cases import for_each
from .http_service import (
    ADMIN_LOGIN,
    ADMIN_USERS,
    LOGIN,
    PHONE,
    SESSIONS,
    USER_INFO,
    Embedded,
    HttpService,
    Mine,
    call_wsgi,
    envelope,
    granted,
    refused,
    serve,
)

APP = "https://app.example.com"


# One spelling of a path.

SPELLINGS = [
    "//api/admin/login",
    "///api/admin/login",
    "/api//admin/login",
    "/api/admin//login",
    "/api/admin/login/",
    "/api%2fadmin/login",
    "/api/%61dmin/login",
    "/%61pi/admin/login",
    "/api/admin/logi%6e",
    "/api/./admin/login",
    "/./api/admin/login",
    "/api/user/../admin/login",
    "/api/%2e%2e/api/admin/login",
    "/api/admin;x=y/login",
    "/api\\admin/login",
    "/api/admin/login%00",
    "/API/admin/login",
]


@pytest.fixture
def alone_and_embedded() -> tuple[HttpService, Embedded]:
    return serve(), Embedded()


@for_each("target", SPELLINGS)
@for_each("name", ["RAW_URI", "REQUEST_URI"])
def test_a_path_in_another_spelling_is_not_there(
    alone_and_embedded: tuple[HttpService, Embedded], target: str, name: str
) -> None:
    """A proxy that denies /api/admin by its prefix could be bypassed, alone and in another app."""
    decoded = falcon.uri.decode(target, unquote_plus=False)
    for there in alone_and_embedded:
        result = call_wsgi(there.client.app, REQUEST_METHOD="POST", PATH_INFO=decoded, **{name: f"{target}?x=//y%61"})
        assert result.status_code == 404, result.text


@for_each("target", ["//api/admin/login", "/api//admin/login", "/api/user/../admin/login"])
def test_where_the_server_does_not_tell_what_was_sent_the_path_itself_is_plain(target: str) -> None:
    http = serve()
    assert call_wsgi(http.client.app, REQUEST_METHOD="POST", PATH_INFO=target).status_code == 404


@for_each("target", [ADMIN_LOGIN, f"{ADMIN_LOGIN}?a=%61//b", f"http://h.example:80{ADMIN_LOGIN}?x", f"{ADMIN_LOGIN}#x"])
def test_the_one_spelling_is_the_route(target: str) -> None:
    http = serve()
    refused(
        call_wsgi(http.client.app, REQUEST_METHOD="POST", PATH_INFO=ADMIN_LOGIN, RAW_URI=target), 400, "member_missing"
    )


@for_each(
    ("prefix", "target", "is_there"),
    [
        ("/accounts", f"/accounts{ADMIN_LOGIN}", True),
        # Behind a proxy that removes the prefix, or sends it in a header.
        ("/accounts", ADMIN_LOGIN, True),
        ("/a b", f"/a%20b{ADMIN_LOGIN}", True),
        ("/accounts", f"/%61ccounts{ADMIN_LOGIN}", False),
        ("/accounts", f"//accounts{ADMIN_LOGIN}", False),
        ("/accounts", f"/other{ADMIN_LOGIN}", False),
    ],
)
def test_below_a_prefix_it_is_the_same(prefix: str, target: str, is_there: bool) -> None:
    http = serve()
    result = call_wsgi(
        http.client.app, REQUEST_METHOD="POST", SCRIPT_NAME=prefix, PATH_INFO=ADMIN_LOGIN, RAW_URI=target
    )
    assert result.status_code == (400 if is_there else 404)


# Host, and how much there may be.


@for_each("host", [None, "", "a,b", "a, a", "a b", "a/b", "user@a", "a\\b", "a?b"])
def test_a_request_has_one_host(host: str | None) -> None:
    http = serve()
    refused(call_wsgi(http.client.app, PATH_INFO=USER_INFO, HTTP_HOST=host), 400, "host_invalid")


@for_each("host", ["a", "a:80", "[::1]:80", "例子.example".encode().decode("latin-1")])
def test_which_host_it_is_does_not_matter(host: str) -> None:
    http = serve()
    refused(call_wsgi(http.client.app, PATH_INFO=USER_INFO, HTTP_HOST=host), 401, "token_missing")


def test_http_1_0_needs_no_host(http: HttpService) -> None:
    result = call_wsgi(http.client.app, PATH_INFO=USER_INFO, HTTP_HOST=None, SERVER_PROTOCOL="HTTP/1.0")
    refused(result, 401, "token_missing")


def test_too_long_a_target_and_too_large_a_head_are_told(http: HttpService) -> None:
    query = "a" * (16 * 1024 - len(USER_INFO))
    refused(call_wsgi(http.client.app, PATH_INFO=USER_INFO, QUERY_STRING=query), 401, "token_missing")
    refused(call_wsgi(http.client.app, PATH_INFO=USER_INFO, QUERY_STRING=query + "a"), 414, "target_too_long")
    refused(call_wsgi(http.client.app, PATH_INFO=USER_INFO, HTTP_X_A="a" * 40_000), 401, "token_missing")
    refused(call_wsgi(http.client.app, PATH_INFO=USER_INFO, HTTP_X_A="a" * 49_152), 431, "head_too_large")


# HEAD.


def pair(http: HttpService, path: str, **headers: str) -> tuple[Result, Result]:
    return http.request("GET", path, **headers), http.request("HEAD", path, **headers)


def test_head_is_get_without_a_body(http: HttpService) -> None:
    token, admin = http.registered(), http.admin()
    for path, by, status in (
        ("/healthz", "", 200),
        ("/readyz", "", 200),
        (USER_INFO, token, 200),
        (USER_INFO, "x", 401),
        (USER_INFO, "", 401),
        (SESSIONS, token, 200),
        (ADMIN_USERS, token, 401),
        (f"{ADMIN_USERS}/99", admin, 404),
        (f"{ADMIN_USERS}/1", admin, 200),
        ("/nothing", "", 404),
    ):
        get, head = pair(http, path, **({"token": by} if by else {}))
        assert (head.status_code, head.content) == (status, b"")
        assert head.headers == get.headers
        assert int(head.headers["content-length"]) == len(get.content) > 0
    assert http.request("HEAD", LOGIN).status_code == 405


def test_head_tells_that_the_store_is_gone() -> None:
    def gone() -> None:
        raise StoreUnavailable("gone", retry_after=7)

    head = serve(ping=gone).request("HEAD", "/readyz")
    assert (head.status_code, head.headers["retry-after"], head.content) == (503, "7", b"")


@for_each("default_deny", [False, True])
def test_head_in_somebodys_app(default_deny: bool) -> None:
    """With default deny, or with the middleware alone: ours and theirs, guarded as GET is."""
    embedded = Embedded(default_deny=default_deny)
    if not default_deny:
        embedded.app.add_middleware(embedded.accounts.head_as_get)

    @falcon.before(embedded.accounts.guard)
    class Guarded(Mine):
        """A separate class: the decorator changes the one that it gets."""

    embedded.app.add_route("/mine", Guarded())
    token = embedded.registered()
    for path, by, status in (
        ("/mine", token, 200),
        ("/mine", "x", 401),
        (USER_INFO, token, 200),
        (USER_INFO, "x", 401),
    ):
        get, head = (embedded.request(method, path, token=by) for method in ("GET", "HEAD"))
        assert (head.status_code, head.content) == (status, b"")
        assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


# Browser apps on other origins.


@pytest.fixture
def cross() -> HttpService:
    return serve(Settings(cors_origins=(APP, "http://localhost:5173")))


def preflight(origin: str = APP, method: str = "POST") -> dict[str, str]:
    return {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "token"}


def allowed(result: Result) -> str | None:
    assert "access-control-allow-credentials" not in result.headers
    found: str | None = result.headers.get("access-control-allow-origin")
    return found


def test_a_preflight_says_what_may_be_asked(cross: HttpService) -> None:
    for path, methods in ((LOGIN, {"POST"}), (SESSIONS, {"GET", "HEAD", "DELETE"})):
        result = cross.request("OPTIONS", path, **preflight())
        assert envelope(result)["code"] == 200
        assert allowed(result) == APP
        assert set(result.headers["access-control-allow-methods"].split(", ")) == methods
        assert {"token", "authorization", "content-type"} <= set(
            result.headers["access-control-allow-headers"].split(", ")
        )
        assert result.headers["access-control-max-age"] == "600"
        assert "Origin" in result.headers["vary"]


def test_every_answer_can_be_read_by_the_listed_origins_alone(cross: HttpService) -> None:
    token = cross.registered()
    for origin, expected in (
        (APP, APP),
        ("http://localhost:5173", "http://localhost:5173"),
        ("https://app.example.com.evil.example", None),
        ("https://APP.example.com", None),
        ("http://app.example.com", None),
        ("null", None),
        ("*", None),
        ("", None),
    ):
        for path, headers in (
            (USER_INFO, {"token": token}),
            (USER_INFO, {}),
            ("/nothing", {}),
            (LOGIN, {}),
            ("//", {}),
        ):
            result = cross.request("GET", path, Origin=origin, **headers)
            assert allowed(result) == expected
            assert result.headers["vary"] == "Origin"
        result = cross.request("OPTIONS", LOGIN, **preflight(origin))
        assert allowed(result) == expected
        assert ("access-control-allow-methods" in result.headers) == (expected is not None)


def test_without_the_setting_nobody_is_let_in(http: HttpService) -> None:
    for method in ("OPTIONS", "GET"):
        result = http.request(method, USER_INFO, **preflight())
        assert not [name for name in result.headers if name.startswith("access-control") or name == "vary"]


class Answering(Mine):
    """A resource that answers preflights in its own way."""

    def on_options(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_header("X-Preflight", "mine")


@for_each("path", ["/mine", "/files/x", "/nothing"])
def test_the_guard_never_answers_a_preflight_401(path: str) -> None:
    """With default deny and Falcon's own CORS; nothing that is guarded is reached by it."""
    embedded = Embedded(default_deny=True, cors_enable=True)
    reached: list[str] = []
    embedded.app.add_route("/mine", Mine())
    embedded.app.add_sink(lambda req, resp, **_: reached.append(req.path), prefix="/files")
    result = embedded.request("OPTIONS", path, **preflight(method="PUT"))
    assert (result.status_code, result.headers["access-control-allow-methods"]) == (200, "PUT")
    assert not reached
    for method in ("PUT", "GET", "OPTIONS"):
        assert embedded.request(method, path, Origin=APP).status_code == 401
    assert not reached


def test_a_preflight_reaches_a_responder_of_the_apps_own() -> None:
    embedded = Embedded()
    embedded.app.add_route("/mine", falcon.before(embedded.accounts.guard)(Answering)())
    assert embedded.request("OPTIONS", "/mine", **preflight()).headers["x-preflight"] == "mine"
    for lacking in preflight():
        if lacking != "Access-Control-Request-Headers":
            headers = {name: value for name, value in preflight().items() if name != lacking}
            assert embedded.request("OPTIONS", "/mine", **headers).status_code == 401


def test_the_account_routes_of_an_app_have_their_origins_too() -> None:
    embedded = Embedded(settings=evolve(Settings(), cors_origins=(APP,)), default_deny=True)
    assert allowed(embedded.request("OPTIONS", LOGIN, **preflight())) == APP
    result = embedded.request("POST", LOGIN, {"phone": PHONE, "password": "x"}, Origin=APP)
    assert (result.status_code, allowed(result)) == (403, APP)
    assert granted(embedded.post("/api/user/register", {"phone": PHONE, "password": "a good one"}))
