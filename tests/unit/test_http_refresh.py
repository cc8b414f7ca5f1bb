"""Refresh tokens over HTTP, and the form in which tokens are issued."""

from collections.abc import Callable
from datetime import timedelta

from falcon.testing import Result

from menshen.adapters.refresh_token_codec import HmacRefreshTokenCodec
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.users import UserId, UserState
from menshen.entrypoints.settings import Settings

from .cases import for_each
from .http_service import (
    ADMIN_REFRESH,
    LOGOUT,
    REFRESH,
    SESSIONS,
    SHANGHAI,
    HttpService,
    done,
    envelope,
    granted,
    refresh_token_of,
    refused,
    serve,
    session_of,
)

GRACE = timedelta(seconds=10)

WAYS: dict[str, Callable[[HttpService], Result]] = {
    "register": lambda http: http.register("13900139000"),
    "login": lambda http: http.login(),
    "refresh": lambda http: http.refresh(refresh_token_of(http.login())),
    "admin login": lambda http: (http.admin(), http.admin_login())[1],
    "admin refresh": lambda http: (
        http.admin(),
        http.post(ADMIN_REFRESH, {"refresh_token": refresh_token_of(http.admin_login())}),
    )[1],
}


# The form.


@for_each("way", WAYS)
def test_tokens_are_given_out_in_one_form(way: str) -> None:
    http = serve()
    http.registered()
    answer = envelope(WAYS[way](http))
    assert set(answer) == {"code", "data", "msg", "time", "token"}
    assert {name: type(value) for name, value in answer["data"].items()} == {
        "token_type": str,
        "expires_in": int,
        "session_id": str,
        "refresh_token": str,
    }
    assert answer["data"]["token_type"] == "Bearer"
    assert answer["data"]["expires_in"] == (15 * 60 if way.startswith("admin") else 7 * 24 * 3600)
    assert answer["data"]["session_id"] == list(http.store.sessions)[-1]
    assert answer["token"] != answer["data"]["refresh_token"]


@for_each(("way", "chinese", "english"), [("login", "登陆成功", "Logged in."), ("refresh", "刷新成功", "Refreshed.")])
def test_it_is_said_in_two_languages(way: str, chinese: str, english: str) -> None:
    http = serve()
    http.registered()
    assert envelope(WAYS[way](http))["msg"] == chinese
    speaking = serve(Settings(time_zone=SHANGHAI, language="en"))
    speaking.registered()
    assert envelope(WAYS[way](speaking))["msg"] == english


def test_the_token_ends_when_it_was_said_to() -> None:
    http = serve(Settings(time_zone=SHANGHAI, access_token_ttl=timedelta(minutes=10)))
    answer = http.register()
    assert envelope(answer)["data"]["expires_in"] == 600
    http.clock.move(timedelta(seconds=599))
    assert http.user_info(granted(answer)).status_code == 200
    http.clock.move(timedelta(seconds=1))
    refused(http.user_info(granted(answer)), 401, "token_expired", "token过期")
    fresh = http.refresh(refresh_token_of(answer))
    assert http.user_info(granted(fresh)).status_code == 200


def test_no_token_is_promised_beyond_its_session() -> None:
    http = serve(Settings(time_zone=SHANGHAI, session_ttl=timedelta(hours=3), session_idle_ttl=timedelta(hours=3)))
    answer = http.register()
    assert envelope(answer)["data"]["expires_in"] == 3 * 3600
    http.clock.move(timedelta(hours=2))
    assert envelope(http.refresh(refresh_token_of(answer)))["data"]["expires_in"] == 3600


# Refreshing.


def test_a_refresh_token_gives_the_next_pair_of_tokens(http: HttpService) -> None:
    first = http.register()
    http.clock.move(timedelta(hours=1))
    second = http.refresh(refresh_token_of(first))
    assert granted(second) != granted(first)
    assert refresh_token_of(second) != refresh_token_of(first)
    assert session_of(second) == session_of(first)
    assert http.user_info(granted(second)).status_code == 200
    third = http.refresh(refresh_token_of(second))
    assert http.user_info(granted(third)).status_code == 200
    assert len(http.store.sessions) == 1


def test_it_needs_no_access_token_and_heeds_none(http: HttpService) -> None:
    other = http.registered("13900139000")
    answer = http.register()
    for token in ("x", other, granted(answer)):
        fresh = http.post(REFRESH, {"refresh_token": refresh_token_of(answer)}, token=token)
        assert done(http.user_info(granted(fresh)))["id"] == 2


@for_each("after", [timedelta(), timedelta(seconds=1), GRACE])
def test_a_lost_answer_and_two_tabs_get_a_working_answer(after: timedelta) -> None:
    http = serve()
    first = http.register()
    second = http.refresh(refresh_token_of(first))
    http.clock.move(after)
    again = http.refresh(refresh_token_of(first))
    assert refresh_token_of(again) == refresh_token_of(second)
    for answer in (first, second, again, http.refresh(refresh_token_of(again))):
        assert http.user_info(granted(answer)).status_code == 200


def test_sixteen_refreshes_of_one_token_have_one_successor(http: HttpService) -> None:
    first = http.register()
    answers = [http.refresh(refresh_token_of(first)) for _ in range(16)]
    assert len({refresh_token_of(answer) for answer in answers}) == 1
    assert http.session(session_of(first)).refreshing.rotations == 1


def test_a_token_that_was_used_long_ago_ends_the_session_for_everybody(http: HttpService) -> None:
    first = http.register()
    second = http.refresh(refresh_token_of(first))
    http.clock.move(timedelta(minutes=10, seconds=1))
    data = {"ended_at": "2026-01-01 08:10:01"}
    result = http.refresh(refresh_token_of(first))
    refused(result, 401, "refresh_token_reused", "token过期", data)
    assert result.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    for answer in (first, second):
        refused(http.refresh(refresh_token_of(answer)), 401, "refresh_token_reused", data=data)
        refused(http.user_info(granted(answer)), 401, "refresh_token_reused", data=data)


def test_the_token_before_the_last_is_reused_once_the_grace_is_over(http: HttpService) -> None:
    first = http.register()
    http.refresh(refresh_token_of(http.refresh(refresh_token_of(first))))
    http.clock.move(GRACE)
    assert http.refresh(refresh_token_of(first)).status_code == 200
    http.clock.move(timedelta(seconds=1))
    assert envelope(http.refresh(refresh_token_of(first)))["reason"] == "refresh_token_reused"


def test_another_session_of_the_user_stays(http: HttpService) -> None:
    first, other = http.register(), http.login()
    http.refresh(refresh_token_of(first))
    http.clock.move(timedelta(minutes=11))
    refused(
        http.refresh(refresh_token_of(first)), 401, "refresh_token_reused", data={"ended_at": "2026-01-01 08:11:00"}
    )
    assert http.user_info(granted(other)).status_code == 200
    granted(http.refresh(refresh_token_of(other)))


def test_a_refresh_token_ends_unless_it_is_used() -> None:
    http = serve(
        Settings(time_zone=SHANGHAI, refresh_token_ttl=timedelta(hours=2), session_idle_ttl=timedelta(hours=1))
    )
    first, other = http.register(), http.login()
    for _ in range(2):
        http.clock.move(timedelta(minutes=59))
        for answer in (first, other):
            assert http.user_info(granted(answer)).status_code == 200
    http.clock.move(timedelta(seconds=119))
    second = http.refresh(refresh_token_of(first))
    http.clock.move(timedelta(seconds=1))
    result = http.refresh(refresh_token_of(other))
    refused(result, 401, "refresh_token_expired", "token过期")
    # It ends nothing: the access token stays valid for its time.
    assert http.user_info(granted(other)).status_code == 200
    granted(http.refresh(refresh_token_of(second)))


def test_a_refresh_token_lasts_as_long_as_its_session_may_be_idle() -> None:
    http = serve(
        Settings(time_zone=SHANGHAI, refresh_token_ttl=timedelta(hours=1), session_idle_ttl=timedelta(hours=5))
    )
    answer = http.register()
    http.clock.move(timedelta(hours=5, seconds=-1))
    answer = http.refresh(refresh_token_of(answer))
    http.clock.move(timedelta(hours=5))
    assert envelope(http.refresh(refresh_token_of(answer)))["reason"] == "session_idle"


# What is refused.

NO_TOKENS = ["", " ", "x", "null", "a.b.c", "x/1", "/", "{}", "x" * 9_000, "'--", "fake-id-" + "0" * 32 + "/0"]


@for_each("text", NO_TOKENS)
def test_what_is_no_refresh_token_is_invalid(text: str) -> None:
    http = serve()
    http.registered()
    result = http.refresh(text)
    refused(result, 401, "refresh_token_invalid", "token无效")
    assert result.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    english = http.post(REFRESH, {"refresh_token": text}, **{"Accept-Language": "en"})
    refused(english, 401, "refresh_token_invalid", "The token is invalid.")


@for_each("text", [*NO_TOKENS, "x" * 40 + "." + "y" * 43, "\u2028", "１"])
def test_what_is_no_refresh_token_of_production_is_invalid(text: str) -> None:
    http = serve(refresh_codec=HmacRefreshTokenCodec(bytes(32)))
    http.registered()
    refused(http.refresh(text), 401, "refresh_token_invalid", "token无效")


def test_a_refresh_token_of_production_is_opaque_and_kept_as_a_hash() -> None:
    http = serve(refresh_codec=HmacRefreshTokenCodec(bytes(32)))
    answer = http.register()
    token = refresh_token_of(answer)
    session = http.session(session_of(answer))
    secret = token.removeprefix(f"{session.id}.")
    assert len(secret) == 43
    assert secret not in repr(session)
    assert secret.encode() not in session.refreshing.digest
    assert len(session.refreshing.digest) == 32
    altered = token[:-3] + ("AAA" if token[-3:] != "AAA" else "BBB")
    refused(http.refresh(altered), 401, "refresh_token_invalid")
    fresh = http.refresh(token)
    assert refresh_token_of(http.refresh(token)) == refresh_token_of(fresh)
    assert http.user_info(granted(fresh)).status_code == 200


def test_an_access_token_refreshes_nothing_and_a_refresh_token_opens_nothing(http: HttpService) -> None:
    answer = http.register()
    refused(http.refresh(granted(answer)), 401, "refresh_token_invalid")
    refused(http.user_info(refresh_token_of(answer)), 401, "token_invalid")
    refused(http.request("GET", SESSIONS, token=refresh_token_of(answer)), 401, "token_invalid")


def test_a_token_in_a_header_is_no_refresh_token(http: HttpService) -> None:
    token = refresh_token_of(http.register())
    headers = {"token": token, "Authorization": f"Bearer {token}"}
    refused(http.post(REFRESH, {}, **headers), 400, "member_missing", "缺少参数refresh_token")


def test_each_kind_of_session_has_refresh_tokens_of_its_own(http: HttpService) -> None:
    http.admin()
    admin, user = http.admin_login(), http.register()
    refused(http.refresh(refresh_token_of(admin)), 401, "refresh_token_invalid", "token无效")
    answer = http.post(ADMIN_REFRESH, {"refresh_token": refresh_token_of(user)})
    refused(answer, 401, "refresh_token_invalid", "token无效")
    granted(http.refresh(refresh_token_of(user)))
    granted(http.post(ADMIN_REFRESH, {"refresh_token": refresh_token_of(admin)}))


def test_after_logging_out_there_is_nothing_to_refresh(http: HttpService) -> None:
    answer = http.register()
    done(http.request("POST", LOGOUT, token=granted(answer)))
    data = {"ended_at": "2026-01-01 08:00:00"}
    refused(http.refresh(refresh_token_of(answer)), 401, "session_logged_out", "token过期", data)


@for_each("state", ["冻结", "注销中", "已注销", "", "normal"])
def test_the_state_is_checked_again(state: str) -> None:
    http = serve()
    answer = http.register()
    http.change_user(state=UserState(state))
    result = http.refresh(refresh_token_of(answer))
    refused(result, 401, "user_not_active", "该用户状态异常,请联系客服")
    http.change_user(state=UserState.active())
    granted(http.refresh(refresh_token_of(answer)))


def test_a_user_who_is_gone_is_not_found(http: HttpService) -> None:
    answer = http.register()
    del http.store.users[UserId(1)]
    refused(http.refresh(refresh_token_of(answer)), 401, "user_not_found", "用户不存在")


def test_a_session_the_store_does_not_know_is_not_refreshed(http: HttpService) -> None:
    answer = http.register()
    http.store.sessions.clear()
    refused(http.refresh(refresh_token_of(answer)), 401, "refresh_token_invalid")


def test_the_policy_is_checked_again(http: HttpService) -> None:
    first = http.register()
    http.clock.move(timedelta(minutes=1))
    second = http.login()
    http.change_user(device_policy=DevicePolicy.single())
    data = {"ended_at": "2026-01-01 08:01:00"}
    refused(http.refresh(refresh_token_of(first)), 401, "session_replaced", "token过期", data)
    refused(http.user_info(granted(first)), 401, "session_replaced", "token过期", data)
    granted(http.refresh(refresh_token_of(second)))


def test_a_refresh_counts_as_a_use_of_the_session() -> None:
    http = serve(Settings(time_zone=SHANGHAI, session_idle_ttl=timedelta(hours=1)))
    answer = http.register()
    for _ in range(5):
        http.clock.move(timedelta(minutes=50))
        answer = http.refresh(refresh_token_of(answer))
    assert http.user_info(granted(answer)).status_code == 200
