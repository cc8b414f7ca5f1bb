"""What applies to every answer: its language, its headers, what a fault shows, and unknown routes."""

import re
from collections.abc import Callable
from typing import Any

from falcon.testing import Result

from menshen.adapters.jwt_codec import JwtTokenCodec
from menshen.domain.errors import StoreUnavailable
from menshen.domain.passwords import HasherBusy
from menshen.entrypoints.settings import Settings

from .cases import for_each
from .http_service import (
    LOGIN,
    LOGOUT,
    PASSWORD,
    PHONE,
    REGISTER,
    SHANGHAI,
    USER_INFO,
    FailingHasher,
    HttpService,
    Route,
    call_wsgi,
    envelope,
    failing_sessions,
    failing_users,
    logged,
    refused,
    routes_of,
    serve,
    strict_json,
)

# The languages.

EN, ZH = "There is no token.", "token不存在"


@for_each(
    ("header", "msg"),
    [
        (None, ZH),
        ("", ZH),
        ("zh-CN", ZH),
        ("zh-Hans-CN,zh;q=0.9,en;q=0.8", ZH),
        ("zh,en", ZH),
        ("fr", ZH),
        ("*", ZH),
        ("en;q=0", ZH),
        ("en;q=0.5,zh;q=0.6", ZH),
        ("english", ZH),
        ("end", ZH),
        ("en", EN),
        ("EN", EN),
        ("en-US", EN),
        ("en-GB,en;q=0.9", EN),
        ("en, zh", EN),
        ("fr, en", EN),
        ("fr;q=1, de;q=0.9, en;q=0.1", EN),
        ("zh;q=0.3 , en ; q=0.4", EN),
        ("zh;q=0, en;q=0.001", EN),
        ("zh;q=0.9,en;q=1.000", EN),
    ],
)
def test_english_is_spoken_where_it_is_asked_for(header: str | None, msg: str) -> None:
    http = serve()
    headers = {} if header is None else {"Accept-Language": header}
    refused(http.user_info(**headers), 401, "token_missing", msg)


@for_each(
    "header",
    [
        ",",
        ";",
        ";;;,,,",
        "q=",
        ";q=1",
        "en;q=nan",
        "en;q=inf",
        "en;q=-1",
        "en;q=1e400",
        "en;q=" + "9" * 8_000,
        "en;q=0x1",
        "en;q=²",
        "en;q=.",
        "en;q",
        "en;q=1;q=0",
        "en-" * 3_000,
        "zh," * 5_000,
        "é\xff\x80",
        "%s%n{0}{member}",
        "../../en",
    ],
)
def test_no_language_header_does_harm(header: str) -> None:
    http = serve()
    result = call_wsgi(http.client.app, PATH_INFO=USER_INFO, HTTP_ACCEPT_LANGUAGE=header)
    refused(result, 401, "token_missing")
    assert envelope(result)["msg"] in {EN, ZH}


def test_the_operator_chooses_the_language_where_nobody_asks() -> None:
    http = serve(Settings(time_zone=SHANGHAI, language="en"))
    refused(http.user_info(), 401, "token_missing", EN)
    refused(http.user_info(**{"Accept-Language": "fr"}), 401, "token_missing", EN)
    refused(http.user_info(**{"Accept-Language": "zh-TW"}), 401, "token_missing", ZH)


def test_the_language_changes_the_msg_alone(http: HttpService) -> None:
    http.registered()
    for request in _each_kind_of_request(http):
        chinese, english = request({}), request({"Accept-Language": "en"})
        assert chinese.json["msg"] != english.json["msg"]
        assert english.json["msg"].isascii()
        assert set(chinese.json) == set(english.json)
        for member in set(chinese.json) - {"msg", "token", "data"}:
            assert chinese.json[member] == english.json[member]
        # Each login has its own session.
        if "token" not in chinese.json:
            assert chinese.json["data"] == english.json["data"]
        assert chinese.status == english.status


def _each_kind_of_request(http: HttpService) -> list[Callable[[dict[str, str]], Result]]:
    client = http.client

    def post(path: str, body: object) -> Callable[[dict[str, str]], Result]:
        return lambda headers: client.simulate_post(path, json=body, headers=headers)

    return [
        post(LOGIN, {"phone": PHONE, "password": PASSWORD}),
        post(LOGIN, {"phone": PHONE, "password": "wrong"}),
        post(LOGIN, {"phone": PHONE}),
        post(LOGIN, {"phone": 1, "password": "wrong"}),
        post(LOGIN, []),
        post(LOGIN, {"x": "x" * 20_000}),
        post(REGISTER, {"phone": "1", "password": PASSWORD}),
        post(REGISTER, {"phone": PHONE, "password": PASSWORD}),
        post(REGISTER, {"phone": "13900139000", "password": "1"}),
        post(REGISTER, {"phone": "13900139000", "password": PASSWORD, "invited_by": 99}),
        post(REGISTER, {"phone": "13900139000", "password": PASSWORD, "user_name": "\n"}),
        lambda headers: client.simulate_get(USER_INFO, headers={**headers, "token": "x"}),
        lambda headers: client.simulate_get(LOGIN, headers=headers),
        lambda headers: client.simulate_get("/nothing", headers=headers),
        lambda headers: client.simulate_options(LOGIN, headers=headers),
    ]


# What applies to every answer.


def test_every_answer_is_in_the_envelope_with_its_headers(http: HttpService) -> None:
    http.registered()
    for request in _each_kind_of_request(http):
        result = request({})
        assert envelope(result)["code"] == result.status_code


def test_nothing_says_what_the_service_is_made_of(http: HttpService) -> None:
    for request in _each_kind_of_request(http):
        result = request({})
        seen = (result.text + str(dict(result.headers))).lower()
        for name in ("falcon", "python", "granian", "traceback", "sqlalchemy", "argon2", "werkzeug"):
            assert name not in seen


def test_no_foreign_origin_is_let_in(http: HttpService) -> None:
    for request in _each_kind_of_request(http):
        result = request({"Origin": "https://evil.example"})
        assert not [name for name in result.headers if name.lower().startswith("access-control-")]


# What the tutorial never answered.


@for_each(
    "path",
    [
        "/",
        "//",
        "/api",
        "/api/user/",
        "/api/user\n",
        "/api/users",
        "/api/admin",
        "/api/admin/",
        "/api/admin/users/",
        "/api/admin/users/one",
        "/api/admin/users/1.5",
        "/api/admin/users/" + "9" * 5_000,
        "/api/admin/users/1/nothing",
        "/api/user/sessions/x/y",
        "/api/user/token",
        "/api/user/nothing",
        "/api/user/login/",
        "/api/user/login\n",
        "/api/user/login/../user_info",
        "/API/user/login",
        "/metrics",
        "/docs",
        "/openapi.json",
        "/.git/config",
        "/\xe9\xff",
        "/" + "a" * 9_000,
    ],
)
@for_each("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_there_is_nothing_at_other_paths(path: str, method: str) -> None:
    http = serve()
    refused(call_wsgi(http.client.app, REQUEST_METHOD=method, PATH_INFO=path), 404, "not_found")


METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
TEMPLATES: dict[str, list[Route]] = {}
for each in routes_of(serve()):
    TEMPLATES.setdefault(each.template, []).append(each)


@for_each("template", TEMPLATES)
def test_a_method_the_path_does_not_know_is_told_which_it_does(template: str) -> None:
    http = serve()
    routes = TEMPLATES[template]
    known = {route.method for route in routes}
    for method in (*METHODS, "TRACE", "CONNECT"):
        if method in with_head(known):
            continue
        result = call_wsgi(http.client.app, REQUEST_METHOD=method, PATH_INFO=routes[0].path, HTTP_X_ECHO="echo me")
        refused(result, 405, "method_not_allowed")
        assert set(result.headers["allow"].split(", ")) == with_head(known) | {"OPTIONS"}
        assert "echo me" not in result.text


def with_head(methods: set[str]) -> set[str]:
    return methods | {"HEAD"} if "GET" in methods else methods


def test_the_app_has_these_routes_and_no_other(http: HttpService) -> None:
    assert sorted(map(str, routes_of(http))) == [
        "DELETE /api/admin/users/{user_id:int}/sessions",
        "DELETE /api/admin/users/{user_id:int}/sessions/{session_id}",
        "DELETE /api/user",
        "DELETE /api/user/sessions",
        "DELETE /api/user/sessions/{session_id}",
        "GET /api/admin/audit",
        "GET /api/admin/users",
        "GET /api/admin/users/{user_id:int}",
        "GET /api/admin/users/{user_id:int}/sessions",
        "GET /api/user/sessions",
        "GET /api/user/user_info",
        "PATCH /api/user/profile",
        "POST /api/admin/explain",
        "POST /api/admin/login",
        "POST /api/admin/logout",
        "POST /api/admin/sessions/kick",
        "POST /api/admin/token/refresh",
        "POST /api/admin/users/{user_id:int}/freeze",
        "POST /api/admin/users/{user_id:int}/unfreeze",
        "POST /api/user/close",
        "POST /api/user/login",
        "POST /api/user/logout",
        "POST /api/user/password",
        "POST /api/user/profile",
        "POST /api/user/register",
        "POST /api/user/sessions/end",
        "POST /api/user/sessions/{session_id}/end",
        "POST /api/user/token/refresh",
        "PUT /api/admin/users/{user_id:int}/fee",
    ]


@for_each("template", TEMPLATES)
def test_options_says_which_methods_there_are(template: str) -> None:
    http = serve()
    routes = TEMPLATES[template]
    result = http.client.simulate_options(routes[0].path)
    assert envelope(result)["code"] == 200
    assert set(result.headers["allow"].split(", ")) == with_head({route.method for route in routes})


@for_each("method", ["BREW", "get", "Post", "X" * 500])
def test_a_method_nobody_knows_is_refused(method: str) -> None:
    http = serve()
    result = call_wsgi(http.client.app, REQUEST_METHOD=method, PATH_INFO=LOGIN)
    assert envelope(result)["code"] == result.status_code
    assert result.status_code in {400, 405, 501}


@for_each("length", ["-1", "abc", "1.5", "0x10", "9" * 5_000])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    http = serve()
    result = call_wsgi(
        http.client.app,
        REQUEST_METHOD="POST",
        PATH_INFO=LOGIN,
        CONTENT_TYPE="application/json",
        CONTENT_LENGTH=length,
    )
    assert envelope(result)["code"] == result.status_code
    assert result.status_code in {400, 413}


def test_no_query_string_does_harm(http: HttpService) -> None:
    for query in ("%", "%ff%fe", "a=" + "b" * 9_000, "&&&===", "token=%00", "\xff"):
        result = call_wsgi(http.client.app, PATH_INFO=USER_INFO, QUERY_STRING=query)
        refused(result, 401, "token_missing")


# Faults.


def _log_out(http: HttpService, token: str) -> Result:
    return http.client.simulate_post(LOGOUT, headers={"token": token})


BOOM = RuntimeError("SELECT secret_column FROM x_user; the password is hunter2")


def _faulty() -> dict[str, Callable[[], Result]]:
    request = {"phone": PHONE, "password": "hunter2!"}
    return {
        "register": lambda: serve(others=failing_users(BOOM)).post(REGISTER, request),
        "register, at the hash": lambda: serve(hasher=FailingHasher(BOOM)).post(REGISTER, request),
        "register, at the session": lambda: serve(others=failing_sessions(BOOM)).post(REGISTER, request),
        "login": lambda: serve(others=failing_users(BOOM)).post(LOGIN, request),
        "login, at the hash": lambda: serve(hasher=FailingHasher(BOOM)).post(LOGIN, request),
        "user_info": lambda: _after_registering(lambda http, token: http.user_info(token)),
        "logout": lambda: _after_registering(_log_out),
    }


def _after_registering(request: Callable[[HttpService, str], Result]) -> Result:
    """*request* with a valid token, after the sessions have been lost."""
    http = serve()
    token = http.registered()

    class Smoke(dict[Any, Any]):
        def get(self, key: object, default: object = None) -> Any:
            raise BOOM

    http.store.sessions = Smoke()
    return request(http, token)


@for_each("where", _faulty())
def test_a_fault_shows_its_incident_id_and_nothing_else(where: str) -> None:
    with logged("menshen.http") as records:
        result = _faulty()[where]()
    refused(result, 500, "internal_error")
    (record,) = records
    message = re.fullmatch(r"incident ([0-9a-f]{32}): (GET|POST) /api/user/\w+", record.getMessage())
    assert message is not None, record.getMessage()
    assert message[1] in envelope(result)["msg"]
    assert record.exc_info is not None
    assert record.exc_info[1] is BOOM
    answer = result.text + str(dict(result.headers))
    for hidden in ("hunter2", "SELECT", "RuntimeError", "Traceback", ".py"):
        assert hidden not in answer


def test_each_fault_has_an_id_of_its_own_and_life_goes_on() -> None:
    http = serve()
    token = http.registered()
    sessions = http.store.sessions
    http.store.sessions = None  # type: ignore[assignment]
    with logged("menshen.http") as records:
        messages = {envelope(http.user_info(token))["msg"] for _ in range(3)}
    assert len(messages) == len(records) == 3
    http.store.sessions = sessions
    assert http.user_info(token).status_code == 200


def test_a_refusal_is_no_incident(http: HttpService) -> None:
    with logged("menshen.http") as records:
        for request in _each_kind_of_request(http):
            request({})
    assert not records


@for_each(
    ("error", "reason"),
    [
        (StoreUnavailable("connection to db.internal refused", retry_after=3), "store_unavailable"),
        (HasherBusy("47 wait", retry_after=3), "busy"),
    ],
)
def test_what_cannot_be_done_now_may_be_tried_again(error: Exception, reason: str) -> None:
    refusing = serve(others=failing_users(error))
    waiting = serve(others=failing_sessions(error))
    hashing = serve(hasher=FailingHasher(error))
    results = [refusing.register(), refusing.login(), waiting.register(), hashing.register(), hashing.login()]
    for result in results:
        refused(result, 503, reason, "服务繁忙,请稍后再试")
        assert result.headers["retry-after"] == "3"
        assert "www-authenticate" not in result.headers
        assert "db.internal" not in result.text


def test_a_store_that_is_gone_lets_nobody_in() -> None:
    codec = JwtTokenCodec(secret=b"0123456789abcdef0123456789abcdef", issuer="menshen", audience="users")
    token = serve(codec=codec).registered()
    broken = serve(codec=codec, others=failing_sessions(StoreUnavailable("gone")))
    for result in (broken.user_info(token), _log_out(broken, token)):
        refused(result, 503, "store_unavailable")
        assert result.headers["retry-after"] == "1"


# HTTP 200 always.

ALWAYS = Settings(time_zone=SHANGHAI, always_http_200=True)
TUTORIAL = {REGISTER, LOGIN, USER_INFO}


def test_clients_that_know_only_200_get_it_and_the_same_body() -> None:
    always, plain = serve(ALWAYS), serve()
    for http in (always, plain):
        http.registered()
    kinds = zip(_each_kind_of_request(always), _each_kind_of_request(plain), strict=True)
    for ours, theirs in kinds:
        shown, meant = ours({}), theirs({})
        assert shown.content == meant.content
        if meant.status_code != 404:
            assert shown.status_code == 200
        assert dict(shown.headers) == dict(meant.headers)


@for_each("path", [REGISTER, LOGIN, USER_INFO])
def test_the_three_routes_of_the_tutorial_answer_200_whatever_happens(path: str) -> None:
    http = serve(ALWAYS)
    results = {
        405: http.client.simulate_delete(path),
        401: http.user_info("x") if path == USER_INFO else None,
        400: http.post_raw(path, b"{") if path != USER_INFO else None,
        413: http.post_raw(path, b"x" * 16_385) if path != USER_INFO else None,
        415: http.post_raw(path, b"{}", content_type="text/plain") if path != USER_INFO else None,
        403: http.post(path, {"phone": "1", "password": "1"}) if path != USER_INFO else None,
    }
    for code, result in results.items():
        if result is not None:
            assert result.status_code == 200
            assert envelope(result)["code"] == code
    assert results[405] is not None
    assert results[405].headers["allow"]


@for_each("route", [r for r in routes_of(serve()) if r.path not in TUTORIAL])
def test_no_other_route_hides_its_status(route: Route) -> None:
    """Each of them refuses an empty request."""
    result = serve(ALWAYS).request(route.method, route.path)
    assert result.status_code == envelope(result)["code"] in {400, 401, 415}


def test_a_fault_and_an_overload_are_200_as_well() -> None:
    with logged("menshen.http"):
        fault = serve(ALWAYS, others=failing_users(BOOM)).login()
    busy = serve(ALWAYS, others=failing_users(StoreUnavailable("gone"))).register()
    assert (fault.status_code, envelope(fault)["code"]) == (200, 500)
    assert (busy.status_code, envelope(busy)["code"]) == (200, 503)
    assert busy.headers["retry-after"] == "1"


def test_no_other_path_answers_200_always() -> None:
    def gone() -> None:
        raise StoreUnavailable("gone")

    http = serve(ALWAYS, ping=gone)
    refused(http.client.simulate_get("/nothing"), 404, "not_found")
    refused(http.client.simulate_get("/api/user/login/"), 404, "not_found")
    refused(http.client.simulate_post(LOGOUT), 401, "token_missing")
    refused(http.client.simulate_get(LOGOUT), 405, "method_not_allowed")
    assert http.client.simulate_get("/readyz").status_code == 503


# Health, outside the envelope.


def test_a_load_balancer_learns_that_the_process_lives(http: HttpService) -> None:
    result = http.client.simulate_get("/healthz")
    assert (result.status_code, strict_json(result.text)) == (200, {"status": "alive"})


def test_a_load_balancer_learns_whether_the_store_answers() -> None:
    def gone() -> None:
        raise StoreUnavailable("the password of db.internal is x", retry_after=2)

    ready, unready = serve().client.simulate_get("/readyz"), serve(ping=gone).client.simulate_get("/readyz")
    assert (ready.status_code, strict_json(ready.text)) == (200, {"status": "ready"})
    assert (unready.status_code, strict_json(unready.text)) == (503, {"status": "unavailable"})
    assert unready.headers["retry-after"] == "2"
    assert serve(ping=gone).client.simulate_get("/healthz").status_code == 200
