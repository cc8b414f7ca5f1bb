"""What admins do to users and sessions over HTTP, and how a token is explained."""

from datetime import timedelta

from menshen.domain.device_policy import DevicePolicy
from menshen.domain.users import UserId
from menshen.entrypoints.settings import Settings

from .cases import for_each
from .http_service import (
    ADDRESS,
    ADMIN_LOGIN,
    ADMIN_LOGOUT,
    ADMIN_PHONE,
    ADMIN_REFRESH,
    ADMIN_USERS,
    EXPLAIN,
    LOGOUT,
    PASSWORD,
    PHONE,
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

USER = f"{ADMIN_USERS}/1"
"""The user with PHONE, who registers first in these tests."""

NOW = "2026-01-01 08:00:00"


# Logging in.


def test_an_admin_logs_in_with_the_password_of_the_user(http: HttpService) -> None:
    http.admin()
    answer = http.admin_login()
    assert envelope(answer)["msg"] == "登陆成功"
    assert done(http.request("GET", ADMIN_USERS, token=granted(answer)), "操作成功")["users"]
    assert http.session(session_of(answer)).kind == "admin"


def test_who_is_no_admin_does_not_get_in(http: HttpService) -> None:
    http.registered()
    refused(http.admin_login(PHONE), 403, "not_an_admin", "该用户不是管理员")
    english = http.post(ADMIN_LOGIN, {"phone": PHONE, "password": PASSWORD}, **{"Accept-Language": "en"})
    refused(english, 403, "not_an_admin", "This user is no admin.")
    assert len(http.store.sessions) == 1


@for_each("phone", [PHONE, ADMIN_PHONE, "13900139000", "1"])
def test_without_the_password_nobody_learns_who_is_an_admin(phone: str) -> None:
    http = serve()
    http.registered()
    http.admin()
    refused(http.admin_login(phone, "another password"), 403, "invalid_credentials", "用户账号或密码错误")


def test_an_admin_session_is_short_and_remembers_nothing(http: HttpService) -> None:
    http.admin()
    session = http.session(session_of(http.admin_login(remember=True)))
    assert (session.expires_at - session.started_at, session.idle_ttl) == (timedelta(hours=12), timedelta(hours=1))


def test_the_operator_says_how_long_an_admins_token_lasts() -> None:
    http = serve(Settings(time_zone=SHANGHAI, admin_access_token_ttl=timedelta(minutes=3)))
    token = http.admin()
    http.clock.move(timedelta(minutes=3, seconds=-1))
    assert http.request("GET", ADMIN_USERS, token=token).status_code == 200
    http.clock.move(timedelta(seconds=1))
    refused(http.request("GET", ADMIN_USERS, token=token), 401, "token_expired", "token过期")


def test_an_admins_token_is_refreshed(http: HttpService) -> None:
    http.admin()
    answer = http.admin_login()
    http.clock.move(timedelta(minutes=16))
    fresh = http.post(ADMIN_REFRESH, {"refresh_token": refresh_token_of(answer)})
    assert http.request("GET", ADMIN_USERS, token=granted(fresh)).status_code == 200


def test_the_device_policy_is_about_the_sessions_of_users() -> None:
    http = serve(Settings(time_zone=SHANGHAI, device_policy=DevicePolicy.single()))
    user = http.registered(ADMIN_PHONE)
    first, second = http.admin(), granted(http.admin_login())
    assert http.user_info(user).status_code == 200
    assert {http.request("GET", ADMIN_USERS, token=token).status_code for token in (first, second)} == {200}


def test_an_admin_logs_out_of_this_session_alone(http: HttpService) -> None:
    user = http.registered(ADMIN_PHONE)
    first, second = http.admin(), granted(http.admin_login())
    assert done(http.request("POST", ADMIN_LOGOUT, token=first), "退出成功") == ""
    refused(http.request("GET", ADMIN_USERS, token=first), 401, "session_logged_out", data={"ended_at": NOW})
    assert http.request("GET", ADMIN_USERS, token=second).status_code == http.user_info(user).status_code == 200


# A user.


def test_a_user_is_shown_with_all_that_an_operator_needs(http: HttpService) -> None:
    http.registered(user_name="张三")
    assert done(http.request("GET", USER, token=http.admin()), "操作成功") == {
        "id": 1,
        "mid": None,
        "phone": PHONE,
        "user_name": "张三",
        "openid": None,
        "registration_time": NOW,
        "account_balance": 0,
        "state": "正常",
        "fee_percentage": 4,
        "standing": "active",
        "state_until": None,
        "state_reason": None,
        "is_admin": False,
        "device_policy": None,
    }


def test_the_policy_of_a_user_is_shown_as_its_table(http: HttpService) -> None:
    http.registered()
    table = {"phone": 1, "tablet+pc": 2, "total": 3, "overflow": "evict_idle"}
    http.change_user(device_policy=DevicePolicy.from_table(table))
    shown = done(http.request("GET", USER, token=http.admin()))
    assert shown["device_policy"] == table
    assert done(http.request("GET", f"{ADMIN_USERS}/2", token=http.admin()))["is_admin"] is True


def test_a_closed_account_is_shown_without_anything_personal(http: HttpService) -> None:
    http.registered(user_name="张三")
    http.request("DELETE", "/api/user", {"password": PASSWORD}, token=granted(http.login()))
    closing = done(http.request("GET", USER, token=http.admin()))
    assert (closing["standing"], closing["state"]) == ("closing", "注销中")
    assert closing["state_until"] == "2026-01-08 08:00:00"
    http.clock.move(timedelta(days=7))
    assert done(http.request("GET", USER, token=granted(http.admin_login())))["standing"] == "closed"
    http.service.prune()
    closed = done(http.request("GET", USER, token=granted(http.admin_login())))
    assert (closed["standing"], closed["phone"], closed["user_name"]) == ("closed", None, None)


NOBODY = ["0", "-1", "99", str(2**31 - 1), str(2**31), str(2**63), str(10**30)]
ACTS = {
    "show": ("GET", "", None),
    "freeze": ("POST", "/freeze", {"reason": "x"}),
    "unfreeze": ("POST", "/unfreeze", None),
    "fee": ("PUT", "/fee", {"fee_percentage": 1}),
    "sessions": ("GET", "/sessions", None),
    "kick all": ("DELETE", "/sessions", None),
    "kick one": ("DELETE", "/sessions/x", None),
}


@for_each("user_id", NOBODY)
@for_each("act", ACTS)
def test_there_is_no_such_user(act: str, user_id: str) -> None:
    http = serve()
    method, end, body = ACTS[act]
    path = f"{ADMIN_USERS}/{user_id}{end}"
    refused(http.request(method, path, body or {}, token=http.admin()), 404, "no_such_user", "用户不存在")


# Freezing.


def freeze(http: HttpService, token: str, **body: object) -> object:
    return done(http.request("POST", f"{USER}/freeze", body, token=token), "操作成功")


def test_a_freeze_for_good_ends_all_and_lets_nobody_in(http: HttpService) -> None:
    mine, other = http.register(), http.login()
    token = http.admin()
    shown = done(http.request("POST", f"{USER}/freeze", {"reason": "a chargeback"}, token=token))
    assert (shown["state"], shown["standing"], shown["state_until"], shown["state_reason"]) == (
        ("冻结", "frozen", None, "a chargeback")
    )
    for answer in (mine, other):
        refused(http.user_info(granted(answer)), 401, "user_not_active", "该用户状态异常,请联系客服", {"ended_at": NOW})
        assert envelope(http.refresh(refresh_token_of(answer)))["reason"] == "user_not_active"
    refused(http.login(), 403, "user_not_active", "该用户状态不允许登陆")
    http.clock.move(timedelta(days=3000))
    refused(http.login(), 403, "user_not_active")


@for_each(
    "until", ["2026-01-01T01:00:00Z", "2026-01-01T01:00:00+00:00", "2026-01-01T09:00:00+08:00", "20260101T010000Z"]
)
def test_a_timed_freeze_ends_without_an_operator(until: str) -> None:
    http = serve()
    before = http.registered()
    shown = done(http.request("POST", f"{USER}/freeze", {"reason": "x", "until": until}, token=http.admin()))
    assert shown["state_until"] == "2026-01-01 09:00:00"
    http.clock.move(timedelta(hours=1, seconds=-1))
    refused(http.login(), 403, "user_not_active")
    http.clock.move(timedelta(seconds=1))
    assert http.user_info(granted(http.login())).status_code == 200
    refused(http.user_info(before), 401, "user_frozen", "token过期", {"ended_at": NOW})


@for_each(
    "until",
    [
        *("2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", "0001-01-01T00:00:00Z"),
        *("2035-12-30T00:00:01Z", "2036-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_freeze_ends_within_ten_years_from_now_or_not_at_all(until: str) -> None:
    http = serve()
    token = http.registered()
    body = {"reason": "x", "until": until}
    admin = http.admin()
    result = http.request("POST", f"{USER}/freeze", body, token=admin)
    refused(result, 403, "freeze_invalid", "冻结期限须在将来十年之内")
    english = http.request("POST", f"{USER}/freeze", body, token=admin, **{"Accept-Language": "en"})
    refused(english, 403, "freeze_invalid", "A freeze ends in the future, within ten years, or not at all.")
    assert http.user_info(token).status_code == 200
    assert done(http.request("GET", USER, token=admin))["standing"] == "active"


def test_the_longest_freeze_can_be_shown(http: HttpService) -> None:
    http.registered()
    admin = http.admin()
    freeze(http, admin, reason="x", until="2035-12-30T00:00:00Z")
    assert done(http.request("GET", USER, token=admin))["state_until"] == "2035-12-30 08:00:00"


@for_each(
    "until",
    [
        *("", "tomorrow", "2026-01-02", "2026-01-02T00:00:00", "2026-13-01T00:00:00Z", "2026-01-02T00:00:00+25:00"),
        *("1767225600", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30T00:00:00Z", "x" * 9_000),
        *(1767225600, 1.5, True, [], {}),
    ],
)
def test_until_is_a_time_with_its_offset(until: object) -> None:
    http = serve()
    token = http.registered()
    result = http.request("POST", f"{USER}/freeze", {"reason": "x", "until": until}, token=http.admin())
    refused(result, 400, "member_invalid", "参数until类型错误")
    assert http.user_info(token).status_code == 200


@for_each("reason", ["x" * 201, "a\nb", "\x1b[31m", "\x7f"])
def test_a_reason_that_cannot_be_shown_is_refused(reason: str) -> None:
    http = serve()
    token = http.registered()
    result = http.request("POST", f"{USER}/freeze", {"reason": reason}, token=http.admin())
    refused(result, 403, "text_invalid", "文字为空、过长或含有控制字符")
    assert http.user_info(token).status_code == 200


def test_a_freeze_is_taken_back(http: HttpService) -> None:
    before = http.registered()
    token = http.admin()
    freeze(http, token, reason="x")
    shown = done(http.request("POST", f"{USER}/unfreeze", token=token), "操作成功")
    assert (shown["standing"], shown["state_until"], shown["state_reason"]) == ("active", None, None)
    assert http.user_info(granted(http.login())).status_code == 200
    refused(http.user_info(before), 401, "user_frozen", "token过期", {"ended_at": NOW})


def test_who_is_not_frozen_is_not_unfrozen(http: HttpService) -> None:
    http.registered()
    result = http.request("POST", f"{USER}/unfreeze", token=http.admin())
    refused(result, 403, "state_conflict", "该用户当前状态不允许此操作")


def test_an_admin_who_is_frozen_is_out_everywhere(http: HttpService) -> None:
    first, second = http.admin(), http.admin("13600136000")
    done(http.request("POST", f"{ADMIN_USERS}/1/freeze", {"reason": "x"}, token=second))
    refused(http.request("GET", ADMIN_USERS, token=first), 401, "user_not_active", data={"ended_at": NOW})
    refused(http.admin_login(), 403, "user_not_active", "该用户状态不允许登陆")


# The fee.


@for_each("fee", [0, 1, 99, 100])
def test_a_fee_is_a_percentage(fee: int) -> None:
    http = serve()
    user = http.registered()
    shown = done(http.request("PUT", f"{USER}/fee", {"fee_percentage": fee}, token=http.admin()), "操作成功")
    assert shown["fee_percentage"] == done(http.user_info(user))["fee_percentage"] == fee


@for_each("fee", [-1, 101, 2**31, -(2**70), 10**4000])
def test_a_fee_beyond_that_is_refused(fee: int) -> None:
    http = serve()
    http.registered()
    result = http.request("PUT", f"{USER}/fee", {"fee_percentage": fee}, token=http.admin())
    refused(result, 403, "fee_invalid", "费率须为0到100的整数")
    assert http.user().fee_percentage == 4


# Sessions.


def test_the_sessions_of_a_user_are_shown_of_both_kinds(http: HttpService) -> None:
    user = http.register(ADMIN_PHONE, device={"type": "pc", "id": "d-1", "name": "desk"})
    token = http.admin()
    shown = done(http.request("GET", f"{USER}/sessions", token=token), "操作成功")["sessions"]
    assert [session["kind"] for session in shown] == ["user", "admin"]
    assert shown[0] == {
        "id": session_of(user),
        "device": {"type": "pc", "id": "d-1", "name": "desk"},
        "first_seen": NOW,
        "last_seen": NOW,
        "address": ADDRESS,
        "user_agent": http.session(session_of(user)).user_agent,
        "kind": "user",
    }


def test_one_session_is_kicked(http: HttpService) -> None:
    first, second = http.register(), http.login()
    path = f"{USER}/sessions/{session_of(first)}"
    token = http.admin()
    assert done(http.request("DELETE", path, token=token), "操作成功") == {"ended": 1}
    refused(http.user_info(granted(first)), 401, "session_kicked", "token过期", {"ended_at": NOW})
    assert http.user_info(granted(second)).status_code == 200
    refused(http.request("DELETE", path, token=token), 404, "no_such_session", "会话不存在")


def test_all_sessions_are_kicked(http: HttpService) -> None:
    answers = [http.register(), http.login()]
    other = http.registered("13900139000")
    token = http.admin()
    assert done(http.request("DELETE", f"{USER}/sessions", token=token)) == {"ended": 2}
    assert done(http.request("DELETE", f"{USER}/sessions", token=token)) == {"ended": 0}
    for answer in answers:
        refused(http.user_info(granted(answer)), 401, "session_kicked", "token过期", {"ended_at": NOW})
    assert http.user_info(other).status_code == 200


@for_each("session_id", ["x", "-", "..."])
def test_a_session_that_is_not_there_kicks_nobody(session_id: str) -> None:
    http = serve()
    token = http.registered()
    result = http.request("DELETE", f"{USER}/sessions/{session_id}", token=http.admin())
    refused(result, 404, "no_such_session")
    assert http.user_info(token).status_code == 200


def test_a_session_is_kicked_from_its_own_user_alone(http: HttpService) -> None:
    http.registered()
    other = http.register("13900139000")
    result = http.request("DELETE", f"{USER}/sessions/{session_of(other)}", token=http.admin())
    refused(result, 404, "no_such_session")
    assert http.user_info(granted(other)).status_code == 200


# Explaining.


def explained(http: HttpService, token: str, admin: str | None = None) -> dict[str, object]:
    data = done(http.request("POST", EXPLAIN, {"token": token}, token=admin or http.admin()), "操作成功")
    assert set(data) == {"verdict", "kind", "issued_at", "expires_at", "user", "session"}
    found: dict[str, object] = data
    return found


def test_a_good_token_is_explained_with_all_that_is_known(http: HttpService) -> None:
    answer = http.register(user_name="张三")
    found = explained(http, granted(answer))
    assert (found["verdict"], found["kind"]) == ("valid", "user")
    assert (found["issued_at"], found["expires_at"]) == (NOW, "2026-01-08 08:00:00")
    user, session = found["user"], found["session"]
    assert isinstance(user, dict)
    assert isinstance(session, dict)
    assert (user["id"], user["phone"], session["id"]) == (1, PHONE, session_of(answer))
    assert "end" not in session


def test_a_token_of_an_admin_is_explained_as_one(http: HttpService) -> None:
    token = http.admin()
    found = explained(http, token, token)
    assert (found["verdict"], found["kind"]) == ("valid", "admin")


def test_what_ended_a_session_is_explained(http: HttpService) -> None:
    mine = http.registered(device={"type": "phone", "id": "d-1"})
    http.clock.move(timedelta(minutes=1))
    http.login(device={"type": "pc", "id": "d-1", "name": "desk"})
    found = explained(http, mine)
    assert found["verdict"] == "session_replaced"
    session = found["session"]
    assert isinstance(session, dict)
    assert session["end"] == {
        "at": "2026-01-01 08:01:00",
        "reason": "replaced",
        "actor": "user:1",
        "device": {"type": "pc", "name": "desk"},
    }


def test_the_operator_who_ended_it_is_named(http: HttpService) -> None:
    mine = http.registered()
    admin = http.admin()
    done(http.request("DELETE", f"{USER}/sessions", token=admin))
    session = explained(http, mine, admin)["session"]
    assert isinstance(session, dict)
    assert session["end"] == {"at": NOW, "reason": "kicked", "actor": "user:2", "device": None}


@for_each("token", ["", "x", "a.b.c", "\u2028", "x" * 9_000, "fake-user-token-99"])
def test_of_what_is_no_token_nothing_is_known(token: str) -> None:
    http = serve()
    nothing = dict.fromkeys(["kind", "issued_at", "expires_at", "user", "session"])
    assert explained(http, token) == {"verdict": "token_invalid", **nothing}


def test_a_token_is_explained_by_what_the_guard_says_of_it(http: HttpService) -> None:
    expired = http.registered()
    http.clock.move(timedelta(days=8))
    out = granted(http.login())
    http.request("POST", LOGOUT, token=out)
    frozen = http.registered("13900139000")
    http.request("POST", f"{ADMIN_USERS}/2/freeze", {"reason": "x"}, token=http.admin())
    gone = http.registered("13500135000")
    del http.store.users[UserId(4)]
    for token in (expired, out, frozen, gone):
        assert explained(http, token)["verdict"] == envelope(http.user_info(token))["reason"]


def test_explaining_is_no_use_of_the_session(http: HttpService) -> None:
    answer = http.register()
    http.clock.move(timedelta(hours=1))
    explained(http, granted(answer))
    assert http.session(session_of(answer)).last_seen_at == http.session(session_of(answer)).started_at


def test_the_explanation_does_not_repeat_the_token(http: HttpService) -> None:
    token = http.registered()
    assert token not in http.request("POST", EXPLAIN, {"token": token}, token=http.admin()).text
