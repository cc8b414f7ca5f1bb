"""How a session ends, and what its client is told: the reason, when, and by which other device."""

from collections.abc import Callable
from datetime import timedelta

from menshen.entrypoints.settings import Settings

from .cases import for_each
from .http_service import (
    ACCOUNT,
    ADMIN_USERS,
    CHANGE_PASSWORD,
    LOGOUT,
    PASSWORD,
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

MINE = {"type": "phone", "id": "d-1", "name": "mine"}
OTHER = {"type": "pc", "id": "d-2", "name": "the other"}
BY_OTHER = {"type": "pc", "name": "the other"}
LATER = "2026-01-01 09:00:00"

End = Callable[[HttpService, str, str], None]


def _log_out(http: HttpService, mine: str, other: str) -> None:
    done(http.request("POST", LOGOUT, token=mine), "退出成功")


def _end_mine_by_id(http: HttpService, mine: str, other: str) -> None:
    listed = done(http.request("GET", SESSIONS, token=mine))["sessions"]
    (current,) = (session["id"] for session in listed if session["current"])
    done(http.request("DELETE", f"{SESSIONS}/{current}", token=mine), "已退出该设备")


def _log_in_again(http: HttpService, mine: str, other: str) -> None:
    granted(http.login(device={**OTHER, "id": "d-1"}))


def _kick_one(http: HttpService, mine: str, other: str) -> None:
    listed = done(http.request("GET", SESSIONS, token=other))["sessions"]
    (not_current,) = (session["id"] for session in listed if not session["current"])
    by = {"password": PASSWORD}
    done(http.request("DELETE", f"{SESSIONS}/{not_current}", by, token=other), "已退出该设备")


def _kick_others(http: HttpService, mine: str, other: str) -> None:
    answer = http.request("DELETE", SESSIONS, {"password": PASSWORD}, token=other)
    assert done(answer, "已退出其他设备") == {"ended": 1}


def _operator_kicks(http: HttpService, mine: str, other: str) -> None:
    assert done(http.request("DELETE", f"{ADMIN_USERS}/1/sessions", token=http.admin())) == {"ended": 2}


def _change_password(http: HttpService, mine: str, other: str) -> None:
    body = {"old_password": PASSWORD, "new_password": "another good one"}
    done(http.request("POST", CHANGE_PASSWORD, body, token=other))


def _freeze_and_unfreeze(http: HttpService, mine: str, other: str) -> None:
    admin = http.admin()
    done(http.request("POST", f"{ADMIN_USERS}/1/freeze", {"reason": "for a test"}, token=admin))
    done(http.request("POST", f"{ADMIN_USERS}/1/unfreeze", token=admin))


def _close_and_come_back(http: HttpService, mine: str, other: str) -> None:
    done(http.request("DELETE", ACCOUNT, {"password": PASSWORD}, token=other))
    granted(http.login(device=OTHER))


ENDS: dict[str, tuple[End, str, object]] = {
    "logged out": (_log_out, "session_logged_out", None),
    "logged out by its own id": (_end_mine_by_id, "session_logged_out", None),
    "replaced": (_log_in_again, "session_replaced", BY_OTHER),
    "kicked from another device": (_kick_one, "session_kicked", BY_OTHER),
    "kicked with all others": (_kick_others, "session_kicked", BY_OTHER),
    "kicked by an operator": (_operator_kicks, "session_kicked", None),
    "password changed": (_change_password, "password_changed", BY_OTHER),
    "user frozen": (_freeze_and_unfreeze, "user_frozen", None),
    "user closed": (_close_and_come_back, "user_closed", BY_OTHER),
}


@for_each("how", ENDS)
def test_each_end_is_told_apart(how: str) -> None:
    http = serve()
    end, reason, by = ENDS[how]
    mine, other = http.registered(device=MINE), granted(http.login(device=OTHER))
    http.clock.move(timedelta(hours=1))
    assert http.user_info(mine).status_code == 200
    end(http, mine, other)
    data = {"ended_at": LATER} if by is None else {"ended_at": LATER, "by": by}
    result = http.user_info(mine)
    refused(result, 401, reason, "token过期", data)
    assert result.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    english = http.user_info(mine, **{"Accept-Language": "en"})
    refused(english, 401, reason, "The token has expired.", data)


@for_each("how", ENDS)
def test_an_end_is_told_of_the_refresh_token_as_well(how: str) -> None:
    http = serve()
    end, reason, by = ENDS[how]
    answer = http.register(device=MINE)
    other = granted(http.login(device=OTHER))
    http.clock.move(timedelta(hours=1))
    end(http, granted(answer), other)
    data = {"ended_at": LATER} if by is None else {"ended_at": LATER, "by": by}
    result = http.refresh(refresh_token_of(answer))
    refused(result, 401, reason, "token过期", data)
    assert result.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@for_each("how", ENDS)
def test_the_first_end_stays(how: str) -> None:
    http = serve()
    end, _, _ = ENDS[how]
    mine, other = http.registered(device=MINE), granted(http.login(device=OTHER))
    end(http, mine, other)
    first = http.user_info(mine)
    assert first.status_code == 401
    http.clock.move(timedelta(hours=1))
    http.login(device=MINE)
    http.login(device=OTHER)
    http.request("POST", LOGOUT, token=mine)
    http.request("DELETE", f"{ADMIN_USERS}/1/sessions", token=http.admin())
    again = http.user_info(mine)
    assert (again.json["reason"], again.json["data"]) == (first.json["reason"], first.json["data"])


@for_each("how", ["logged out", "replaced", "kicked from another device", "password changed"])
def test_the_other_device_stays_in(how: str) -> None:
    http = serve()
    end, _, _ = ENDS[how]
    mine, other = http.registered(device=MINE), granted(http.login(device=OTHER))
    end(http, mine, other)
    assert http.user_info(other).status_code == 200


def test_a_device_without_a_name_is_told_by_its_type(http: HttpService) -> None:
    mine = http.registered()
    done(http.request("DELETE", SESSIONS, token=granted(http.login(device={"type": "tablet"}))))
    by = {"ended_at": "2026-01-01 08:00:00", "by": {"type": "tablet", "name": None}}
    refused(http.user_info(mine), 401, "session_kicked", data=by)


def test_the_id_of_another_device_is_not_told(http: HttpService) -> None:
    mine = http.registered(device=MINE)
    _kick_others(http, mine, granted(http.login(device=OTHER)))
    assert "d-2" not in http.user_info(mine).text


SHORT = Settings(
    time_zone=SHANGHAI,
    session_ttl=timedelta(hours=3),
    session_idle_ttl=timedelta(hours=1),
    remember_session_ttl=timedelta(hours=30),
    remember_session_idle_ttl=timedelta(hours=10),
)


def test_a_session_that_is_not_used_is_idle_too_long() -> None:
    http = serve(SHORT)
    token = http.registered()
    http.clock.move(timedelta(hours=1))
    refused(http.user_info(token), 401, "session_idle", "token过期", {"ended_at": LATER})


def test_a_session_that_is_used_lives_on_until_its_end() -> None:
    http = serve(SHORT)
    answer = http.register()
    for _ in range(3):
        http.clock.move(timedelta(minutes=59))
        assert http.user_info(granted(answer)).status_code == 200
    http.clock.move(timedelta(minutes=3))
    # The token ends with its session.
    refused(http.user_info(granted(answer)), 401, "token_expired", "token过期")
    data = {"ended_at": "2026-01-01 11:00:00"}
    refused(http.refresh(refresh_token_of(answer)), 401, "session_expired", "token过期", data)


def test_a_remembered_one_is_idle_later() -> None:
    http = serve(SHORT)
    http.registered()
    token = granted(http.login(remember=True))
    http.clock.move(timedelta(hours=10, seconds=-1))
    assert http.user_info(token).status_code == 200
    http.clock.move(timedelta(hours=10))
    assert envelope(http.user_info(token))["reason"] == "session_idle"


def test_being_refused_is_no_use_of_a_session() -> None:
    http = serve(SHORT)
    answer = http.register()
    for _ in range(4):
        http.clock.move(timedelta(minutes=20))
        http.login(password="another password")
        http.user_info(f"{granted(answer)}x")
        http.request("GET", REFRESH, token=granted(answer))
    assert envelope(http.user_info(granted(answer)))["reason"] == "session_idle"


def test_a_refresh_token_that_comes_back_ends_the_session(http: HttpService) -> None:
    answer = http.register()
    http.refresh(refresh_token_of(answer))
    http.clock.move(timedelta(hours=1))
    refused(http.refresh(refresh_token_of(answer)), 401, "refresh_token_reused", "token过期", {"ended_at": LATER})
    http.clock.move(timedelta(hours=1))
    refused(http.user_info(granted(answer)), 401, "refresh_token_reused", "token过期", {"ended_at": LATER})


def test_the_list_of_sessions_never_shows_one_that_has_ended(http: HttpService) -> None:
    mine, other = http.registered(), http.login(device=OTHER)
    _kick_others(http, mine, granted(other))
    listed = done(http.request("GET", SESSIONS, token=granted(other)))["sessions"]
    assert [session["id"] for session in listed] == [session_of(other)]
