"""From which address a request came, and what the log says about it."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from ipaddress import ip_network
from logging.handlers import QueueListener
from threading import Event
from typing import Any, TextIO

import falcon
import pytest
from falcon.testing import create_environ

from menshen.domain.users import UserState
from menshen.entrypoints import log
from menshen.entrypoints.environment import read_settings
from menshen.entrypoints.http.clients import UNREADABLE, client_address
from menshen.entrypoints.settings import Settings

from .cases import for_each
from .http_service import (
    ACCOUNT,
    ADDRESS,
    ADMIN_LOGIN,
    ADMIN_LOGOUT,
    ADMIN_PHONE,
    ADMIN_USERS,
    AUDIT,
    CHANGE_PASSWORD,
    EXPLAIN,
    LOGIN,
    LOGOUT,
    PASSWORD,
    PHONE,
    PROFILE,
    REFRESH,
    REGISTER,
    SESSIONS,
    SHANGHAI,
    USER_INFO,
    HttpService,
    call_wsgi,
    granted,
    logged,
    refresh_token_of,
    serve,
    session_of,
)

PROXIES = read_settings({"MENSHEN_TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.1, fd00::/8"}).trusted_proxies


def address(peer: str, forwarded: str | None = None, *, trusted: bool = True) -> str:
    environ = create_environ(headers={} if forwarded is None else {"X-Forwarded-For": forwarded})
    environ["REMOTE_ADDR"] = peer
    return client_address(falcon.Request(environ), PROXIES if trusted else ())


@for_each(
    "forwarded", [None, "", "1.2.3.4", "10.0.0.1", "1.2.3.4, 10.0.0.1", "127.0.0.1", "::1", "evil", "1.2.3.4," * 999]
)
def test_a_caller_cannot_choose_their_own_address(forwarded: str | None) -> None:
    assert address("203.0.113.9", forwarded, trusted=False) == "203.0.113.9"
    assert address("10.0.0.1", forwarded, trusted=False) == "10.0.0.1"
    assert address("203.0.113.9", forwarded) == "203.0.113.9"
    assert address("2001:db8::9", forwarded) == "2001:db8::9"


@for_each(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("192.0.2.1", "203.0.113.9", "203.0.113.9"),
        ("192.0.2.2", "203.0.113.9", "192.0.2.2"),
        # Only what our own proxies wrote counts, from the end.
        ("10.0.0.1", "1.2.3.4, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4,203.0.113.9,10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4,203.0.113.9,10.0.0.2,192.0.2.1", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.7, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", " \t203.0.113.9 \t", "203.0.113.9"),
        # If one of our proxies sends something that is not an address, the caller is unknown, and never the proxy.
        ("10.0.0.1", "evil", UNREADABLE),
        ("10.0.0.1", "203.0.113.9, evil", UNREADABLE),
        ("10.0.0.1", "203.0.113.9, evil, 10.0.0.2", UNREADABLE),
        ("10.0.0.1", "unknown", UNREADABLE),
        ("10.0.0.1", "_hidden:80", UNREADABLE),
        ("10.0.0.1", "203.0.113.09", UNREADABLE),
        ("10.0.0.1", "3405803785", UNREADABLE),
        ("10.0.0.1", "203.0.113", UNREADABLE),
        ("10.0.0.1", "203.0.113.9/32", UNREADABLE),
        ("10.0.0.1", "２０３.0.113.9", UNREADABLE),
        ("10.0.0.1", "203.0.113.9ÿ", UNREADABLE),
        ("10.0.0.1", "1" * 9_000, UNREADABLE),
        ("10.0.0.1", "for=203.0.113.9", UNREADABLE),
        # What comes before that, the caller can have written.
        ("10.0.0.1", "evil, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "ÿ, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "ÿ, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        # Empty elements do not count (RFC 9110, 5.6.1).
        ("10.0.0.1", ",", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9,", "203.0.113.9"),
        # With a port.
        ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.9:4711, 10.0.0.2:80", "203.0.113.9"),
        ("10.0.0.1", "[2001:db8::9]:4711", "2001:db8::9"),
        ("10.0.0.1", "[203.0.113.9]:4711", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9:x", UNREADABLE),
        ("10.0.0.1", "[2001:db8::9]x", UNREADABLE),
        # A zone is any text, and means nothing.
        ("10.0.0.1", "fe80::9%" + "z" * 500, "fe80::9"),
        ("10.0.0.1", "[fe80::9%eth0]:80", "fe80::9"),
        ("fe80::1%eth0", "203.0.113.9", "fe80::1"),
        # IPv6, and IPv4 mapped into it.
        ("fd00::1", "2001:db8::9", "2001:db8::9"),
        ("fd00::1", "2001:0DB8:0:0::9", "2001:db8::9"),
        ("fe80::1", "2001:db8::9", "fe80::1"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("::ffff:10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, ::ffff:10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "[2001:db8::9]", "2001:db8::9"),
        ("::ffff:a00:1", "203.0.113.9", "203.0.113.9"),
    ],
)
def test_our_own_proxies_are_believed_and_nobody_before_them(peer: str, forwarded: str | None, client: str) -> None:
    if forwarded is not None and not forwarded.isascii():
        forwarded = forwarded.encode().decode("latin-1")
    assert address(peer, forwarded) == client


@for_each("peer", ["", "unix:", "@", "/run/socket", "localhost", "300.1.1.1"])
def test_a_peer_without_an_address_is_believed_in_nothing(peer: str) -> None:
    assert address(peer, "203.0.113.9") == peer


def test_a_request_without_a_peer_has_no_address() -> None:
    environ = create_environ(headers={"X-Forwarded-For": "203.0.113.9"})
    environ.pop("REMOTE_ADDR", None)
    assert client_address(falcon.Request(environ), PROXIES) == ""


def test_no_other_header_names_the_client() -> None:
    names = ["Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Forwarded-Host", "Via"]
    environ = create_environ(headers=dict.fromkeys(names, "203.0.113.9"))
    environ["REMOTE_ADDR"] = "10.0.0.1"
    assert client_address(falcon.Request(environ), PROXIES) == "10.0.0.1"


def test_everybody_may_be_a_proxy_where_the_operator_says_so() -> None:
    environ = create_environ(headers={"X-Forwarded-For": "1.2.3.4, 203.0.113.9"})
    environ["REMOTE_ADDR"] = "198.51.100.1"
    everybody = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert client_address(falcon.Request(environ), everybody) == "1.2.3.4"


# The events.

EventOf = Callable[[Callable[[], object]], dict[str, Any]]


@pytest.fixture
def event_of() -> EventOf:
    """The one event that a request leaves."""

    def event(request: Callable[[], object]) -> dict[str, Any]:
        with logged("menshen.events") as records:
            request()
        (record,) = records
        found: dict[str, Any] = record.event  # type: ignore[attr-defined]
        return found

    return event


def test_each_attempt_to_get_in_is_an_event(http: HttpService, event_of: EventOf) -> None:
    assert event_of(lambda: http.register()) == {
        "method": "POST",
        "path": REGISTER,
        "code": 200,
        "reason": None,
        "user_id": 1,
        "address": ADDRESS,
    }
    assert event_of(lambda: http.login()) == {
        "method": "POST",
        "path": LOGIN,
        "code": 200,
        "reason": None,
        "user_id": 1,
        "address": ADDRESS,
    }


def test_each_refusal_is_an_event_with_its_reason(http: HttpService, event_of: EventOf) -> None:
    token = http.registered()

    def result_of(request: Callable[[], object]) -> tuple[object, object]:
        event = event_of(request)
        return event["code"], event["reason"]

    assert result_of(lambda: http.register()) == (403, "phone_taken")
    assert result_of(lambda: http.login(password="wrong password")) == (403, "invalid_credentials")
    assert result_of(lambda: http.login("13900139000")) == (403, "invalid_credentials")
    assert result_of(lambda: http.post_raw(LOGIN, b"{")) == (400, "body_invalid")
    assert result_of(lambda: http.user_info()) == (401, "token_missing")
    assert result_of(lambda: http.user_info("x")) == (401, "token_invalid")
    assert result_of(lambda: http.client.simulate_get("/nothing")) == (404, "not_found")
    assert result_of(lambda: http.client.simulate_get(LOGIN)) == (405, "method_not_allowed")
    http.change_user(state=UserState("冻结"))
    assert result_of(lambda: http.login()) == (403, "user_not_active")
    assert result_of(lambda: http.user_info(token)) == (401, "user_not_active")


def test_logging_out_is_an_event_of_its_user(http: HttpService, event_of: EventOf) -> None:
    token = http.registered()
    event = event_of(lambda: http.client.simulate_post(LOGOUT, headers={"token": token}))
    assert (event["path"], event["code"], event["user_id"]) == (LOGOUT, 200, 1)


def test_each_route_that_changes_something_leaves_an_event(http: HttpService, event_of: EventOf) -> None:
    mine, other = http.register(), http.login()
    admin = http.admin()
    token, user = granted(mine), f"{ADMIN_USERS}/1"
    change = {"old_password": PASSWORD, "new_password": "another good one"}
    requests: list[tuple[str, str, object, str, int]] = [
        ("POST", REFRESH, {"refresh_token": refresh_token_of(mine)}, "", 1),
        ("PATCH", PROFILE, {"user_name": "x"}, token, 1),
        ("DELETE", f"{SESSIONS}/{session_of(other)}", {}, token, 1),
        ("DELETE", SESSIONS, {}, token, 1),
        ("POST", CHANGE_PASSWORD, change, token, 1),
        ("DELETE", ACCOUNT, {"password": "another good one"}, token, 1),
        ("POST", f"{user}/freeze", {"reason": "x"}, admin, 2),
        ("POST", f"{user}/unfreeze", {}, admin, 2),
        ("PUT", f"{user}/fee", {"fee_percentage": 1}, admin, 2),
        ("DELETE", f"{user}/sessions", {}, admin, 2),
        ("POST", EXPLAIN, {"token": token}, admin, 2),
        ("POST", ADMIN_LOGIN, {"phone": ADMIN_PHONE, "password": PASSWORD}, "", 2),
        ("POST", ADMIN_LOGOUT, {}, admin, 2),
    ]
    for method, path, body, by, user_id in requests:
        headers = {"token": by} if by else {}
        event = event_of(lambda: http.request(method, path, body, **headers))  # noqa: B023 - it is called at once
        assert event == {
            "method": method,
            "path": path,
            "code": 200,
            "reason": None,
            "user_id": user_id,
            "address": ADDRESS,
        }


def test_looking_leaves_no_event_and_being_kept_out_does(http: HttpService, event_of: EventOf) -> None:
    token, admin = http.registered(), http.admin()
    with logged("menshen.events") as records:
        for path, by in ((SESSIONS, token), (ADMIN_USERS, admin), (f"{ADMIN_USERS}/1/sessions", admin), (AUDIT, admin)):
            assert http.request("GET", path, token=by).status_code == 200
    assert not records
    for path in (SESSIONS, ADMIN_USERS, f"{ADMIN_USERS}/1/sessions", AUDIT):
        assert event_of(lambda: http.request("GET", path))["reason"] == "token_missing"  # noqa: B023
    assert event_of(lambda: http.request("GET", SESSIONS, token=admin))["reason"] == "token_invalid"
    event = event_of(lambda: http.request("HEAD", SESSIONS))
    assert (event["method"], event["reason"]) == ("HEAD", "token_missing")


def test_a_refusal_of_the_new_routes_has_its_reason(http: HttpService, event_of: EventOf) -> None:
    token, admin = http.registered(), http.admin()
    wrong = {"old_password": "x", "new_password": PASSWORD, "password": "x"}
    requests = {
        "password_wrong": ("POST", CHANGE_PASSWORD, wrong, token),
        "user_name_invalid": ("PATCH", PROFILE, {"user_name": "\n"}, token),
        "no_such_session": ("DELETE", f"{SESSIONS}/x", {}, token),
        "member_missing": ("DELETE", ACCOUNT, {}, token),
        "refresh_token_invalid": ("POST", REFRESH, {"refresh_token": "x"}, "x"),
        "device_invalid": ("POST", LOGIN, {"phone": PHONE, "password": PASSWORD, "device": {"type": "x"}}, "x"),
        "not_an_admin": ("POST", ADMIN_LOGIN, {"phone": PHONE, "password": PASSWORD}, "x"),
        "no_such_user": ("PUT", f"{ADMIN_USERS}/99/fee", {"fee_percentage": 1}, admin),
        "state_conflict": ("POST", f"{ADMIN_USERS}/1/unfreeze", {}, admin),
        "fee_invalid": ("PUT", f"{ADMIN_USERS}/1/fee", {"fee_percentage": 101}, admin),
        "text_invalid": ("POST", f"{ADMIN_USERS}/1/freeze", {"reason": "\n"}, admin),
        "query_invalid": ("GET", f"{ADMIN_USERS}?limit=x", {}, admin),
    }
    for reason, (method, path, body, by) in requests.items():
        event = event_of(lambda: http.request(method, path, body, token=by))  # noqa: B023
        assert (event["reason"], event["path"]) == (reason, path.partition("?")[0])


def test_a_session_that_ran_out_is_an_event(http: HttpService, event_of: EventOf) -> None:
    token = http.registered()
    http.clock.move(timedelta(days=8))
    assert event_of(lambda: http.user_info(token))["reason"] == "token_expired"


def test_the_event_tells_the_code_that_clients_of_200_do_not_see(event_of: EventOf) -> None:
    http = serve(Settings(time_zone=SHANGHAI, always_http_200=True))
    assert event_of(lambda: http.login())["code"] == 403


@pytest.mark.parametrize(
    ("proxies", "expected"), [("", "10.0.0.1"), ("10.0.0.0/8", "203.0.113.9"), ("192.0.2.0/24", "10.0.0.1")]
)
def test_the_event_has_the_address_of_the_client(proxies: str, expected: str, event_of: EventOf) -> None:
    http = serve(read_settings({"MENSHEN_TRUSTED_PROXIES": proxies}))
    event = event_of(
        lambda: call_wsgi(
            http.client.app,
            PATH_INFO=USER_INFO,
            REMOTE_ADDR="10.0.0.1",
            HTTP_X_FORWARDED_FOR="1.2.3.4, 203.0.113.9",
        )
    )
    assert event["address"] == expected


def test_no_password_and_no_token_is_ever_logged(http: HttpService) -> None:
    with logged("menshen") as records:
        first = http.registered(user_name="the user's name")
        token = granted(http.login())
        http.login(password="wrong-password-9")
        http.register(password="short")
        http.post(REGISTER, {"phone": 1, "password": "a-password-8"})
        http.user_info("a-forged-token", Authorization="Bearer a-forged-token-too")
        http.user_info(Authorization="Bearer another-forged-token")
        http.client.simulate_get(USER_INFO, params={"token": token}, cookies={"token": token})
        http.client.simulate_post(LOGOUT, headers={"token": first})
        http.user_info(first)
        http.store.sessions = None  # type: ignore[assignment]
        http.user_info(token)
        http.login()
    assert len(records) >= 12
    lines = [log._JsonFormatter().format(record) for record in records]
    assert any("traceback" in line for line in lines)
    for line in lines:
        written = json.dumps(json.loads(line), ensure_ascii=False)
        for secret in (PASSWORD, "wrong-password", "short", "a-password-8", "forged", first, token, "the user's name"):
            assert secret not in written


def test_no_secret_of_the_new_routes_is_ever_logged(http: HttpService) -> None:
    with logged("menshen") as records:
        mine, admin = http.register(device={"id": "the-device-id", "name": "the device's name"}), http.admin()
        token = granted(mine)
        fresh = http.refresh(refresh_token_of(mine))
        body = {"old_password": PASSWORD, "new_password": "the-new-password"}
        for _ in range(2):
            http.request("POST", CHANGE_PASSWORD, body, token=token)
        http.request("PATCH", PROFILE, {"user_name": "the user's name"}, token=token)
        http.request("POST", EXPLAIN, {"token": token}, token=admin)
        http.request("POST", f"{ADMIN_USERS}/1/freeze", {"reason": "the reason"}, token=admin)
        http.request("GET", f"{ADMIN_USERS}?phone={PHONE}&token={admin}", token=token)
        http.request("GET", f"{ADMIN_USERS}?phone=the-number", token=admin)
        http.refresh("a-forged-token")
        http.request("DELETE", ACCOUNT, {"password": "a-wrong-password"}, token=token)
        http.store.sessions = None  # type: ignore[assignment]
        http.refresh(refresh_token_of(fresh))
        http.request("POST", CHANGE_PASSWORD, body, token=token)
    secrets = [PASSWORD, "the-new-password", "a-wrong-password", "forged", token, admin, granted(fresh)]
    secrets += [refresh_token_of(mine), refresh_token_of(fresh), "the user's name", "the-device", "the device"]
    secrets += ["the reason", "the-number"]
    lines = [log._JsonFormatter().format(record) for record in records]
    assert sum("traceback" in line for line in lines) == 2
    for line in lines:
        written = json.dumps(json.loads(line), ensure_ascii=False)
        for secret in secrets:
            assert secret not in written


def test_a_long_path_makes_no_long_line(http: HttpService, event_of: EventOf) -> None:
    event = event_of(lambda: http.client.simulate_get("/" + "a" * 60_000))
    assert len(json.dumps(event)) < 1_000


# The lines.


@pytest.fixture
def menshen_logger() -> Iterator[logging.Logger]:
    """The logger of the package, put back in order afterwards."""
    logger = logging.getLogger("menshen")
    before = logger.handlers[:], logger.level, logger.propagate
    yield logger
    logger.handlers[:], logger.level, logger.propagate = before


Start = Callable[[TextIO], QueueListener]


@pytest.fixture
def start(menshen_logger: logging.Logger) -> Start:
    """start_logging, with the logger put back in order afterwards."""
    return lambda stream: log.start_logging(stream)


def lines_of(start: Start, act: Callable[[], object]) -> list[dict[str, Any]]:
    stream = io.StringIO()
    listener = start(stream)
    act()
    listener.stop()
    return [json.loads(line) for line in stream.getvalue().split("\n")[:-1]]


def test_an_event_is_one_line_of_json(start: Start, http: HttpService) -> None:
    (line,) = lines_of(start, http.register)
    assert (line["logger"], line["level"], line["message"]) == ("menshen.events", "info", "request")
    assert (line["path"], line["code"], line["reason"], line["user_id"]) == (REGISTER, 200, None, 1)
    assert line["address"] == ADDRESS
    assert datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text",
    ["a\nb", "a\r\nb", 'a\n{"logger":"menshen.events"}', "\u2028", "\x85", "\x1b[31m", '"', "\0", "\ud800", "\x0b"],
)
def test_nobody_forges_a_line(start: Start, text: str) -> None:
    stream = io.StringIO()
    listener = start(stream)
    logger = logging.getLogger("menshen.test")
    logger.info("by argument %s", text)
    logger.info("by event", extra={"event": {"path": text}})
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("by exception")
    listener.stop()
    written = stream.getvalue()
    assert written.count("\n") == 3
    assert len(written.splitlines()) == 3
    assert written.isascii()
    assert written.replace("\n", "").isprintable()
    first, second, third = map(json.loads, written.splitlines())
    assert first["message"] == f"by argument {text}"
    assert second["path"] == text
    assert text in third["traceback"]


def test_a_path_with_a_line_break_stays_on_its_line(start: Start, http: HttpService) -> None:
    path = '/x\n{"logger": "menshen.events", "code": 200}'
    (line,) = lines_of(start, lambda: call_wsgi(http.client.app, PATH_INFO=path))
    assert (line["path"], line["code"]) == (path, 404)


def test_a_fault_is_one_line_with_its_traceback(start: Start, http: HttpService) -> None:
    token = http.registered()
    http.store.sessions = None  # type: ignore[assignment]
    fault, event = lines_of(start, lambda: http.user_info(token))
    assert fault["level"] == "error"
    assert "Traceback" in fault["traceback"]
    assert event["reason"] == "internal_error"


def test_other_peoples_loggers_are_left_alone(start: Start) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    assert lines_of(start, lambda: logging.getLogger("theirs").error("not ours")) == []
    assert (root.handlers[:], root.level) == before


class Stuck(io.StringIO):
    """A pipe that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = Event()
        self.emptied = Event()

    def write(self, text: str, /) -> int:
        self.reached.set()
        assert self.emptied.wait(timeout=30)
        return super().write(text)


def test_a_log_that_nobody_reads_stops_no_request(
    start: Start, http: HttpService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "_MAX_WAITING_LINES", 5)
    stream = Stuck()
    listener = start(stream)
    http.register()
    assert stream.reached.wait(timeout=30)
    for _ in range(50):
        assert http.login().status_code == 200
    assert stream.getvalue() == ""
    stream.emptied.set()
    listener.queue.join()  # type: ignore[attr-defined]
    listener.stop()
    paths = [json.loads(line)["path"] for line in stream.getvalue().splitlines()]
    assert paths == [REGISTER] + [LOGIN] * 5


def test_a_full_disk_stops_no_request(start: Start, http: HttpService, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str, /) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(logging, "raiseExceptions", False)
    listener = start(Full())
    assert http.register().status_code == 200
    assert http.login(PHONE, PASSWORD).status_code == 200
    listener.stop()
