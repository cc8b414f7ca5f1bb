"""What users do with their own account over HTTP: sessions, password, name, closing."""

from datetime import timedelta

from menshen.adapters.memory.fakes import FakePasswordHasher
from menshen.domain.passwords import HasherBusy
from menshen.domain.users import UserState
from menshen.entrypoints.settings import Settings

from .cases import for_each
from .http_service import (
    ACCOUNT,
    ADDRESS,
    CHANGE_PASSWORD,
    LOGIN,
    PASSWORD,
    PHONE,
    PROFILE,
    SESSIONS,
    SHANGHAI,
    FailingHasher,
    HttpService,
    done,
    envelope,
    granted,
    refresh_token_of,
    refused,
    serve,
    session_of,
)

NEW = "another good one"

IN_ENGLISH = {"Accept-Language": "en"}


# Sessions.


def test_the_sessions_of_a_user_are_listed_as_they_started(http: HttpService) -> None:
    first = http.register()
    http.registered("13900139000")
    http.clock.move(timedelta(minutes=2))
    device = {"type": "phone", "id": "d-1", "name": "张三的手机"}
    second = http.post(LOGIN, {"phone": PHONE, "password": PASSWORD, "device": device}, **{"User-Agent": "app/1"})
    http.clock.move(timedelta(minutes=3))
    data = done(http.request("GET", SESSIONS, token=granted(second)), "获取会话成功")
    assert data == {
        "sessions": [
            {
                "id": session_of(first),
                "device": {"type": "other", "id": None, "name": None},
                "first_seen": "2026-01-01 08:00:00",
                "last_seen": "2026-01-01 08:00:00",
                "address": ADDRESS,
                "user_agent": http.session(session_of(first)).user_agent,
                "current": False,
            },
            {
                "id": session_of(second),
                "device": device,
                "first_seen": "2026-01-01 08:02:00",
                "last_seen": "2026-01-01 08:05:00",
                "address": ADDRESS,
                "user_agent": "app/1",
                "current": True,
            },
        ]
    }


def test_last_seen_moves_once_a_minute_at_most(http: HttpService) -> None:
    token = http.registered()

    def last_seen() -> str:
        (session,) = done(http.request("GET", SESSIONS, token=token))["sessions"]
        seen: str = session["last_seen"]
        return seen

    http.clock.move(timedelta(seconds=59))
    assert last_seen() == "2026-01-01 08:00:00"
    http.clock.move(timedelta(seconds=1))
    assert last_seen() == "2026-01-01 08:01:00"
    http.clock.move(timedelta(seconds=59))
    assert last_seen() == "2026-01-01 08:01:00"


def test_no_token_is_listed(http: HttpService) -> None:
    answers = [http.register(), http.login()]
    shown = http.request("GET", SESSIONS, token=granted(answers[0])).text
    for answer in answers:
        assert granted(answer) not in shown
        assert refresh_token_of(answer) not in shown


def test_a_session_is_ended_by_its_id_and_no_other_is(http: HttpService) -> None:
    answers = [http.register(), http.login(), http.login()]
    result = http.request("DELETE", f"{SESSIONS}/{session_of(answers[1])}", token=granted(answers[0]))
    assert done(result, "已退出该设备") == ""
    assert [http.user_info(granted(answer)).status_code for answer in answers] == [200, 401, 200]


def test_all_others_are_ended_at_once(http: HttpService) -> None:
    answers = [http.register(), http.login(), http.login(), http.register("13900139000")]
    for expected in ({"ended": 2}, {"ended": 0}):
        assert done(http.request("DELETE", SESSIONS, token=granted(answers[1])), "已退出其他设备") == expected
    assert [http.user_info(granted(answer)).status_code for answer in answers] == [401, 200, 401, 200]


@for_each("session_id", ["x", "...", "-", "x" * 5_000, "fake-id", "fake-id-1_"])
def test_a_session_that_is_not_there_cannot_be_ended(session_id: str) -> None:
    http = serve()
    token = http.registered()
    refused(http.request("DELETE", f"{SESSIONS}/{session_id}", token=token), 404, "no_such_session", "会话不存在")
    assert http.user_info(token).status_code == 200


@for_each("session_id", ["", "..", "%00", "%FF", "*", "fake-id-1%20", "'--"])
def test_what_no_id_looks_like_is_no_path(session_id: str) -> None:
    http = serve()
    token = http.registered()
    refused(http.request("DELETE", f"{SESSIONS}/{session_id}", token=token), 404, "not_found")
    assert http.user_info(token).status_code == 200


def test_nobody_ends_a_session_of_somebody_else(http: HttpService) -> None:
    mine, other = http.register(), http.register("13900139000")
    result = http.request("DELETE", f"{SESSIONS}/{session_of(other)}", token=granted(mine), **IN_ENGLISH)
    refused(result, 404, "no_such_session", "There is no such session.")
    assert http.user_info(granted(other)).status_code == 200


def test_a_session_that_has_ended_is_not_there_any_more(http: HttpService) -> None:
    mine, other = http.registered(), http.login()
    path = f"{SESSIONS}/{session_of(other)}"
    done(http.request("DELETE", path, token=mine))
    refused(http.request("DELETE", path, token=mine), 404, "no_such_session")


def test_the_sessions_of_the_admin_are_another_matter(http: HttpService) -> None:
    admin = http.admin()
    (admin_session,) = (session.id for session in http.store.sessions.values() if session.kind == "admin")
    user = granted(http.login("13700137000"))
    listed = done(http.request("GET", SESSIONS, token=user))["sessions"]
    assert admin_session not in [session["id"] for session in listed]
    refused(http.request("DELETE", f"{SESSIONS}/{admin_session}", token=user), 404, "no_such_session")
    done(http.request("DELETE", SESSIONS, token=user))
    assert http.request("GET", "/api/admin/users", token=admin).status_code == 200


# The password.


def change(http: HttpService, token: str, old: object = PASSWORD, new: object = NEW, **headers: str) -> object:
    return http.request("POST", CHANGE_PASSWORD, {"old_password": old, "new_password": new}, token=token, **headers)


def test_a_new_password_takes_the_place_of_the_old_one(http: HttpService) -> None:
    token = http.registered()
    body = {"old_password": PASSWORD, "new_password": NEW}
    assert done(http.request("POST", CHANGE_PASSWORD, body, token=token), "修改密码成功") == ""
    refused(http.login(), 403, "invalid_credentials")
    granted(http.login(password=NEW))


def test_it_ends_all_other_sessions_with_their_refresh_tokens(http: HttpService) -> None:
    mine, other, stranger = http.register(), http.login(), http.register("13900139000")
    change(http, granted(mine))
    assert envelope(http.user_info(granted(other)))["reason"] == "password_changed"
    assert envelope(http.refresh(refresh_token_of(other)))["reason"] == "password_changed"
    assert http.user_info(granted(mine)).status_code == http.user_info(granted(stranger)).status_code == 200
    granted(http.refresh(refresh_token_of(mine)))


def test_an_admin_session_of_the_user_ends_as_well(http: HttpService) -> None:
    admin = http.admin()
    change(http, granted(http.login("13700137000")))
    assert envelope(http.request("GET", "/api/admin/users", token=admin))["reason"] == "password_changed"


@for_each("old", ["another password", "", PASSWORD + " ", PASSWORD.upper(), "x" * 9_000])
def test_the_old_password_must_be_right(old: str) -> None:
    http = serve()
    token, other = http.registered(), granted(http.login())
    body = {"old_password": old, "new_password": NEW}
    refused(http.request("POST", CHANGE_PASSWORD, body, token=token), 403, "password_wrong", "密码错误")
    english = http.request("POST", CHANGE_PASSWORD, body, token=token, **IN_ENGLISH)
    refused(english, 403, "password_wrong", "The password is wrong.")
    assert http.user_info(other).status_code == 200
    granted(http.login())


REFUSED_PASSWORDS = [
    (
        "contract",
        "12345",
        "password_length",
        "修改密码失败,密码长度请大于6位,小于32位",
        "The password was not changed: a password has 6 to 32 characters.",
    ),
    (
        "contract",
        "x" * 33,
        "password_length",
        "修改密码失败,密码长度请大于6位,小于32位",
        "The password was not changed: a password has 6 to 32 characters.",
    ),
    (
        "strict",
        "1234567",
        "password_length",
        "修改密码失败,密码长度请大于8位,小于128位",
        "The password was not changed: a password has 8 to 128 characters.",
    ),
    (
        "strict",
        "ILoveYou1",
        "password_common",
        "修改密码失败,密码过于常见,请更换",
        "The password was not changed: this password is too common, choose another.",
    ),
    (
        "strict",
        f"my {PHONE}",
        "password_holds_identifier",
        "修改密码失败,密码不能包含手机号或用户名",
        "The password was not changed: the password must not hold the phone number or the user name.",
    ),
    (
        "strict",
        "I am ZhangSan",
        "password_holds_identifier",
        "修改密码失败,密码不能包含手机号或用户名",
        "The password was not changed: the password must not hold the phone number or the user name.",
    ),
]


@for_each(("policy", "new", "reason", "chinese", "english"), REFUSED_PASSWORDS)
def test_the_policy_binds_a_new_password(policy: str, new: str, reason: str, chinese: str, english: str) -> None:
    http = serve(Settings(time_zone=SHANGHAI, password_policy=policy), common_passwords=["iloveyou1"])
    token = http.registered(user_name="zhangsan")
    other = granted(http.login())
    body = {"old_password": PASSWORD, "new_password": new}
    refused(http.request("POST", CHANGE_PASSWORD, body, token=token), 403, reason, chinese)
    refused(http.request("POST", CHANGE_PASSWORD, body, token=token, **IN_ENGLISH), 403, reason, english)
    assert http.user_info(other).status_code == 200
    granted(http.login())


def test_a_registration_that_is_refused_still_speaks_of_registering(http: HttpService) -> None:
    refused(http.register(password="1"), 403, "password_length", "注册失败,密码长度请大于6位,小于32位")
    english = http.post("/api/user/register", {"phone": PHONE, "password": "1"}, **IN_ENGLISH)
    refused(english, 403, "password_length", "Registration failed: a password has 6 to 32 characters.")


def test_a_password_is_judged_once_and_not_at_all_without_a_token() -> None:
    hasher = FakePasswordHasher()
    http = serve(hasher=hasher)
    token = http.registered()
    change(http, "x")
    assert hasher.judged == 0
    change(http, token)
    assert hasher.judged == 1


@for_each(("method", "path"), [("POST", CHANGE_PASSWORD), ("DELETE", ACCOUNT)])
def test_a_hasher_that_is_busy_may_be_asked_again(method: str, path: str) -> None:
    http = serve(hasher=FailingHasher(HasherBusy("47 wait", retry_after=3)))
    token = serve_with_session(http)
    body = {"old_password": PASSWORD, "new_password": NEW, "password": PASSWORD}
    result = http.request(method, path, body, token=token)
    refused(result, 503, "busy", "服务繁忙,请稍后再试")
    assert result.headers["retry-after"] == "3"


def serve_with_session(http: HttpService) -> str:
    """A session of a user in *http*, whose hasher cannot register anybody."""
    other = serve()
    token = other.registered()
    http.store.users.update(other.store.users)
    http.store.sessions.update(other.store.sessions)
    theirs, ours = http.service.authenticate_strictly.codec, other.service.authenticate_strictly.codec
    theirs.issued.update(ours.issued)  # type: ignore[attr-defined]
    return token


# The profile.


@for_each("name", ["张三", "", " padded ", "𠮷 😀", "a" * 80, "<b>'\"--", None])
def test_a_name_is_changed_to_what_came(name: str | None) -> None:
    http = serve()
    token = http.registered(user_name="before")
    data = done(http.request("PATCH", PROFILE, {"user_name": name}, token=token), "修改资料成功")
    assert data["user_name"] == name
    assert data == done(http.user_info(token))


@for_each("name", ["a" * 81, "a\nb", "\x1b[31m", "\x7f"])
def test_a_name_that_cannot_be_kept_is_refused(name: str) -> None:
    http = serve()
    token = http.registered(user_name="before")
    result = http.request("PATCH", PROFILE, {"user_name": name}, token=token)
    refused(result, 403, "user_name_invalid", "修改资料失败,用户名不能超过80个字符,且不能含有控制字符")
    english = http.request("PATCH", PROFILE, {"user_name": name}, token=token, **IN_ENGLISH)
    text = "The profile was not changed: a user name has at most 80 characters and no control characters."
    refused(english, 403, "user_name_invalid", text)
    assert http.user().user_name == "before"


def test_nothing_but_the_name_is_changed(http: HttpService) -> None:
    token = http.registered()
    before = http.user()
    more = {"id": 9, "phone": "13900139000", "account_balance": 1, "state": "x", "fee_percentage": 0, "is_admin": True}
    http.request("PATCH", PROFILE, {"user_name": "after", **more}, token=token)
    after = http.user()
    assert after.user_name == "after"
    assert (after.id, after.phone, after.account_balance, after.state, after.fee_percentage, after.is_admin) == (
        (before.id, before.phone, before.account_balance, before.state, before.fee_percentage, before.is_admin)
    )


def test_it_changes_nobody_elses_name(http: HttpService) -> None:
    http.registered("13900139000", user_name="theirs")
    done(http.request("PATCH", PROFILE, {"user_name": "mine"}, token=http.registered()))
    assert http.user("13900139000").user_name == "theirs"


# Closing.


def close(http: HttpService, token: str, password: str = PASSWORD) -> object:
    return done(http.request("DELETE", ACCOUNT, {"password": password}, token=token))


def test_an_account_closes_after_the_grace(http: HttpService) -> None:
    token, other = http.registered(), granted(http.login())
    result = http.request("DELETE", ACCOUNT, {"password": PASSWORD}, token=token)
    assert done(result, "注销申请成功,在此之前登陆即可撤销") == {"closes_at": "2026-01-08 08:00:00"}
    for ended in (token, other):
        data = {"ended_at": "2026-01-01 08:00:00"}
        refused(http.user_info(ended), 401, "user_not_active", "该用户状态异常,请联系客服", data)
    assert http.user().state.text == "注销中"


def test_the_operator_says_how_long_the_grace_is() -> None:
    http = serve(Settings(time_zone=SHANGHAI, account_closing_grace=timedelta(hours=2)))
    assert close(http, http.registered()) == {"closes_at": "2026-01-01 10:00:00"}


def test_leaving_is_told_in_english_too(http: HttpService) -> None:
    result = http.request("DELETE", ACCOUNT, {"password": PASSWORD}, token=http.registered(), **IN_ENGLISH)
    done(result, "The account closes then; logging in before takes it back.")


def test_logging_in_within_the_grace_takes_it_back(http: HttpService) -> None:
    before = http.register()
    close(http, granted(before))
    http.clock.move(timedelta(days=7, seconds=-1))
    token = granted(http.login())
    assert done(http.user_info(token))["state"] == "正常"
    data = {"ended_at": "2026-01-01 08:00:00", "by": {"type": "other", "name": None}}
    refused(http.user_info(granted(before)), 401, "user_closed", "token过期", data)


def test_a_wrong_password_within_the_grace_takes_nothing_back(http: HttpService) -> None:
    close(http, http.registered())
    refused(http.login(password="another password"), 403, "invalid_credentials")
    assert http.user().state.text == "注销中"


def test_after_the_grace_nobody_logs_in_and_the_number_is_free(http: HttpService) -> None:
    close(http, http.registered(user_name="before"))
    refused(http.register(), 403, "phone_taken")
    http.clock.move(timedelta(days=7))
    refused(http.login(), 403, "user_not_active", "该用户状态不允许登陆")
    token = http.registered(password=NEW)
    assert done(http.user_info(token))["id"] == 2
    assert done(http.user_info(token))["user_name"] is None
    refused(http.login(), 403, "invalid_credentials")


def test_what_others_refer_to_stays_without_anything_personal(http: HttpService) -> None:
    close(http, http.registered(user_name="before"))
    http.clock.move(timedelta(days=7))
    http.service.prune()
    (user,) = http.store.users.values()
    assert (user.phone, user.user_name, user.password_hash, user.state.text) == (None, None, "", "已注销")
    assert http.user_info(http.registered(invited_by=1)).json["data"]["mid"] == 1


@for_each("password", ["another password", "", PASSWORD + " ", "x" * 9_000])
def test_only_the_password_closes_an_account(password: str) -> None:
    http = serve()
    token = http.registered()
    result = http.request("DELETE", ACCOUNT, {"password": password}, token=token)
    refused(result, 403, "password_wrong", "密码错误")
    assert http.user_info(token).status_code == 200


def test_an_account_that_is_closing_cannot_be_closed_again(http: HttpService) -> None:
    token = http.registered()
    close(http, token)
    result = http.request("DELETE", ACCOUNT, {"password": PASSWORD}, token=token)
    refused(result, 401, "user_not_active", data={"ended_at": "2026-01-01 08:00:00"})


@for_each(
    ("method", "path"),
    [("GET", SESSIONS), ("DELETE", SESSIONS), ("POST", CHANGE_PASSWORD), ("PATCH", PROFILE), ("DELETE", ACCOUNT)],
)
def test_a_frozen_user_does_nothing(method: str, path: str) -> None:
    http = serve()
    token = http.registered()
    before = http.user()
    http.change_user(state=UserState("冻结"))
    body = {"old_password": PASSWORD, "new_password": NEW, "user_name": "x", "password": PASSWORD}
    refused(http.request(method, path, body, token=token), 401, "user_not_active")
    http.change_user(state=before.state)
    assert http.user() == before
