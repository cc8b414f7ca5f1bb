"""Who gets into the admin routes: only admins, on all routes of the app; and no admin session anywhere else."""

from datetime import timedelta

import pytest
from attrs import evolve
from falcon.testing import Result

from menshen.adapters.jwt_codec import JwtTokenCodec
from menshen.domain.actors import Actor
from menshen.domain.errors import StoreUnavailable
from menshen.domain.users import UserState

from .cases import for_each
from .http_service import (
    ADMIN_LOGIN,
    ADMIN_LOGOUT,
    ADMIN_PHONE,
    ADMIN_REFRESH,
    OPEN,
    PHONE,
    HttpService,
    Route,
    done,
    envelope,
    failing_sessions,
    granted,
    refresh_token_of,
    refused,
    routes_of,
    serve,
)

GUARDED = [route for route in routes_of(serve()) if route.path not in OPEN]
ADMIN_ROUTES = [route for route in GUARDED if route.path.startswith("/api/admin")]
USER_ROUTES = [route for route in GUARDED if not route.path.startswith("/api/admin")]

each_admin_route = for_each("route", ADMIN_ROUTES)
each_user_route = for_each("route", USER_ROUTES)
each_route = for_each("route", GUARDED)

NOW = "2026-01-01 08:00:00"

# A body that each of the routes would accept.
BODY = {
    "reason": "x",
    "fee_percentage": 50,
    "token": "x",
    "old_password": "a good password",
    "new_password": "another good one",
    "password": "a good password",
    "user_name": "x",
}


def call(http: HttpService, route: Route, token: str | None = None, **headers: str) -> Result:
    if token is not None:
        headers["token"] = token
    return http.request(route.method, route.path, BODY, **headers)


def with_a_user() -> HttpService:
    """A service with a user, of whom nothing may change."""
    service = serve()
    service.registered()
    return service


def untouched(http: HttpService) -> bool:
    user = http.user()
    ended = [session for session in http.store.sessions.values() if session.user_id == user.id and session.end]
    return (user.state, user.fee_percentage, user.user_name, ended) == (UserState.active(), 4, None, [])


def test_there_are_routes_to_look_at() -> None:
    assert len(ADMIN_ROUTES) >= 11
    assert len(USER_ROUTES) >= 8


@each_admin_route
def test_an_admin_gets_in(route: Route) -> None:
    """So that the refusals below are those of the guard."""
    http = with_a_user()
    token = http.admin()
    assert envelope(call(http, route, token))["code"] not in {401, 415, 500}


@each_route
def test_no_token_opens_nothing(route: Route) -> None:
    http = with_a_user()
    result = call(http, route)
    refused(result, 401, "token_missing", "token不存在")
    assert result.headers["www-authenticate"] == "Bearer"
    english = call(http, route, **{"Accept-Language": "en"})
    refused(english, 401, "token_missing", "There is no token.")
    assert untouched(http)


@each_route
@for_each("token", ["x", "a.b.c", "fake-admin-token-9", "fake-user-token-9", "null", "{}"])
def test_garbage_opens_nothing(route: Route, token: str) -> None:
    http = with_a_user()
    for result in (call(http, route, token), call(http, route, Authorization=f"Bearer {token}")):
        refused(result, 401, "token_invalid", "token无效")
        assert result.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert untouched(http)


@each_admin_route
def test_a_users_token_opens_no_admin_route(route: Route) -> None:
    http = with_a_user()
    refused(call(http, route, granted(http.login())), 401, "token_invalid", "token无效")
    assert untouched(http)


@each_admin_route
def test_not_even_the_user_token_of_an_admin_does(route: Route) -> None:
    http = with_a_user()
    http.admin()
    refused(call(http, route, granted(http.login(ADMIN_PHONE))), 401, "token_invalid", "token无效")
    assert untouched(http)


@each_user_route
def test_an_admins_token_opens_no_user_route(route: Route) -> None:
    http = with_a_user()
    refused(call(http, route, http.admin()), 401, "token_invalid", "token无效")
    assert untouched(http)


@each_route
def test_two_tokens_are_refused_together(route: Route) -> None:
    http = with_a_user()
    admin, user = http.admin(), granted(http.login())
    refused(call(http, route, admin, Authorization=f"Bearer {user}"), 401, "token_invalid")
    refused(call(http, route, user, Authorization=f"Bearer {admin}"), 401, "token_invalid")
    assert untouched(http)


@each_admin_route
def test_a_token_in_the_query_or_the_body_opens_nothing(route: Route) -> None:
    http = with_a_user()
    token = http.admin()
    result = http.request(route.method, f"{route.path}?token={token}", {**BODY, "token": token})
    refused(result, 401, "token_missing")
    assert untouched(http)


@each_admin_route
def test_an_admin_who_is_none_any_more_is_out_at_once(route: Route) -> None:
    http = with_a_user()
    token = http.admin()
    http.service.operate.set_admin(http.user(ADMIN_PHONE).id, is_admin=False, actor=Actor.operator("root"))
    result = call(http, route, token)
    refused(result, 401, "session_kicked", "token过期", {"ended_at": NOW})
    assert untouched(http)


@each_admin_route
def test_the_role_counts_and_not_only_the_session(route: Route) -> None:
    """As when somebody writes it into the table."""
    http = with_a_user()
    token = http.admin()
    http.change_user(ADMIN_PHONE, is_admin=False)
    refused(call(http, route, token), 401, "not_an_admin", "该用户不是管理员")
    assert untouched(http)


@each_admin_route
def test_a_frozen_admin_is_out_at_once(route: Route) -> None:
    http = with_a_user()
    token = http.admin()
    http.service.operate.freeze(http.user(ADMIN_PHONE).id, reason="x", until=None, actor=Actor.operator("root"))
    refused(call(http, route, token), 401, "user_not_active", "该用户状态异常,请联系客服", {"ended_at": NOW})
    http.service.operate.unfreeze(http.user(ADMIN_PHONE).id, actor=Actor.operator("root"))
    refused(call(http, route, token), 401, "user_frozen", "token过期", {"ended_at": NOW})
    assert untouched(http)


@each_admin_route
def test_after_logging_out_the_token_opens_nothing(route: Route) -> None:
    http = with_a_user()
    token = http.admin()
    done(http.request("POST", ADMIN_LOGOUT, token=token))
    refused(call(http, route, token), 401, "session_logged_out", "token过期", {"ended_at": NOW})
    assert untouched(http)


@each_admin_route
def test_the_token_of_an_admin_expires_and_an_idle_session_ends(route: Route) -> None:
    http = with_a_user()
    http.admin()
    answer = http.admin_login()
    http.clock.move(timedelta(minutes=15))
    refused(call(http, route, granted(answer)), 401, "token_expired", "token过期")
    http.clock.move(timedelta(hours=1))
    refused(call(http, route, granted(answer)), 401, "token_expired", "token过期")
    idle = http.post(ADMIN_REFRESH, {"refresh_token": refresh_token_of(answer)})
    refused(idle, 401, "session_idle", "token过期", {"ended_at": "2026-01-01 09:00:00"})


@each_admin_route
def test_a_user_session_in_an_admins_token_opens_nothing(route: Route) -> None:
    """As if a token for admins had been signed over a session of a user."""
    http = with_a_user()
    http.admin()
    user_session = http.session(envelope(http.login(ADMIN_PHONE))["data"]["session_id"])
    codec = http.service.authenticate_admin.codec
    (claims,) = codec.issued.values()  # type: ignore[attr-defined]
    token = codec.encode(evolve(claims, session_id=user_session.id))
    refused(call(http, route, token), 401, "session_unknown", "token过期")
    assert untouched(http)


@pytest.fixture
def broken() -> tuple[HttpService, list[str]]:
    """A service without a store for sessions, and tokens of an admin and of a user that it would let in with one."""
    http = serve()
    tokens = [http.admin(), http.registered()]
    broken = serve(others=failing_sessions(StoreUnavailable("gone", retry_after=2)))
    for kind in ("authenticate", "authenticate_admin"):
        theirs, ours = getattr(broken.service, kind).codec, getattr(http.service, kind).codec
        theirs.issued.update(ours.issued)
    return broken, tokens


@each_route
def test_a_store_that_is_gone_lets_nobody_in(broken: tuple[HttpService, list[str]], route: Route) -> None:
    http, tokens = broken
    result = call(http, route, tokens[0 if route in ADMIN_ROUTES else 1])
    refused(result, 503, "store_unavailable", "服务繁忙,请稍后再试")
    assert result.headers["retry-after"] == "2"


@each_route
def test_the_tokens_of_production_are_for_one_audience(route: Route) -> None:
    secret = b"0123456789abcdef0123456789abcdef"
    http = serve(
        codec=JwtTokenCodec(secret=secret, issuer="menshen", audience="menshen-users"),
        admin_codec=JwtTokenCodec(secret=secret, issuer="menshen", audience="menshen-admins"),
    )
    admin, user = http.admin(), http.registered()
    wrong, right = (user, admin) if route in ADMIN_ROUTES else (admin, user)
    refused(call(http, route, wrong), 401, "token_invalid", "token无效")
    assert envelope(call(http, route, right))["code"] != 401


# The two that take no token.


def test_a_token_does_not_replace_the_password_of_an_admin() -> None:
    http = with_a_user()
    token = http.admin()
    body = {"phone": ADMIN_PHONE, "password": "another password"}
    refused(http.post(ADMIN_LOGIN, body, token=token), 403, "invalid_credentials")


def test_a_frozen_admin_refreshes_nothing_and_does_not_log_in() -> None:
    http = with_a_user()
    http.admin()
    answer = http.admin_login()
    http.service.operate.freeze(http.user(ADMIN_PHONE).id, reason="x", until=None, actor=Actor.operator("root"))
    result = http.post(ADMIN_REFRESH, {"refresh_token": refresh_token_of(answer)})
    refused(result, 401, "user_not_active", data={"ended_at": "2026-01-01 08:00:00"})
    refused(http.admin_login(), 403, "user_not_active", "该用户状态不允许登陆")


def test_who_is_no_admin_any_more_refreshes_nothing() -> None:
    http = with_a_user()
    http.admin()
    answer = http.admin_login()
    http.change_user(ADMIN_PHONE, is_admin=False)
    result = http.post(ADMIN_REFRESH, {"refresh_token": refresh_token_of(answer)})
    refused(result, 401, "not_an_admin", "该用户不是管理员")
    refused(http.admin_login(), 403, "not_an_admin", "该用户不是管理员")


def test_nobody_becomes_an_admin_by_registering_or_renaming() -> None:
    http = with_a_user()
    token = http.registered("13900139000", is_admin=True, role="admin")
    http.request("PATCH", "/api/user/profile", {"user_name": "x", "is_admin": True}, token=token)
    refused(http.admin_login("13900139000"), 403, "not_an_admin")
    refused(http.admin_login(PHONE), 403, "not_an_admin")
