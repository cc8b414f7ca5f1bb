"""A tour through the HTTP API, written down: each request, and the answer to the byte.

The answers are in ``tour.txt``, and ``test_tour.py`` compares the API with them. After an intended change, ``make
tour`` records them again, and the difference is part of the commit.
"""

import functools
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

from attrs import Factory, define, evolve
from falcon.testing import Result, TestClient

from menshen.domain.actors import Actor
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.errors import StoreUnavailable
from menshen.domain.passwords import HasherBusy
from menshen.entrypoints.guarding.route_rules import parse_rules
from menshen.entrypoints.http.cookies import RETURN
from menshen.entrypoints.http.forward_auth import FOR_NGINX, FOR_OTHERS
from menshen.entrypoints.settings import Settings

from .http_service import (
    ACCOUNT,
    ADDRESS,
    ADMIN_LOGIN,
    ADMIN_LOGOUT,
    ADMIN_PHONE,
    ADMIN_REFRESH,
    ADMIN_USERS,
    AUDIT,
    CHANGE_PASSWORD,
    CLOSE,
    EXPLAIN,
    KICK_EVERYBODY,
    LOGIN,
    LOGOUT,
    NO_BODY,
    PASSWORD,
    PHONE,
    PROFILE,
    REFRESH,
    REGISTER,
    SESSIONS,
    SHANGHAI,
    USER_INFO,
    FailingHasher,
    HttpService,
    failing_users,
    routes_of,
    serve,
)

ANSWERS = Path(__file__).with_name("tour.txt")

OTHER_PHONE = "13900139000"
OTHER_PASSWORD = "another good one"
GOOD = {"phone": PHONE, "password": PASSWORD}

SETTINGS = Settings(time_zone=SHANGHAI)

served = functools.partial(serve, client=TestClient)


@define
class Tour:
    """Sends requests, and records them with their answers."""

    http: HttpService
    language: str | None = None
    lines: list[str] = Factory(list)

    def ask(self, method: str, path: str, body: object = NO_BODY, **headers: str) -> Any:
        """One request, its JSON answer, and both in the book. *body* goes as JSON, bytes as they are."""
        self.lines += ["", _shown(f"> {method} {path}", headers, body)]
        if self.language is not None:
            headers["Accept-Language"] = self.language
        if isinstance(body, bytes):
            headers = {"Content-Type": "application/json", **headers}
            result = self.http.client.simulate_request(method, path, body=body, headers=headers)
        else:
            result = self.http.request(method, path, body, **headers)
        self.lines += _answer(result)
        return result.json if result.content else None

    def log_in(self, phone: str = PHONE, path: str = LOGIN, **more: object) -> tuple[str, str, str]:
        """The token, the refresh token and the session of a login."""
        answer = self.ask("POST", path, {"phone": phone, "password": PASSWORD, **more})
        return answer["token"], answer["data"]["refresh_token"], answer["data"]["session_id"]

    def wait(self, **time: float) -> None:
        self.lines += ["", f"(later: {time})"]
        self.http.clock.move(timedelta(**time))


def _shown(asked: str, headers: dict[str, str], body: object) -> str:
    words = [asked, *(f"{name}={value}" for name, value in headers.items())]
    if isinstance(body, bytes):
        words.append(ascii(body) if len(body) < 100 else f"{len(body)} bytes")
    elif body is not NO_BODY:
        words.append(json.dumps(body, ensure_ascii=False))
    return " ".join(words)


def _answer(result: Result) -> list[str]:
    head = "; ".join(f"{name}: {value}" for name, value in result.headers.items())
    return [result.status, head, result.content.decode("utf-8")]


# The chapters. Each begins with an empty store.


def registering(tour: Tour) -> None:
    ask = tour.ask
    ask("POST", REGISTER, {**GOOD, "user_name": "张三", "device": {"type": "phone", "name": "P1"}})
    ask("POST", REGISTER, GOOD)
    ask("POST", REGISTER, {"phone": OTHER_PHONE, "password": PASSWORD, "invited_by": 1})
    for changes in (
        {"phone": "1380013800"},
        {"password": "short"},
        {"password": "x" * 33},
        {"user_name": "x" * 81},
        {"invited_by": 99},
        {"invited_by": "1"},
        {"device": {"type": "toaster"}},
        {"password": "a\x00password"},
        {"phone": 13800138000},
    ):
        ask("POST", REGISTER, {"phone": "13600136000", "password": PASSWORD, **changes})
    ask("POST", REGISTER, {"phone": PHONE})
    ask("POST", REGISTER, {"password": PASSWORD})


def logging_in(tour: Tour) -> None:
    ask = tour.ask
    ask("POST", REGISTER, GOOD)
    tour.log_in(device={"type": "pc", "id": "d1", "name": "a PC"}, remember=True)
    ask("POST", LOGIN, {**GOOD, "password": "a wrong one"})
    ask("POST", LOGIN, {**GOOD, "phone": OTHER_PHONE})
    ask("POST", LOGIN, {"phone": "x", "password": PASSWORD})
    token, _, _ = tour.log_in()
    tour.http.change_user(state=evolve(tour.http.user().state, text="冻结"))
    ask("POST", LOGIN, GOOD)
    ask("GET", USER_INFO, token=token)


def bodies(tour: Tour) -> None:
    ask, good = tour.ask, json.dumps(GOOD).encode()
    for path in (REGISTER, LOGIN, REFRESH):
        ask("POST", path)
        for body in (b"[]", b"{", b'{"phone":1,"phone":1}', b"\xff", good + b" " * 16_384):
            ask("POST", path, body)
        ask("POST", path, good, **{"Content-Type": "text/plain"})
        ask("POST", path, good, **{"Content-Encoding": "gzip"})
        ask("POST", path, good, **{"Transfer-Encoding": "chunked"})
    ask("POST", LOGIN, b"\xef\xbb\xbf" + good)


def being_known(tour: Tour) -> None:
    """Every answer of the guard."""
    ask = tour.ask
    token = ask("POST", REGISTER, {**GOOD, "user_name": "张三"})["token"]
    ask("GET", USER_INFO, token=token)
    ask("GET", USER_INFO, Authorization=f"Bearer {token}")
    ask("GET", USER_INFO)
    ask("GET", USER_INFO, token="x")
    ask("GET", USER_INFO, token=token, Authorization="Bearer x")
    ask("GET", USER_INFO, Authorization="Basic eDp5")
    again, _, _ = tour.log_in()
    ask("POST", LOGOUT, token=again)
    ask("GET", USER_INFO, token=again)
    ask("POST", LOGOUT, token=again)
    ask("POST", LOGOUT)
    tour.wait(days=7)
    ask("GET", USER_INFO, token=token)
    token, _, _ = tour.log_in()
    del tour.http.store.users[tour.http.user().id]
    ask("GET", USER_INFO, token=token)


def refreshing(tour: Tour) -> None:
    ask = tour.ask
    ask("POST", REGISTER, GOOD)
    _, first, _ = tour.log_in()
    second = ask("POST", REFRESH, {"refresh_token": first})
    ask("POST", REFRESH, {"refresh_token": first})
    ask("GET", USER_INFO, token=second["token"])
    third = ask("POST", REFRESH, {"refresh_token": second["data"]["refresh_token"]})
    tour.wait(hours=1)
    ask("POST", REFRESH, {"refresh_token": first})
    ask("GET", USER_INFO, token=third["token"])
    ask("POST", REFRESH, {"refresh_token": "x"})
    ask("POST", REFRESH, {"refresh_token": 1})
    ask("POST", REFRESH, {})
    ask("POST", ADMIN_REFRESH, {"refresh_token": first})
    _, last, _ = tour.log_in()
    tour.wait(days=400)
    ask("POST", REFRESH, {"refresh_token": last})


def sessions(tour: Tour) -> None:
    ask = tour.ask
    ask("POST", REGISTER, GOOD)
    one, _, _ = tour.log_in(device={"type": "phone", "id": "a", "name": "mine"})
    two, _, other = tour.log_in(device={"type": "pc"})
    ask("GET", SESSIONS, token=one)
    ask("GET", SESSIONS)
    ask("DELETE", f"{SESSIONS}/{other}")
    ask("DELETE", f"{SESSIONS}/{other}", token=one)
    ask("DELETE", f"{SESSIONS}/nothing", token=one)
    ask("GET", USER_INFO, token=two)
    tour.log_in()
    ask("DELETE", SESSIONS, token=one)
    ask("DELETE", SESSIONS)
    ask("GET", SESSIONS, token=one)
    tour.wait(minutes=10)
    _, _, other = tour.log_in()
    for method, path in (("DELETE", f"{SESSIONS}/{other}"), ("POST", f"{SESSIONS}/{other}/end")):
        ask(method, path, token=one)
        ask(method, path, {"password": "a wrong one"}, token=one)
        ask(method, path, {"password": PASSWORD}, token=one)
    for method, path in (("DELETE", SESSIONS), ("POST", f"{SESSIONS}/end")):
        ask(method, path, token=one)
        ask(method, path, {"password": "a wrong one"}, token=one)
        ask(method, path, {"password": PASSWORD}, token=one)


def own_account(tour: Tour) -> None:
    ask = tour.ask
    token = ask("POST", REGISTER, GOOD)["token"]
    other, _, _ = tour.log_in()
    for body in (
        {"old_password": "a wrong one", "new_password": OTHER_PASSWORD},
        {"old_password": PASSWORD, "new_password": "x"},
        {"old_password": PASSWORD},
        {"old_password": PASSWORD, "new_password": 1},
        {"old_password": PASSWORD, "new_password": OTHER_PASSWORD},
    ):
        ask("POST", CHANGE_PASSWORD, body, token=token)
    ask("POST", CHANGE_PASSWORD, {})
    ask("GET", USER_INFO, token=other)
    for method in ("PATCH", "POST"):
        for name in (f"李四 {method}", None, "x" * 81, 1):
            ask(method, PROFILE, {"user_name": name}, token=token)
        ask(method, PROFILE, {}, token=token)
        ask(method, PROFILE, {"user_name": "x"})
    for method, path in (("DELETE", ACCOUNT), ("POST", CLOSE)):
        ask(method, path, {"password": PASSWORD}, token=token)
        ask(method, path, {}, token=token)
        ask(method, path, {"password": OTHER_PASSWORD})
        ask(method, path, {"password": OTHER_PASSWORD}, token=token)
        ask("GET", USER_INFO, token=token)
        token = ask("POST", LOGIN, {**GOOD, "password": OTHER_PASSWORD})["token"]
    ask("POST", CLOSE, {"password": OTHER_PASSWORD}, token=token)
    tour.wait(days=30)
    ask("POST", LOGIN, {**GOOD, "password": OTHER_PASSWORD})


def admin_in_and_out(tour: Tour) -> None:
    ask = tour.ask
    user = ask("POST", REGISTER, {**GOOD, "phone": ADMIN_PHONE})["token"]
    ask("POST", ADMIN_LOGIN, {"phone": ADMIN_PHONE, "password": PASSWORD})
    tour.http.service.operate.set_admin(tour.http.user(ADMIN_PHONE).id, is_admin=True, actor=Actor.operator("root"))
    ask("POST", ADMIN_LOGIN, {"phone": ADMIN_PHONE, "password": "a wrong one"})
    ask("POST", ADMIN_LOGIN, {"phone": ADMIN_PHONE})
    token, fresh, _ = tour.log_in(ADMIN_PHONE, ADMIN_LOGIN)
    ask("POST", REFRESH, {"refresh_token": fresh})
    token = ask("POST", ADMIN_REFRESH, {"refresh_token": fresh})["token"]
    ask("GET", ADMIN_USERS)
    ask("GET", ADMIN_USERS, token=user)
    ask("GET", USER_INFO, token=token)
    ask("POST", ADMIN_LOGOUT, token=token)
    ask("POST", ADMIN_LOGOUT)
    ask("GET", ADMIN_USERS, token=token)
    token, _, _ = tour.log_in(ADMIN_PHONE, ADMIN_LOGIN)
    tour.http.change_user(ADMIN_PHONE, is_admin=False)
    ask("GET", ADMIN_USERS, token=token)


def administering(tour: Tour) -> None:
    ask = tour.ask
    theirs = ask("POST", REGISTER, {**GOOD, "user_name": "张三"})["token"]
    token = tour.http.admin()
    _, _, session = tour.log_in(device={"type": "pc", "name": "x"})
    for query in ("", "?limit=1", "?after=1", "?phone=13800138000", "?name=张", "?state=active", "?id=1"):
        ask("GET", ADMIN_USERS + query, token=token)
    for query in ("?limit=x", "?limit=0", "?phone=1", "?state=x", "?id=-1", "?after=x"):
        ask("GET", ADMIN_USERS + query, token=token)
    one = f"{ADMIN_USERS}/1"
    ask("GET", one, token=token)
    ask("GET", f"{ADMIN_USERS}/99", token=token)
    ask("GET", f"{one}/sessions", token=token)
    ask("DELETE", f"{one}/sessions/{session}", token=token)
    ask("DELETE", f"{one}/sessions/{session}", token=token)
    ask("GET", f"{one}/sessions", token=token)
    for body in ({"fee_percentage": 7}, {"fee_percentage": 101}, {"fee_percentage": "7"}, {}):
        ask("PUT", f"{one}/fee", body, token=token)
    ask("POST", EXPLAIN, {"token": theirs}, token=token)
    for body in (
        {"reason": ""},
        {"reason": "no", "until": "2020-01-01T00:00:00Z"},
        {"reason": "no", "until": "tomorrow"},
        {},
        {"reason": "a test", "until": "2026-02-01T00:00:00Z"},
        {"reason": "again"},
    ):
        ask("POST", f"{one}/freeze", body, token=token)
    ask("GET", USER_INFO, token=theirs)
    ask("POST", LOGIN, GOOD)
    ask("POST", EXPLAIN, {"token": theirs}, token=token)
    ask("POST", f"{one}/unfreeze", token=token)
    ask("POST", f"{one}/unfreeze", token=token)
    theirs, _, _ = tour.log_in()
    ask("DELETE", f"{one}/sessions", token=token)
    ask("GET", USER_INFO, token=theirs)
    ask("POST", EXPLAIN, {"token": "x"}, token=token)
    ask("POST", EXPLAIN, {}, token=token)
    for body in ({}, {"password": 1}, {"password": "a wrong one"}, {"password": PASSWORD}):
        ask("POST", KICK_EVERYBODY, body, token=token)
    ask("GET", USER_INFO, token=tour.log_in()[0])
    ask("GET", ADMIN_USERS, token=token)
    token = tour.http.admin()
    for query in ("?limit=3", "?user=1&limit=2", "?before=4&limit=2", "?before=x", "?user=x"):
        ask("GET", AUDIT + query, token=token)
    for method, path in (
        ("GET", one),
        ("GET", f"{one}/sessions"),
        ("DELETE", f"{one}/sessions"),
        ("DELETE", f"{one}/sessions/x"),
        ("POST", f"{one}/freeze"),
        ("POST", f"{one}/unfreeze"),
        ("PUT", f"{one}/fee"),
        ("GET", AUDIT),
        ("POST", EXPLAIN),
    ):
        ask(method, path, token="x")
    for method, path in (
        ("GET", f"{ADMIN_USERS}/99/sessions"),
        ("DELETE", f"{ADMIN_USERS}/99/sessions"),
        ("POST", f"{ADMIN_USERS}/99/unfreeze"),
        ("GET", f"{ADMIN_USERS}/0"),
        ("GET", f"{ADMIN_USERS}/x"),
    ):
        ask(method, path, token=token)


def every_route(tour: Tour) -> None:
    """Every method of every route, without a token or a body: additions to the API are in the book at once."""
    for route in routes_of(tour.http, "/"):
        tour.ask(route.method, route.path)


def elsewhere(tour: Tour) -> None:
    """Unknown routes and methods, and the health checks."""
    ask = tour.ask
    for path in ("/", "/api", "/api/user/login/", "/api/user/nothing", "/api/admin/nothing"):
        ask("GET", path)
    for path in ("/healthz", "/readyz", LOGIN, USER_INFO, ACCOUNT, SESSIONS, ADMIN_USERS):
        for method in ("GET", "HEAD", "PUT", "OPTIONS"):
            ask(method, path)
    for path in ("//api/user/login", "/api%2fuser/login", "/api/%75ser/login", "/api/./user/login", "/api/user//login"):
        ask("POST", path, GOOD)
    ask("GET", USER_INFO + "?" + "a" * 16_384)
    ask("GET", USER_INFO, token="x" * 49_152)
    ask("GET", USER_INFO, Host="a, b")


def other_origins(tour: Tour) -> None:
    """A browser app on a listed origin, and one on another."""
    tour.http = served(evolve(SETTINGS, cors_origins=("https://app.example.com",)))
    for origin in ("https://app.example.com", "https://elsewhere.example", "null"):
        tour.ask("OPTIONS", LOGIN, Origin=origin, **{"Access-Control-Request-Method": "POST"})
        tour.ask("GET", USER_INFO, Origin=origin)
        tour.ask("GET", "/nothing", Origin=origin)
    tour.ask("GET", USER_INFO)


def faults(tour: Tour) -> None:
    """What a store and a hasher do when they are gone, busy or broken."""
    for broken in (
        served(tour.http.settings, others=failing_users(StoreUnavailable("gone", retry_after=2))),
        served(tour.http.settings, hasher=FailingHasher(HasherBusy("47 wait", retry_after=3))),
        served(tour.http.settings, others=failing_users(RuntimeError("boom"))),
    ):
        tour.http = broken
        tour.ask("POST", REGISTER, GOOD)
        tour.ask("POST", LOGIN, GOOD)

    def gone() -> None:
        raise StoreUnavailable("gone")

    tour.http = served(tour.http.settings, ping=gone)
    tour.ask("GET", "/healthz")
    tour.ask("GET", "/readyz")


def one_device(tour: Tour) -> None:
    """The newest login ends the one before."""
    tour.http = served(evolve(SETTINGS, device_policy=DevicePolicy.single()))
    first = tour.ask("POST", REGISTER, GOOD)["token"]
    tour.log_in(device={"type": "phone", "name": "the new one"})
    tour.ask("GET", USER_INFO, token=first)


def full_house(tour: Tour) -> None:
    """No more logins, except in the place of a session."""
    policy = DevicePolicy.from_table({"total": 1, "overflow": "reject_new"})
    tour.http = served(evolve(SETTINGS, device_policy=policy))
    tour.ask("POST", REGISTER, GOOD)
    refusal = tour.ask("POST", LOGIN, GOOD)
    tour.ask("POST", LOGIN, {**GOOD, "replace": "nothing"})
    tour.ask("POST", LOGIN, {**GOOD, "replace": refusal["data"]["sessions"][0]["id"]})


def strict_passwords(tour: Tour) -> None:
    settings = evolve(SETTINGS, password_policy="strict")
    tour.http = served(settings, common_passwords=["iloveyou1"])
    for password in ("short", "iloveyou1", f"my {PHONE}", "x" * 129, PASSWORD):
        tour.ask("POST", REGISTER, {"phone": PHONE, "password": password})


def forwarding(tour: Tour) -> None:
    ask = tour.ask
    rules = parse_rules("open GET /news; user shop.example/orders/**; admin /admin/**")
    tour.http = served(evolve(tour.http.settings, forward_rules=rules, trusted_proxies=(ip_network(ADDRESS),)))
    ask("POST", REGISTER, GOOD)
    token, _, _ = tour.log_in()

    def forwarded(uri: str, **more: str) -> dict[str, str]:
        said = {"Method": "GET", "Proto": "https", "Host": "shop.example", "Uri": uri}
        return {**{f"X-Forwarded-{name}": value for name, value in said.items()}, **more}

    for headers in (
        forwarded("/news?page=2"),
        forwarded("/orders/7", token=token),
        forwarded("/orders/7", Authorization=f"Bearer {token}"),
        forwarded("/orders/7"),
        forwarded("/orders/7", token="x", Authorization="Bearer y"),
        forwarded("/admin/x", token=token),
        forwarded("/elsewhere", token=token),
        forwarded("/orders/../admin", token=token),
        forwarded("/orders/7", token=token, **{"X-Original-URL": "https://shop.example/news"}),
        {"token": token},
    ):
        ask("GET", FOR_OTHERS, **headers)
    original = {"X-Original-Method": "GET", "X-Original-URL": "https://shop.example/orders/7?x=/news"}
    ask("GET", FOR_NGINX, token=token, **original)
    ask("GET", FOR_NGINX, **original)
    ask("GET", FOR_NGINX, token=token, **forwarded("/orders/7"))
    ask("POST", FOR_NGINX, token=token, **original)
    tour.http = served(evolve(tour.http.settings, trusted_proxies=()))
    ask("GET", FOR_NGINX, token=token, **original)


def browsing(tour: Tour) -> None:
    ask = tour.ask
    settings = evolve(
        tour.http.settings,
        cookie=True,
        forward_rules=parse_rules("user /orders/**"),
        login_page="/login",
        return_hosts=("shop.example",),
        trusted_proxies=(ip_network(ADDRESS),),
    )
    tour.http = served(settings)
    ask("POST", REGISTER, GOOD)
    tour.log_in()
    cookie = {"Cookie": "__Host-menshen=fake-seal-2"}
    ask("GET", USER_INFO, **cookie)
    ask("POST", PROFILE, {"user_name": "x"}, **cookie)
    original = {"X-Original-Method": "GET", "X-Original-URL": "https://shop.example/orders/7?x=1"}
    ask("GET", FOR_NGINX, **original, **cookie)
    ask("GET", FOR_NGINX, **original, Accept="text/html")
    forwarded = {"X-Forwarded-Method": "GET", "X-Forwarded-Proto": "https"}
    forwarded |= {"X-Forwarded-Host": "shop.example", "X-Forwarded-Uri": "/orders/7?x=1"}
    ask("GET", FOR_OTHERS, **forwarded, Accept="text/html")
    ask("GET", FOR_OTHERS, **forwarded, Accept="application/json")
    ask("GET", f"{RETURN}?return=fake-seal-3")
    ask("GET", f"{RETURN}?return=https://evil.example/")
    ask("POST", LOGOUT, **cookie, **{"Sec-Fetch-Site": "same-origin"})


CHAPTERS: list[Callable[[Tour], None]] = [
    registering,
    logging_in,
    bodies,
    being_known,
    refreshing,
    sessions,
    own_account,
    admin_in_and_out,
    administering,
    every_route,
    elsewhere,
    other_origins,
    faults,
    one_device,
    full_house,
    strict_passwords,
    forwarding,
    browsing,
]
TUTORIAL: list[Callable[[Tour], None]] = [registering, logging_in, being_known, every_route, elsewhere, faults]
"""Chapters whose answers ALWAYS_HTTP_200 changes, and some that it does not change."""


def written() -> str:
    """The whole book."""
    lines: list[str] = []
    for title, settings, language, chapters in (
        ("Chinese", SETTINGS, None, CHAPTERS),
        ("English", SETTINGS, "en", CHAPTERS),
        ("always HTTP 200", evolve(SETTINGS, always_http_200=True), None, TUTORIAL),
    ):
        for chapter in chapters:
            tour = Tour(served(settings), language)
            with patch("menshen.entrypoints.http.app.uuid4", lambda: UUID(int=7)):
                chapter(tour)
            lines += [f"# {chapter.__name__}, {title}", *tour.lines, ""]
    return "\n".join(lines)


if __name__ == "__main__":
    logging.disable()  # the faults are meant
    ANSWERS.write_text(written(), encoding="utf-8", newline="\n")
