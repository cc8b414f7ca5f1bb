"""The account and admin routes in another app, with and without default deny."""

from typing import Any

import falcon
from falcon.testing import TestClient

from menshen.domain.actors import Actor
from menshen.entrypoints.accounts import Accounts

from .cases import for_each
from .http_service import (
    ACCOUNT,
    ADMIN_LOGIN,
    ADMIN_USERS,
    LOGIN,
    LOGOUT,
    PASSWORD,
    PHONE,
    PROFILE,
    REGISTER,
    SESSIONS,
    USER_INFO,
    Embedded,
    Mine,
    call_wsgi,
    done,
    envelope,
    granted,
    refused,
    routes_of,
    serve,
    session_of,
    sink,
)

ROUTES = routes_of(serve())


@for_each("default_deny", [False, True])
def test_the_account_routes_work_in_an_app_as_they_do_alone(default_deny: bool) -> None:
    embedded = Embedded(default_deny=default_deny)
    token = embedded.registered()
    assert envelope(embedded.get(USER_INFO, token))["data"]["phone"] == PHONE
    again = granted(embedded.post(LOGIN, {"phone": PHONE, "password": PASSWORD}))
    answer = embedded.client.simulate_post(LOGOUT, headers={"token": token})
    assert envelope(answer)["code"] == 200
    refused(embedded.get(USER_INFO, token), 401, "session_logged_out", data={"ended_at": "2026-01-01 08:00:00"})
    assert embedded.get(USER_INFO, again).status_code == 200


@for_each("default_deny", [False, True])
def test_the_account_routes_keep_their_envelope_in_an_app(default_deny: bool) -> None:
    embedded = Embedded(default_deny=default_deny)
    wrong = embedded.get(LOGIN)
    refused(wrong, 405, "method_not_allowed")
    assert "POST" in wrong.headers["allow"]
    for path in ("/api/user/", "/api/user/nothing", "/api/user/login/", "/api/user/login/x"):
        if default_deny:
            refused(embedded.get(path), 401, "token_missing")
        else:
            refused(embedded.get(path), 404, "not_found")
    refused(embedded.post(LOGIN, []), 400, "body_invalid")
    refused(embedded.client.simulate_post(LOGIN, body="x", content_type="text/plain"), 415, "media_type_unsupported")
    refused(embedded.post(LOGIN, {"x": "x" * 20_000}), 413, "body_too_large")
    refused(embedded.get(USER_INFO), 401, "token_missing")
    assert embedded.get(USER_INFO).headers["www-authenticate"] == "Bearer"
    options = embedded.client.simulate_options(LOGIN)
    assert (envelope(options)["code"], options.headers["allow"]) == (200, "POST")


def test_an_account_answer_is_the_same_in_an_app_and_alone() -> None:
    embedded, alone = Embedded(), serve()
    bodies: list[object] = [
        {"phone": PHONE, "password": PASSWORD},
        {"phone": PHONE, "password": PASSWORD},
        {"phone": "1"},
        [],
        1,
    ]
    for body in bodies:
        theirs, ours = embedded.post(REGISTER, body), alone.post(REGISTER, body)
        assert theirs.content == ours.content
        assert theirs.status == ours.status
        assert theirs.headers == ours.headers


class Stamp:
    """Middleware of the embedding app."""

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        resp.set_header("X-Stamp", "mine")


def test_the_apps_own_errors_and_middleware_stay_its_own() -> None:
    embedded = Embedded(middleware=[Stamp()])

    def mine(req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
        resp.status = falcon.HTTP_418
        resp.media = {"mine": str(error)}

    class Broken:
        def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
            raise KeyError("x")

    embedded.app.add_error_handler(KeyError, mine)
    embedded.app.add_route("/broken", Broken())
    embedded.app.add_route("/mine", Mine())
    broken = embedded.get("/broken")
    assert (broken.status_code, broken.json) == (418, {"mine": "'x'"})
    missing = embedded.get("/nothing")
    assert (missing.status_code, missing.json) == (404, {"title": "404 Not Found"})
    for result in (broken, missing, embedded.get("/mine"), embedded.get(LOGIN), embedded.get(USER_INFO)):
        assert result.headers["x-stamp"] == "mine"
    # And below ours, ours.
    refused(embedded.get("/api/user/nothing"), 404, "not_found")


def test_an_app_that_handles_every_error_leaves_the_account_routes_alone() -> None:
    embedded = Embedded()

    def mine(req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
        resp.status = falcon.HTTP_418

    embedded.app.add_error_handler(Exception, mine)
    embedded.app.add_error_handler(falcon.HTTPError, mine)
    refused(embedded.get("/api/user/nothing"), 404, "not_found")
    refused(embedded.get(LOGIN), 405, "method_not_allowed")
    refused(embedded.post(LOGIN, 1), 400, "body_invalid")
    assert embedded.get("/nothing").status_code == 418


def test_an_app_may_put_its_own_routes_before_ours() -> None:
    embedded = Embedded()
    embedded.app.add_route(LOGIN, Mine())
    assert embedded.post(LOGIN, {}).json == {"user": None}
    assert embedded.registered()


def test_the_account_api_is_an_application_of_its_own() -> None:
    http = serve()
    accounts = Accounts(http.service, http.settings)
    client = TestClient(accounts.wsgi)
    assert granted(client.simulate_post(REGISTER, json={"phone": PHONE, "password": PASSWORD}))
    refused(client.simulate_get("/nothing"), 404, "not_found")


def test_the_account_api_may_stand_below_a_prefix() -> None:
    """WSGI says it by SCRIPT_NAME (PEP 3333)."""
    http = serve()
    result = call_wsgi(http.client.app, SCRIPT_NAME="/accounts", PATH_INFO=USER_INFO)
    refused(result, 401, "token_missing")


# All of them, those with parameters in the path as well.


class Both:
    """The routes in an app and alone, with the same users and admins."""

    def __init__(self, default_deny: bool) -> None:
        self.embedded, self.alone = Embedded(default_deny=default_deny), serve()
        self.admins = [self.embedded.http.admin(), self.alone.admin()]
        self.users = [self.embedded.http.registered(), self.alone.registered()]
        self._before = self._state()

    def is_untouched(self) -> bool:
        return self._state() == self._before

    def _state(self) -> list[dict[Any, Any]]:
        stores = (self.embedded.http.store, self.alone.store)
        return [dict(rows) for store in stores for rows in (store.users, store.sessions)]


@for_each("default_deny", [False, True])
def test_every_account_route_is_reached_in_an_app(default_deny: bool) -> None:
    both = Both(default_deny)
    for route in ROUTES:
        both = both if both.is_untouched() else Both(default_deny)
        for tokens in ([None, None], ["x", "x"], both.users, both.admins):
            theirs_by, ours_by = ({} if token is None else {"token": token} for token in tokens)
            theirs = both.embedded.request(route.method, route.path, {}, **theirs_by)
            ours = both.alone.request(route.method, route.path, {}, **ours_by)
            assert theirs.content == ours.content, route
            assert theirs.status == ours.status, route
            assert theirs.headers == ours.headers, route


def test_nothing_is_open_before_it_is_mounted() -> None:
    embedded = Embedded(default_deny=True, mount=False)
    token = embedded.http.registered()
    for route in ROUTES:
        closed = [embedded.request(method, route.path) for method in (route.method, "OPTIONS")]
        assert [answer.json["reason"] for answer in closed] == ["token_missing"] * 2, route
        assert [answer.status_code for answer in closed] == [401] * 2, route
        assert embedded.request(route.method, route.path, token=token).status_code == 404, route


@for_each("default_deny", [False, True])
def test_the_users_routes_do_their_work_in_an_app(default_deny: bool) -> None:
    embedded = Embedded(default_deny=default_deny)
    token = embedded.registered()
    other = session_of(embedded.post(LOGIN, {"phone": PHONE, "password": PASSWORD}))
    assert len(done(embedded.get(SESSIONS, token))["sessions"]) == 2
    done(embedded.request("DELETE", f"{SESSIONS}/{other}", token=token))
    assert (
        embedded.request("PATCH", PROFILE, {"user_name": "a name"}, token=token).json["data"]["user_name"] == "a name"
    )
    assert done(embedded.request("DELETE", ACCOUNT, {"password": PASSWORD}, token=token))["closes_at"]


@for_each("default_deny", [False, True])
def test_the_admins_routes_do_their_work_in_an_app(default_deny: bool) -> None:
    embedded = Embedded(default_deny=default_deny)
    embedded.registered()
    embedded.http.service.operate.set_admin(embedded.http.user().id, is_admin=True, actor=Actor.operator("root"))
    token = granted(embedded.post(ADMIN_LOGIN, {"phone": PHONE, "password": PASSWORD}))
    assert done(embedded.get(f"{ADMIN_USERS}/1", token))["phone"] == PHONE
    assert done(embedded.request("PUT", f"{ADMIN_USERS}/1/fee", {"fee_percentage": 5}, token=token))
    assert len(done(embedded.get(f"{ADMIN_USERS}/1/sessions", token))["sessions"]) == 2
    assert len(done(embedded.get(f"{ADMIN_USERS}?limit=1", token))["users"]) == 1


def test_an_admins_token_opens_no_route_of_the_app() -> None:
    embedded = Embedded(default_deny=True)
    embedded.app.add_route("/mine", Mine())
    refused(embedded.get("/mine", embedded.http.admin()), 401, "token_invalid")


@for_each(
    ("template", "path"),
    [
        ("/api/user/sessions/mine", "/api/user/sessions/mine"),
        ("/api/user/{part}/{other}", "/api/user/sessions/mine"),
        ("/api/user/sessions/{session_id}", "/api/user/sessions/mine"),
        ("/api/admin/users/1", "/api/admin/users/1"),
        ("/api/admin/users/{name}", "/api/admin/users/1"),
        ("/api/admin/mine", "/api/admin/mine"),
        ("/api/admin/users/{user_id:int}/mine", "/api/admin/users/1/mine"),
        ("/api/user", "/api/user"),
    ],
)
def test_an_apps_own_route_that_looks_like_ours_stays_closed(template: str, path: str) -> None:
    embedded = Embedded(default_deny=True)
    embedded.app.add_route(template, Mine())
    for method in ("GET", "POST", "OPTIONS", "DELETE"):
        refused(call_wsgi(embedded.app, REQUEST_METHOD=method, PATH_INFO=path), 401, "token_missing")
    refused(embedded.get(path, embedded.http.admin()), 401, "token_invalid")
    assert embedded.get(path, embedded.http.registered()).json["user"] == PHONE


@for_each("prefix", ["/api/users", "/api/administrators", "/api/x"])
def test_an_apps_own_sink_beside_ours_stays_closed(prefix: str) -> None:
    embedded = Embedded(default_deny=True)
    embedded.app.add_sink(sink, prefix)
    refused(embedded.get(f"{prefix}/sessions"), 401, "token_missing")
    assert embedded.get(f"{prefix}/sessions", embedded.http.registered()).json == {"sink": f"{prefix}/sessions"}
