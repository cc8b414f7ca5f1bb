"""The HTTP contract, row by row, over the memory adapters."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from falcon.testing import Result

from menshen.adapters.jwt_codec import JwtTokenCodec
from menshen.adapters.memory.fakes import FakeClock, FakePasswordHasher
from menshen.domain.users import UserId, UserState
from menshen.entrypoints.settings import Settings

from .cases import for_each
from .http_service import (
    LOGIN,
    LOGOUT,
    PASSWORD,
    PHONE,
    SHANGHAI,
    USER_INFO,
    HttpService,
    envelope,
    granted,
    refused,
    serve,
)

FROZEN = UserState("冻结")

ONE_NUMBER = [
    "13800138000",
    "+8613800138000",
    "+86 138 0013 8000",
    "+86-138-0013-8000",
    "008613800138000",
    "0086 13800138000",
    "86-13800138000",
    "138 0013 8000",
    "8613800138000",
    "+86 (138) 0013-8000",
    "13800138000 ",
    "\N{LEFT-TO-RIGHT OVERRIDE}13800138000\N{POP DIRECTIONAL FORMATTING}",
    "138-0013-8000",
    "1-3-8-0-0-1-3-8-0-0-0",
    "１３８００１３８０００",
    "＋８６１３８００１３８０００",
    "００８６-１３８ ００１３ ８０００",
]
NO_NUMBER = [
    "",
    " ",
    "1380013800",
    "138001380000",
    "12800138000",
    "23800138000",
    "+8513800138000",
    "+1 3800138000",
    "1380013800a",
    "1380013800०",  # a Devanagari digit
    "1380013800٣",  # an Arabic one
    "1380013800²",
    "13800138000;",
    "13800138000'--",
    "1%800138000",
    "+86+8613800138000",
    "138.0013.8000",
    "1" * 10_000,
    "1 " * 5_000,
]


# Register.


def test_registering_logs_in(http: HttpService) -> None:
    result = http.register()
    body = envelope(result)
    assert body["msg"] == "注册成功"
    assert set(body) == {"code", "data", "msg", "time", "token"}
    assert http.user_info(granted(result)).json["data"]["phone"] == PHONE


@for_each("phone", NO_NUMBER)
def test_what_is_no_mobile_number_is_not_registered(phone: str) -> None:
    http = serve()
    refused(http.register(phone), 403, "phone_invalid", "注册失败,请输入11位手机号")
    assert not http.store.users


@for_each("phone", ONE_NUMBER)
def test_a_number_has_one_spelling_when_it_registers(phone: str) -> None:
    http = serve()
    token = http.registered(phone)
    assert http.user_info(token).json["data"]["phone"] == "13800138000"
    for again in ONE_NUMBER:
        refused(http.register(again), 403, "phone_taken", "注册失败,该手机已经注册,请直接登陆或更换手机后注册")
    assert len(http.store.users) == 1


@for_each("phone", [f"1{digit}000000000" for digit in "3456789"])
def test_every_mobile_range_registers(phone: str) -> None:
    http = serve()
    assert granted(http.register(phone))


@for_each("password", ["", "12345", "a" * 33, "a" * 5_000, "𠮷" * 5, "𠮷" * 33])
def test_a_password_of_a_wrong_length_is_refused(password: str) -> None:
    http = serve()
    refused(http.register(password=password), 403, "password_length", "注册失败,密码长度请大于6位,小于32位")
    assert not http.store.users


@for_each("password", ["123456", "a" * 32, "𠮷" * 6, "𠮷" * 32, "      ", " 密码 é\t", "13800138000"])
def test_a_password_is_taken_exactly_as_it_came(password: str) -> None:
    http = serve()
    http.registered(password=password)
    assert granted(http.login(password=password))
    for other in (password.strip() + "!", password + " ", password.swapcase() + "x", password[:-1]):
        refused(http.login(password=other), 403, "invalid_credentials")


def test_e_with_an_accent_is_not_e_and_an_accent(http: HttpService) -> None:
    http.registered(password="caf\u00e9-bar")
    refused(http.login(password="cafe\u0301-bar"), 403, "invalid_credentials")


@for_each("name", [None, "", "张三", "𠮷 😀", "a" * 80, " padded ", "<b>'\"--"])
def test_a_user_name_is_kept_as_it_came(name: str | None) -> None:
    http = serve()
    token = http.registered(user_name=name)
    assert http.user_info(token).json["data"]["user_name"] == name


@for_each("name", ["a" * 81, "a\nb", "a\x1bb", "\x7f"])
def test_a_user_name_that_cannot_be_kept_is_refused(name: str) -> None:
    http = serve()
    refused(http.register(user_name=name), 403, "user_name_invalid")
    assert not http.store.users


STRICT = Settings(time_zone=SHANGHAI, password_policy="strict")


@for_each("password", ["1234567", "a" * 129])
def test_the_strict_policy_has_its_own_lengths(password: str) -> None:
    http = serve(STRICT)
    refused(http.register(password=password), 403, "password_length", "注册失败,密码长度请大于8位,小于128位")
    for allowed in ("x7$kQ2pw", "长" * 128):
        assert granted(http.register(f"1380013800{len(http.store.users)}", allowed))


@for_each(
    ("password", "reason"),
    [
        ("iloveyou1", "password_common"),
        ("ILoveYou1", "password_common"),
        ("13800138000", "password_holds_identifier"),
        ("my 13800138000!", "password_holds_identifier"),
        ("I am ZhangSan", "password_holds_identifier"),
    ],
)
def test_the_strict_policy_refuses_what_is_tried_first(password: str, reason: str) -> None:
    http = serve(STRICT, common_passwords=["iloveyou1"])
    refused(http.register("+86 138-0013-8000", password, user_name="zhangsan"), 403, reason)
    assert not http.store.users


def test_the_default_policy_takes_common_passwords_as_the_tutorial_did() -> None:
    http = serve(common_passwords=["iloveyou1"])
    assert granted(http.register(password="iloveyou1"))


@for_each("policy", ["contract", "strict"])
def test_the_strict_policy_binds_no_login(policy: str) -> None:
    http = serve(Settings(time_zone=SHANGHAI, password_policy=policy), common_passwords=["iloveyou1"])
    http.registered()
    http.change_user(password_hash="fake:abc")
    assert granted(http.login(password="abc"))


# The referrer.


def test_whoever_invited_becomes_the_referrer(http: HttpService) -> None:
    http.registered()
    token = http.registered("13900139000", invited_by=1)
    assert http.user_info(token).json["data"]["mid"] == 1


def test_nobody_need_have_invited(http: HttpService) -> None:
    assert http.user_info(http.registered(invited_by=None)).json["data"]["mid"] is None


@for_each("inviter", [2, 99, 0, -1, 2**31 - 1, 2**31, 2**63, 2**70, -(2**70), 10**4000])
def test_an_inviter_nobody_knows_is_refused(inviter: int) -> None:
    http = serve()
    http.registered()
    refused(http.register("13900139000", invited_by=inviter), 403, "referrer_unknown")
    assert len(http.store.users) == 1


@for_each("inviter", [True, False, "1", "", 1.0, [1], {"id": 1}, {}, []])
def test_an_inviter_of_a_wrong_type_is_never_coerced(inviter: object) -> None:
    http = serve()
    http.registered()
    refused(http.register("13900139000", invited_by=inviter), 400, "member_invalid")
    assert len(http.store.users) == 1


def test_nobody_invites_themselves(http: HttpService) -> None:
    refused(http.register(invited_by=1), 403, "referrer_unknown")


def test_no_other_member_of_the_body_reaches_the_account(http: HttpService) -> None:
    http.registered("13900139000")
    token = http.registered(
        id=77,
        user_id=77,
        mid=1,
        referrer_id=1,
        state="冻结",
        role="admin",
        is_admin=True,
        account_balance=1_000_000,
        fee_percentage=0,
        openid="wechat",
        wechat_openid="wechat",
        registration_time="2000-01-01 00:00:00",
        registered_at="2000-01-01 00:00:00",
        password_hash="fake:another password",
        token="my token",
        sid="my session",
        jti="my token id",
        __class__="x",
    )
    assert token != "my token"
    assert http.user_info(token).json["data"] == {
        "id": 2,
        "mid": None,
        "phone": PHONE,
        "user_name": None,
        "openid": None,
        "registration_time": "2026-01-01 08:00:00",
        "account_balance": 0,
        "state": "正常",
        "fee_percentage": 4,
    }
    refused(http.login(password="another password"), 403, "invalid_credentials")


# Log in.


def test_logging_in_gives_a_token(http: HttpService) -> None:
    http.registered()
    result = http.login()
    body = envelope(result)
    assert body["msg"] == "登陆成功"
    assert set(body) == {"code", "data", "msg", "time", "token"}
    assert http.user_info(granted(result)).status_code == 200


@for_each("phone", ONE_NUMBER)
def test_a_number_logs_in_by_any_spelling(phone: str) -> None:
    http = serve()
    http.registered()
    assert granted(http.login(phone))


@for_each("phone", ["13900139000", *NO_NUMBER])
def test_login_does_not_say_which_was_wrong(phone: str) -> None:
    """An unknown or invalid number, a wrong password, and that of a frozen user get the same answer, to the byte."""
    http = serve()
    http.registered()
    wrong = http.login(password="another password")
    refused(wrong, 403, "invalid_credentials", "用户账号或密码错误")
    unknown = http.login(phone)
    http.change_user(state=FROZEN)
    frozen = http.login(password="another password")
    assert wrong.content == unknown.content == frozen.content
    assert wrong.headers == unknown.headers == frozen.headers
    assert wrong.status == unknown.status == frozen.status


def test_the_answers_differ_in_time_alone(http: HttpService) -> None:
    http.registered()
    before = http.login(password="another password")
    http.clock.move(timedelta(seconds=1))
    after = http.login("13900139000")
    assert before.text.replace("08:00:00", "08:00:01") == after.text


@for_each("phone", [PHONE, "13900139000"])
@for_each("state", [UserState.active(), FROZEN])
@for_each("password", [PASSWORD, "another password", "", "x" * 16_000])
def test_one_password_is_judged_for_each_number(phone: str, state: UserState, password: str) -> None:
    hasher = FakePasswordHasher()
    http = serve(hasher=hasher)
    http.registered()
    http.change_user(state=state)
    http.login(phone, password)
    assert hasher.judged == 1


@for_each("state", ["冻结", "", "normal", "正常 ", "正 常"])
def test_a_user_who_is_not_active_may_not_log_in(state: str) -> None:
    http = serve()
    http.registered()
    http.change_user(state=UserState(state))
    refused(http.login(), 403, "user_not_active", "该用户状态不允许登陆")


def test_each_login_opens_a_session_of_its_own(http: HttpService) -> None:
    tokens = {http.registered(), granted(http.login()), granted(http.login(token="mine", sid="mine", jti="mine"))}
    assert len(tokens) == 3
    assert len(http.store.sessions) == 3
    assert "mine" not in tokens | set(http.store.sessions)
    assert all(http.user_info(token).status_code == 200 for token in tokens)


def test_a_token_that_came_along_is_no_session_for_the_login(http: HttpService) -> None:
    token = http.registered()
    again = http.post(LOGIN, {"phone": PHONE, "password": PASSWORD}, token=token)
    assert granted(again) != token


# user_info.


def test_user_info_shows_these_members_and_no_other(http: HttpService) -> None:
    http.registered("13900139000")
    token = http.registered(user_name="张三", invited_by=1)
    http.change_user(wechat_openid="o6_bm", fee_percentage=7)
    body = envelope(http.user_info(token))
    assert set(body) == {"code", "data", "msg", "time"}
    assert body["msg"] == "获取信息成功"
    assert body["data"] == {
        "id": 2,
        "mid": 1,
        "phone": PHONE,
        "user_name": "张三",
        "openid": "o6_bm",
        "registration_time": "2026-01-01 08:00:00",
        "account_balance": 0,
        "state": "正常",
        "fee_percentage": 7,
    }


def test_the_members_have_the_contracts_types(http: HttpService) -> None:
    data = http.user_info(http.registered()).json["data"]
    assert {name: type(value) for name, value in data.items()} == {
        "id": int,
        "mid": type(None),
        "phone": str,
        "user_name": type(None),
        "openid": type(None),
        "registration_time": str,
        "account_balance": float,
        "state": str,
        "fee_percentage": int,
    }


@for_each(
    "balance",
    ["12345678901234567.8901", "9999999999999999.9999", "0.0000", "0.0001", "-5.1000", "100.0000", "0.3000", "0.1"],
)
def test_the_balance_is_exact_to_the_last_digit(balance: str) -> None:
    http = serve()
    token = http.registered()
    http.change_user(account_balance=Decimal(balance))
    raw = http.user_info(token).content
    assert re.search(rb'"account_balance":\s*([^,}\s]+)[,}]', raw).group(1) == balance.encode()  # type: ignore[union-attr]


def test_neither_password_nor_hash_nor_token_nor_session_is_shown(http: HttpService) -> None:
    token = http.registered()
    shown = http.user_info(token).text
    (session,) = http.store.sessions.values()
    for hidden in (PASSWORD, http.user().password_hash, token, session.id):
        assert hidden not in shown


def test_users_see_themselves_whatever_id_they_name(http: HttpService) -> None:
    http.registered("13900139000")
    token = http.registered()
    result = http.client.simulate_get(
        USER_INFO, params={"id": 1, "user_id": 1, "mid": 1, "phone": "13900139000"}, headers={"token": token, "id": "1"}
    )
    assert result.json["data"]["id"] == 2


def test_a_registration_nobody_wrote_down_has_no_time(http: HttpService) -> None:
    token = http.registered()
    http.change_user(registered_at=None)
    assert http.user_info(token).json["data"]["registration_time"] is None


# The time.


@for_each(
    ("zone", "moment", "local"),
    [
        ("Asia/Shanghai", datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01 08:00:00"),
        ("Asia/Shanghai", datetime(2026, 12, 31, 15, 59, 59, 999_999, tzinfo=UTC), "2026-12-31 23:59:59"),
        ("Asia/Shanghai", datetime(2026, 12, 31, 16, 0, 0, tzinfo=UTC), "2027-01-01 00:00:00"),
        ("Asia/Shanghai", datetime(1988, 7, 1, tzinfo=UTC), "1988-07-01 09:00:00"),  # China had summer time once
        ("Europe/Berlin", datetime(2026, 1, 1, 11, 5, 6, tzinfo=UTC), "2026-01-01 12:05:06"),
        ("Europe/Berlin", datetime(2026, 7, 1, 11, 5, 6, tzinfo=UTC), "2026-07-01 13:05:06"),
        ("Europe/Berlin", datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), "2026-03-29 01:59:59"),
        ("Europe/Berlin", datetime(2026, 3, 29, 1, 0, 0, tzinfo=UTC), "2026-03-29 03:00:00"),
        ("Europe/Berlin", datetime(2026, 10, 25, 0, 30, 0, tzinfo=UTC), "2026-10-25 02:30:00"),
        ("Europe/Berlin", datetime(2026, 10, 25, 1, 30, 0, tzinfo=UTC), "2026-10-25 02:30:00"),
        ("America/New_York", datetime(2026, 7, 4, 3, 0, 0, tzinfo=UTC), "2026-07-03 23:00:00"),
        ("Asia/Kathmandu", datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01 05:45:00"),
        ("UTC", datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC), "2026-02-03 04:05:06"),
    ],
)
def test_times_are_local_in_the_configured_zone(zone: str, moment: datetime, local: str) -> None:
    http = serve(Settings(time_zone=ZoneInfo(zone)), clock=FakeClock(moment))
    answer = envelope(http.user_info(http.registered()))
    assert answer["time"] == answer["data"]["registration_time"] == local


def test_the_time_is_that_of_the_answer_and_the_registration_stays(http: HttpService) -> None:
    token = http.registered()
    http.clock.move(timedelta(hours=1, seconds=2))
    answer = envelope(http.user_info(token))
    assert answer["time"] == "2026-01-01 09:00:02"
    assert answer["data"]["registration_time"] == "2026-01-01 08:00:00"


# 401.


def test_without_a_token_the_challenge_names_no_error(http: HttpService) -> None:
    result = http.user_info()
    refused(result, 401, "token_missing", "token不存在")
    assert result.headers["www-authenticate"] == "Bearer"


@for_each("token", ["x", "a.b.c", "null", "undefined", "{}", "\xff", "x" * 8_000, "fake-user-token-2"])
def test_a_token_that_is_none_of_ours_is_invalid(token: str) -> None:
    http = serve()
    http.registered()
    result = http.user_info(token)
    refused(result, 401, "token_invalid", "token无效")
    assert result.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_a_token_past_its_end_has_expired(http: HttpService) -> None:
    token = http.registered()
    http.clock.move(timedelta(days=7, seconds=-1))
    assert http.user_info(token).status_code == 200
    http.clock.move(timedelta(seconds=1))
    result = http.user_info(token)
    refused(result, 401, "token_expired", "token过期")
    assert result.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_a_newer_login_replaces_the_session_where_one_device_is_allowed() -> None:
    http = serve(Settings(time_zone=SHANGHAI, multi_device_login=False))
    first = http.registered()
    other = http.registered("13900139000")
    http.clock.move(timedelta(seconds=1))
    second = granted(http.login(device={"type": "pc", "name": "the new one"}))
    result = http.user_info(first)
    by_second = {"ended_at": "2026-01-01 08:00:01", "by": {"type": "pc", "name": "the new one"}}
    refused(result, 401, "session_replaced", "token过期", by_second)
    assert result.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert http.user_info(second).status_code == 200
    assert http.user_info(other).status_code == 200
    http.clock.move(timedelta(seconds=1))
    third = granted(http.login())
    by_third = {"ended_at": "2026-01-01 08:00:02", "by": {"type": "other", "name": None}}
    refused(http.user_info(second), 401, "session_replaced", data=by_third)
    refused(http.user_info(first), 401, "session_replaced", data=by_second)
    assert http.user_info(third).status_code == 200


def test_a_login_that_fails_replaces_nothing() -> None:
    http = serve(Settings(time_zone=SHANGHAI, multi_device_login=False))
    token = http.registered()
    http.login(password="another password")
    http.register()
    assert http.user_info(token).status_code == 200


def test_a_user_who_is_gone_is_not_found(http: HttpService) -> None:
    token = http.registered()
    del http.store.users[UserId(1)]
    result = http.user_info(token)
    refused(result, 401, "user_not_found", "用户不存在")
    assert result.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@for_each("state", ["冻结", "", "normal"])
def test_a_user_who_is_not_active_is_refused_at_once(state: str) -> None:
    http = serve()
    token = http.registered()
    http.change_user(state=UserState(state))
    result = http.user_info(token)
    refused(result, 401, "user_not_active", "该用户状态异常,请联系客服")
    assert result.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_a_session_the_store_does_not_know_opens_nothing(http: HttpService) -> None:
    token = http.registered()
    http.store.sessions.clear()
    refused(http.user_info(token), 401, "session_unknown", "token过期")


def test_the_tokens_of_production_work_over_http() -> None:
    http = serve(codec=JwtTokenCodec(secret=b"0123456789abcdef0123456789abcdef", issuer="menshen", audience="users"))
    token = http.registered()
    assert len(token.split(".")) == 3
    assert http.user_info(token).status_code == 200
    refused(http.user_info(token[:-2] + ("AA" if token[-2:] != "AA" else "BB")), 401, "token_invalid", "token无效")
    refused(http.user_info(token + "="), 401, "token_invalid")


# Log out.


def _log_out(http: HttpService, token: str) -> Result:
    return http.client.simulate_post(LOGOUT, headers={"token": token})


def test_logging_out_ends_this_session_and_no_other(http: HttpService) -> None:
    first, second = http.registered(), granted(http.login())
    answer = envelope(_log_out(http, first))
    assert (answer["code"], answer["data"]) == (200, "")
    assert "token" not in answer
    result = http.user_info(first)
    refused(result, 401, "session_logged_out", "token过期", {"ended_at": "2026-01-01 08:00:00"})
    assert result.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert http.user_info(second).status_code == 200


def test_logging_out_again_is_refused(http: HttpService) -> None:
    token = http.registered()
    _log_out(http, token)
    http.clock.move(timedelta(seconds=1))
    refused(_log_out(http, token), 401, "session_logged_out", data={"ended_at": "2026-01-01 08:00:00"})


def test_nobody_logs_out_without_a_token(http: HttpService) -> None:
    token = http.registered()
    refused(http.client.simulate_post(LOGOUT), 401, "token_missing")
    refused(http.client.simulate_post(LOGOUT, json={"token": token}), 401, "token_missing")
    assert http.user_info(token).status_code == 200


def test_after_logging_out_one_can_log_in(http: HttpService) -> None:
    _log_out(http, http.registered())
    assert http.user_info(granted(http.login())).status_code == 200
