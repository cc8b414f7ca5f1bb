"""What admins look for over HTTP: users and the audit log, a page at a time."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import pytest

from menshen.domain.users import UserState

from .cases import for_each
from .http_service import (
    ACCOUNT,
    ADDRESS,
    ADMIN_PHONE,
    ADMIN_USERS,
    AUDIT,
    CHANGE_PASSWORD,
    LOGOUT,
    PASSWORD,
    PHONE,
    PROFILE,
    SESSIONS,
    HttpService,
    done,
    refused,
    serve,
    session_of,
)

NOW = "2026-01-01 08:00:00"
MANY = 130

NAMES = ["%", "%x", "_", "x", "xy", "X", "a\\b", "张三", "张三丰", "", None]


@pytest.fixture
def http() -> HttpService:
    """A service with a user for each of NAMES, with the ids from 1 on; the admin comes after them."""
    service = serve()
    for number, name in enumerate(NAMES):
        service.registered(f"138001380{number:02}", user_name=name)
    return service


@pytest.fixture(scope="module")
def many() -> tuple[HttpService, str]:
    """A service with more users and entries than fit on a page, and the token of an admin. Read-only."""
    service = serve()
    for number in range(MANY - 1):
        service.registered(f"13800{number:06}")
    return service, service.admin()


def found(http: HttpService, query: str = "") -> list[int]:
    """The ids of the users on one page."""
    data = done(http.request("GET", f"{ADMIN_USERS}?{query}", token=http.admin()), "操作成功")
    ids = [user["id"] for user in data["users"]]
    assert data["next"] == (ids[-1] if ids else None)
    return ids


ADMIN = len(NAMES) + 1


# Users.


def test_without_a_filter_everybody_is_found(http: HttpService) -> None:
    assert found(http) == [*range(1, ADMIN + 1)]
    assert found(http, "nonsense=1") == [*range(1, ADMIN + 1)]


def test_a_user_that_is_found_is_shown_as_it_is_alone(http: HttpService) -> None:
    token = http.admin()
    users = done(http.request("GET", ADMIN_USERS, token=token))["users"]
    assert users[3] == done(http.request("GET", f"{ADMIN_USERS}/4", token=token))


@for_each(("query", "ids"), [("id=3", [3]), ("id=999", []), ("id=2147483647", []), ("id=003", [3])])
def test_a_user_is_found_by_id(http: HttpService, query: str, ids: list[int]) -> None:
    assert found(http, query) == ids


@for_each(
    ("phone", "ids"),
    [("13800138002", [3]), ("+86 138-0013-8002", [3]), ("１３８００１３８００２", [3]), ("13999999999", [])],
)
def test_a_user_is_found_by_any_spelling_of_the_number(http: HttpService, phone: str, ids: list[int]) -> None:
    assert found(http, f"phone={quote(phone)}") == ids


@for_each(
    ("name", "ids"),
    [
        ("%", [1, 2]),
        ("%x", [2]),
        ("_", [3]),
        ("x", [4, 5]),
        ("xy", [5]),
        ("X", [6]),
        ("a\\", [7]),
        ("张", [8, 9]),
        ("张三丰", [9]),
        ("y", []),
        ("%%", []),
        ("*", []),
        ("' OR 1=1 --", []),
        ("x" * 5_000, []),
    ],
)
def test_a_name_is_compared_character_by_character_from_its_start(http: HttpService, name: str, ids: list[int]) -> None:
    assert found(http, f"name={quote(name)}") == ids


def test_users_are_found_by_their_state(http: HttpService) -> None:
    for phone, text in {"13800138001": "冻结", "13800138002": "注销中", "13800138003": "已注销"}.items():
        http.change_user(phone, state=UserState(text, http.clock.now() + timedelta(minutes=5)))
    assert found(http, "state=frozen") == [2]
    assert found(http, "state=closing") == [3]
    assert found(http, "state=closed") == [4]
    assert found(http, "state=active") == [1, *range(5, ADMIN + 1)]
    http.change_user("13800138004", state=UserState("nobody knows what"))
    assert found(http, "state=unknown") == [5]


def test_a_state_that_has_ended_by_itself_is_not_found_any_more(http: HttpService) -> None:
    http.change_user("13800138001", state=UserState.frozen(until=http.clock.now() + timedelta(minutes=5), reason="x"))
    http.change_user("13800138002", state=UserState.closing(http.clock.now() + timedelta(minutes=5)))
    assert (found(http, "state=frozen"), found(http, "state=closing"), found(http, "state=closed")) == ([2], [3], [])
    http.clock.move(timedelta(minutes=5))
    assert (found(http, "state=frozen"), found(http, "state=closing"), found(http, "state=closed")) == ([], [], [3])
    assert 2 in found(http, "state=active")


def test_filters_hold_together(http: HttpService) -> None:
    http.change_user("13800138003", state=UserState("冻结"))
    assert found(http, "name=x&state=frozen") == [4]
    assert found(http, "name=x&state=active") == [5]
    assert found(http, "name=x&state=active&id=4") == []
    assert found(http, "name=x&phone=13800138004&after=4&limit=1") == [5]


BAD_NUMBERS = ["", "-1", "+1", "1.5", "1e3", "0x1", "one", "%20", "1%20", "%EF%BC%91", "%C2%B2", "NaN", "9" * 19, "1_0"]


@for_each("parameter", ["id", "after", "limit"])
@for_each("value", BAD_NUMBERS)
def test_what_is_no_number_is_refused(many: tuple[HttpService, str], parameter: str, value: str) -> None:
    http, token = many
    result = http.request("GET", f"{ADMIN_USERS}?{parameter}={value}", token=token)
    refused(result, 400, "query_invalid", f"查询参数{parameter}无效")


@for_each(
    ("parameter", "value"),
    [
        *(("phone", value) for value in ("nonsense", "", "1380013800", "%25", "13800138000%00", "x" * 5_000)),
        *(("state", value) for value in ("nonsense", "", "Active", "正常", "active ", "x" * 5_000)),
    ],
)
def test_what_is_no_number_and_no_state_is_refused(many: tuple[HttpService, str], parameter: str, value: str) -> None:
    http, token = many
    result = http.request("GET", f"{ADMIN_USERS}?{parameter}={value}", token=token)
    refused(result, 400, "query_invalid", f"查询参数{parameter}无效")
    english = http.request("GET", f"{ADMIN_USERS}?{parameter}={value}", token=token, **{"Accept-Language": "en"})
    refused(english, 400, "query_invalid", f"The query parameter {parameter} is invalid.")


@for_each("query", ["%", "%ff%fe", "&&&===", "name=%ED%A0%80", "name=%00", "a=" + "b" * 9_000])
def test_no_query_does_harm(http: HttpService, query: str) -> None:
    found(http, query)


# Pages.


@for_each(("limit", "size"), [("0", 1), ("1", 1), ("99", 99), ("100", 100), ("101", 100), ("9" * 10, 100)])
def test_a_page_holds_a_hundred_at_the_most(many: tuple[HttpService, str], limit: str, size: int) -> None:
    http, token = many
    users = done(http.request("GET", f"{ADMIN_USERS}?limit={limit}", token=token))["users"]
    assert [user["id"] for user in users] == [*range(1, size + 1)]
    entries = done(http.request("GET", f"{AUDIT}?limit={limit}", token=token))["entries"]
    assert len(entries) == size


def test_a_page_holds_a_hundred_unless_told_otherwise(many: tuple[HttpService, str]) -> None:
    http, token = many
    assert len(done(http.request("GET", ADMIN_USERS, token=token))["users"]) == 100
    assert len(done(http.request("GET", AUDIT, token=token))["entries"]) == 100


def pages(http: HttpService, token: str, path: str, members: str, key: str, limit: int) -> Iterator[list[int]]:
    """Page after page, as ``next`` leads from each to the one after it, until one is empty."""
    query = f"limit={limit}"
    for _ in range(1_000):
        data = done(http.request("GET", f"{path}?{query}", token=token))
        if not data[members]:
            assert data["next"] is None
            return
        yield [member["id"] for member in data[members]]
        query = f"limit={limit}&{key}={data['next']}"
    raise AssertionError("the pages have no end")


@for_each("limit", [1, 7, 65, 100])
def test_pages_of_users_walk_through_all_of_them_once(many: tuple[HttpService, str], limit: int) -> None:
    http, token = many
    walked = [*pages(http, token, ADMIN_USERS, "users", "after", limit)]
    assert [user_id for page in walked for user_id in page] == [*range(1, MANY + 1)]
    assert all(len(page) == limit for page in walked[:-1])


def acts_of(http: HttpService) -> list[int]:
    """The numbers of all entries but reads, newest first."""
    return sorted((each.id for each in http.store.audit.values() if each.event.action != "read"), reverse=True)


@for_each("limit", [7, 100])
def test_pages_of_the_audit_log_walk_through_all_of_it_once(many: tuple[HttpService, str], limit: int) -> None:
    http, token = many
    walked = [*pages(http, token, AUDIT, "entries", "before", limit)]
    assert [entry for page in walked for entry in page] == acts_of(http)
    assert all(len(page) == limit for page in walked[:-1])


def test_a_user_who_comes_between_two_pages_moves_none_of_them() -> None:
    http = serve()
    for number in range(4):
        http.registered(f"1380013800{number}")
    token = http.admin()
    walked = []
    for page in pages(http, token, ADMIN_USERS, "users", "after", 2):
        walked += page
        if len(walked) <= 4:
            http.registered(f"1390013900{len(walked)}")
    assert walked == [*range(1, 8)]


# The audit log.


def entries(http: HttpService, query: str = "") -> list[dict[str, object]]:
    found: list[dict[str, object]] = done(http.request("GET", f"{AUDIT}?{query}", token=http.admin()))["entries"]
    return found


def test_an_entry_says_who_did_what_to_whom_when_and_from_where() -> None:
    http = serve()
    token = http.admin()
    answer = http.register(device={"type": "phone", "id": "d-1", "name": "mine"})
    http.clock.move(timedelta(minutes=1))
    http.request("POST", f"{ADMIN_USERS}/2/freeze", {"reason": "a chargeback"}, token=token)
    freeze, end, login, register = entries(http, "user=2")
    common = {"time": "2026-01-01 08:01:00", "actor": "user:1", "outcome": "done", "subject": 2, "address": ADDRESS}
    common |= {"times": 1, "last_time": None, "shown": None}
    admins = {"type": "other", "name": None}
    phone = {"type": "phone", "name": "mine"}
    assert freeze == common | {
        "id": freeze["id"],
        "action": "freeze",
        "detail": "a chargeback",
        "session_id": None,
        "device": admins,
    }
    assert end == common | {
        "id": end["id"],
        "action": "end_session",
        "detail": "user_frozen",
        "session_id": session_of(answer),
        "device": admins,
    }
    assert (login["action"], login["session_id"], login["device"]) == ("log_in", session_of(answer), phone)
    assert (register["action"], register["actor"], register["time"]) == ("register", "user:2", NOW)


def test_refusals_are_in_it_with_their_reason() -> None:
    http = serve()
    http.registered()
    http.login(password="another password")
    http.login("13900139000")
    http.register()
    http.admin_login(PHONE)
    newest = [(entry["action"], entry["outcome"], entry["subject"], entry["actor"]) for entry in entries(http)][4:]
    assert newest[:4] == [
        ("admin_log_in", "not_an_admin", 1, "nobody"),
        ("register", "phone_taken", None, "nobody"),
        ("log_in", "invalid_credentials", None, "nobody"),
        ("log_in", "invalid_credentials", 1, "nobody"),
    ]


def test_all_that_changes_something_is_in_it() -> None:
    http = serve()
    token = http.registered()
    admin = http.admin()
    user = f"{ADMIN_USERS}/1"
    requests: list[tuple[str, str, object, str, list[str]]] = [
        ("PATCH", PROFILE, {"user_name": "x"}, token, ["rename"]),
        ("POST", CHANGE_PASSWORD, {"old_password": "x", "new_password": PASSWORD}, token, ["change_password"]),
        ("POST", CHANGE_PASSWORD, {"old_password": PASSWORD, "new_password": PASSWORD}, token, ["change_password"]),
        ("DELETE", SESSIONS, {}, token, []),
        ("PUT", f"{user}/fee", {"fee_percentage": 7}, admin, ["set_fee"]),
        ("POST", f"{user}/freeze", {"reason": "x"}, admin, ["freeze", "end_session"]),
        ("POST", f"{user}/unfreeze", {}, admin, ["unfreeze"]),
        ("DELETE", f"{user}/sessions", {}, admin, ["kick"]),
    ]
    for method, path, body, by, actions in requests:
        last = http.store.audit_entries_ever
        http.request(method, path, body, token=by)
        new = [entry.event.action for number, entry in http.store.audit.items() if number > last]
        assert sorted(new) == sorted(actions), path
    login = http.login()
    last = http.store.audit_entries_ever
    http.request("POST", LOGOUT, token=login.json["token"])
    http.request("DELETE", ACCOUNT, {"password": PASSWORD}, token=http.login().json["token"])
    http.login()
    assert [entry.event.action for number, entry in http.store.audit.items() if number > last] == [
        "end_session",
        "log_in",
        "close",
        "end_session",
        "reopen",
        "log_in",
    ]


def test_it_is_read_of_one_user_or_of_everybody(http: HttpService) -> None:
    of_third = entries(http, "user=3")
    assert {entry["subject"] for entry in of_third} == {3}
    assert [entry["action"] for entry in of_third] == ["log_in", "register"]
    assert entries(http, "user=999") == []
    assert len(entries(http)) > len(of_third)


def test_it_is_read_from_the_newest_back(http: HttpService) -> None:
    ids = [entry["id"] for entry in entries(http, "limit=5")]
    assert ids == acts_of(http)[:5]
    assert [entry["id"] for entry in entries(http, f"before={ids[1]}&limit=3")] == ids[2:]
    assert entries(http, "before=1") == []


@for_each("parameter", ["user", "before", "limit"])
@for_each("value", BAD_NUMBERS)
def test_what_is_no_number_of_the_log_is_refused(many: tuple[HttpService, str], parameter: str, value: str) -> None:
    http, token = many
    result = http.request("GET", f"{AUDIT}?{parameter}={value}", token=token)
    refused(result, 400, "query_invalid", f"查询参数{parameter}无效")


def test_no_password_and_no_token_is_in_it() -> None:
    http = serve()
    admin = http.admin()
    answer = http.register(user_name="the user's name")
    token, refresh_token = answer.json["token"], answer.json["data"]["refresh_token"]
    http.login(password="a-wrong-password")
    http.post("/api/user/token/refresh", {"refresh_token": refresh_token})
    body = {"old_password": PASSWORD, "new_password": "the-new-password"}
    http.request("POST", CHANGE_PASSWORD, body, token=token)
    http.request("POST", CHANGE_PASSWORD, body, token=token)
    http.request("POST", "/api/admin/explain", {"token": token}, token=admin)
    http.request("DELETE", ACCOUNT, {"password": "a-wrong-password"}, token=token)
    http.request("POST", "/api/admin/logout", token=admin)
    shown = http.request("GET", AUDIT, token=http.admin(ADMIN_PHONE)).text + repr(http.store.audit)
    secrets = (PASSWORD, "a-wrong-password", "the-new-password", token, admin, refresh_token, "the user's name")
    for secret in secrets:
        assert secret not in shown
