"""The guard: where a token may be, and how it protects the routes of other apps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import falcon
import pytest
from falcon.testing import TestClient

from menshen.domain.errors import StoreUnavailable
from menshen.domain.users import UserId, UserState
from menshen.entrypoints.accounts import Accounts
from menshen.entrypoints.settings import Settings

from .cases import for_each
from .http_service import (
    LOGOUT,
    PHONE,
    SHANGHAI,
    USER_INFO,
    Embedded,
    HttpService,
    Mine,
    call_wsgi,
    envelope,
    failing_sessions,
    granted,
    refused,
    serve,
    sink,
)

App = falcon.App[falcon.Request, falcon.Response]


# Where a token may be.


def test_a_token_is_read_from_its_own_header(http: HttpService) -> None:
    token = http.registered()
    assert http.user_info(token=token).status_code == 200


@for_each("form", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer  {}", "Bearer {} "])
def test_a_token_is_read_from_the_authorization_header(form: str) -> None:
    http = serve()
    token = http.registered()
    assert http.user_info(Authorization=form.format(token)).status_code == 200


@for_each("name", ["token", "access_token", "authorization", "jwt", "Token"])
def test_a_token_is_read_from_nowhere_else(name: str) -> None:
    http = serve()
    token = http.registered()
    client = http.client
    refused(client.simulate_get(USER_INFO, params={name: token}), 401, "token_missing")
    refused(client.simulate_get(USER_INFO, cookies={name: token}), 401, "token_missing")
    refused(client.simulate_post(LOGOUT, json={name: token}), 401, "token_missing")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    refused(client.simulate_post(LOGOUT, body=f"{name}={token}", headers=form), 401, "token_missing")
    refused(client.simulate_get(f"{USER_INFO};{name}={token}"), 404, "not_found")
    assert http.user_info(token).status_code == 200


@for_each("name", ["X-Token", "Access-Token", "X-Access-Token", "Proxy-Authorization", "jwt", "tokens"])
def test_a_token_is_read_from_no_other_header(name: str) -> None:
    http = serve()
    token = http.registered()
    refused(http.user_info(**{name: token}), 401, "token_missing")
    refused(http.user_info(**{name: f"Bearer {token}"}), 401, "token_missing")


@for_each(
    "authorization", ["Basic {}", "Token {}", "JWT {}", "{}", "Bearer:{}", "Bearertoken {}", "Bearer\t{}", "Digest {}"]
)
def test_another_scheme_carries_no_token(authorization: str) -> None:
    http = serve()
    result = http.user_info(Authorization=authorization.format(http.registered()))
    refused(result, 401, "token_missing", "token不存在")
    assert result.headers["www-authenticate"] == "Bearer"


def test_an_empty_header_is_no_token(http: HttpService) -> None:
    refused(http.user_info(""), 401, "token_missing")
    refused(http.user_info(Authorization=""), 401, "token_missing")


@for_each(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer {} {}",
        "Bearer {},Bearer {}",
        "Bearer {}=",
        'Bearer "{}"',
        "Bearer\t{}x ",
    ],
)
def test_a_bearer_that_is_no_token_opens_nothing(authorization: str) -> None:
    http = serve()
    token = http.registered()
    result = http.user_info(Authorization=authorization.format(token, token))
    assert envelope(result)["code"] == 401
    assert envelope(result)["reason"] in {"token_invalid", "token_missing"}


def test_the_same_token_twice_is_one_token(http: HttpService) -> None:
    token = http.registered()
    assert http.user_info(token, Authorization=f"Bearer {token}").status_code == 200


def test_two_tokens_in_one_request_are_refused(http: HttpService) -> None:
    mine, other = http.registered(), http.registered("13900139000")
    for header, bearer in [(mine, other), (other, mine), (mine, "x"), ("x", mine), (mine, "")]:
        result = http.user_info(header, Authorization=f"Bearer {bearer}")
        refused(result, 401, "token_invalid", "token无效")
        assert result.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_another_scheme_beside_the_token_does_not_matter(http: HttpService) -> None:
    assert http.user_info(http.registered(), Authorization="Basic dXNlcjpwYXNz").status_code == 200


def test_a_header_sent_twice_opens_nothing(http: HttpService) -> None:
    token = http.registered()
    result = call_wsgi(http.client.app, PATH_INFO=USER_INFO, HTTP_TOKEN=f"{token},{token}")
    refused(result, 401, "token_invalid")


# The guard in another app.


def guarded_class(accounts: Accounts) -> object:
    @falcon.before(accounts.guard)
    class Guarded(Mine):
        def on_get(self, req: falcon.Request, resp: falcon.Response, **params: str) -> None:
            super().on_get(req, resp, **params)

    return Guarded()


def guarded_post(accounts: Accounts) -> object:
    class Guarded(Mine):
        @falcon.before(accounts.guard)
        def on_post(self, req: falcon.Request, resp: falcon.Response, **params: str) -> None:
            super().on_get(req, resp, **params)

    return Guarded()


def test_a_guarded_class_gets_the_user() -> None:
    embedded = Embedded()
    embedded.app.add_route("/mine/{part}", guarded_class(embedded.accounts))
    refused(embedded.get("/mine/1"), 401, "token_missing", "token不存在")
    refused(embedded.client.simulate_post("/mine/1"), 401, "token_missing")
    assert embedded.get("/mine/1", embedded.registered()).json == {"user": PHONE, "part": "1"}


def test_a_guarded_responder_leaves_the_others_open() -> None:
    embedded = Embedded()
    embedded.app.add_route("/mine", guarded_post(embedded.accounts))
    assert embedded.get("/mine").json == {"user": None}
    refused(embedded.client.simulate_post("/mine"), 401, "token_missing")
    token = embedded.registered()
    assert embedded.client.simulate_post("/mine", headers={"token": token}).json == {"user": PHONE}


def test_the_responder_gets_the_session_as_well() -> None:
    embedded = Embedded()
    seen: list[str] = []

    class Sessions:
        @falcon.before(embedded.accounts.guard)
        def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
            seen.append(req.context.session.id)

    embedded.app.add_route("/sessions", Sessions())
    embedded.get("/sessions", embedded.registered())
    assert seen == list(embedded.http.store.sessions)


def _no_user(http: HttpService) -> None:
    del http.store.users[UserId(1)]


def _no_session(http: HttpService) -> None:
    http.store.sessions.clear()


def _frozen(http: HttpService) -> None:
    http.change_user(state=UserState("冻结"))


def _expired(http: HttpService) -> None:
    http.clock.move(http.settings.access_token_ttl)


def _replaced(http: HttpService) -> None:
    granted(http.login())


def _logged_out(http: HttpService) -> None:
    http.client.simulate_post(LOGOUT, headers={"token": "fake-user-token-1"})


@for_each(
    ("happens", "reason", "msg", "data"),
    [
        (_no_user, "user_not_found", "用户不存在", ""),
        (_no_session, "session_unknown", "token过期", ""),
        (_frozen, "user_not_active", "该用户状态异常,请联系客服", ""),
        (_expired, "token_expired", "token过期", ""),
        (
            _replaced,
            "session_replaced",
            "token过期",
            {"ended_at": "2026-01-01 08:00:00", "by": {"type": "other", "name": None}},
        ),
        (_logged_out, "session_logged_out", "token过期", {"ended_at": "2026-01-01 08:00:00"}),
    ],
)
def test_the_guard_of_an_app_refuses_as_user_info_does(
    happens: Callable[[HttpService], None], reason: str, msg: str, data: object
) -> None:
    embedded = Embedded(settings=Settings(time_zone=SHANGHAI, multi_device_login=False))
    embedded.app.add_route("/mine", guarded_class(embedded.accounts))
    token = embedded.registered()
    assert embedded.get("/mine", token).status_code == 200
    happens(embedded.http)
    theirs, ours = embedded.get("/mine", token), embedded.get(USER_INFO, token)
    refused(theirs, 401, reason, msg, data)
    assert theirs.content == ours.content
    assert theirs.headers == ours.headers
    assert theirs.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_the_guard_speaks_the_callers_language() -> None:
    embedded = Embedded()
    embedded.app.add_route("/mine", guarded_class(embedded.accounts))
    result = embedded.client.simulate_get("/mine", headers={"Accept-Language": "en"})
    refused(result, 401, "token_missing", "There is no token.")


def test_the_guard_lets_nobody_in_when_the_store_is_gone() -> None:
    broken = serve(others=failing_sessions(StoreUnavailable("gone", retry_after=2)))
    accounts = Accounts(broken.service, broken.settings)
    app: App = falcon.App(middleware=[accounts.default_deny()])
    app.add_route("/mine", Mine())
    claims_of = serve()
    claims_of.registered()
    broken.service.authenticate.codec.issued.update(  # type: ignore[attr-defined]
        claims_of.service.authenticate.codec.issued  # type: ignore[attr-defined]
    )
    result = TestClient(app).simulate_get("/mine", headers={"token": "fake-user-token-1"})
    refused(result, 503, "store_unavailable")
    assert result.headers["retry-after"] == "2"


def test_the_tutorials_200_binds_the_account_routes_alone() -> None:
    embedded = Embedded(settings=Settings(time_zone=SHANGHAI, always_http_200=True), default_deny=True)
    embedded.app.add_route("/mine", Mine())
    refused(embedded.get("/mine"), 401, "token_missing")
    ours = embedded.get(USER_INFO)
    assert (ours.status_code, envelope(ours)["code"]) == (200, 401)


def test_no_error_handler_of_the_app_changes_a_refusal() -> None:
    embedded = Embedded(default_deny=True)

    def mine(req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
        resp.status = falcon.HTTP_418
        resp.media = {"mine": True}

    embedded.app.add_error_handler(Exception, mine)
    embedded.app.add_error_handler(falcon.HTTPError, mine)
    embedded.app.set_error_serializer(lambda req, resp, error: None)
    embedded.app.add_route("/mine", Mine())
    refused(embedded.get("/mine"), 401, "token_missing")
    refused(embedded.get("/mine", "x"), 401, "token_invalid")


# Default deny.


def test_every_route_is_closed_until_a_token_comes() -> None:
    embedded = Embedded(default_deny=True)
    embedded.app.add_route("/mine", Mine())
    embedded.app.add_route("/mine/{part}", Mine())
    token = embedded.registered()
    for path in ("/mine", "/mine/1"):
        refused(embedded.get(path), 401, "token_missing")
        refused(embedded.get(path, "x"), 401, "token_invalid")
        assert embedded.get(path, token).json["user"] == PHONE


@pytest.fixture
def closed() -> Embedded:
    """An app with a route, a sink and a route that is open."""
    embedded = Embedded(default_deny=True, exempt=["/open"])
    embedded.app.add_route("/mine", Mine())
    embedded.app.add_route("/open", Mine())
    embedded.app.add_sink(sink, "/sink/")
    return embedded


@for_each("method", ["HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
@for_each("path", ["/mine", "/nothing", "/sink/x"])
def test_every_method_is_closed(closed: Embedded, method: str, path: str) -> None:
    result = call_wsgi(closed.app, REQUEST_METHOD=method, PATH_INFO=path)
    assert result.status_code == 401
    assert result.headers["www-authenticate"] == "Bearer"
    assert "allow" not in result.headers


@for_each(
    "path",
    [
        "/",
        "",
        "//",
        "/mine/",
        "/MINE",
        "/mine\n",
        "/nothing",
        "/open/",
        "/open/x",
        "/open\n",
        "//mine",
        "/OPEN",
        "/open;x",
        "/api",
        "/api/user\n",
        "/api/user/",
        "/api/user/nothing",
        "/api/user2/x",
        "/api/user/token",
        "/api/user/token/refresh/",
        "/api/user/sessions/x/y",
        "/api/users",
        "/api/admin",
        "/api/admin/",
        "/api/admins/users",
        "/api/admin/users/",
        "/api/admin/users/one",
        "/api/admin/users/1/nothing",
        "/x/api/user/login",
        "/API/user/login",
        "//api/user/login",
        "/\xe9\xff",
    ],
)
def test_paths_that_are_not_there_are_closed_as_well(closed: Embedded, path: str) -> None:
    refused(call_wsgi(closed.app, PATH_INFO=path), 401, "token_missing")


def test_with_a_token_the_apps_own_404_and_405_are_seen() -> None:
    embedded = Embedded(default_deny=True)
    embedded.app.add_route("/mine", Mine())
    token = embedded.registered()
    missing = embedded.get("/nothing", token)
    assert (missing.status_code, missing.json) == (404, {"title": "404 Not Found"})
    wrong = embedded.client.simulate_delete("/mine", headers={"token": token})
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")


def test_exempt_routes_are_open() -> None:
    embedded = Embedded(default_deny=True, exempt=["/open", "/open/{part}", "/files/{rest:path}", "/no/{number:int}"])
    for template in ("/open", "/open/{part}", "/files/{rest:path}", "/no/{number:int}", "/mine/{part}"):
        embedded.app.add_route(template, Mine())
    assert embedded.get("/open").json == {"user": None}
    assert embedded.get("/open/1").json == {"user": None, "part": "1"}
    assert embedded.get("/files/a/b/c").json == {"user": None, "rest": "a/b/c"}
    assert embedded.get("/no/7").json == {"user": None, "number": 7}
    assert embedded.client.simulate_post("/open").status_code == 200
    for path in ("/mine/1", "/open/1/2", "/no/seven"):
        refused(embedded.get(path), 401, "token_missing")


def test_an_exempt_route_ignores_a_token() -> None:
    embedded = Embedded(default_deny=True, exempt=["/open"])
    embedded.app.add_route("/open", Mine())
    assert embedded.get("/open", "x").json == {"user": None}


def test_a_protected_route_that_fits_an_exempt_template_stays_closed() -> None:
    embedded = Embedded(default_deny=True, exempt=["/files/{name}", "/all/{rest:path}"])
    for template in ("/files/{name}", "/files/secret", "/all/{rest:path}", "/all/secret/{name}"):
        embedded.app.add_route(template, Mine())
    assert embedded.get("/files/a").status_code == 200
    assert embedded.get("/all/a/b").status_code == 200
    for path in ("/files/secret", "/all/secret/a"):
        for method in ("GET", "POST", "OPTIONS", "DELETE"):
            refused(call_wsgi(embedded.app, REQUEST_METHOD=method, PATH_INFO=path), 401, "token_missing")
    assert embedded.get("/files/secret", embedded.registered()).json == {"user": PHONE}


def test_sinks_and_static_files_are_closed(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("mine")
    (tmp_path / "open.txt").write_text("anybody's")
    embedded = Embedded(default_deny=True, exempt=["/static/open.txt", "/sink/open"])
    embedded.app.add_static_route("/static", tmp_path)
    embedded.app.add_sink(sink, "/sink")
    token = embedded.registered()
    for path in ("/static/file.txt", "/static/nothing.txt", "/sink", "/sink/x", "/static/../static/file.txt"):
        refused(embedded.get(path), 401, "token_missing")
    assert embedded.get("/static/file.txt", token).text == "mine"
    assert embedded.get("/sink/x", token).json == {"sink": "/sink/x"}
    assert embedded.get("/static/open.txt").text == "anybody's"
    assert embedded.get("/sink/open").json == {"sink": "/sink/open"}


def test_an_apps_own_route_below_the_account_paths_is_closed_by_default() -> None:
    embedded = Embedded(default_deny=True, exempt=["/api/user/open"])
    embedded.app.add_route("/api/user/mine", Mine())
    embedded.app.add_route("/api/user/{part}/mine", Mine())
    embedded.app.add_route("/api/user/open", Mine())
    token = embedded.registered()
    for path in ("/api/user/mine", "/api/user/1/mine"):
        refused(embedded.get(path), 401, "token_missing")
        refused(embedded.client.simulate_post(path), 401, "token_missing")
        refused(embedded.client.simulate_delete(path), 401, "token_missing")
        assert embedded.get(path, token).json["user"] == PHONE
    assert embedded.get("/api/user/open").json == {"user": None}


def test_a_guarded_route_in_a_closed_app_is_asked_for_one_token() -> None:
    embedded = Embedded(default_deny=True)
    embedded.app.add_route("/mine", guarded_class(embedded.accounts))
    refused(embedded.get("/mine"), 401, "token_missing")
    assert embedded.get("/mine", embedded.registered()).json == {"user": PHONE}


@for_each("path", ["/files/../x", "/files/..;/x", "//files/x", "/files/a//b", "/shops/"])
def test_a_second_spelling_of_an_exempt_path_reaches_no_sink(path: str) -> None:
    embedded = Embedded(default_deny=True, exempt=["/files/{name:path}", "/shops/{shop}"])
    embedded.app.add_sink(sink, "/")
    refused(embedded.get(path), 401, "token_missing")
    assert embedded.get("/files/x").json == {"sink": "/files/x"}
