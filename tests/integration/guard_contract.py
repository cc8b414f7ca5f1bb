"""What a guarded app does, whatever framework and server it has.

A test class inherits ``GuardContract`` and has a fixture ``served``: an app with an open ``/news``, a guarded ``/orders``
and the account routes, on the same accounts as a ``menshen serve``, whose answers count.
"""

import http.client
import json
import re
from collections.abc import Mapping, Sequence
from itertools import count

import pytest
from attrs import field, frozen

from .servers import PASSWORD

_TIME = re.compile(rb'"time":"[^"]*"')

CONTRACT_HEADERS = ("content-type", "cache-control", "x-content-type-options", "www-authenticate", "content-length")

_numbers = count(13_500_000_000)

Headers = Sequence[tuple[str, str]]


@frozen
class Answer:
    """An HTTP answer, with its headers as they are known everywhere."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def judged(self) -> tuple[int, dict[str, str | None], bytes]:
        """All that the contract says about it; when it was given differs."""
        return self.status, {name: self.headers.get(name) for name in CONTRACT_HEADERS}, _TIME.sub(b"", self.body)


def ask(port: int, method: str, path: str, headers: Headers = (), body: object = None) -> Answer:
    """One request on a connection of its own; a header may come twice."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    text = b"" if body is None else json.dumps(body).encode()
    said = [("Content-Type", "application/json"), ("Content-Length", str(len(text)))] if text else []
    try:
        connection.putrequest(method, path)
        for name, value in [*headers, *said]:
            connection.putheader(name, value)
        connection.endheaders(text or None)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


@frozen
class Tokens:
    """Tokens on the accounts of an app, by what is wrong with them."""

    phone: str
    good: str
    expired: str
    kicked: str
    frozen: str
    of_an_admin: str

    def shown(self, case: str) -> Headers:
        """The headers of a request that is refused."""
        forged = self.good[:-4] + ("AAAA" if self.good[-4:] != "AAAA" else "BBBB")
        cases: dict[str, Headers] = {
            "no token": [],
            "an empty one": [("token", "")],
            "another scheme": [("Authorization", "Basic eDp5")],
            "garbage": [("token", "x.y.z")],
            "garbage as bearer": [("Authorization", "Bearer garbage")],
            "forged": [("token", forged)],
            "expired": [("token", self.expired)],
            "kicked": [("token", self.kicked)],
            "kicked as bearer": [("Authorization", f"Bearer {self.kicked}")],
            "frozen": [("token", self.frozen)],
            "wrong audience": [("token", self.of_an_admin)],
            "two tokens": [("token", self.good), ("token", self.kicked)],
            "one twice": [("token", self.good), ("token", self.good)],
            "two bearers": [("Authorization", f"Bearer {self.good}"), ("Authorization", f"Bearer {self.good}")],
            "two places": [("token", self.good), ("Authorization", f"Bearer {self.kicked}")],
        }
        return cases[case]


REASONS = {
    "no token": "token_missing",
    "an empty one": "token_missing",
    "another scheme": "token_missing",
    "garbage": "token_invalid",
    "garbage as bearer": "token_invalid",
    "forged": "token_invalid",
    "expired": "token_expired",
    "kicked": "session_kicked",
    "kicked as bearer": "session_kicked",
    "frozen": "user_not_active",
    "wrong audience": "token_invalid",
    "two tokens": "token_invalid",
    "one twice": "token_invalid",
    "two bearers": "token_invalid",
    "two places": "token_invalid",
}


@frozen
class Served:
    """An app that is served, a ``menshen serve`` on the same accounts, and what is particular to the framework."""

    port: int
    api_port: int
    tokens: Tokens
    unknown: int = 401
    """What a path without a route is to somebody without a token; where the framework chooses the route first, its 404."""
    head: int = field(default=401)
    """The same for HEAD on a guarded route."""

    def ask(self, method: str, path: str, headers: Headers = (), body: object = None) -> Answer:
        return ask(self.port, method, path, headers, body)

    def ask_the_api(self, method: str, path: str, headers: Headers = ()) -> Answer:
        return ask(self.api_port, method, path, headers)


class GuardContract:
    """The guard of one app."""

    @pytest.fixture
    def good(self, served: Served) -> Headers:
        return [("token", served.tokens.good)]

    @pytest.mark.parametrize("language", [None, "zh-CN", "en-GB,en;q=0.9"])
    def test_whoever_is_refused_is_told_what_the_service_tells(self, served: Served, language: str | None) -> None:
        spoken = [] if language is None else [("Accept-Language", language)]
        for case, reason in REASONS.items():
            headers = [*served.tokens.shown(case), *spoken]
            refused = served.ask("GET", "/orders", headers)
            told = served.ask_the_api("GET", "/api/user/user_info", headers)
            assert refused.judged == told.judged, case
            found = json.loads(refused.body)
            assert (refused.status, found["code"], found["reason"]) == (401, 401, reason), case
            assert found["msg"].isascii() is (language is not None and language.startswith("en")), case
            challenge = "Bearer" if reason == "token_missing" else 'Bearer error="invalid_token"'
            assert refused.headers["www-authenticate"] == challenge, case

    def test_whoever_has_a_good_token_is_let_in(self, served: Served, good: Headers) -> None:
        bearer = [("Authorization", f"Bearer {served.tokens.good}")]
        for headers in (good, bearer, [*good, *bearer], good):
            answer = served.ask("GET", "/orders", headers)
            assert (answer.status, json.loads(answer.body)) == (200, {"orders_of": served.tokens.phone})

    def test_an_open_route_is_open(self, served: Served, good: Headers) -> None:
        for headers in ([], good, [("token", "x.y.z")], [("token", served.tokens.kicked)]):
            answer = served.ask("GET", "/news", headers)
            assert (answer.status, json.loads(answer.body)) == (200, {"news": "open to everybody"})

    def test_what_there_is_no_route_for_is_closed(self, served: Served, good: Headers) -> None:
        for path in ("/nothing", "/orders/nothing", "/news/nothing"):
            refused = served.ask("GET", path)
            assert refused.status == served.unknown, path
            if served.unknown == 401:
                assert refused.judged == served.ask_the_api("GET", "/api/user/user_info").judged, path
            assert served.ask("GET", path, good).status == 404, path

    def test_another_spelling_of_a_path_opens_nothing(self, served: Served) -> None:
        for path in (
            "//orders",
            "/orders/",
            "/./orders",
            "/news/../orders",
            "/%6frders",
            "/orders%2f",
            "/news/..%2forders",
        ):
            answer = served.ask("GET", path)
            assert answer.status in {301, 307, 308, 400, 401, 404}, path
            assert b"orders_of" not in answer.body, path

    def test_head_is_guarded_and_has_no_body(self, served: Served, good: Headers) -> None:
        refused = served.ask("HEAD", "/orders")
        assert (refused.status, refused.body) == (served.head, b"")
        if served.head == 401:
            assert refused.headers["www-authenticate"] == "Bearer"
        let_in = served.ask("HEAD", "/orders", good)
        # Not every framework answers it.
        assert let_in.status in {200, 405}
        assert let_in.body == b""

    def test_a_preflight_is_not_asked_for_a_token_and_learns_nothing(self, served: Served) -> None:
        asking = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "GET")]
        answer = served.ask("OPTIONS", "/orders", asking)
        assert answer.status in {200, 204}
        assert b"orders_of" not in answer.body
        assert "GET" in answer.headers["allow"]
        assert served.ask("GET", "/orders", asking).status == 401

    def test_the_account_routes_are_mounted(self, served: Served) -> None:
        credentials = {"phone": str(next(_numbers)), "password": PASSWORD}
        registered = served.ask("POST", "/api/user/register", [], credentials)
        assert registered.status == 200, registered.body
        logged_in = served.ask("POST", "/api/user/login", [], credentials)
        assert logged_in.status == 200, logged_in.body
        token = [("token", json.loads(logged_in.body)["token"])]
        info = served.ask("GET", "/api/user/user_info", token)
        assert info.judged == served.ask_the_api("GET", "/api/user/user_info", token).judged
        assert json.loads(info.body)["data"]["phone"] == credentials["phone"]
        assert json.loads(served.ask("GET", "/orders", token).body) == {"orders_of": credentials["phone"]}
        assert served.ask("POST", "/api/user/logout", token).status == 200
        # At the very next request, here and in the service beside it.
        for answer in (served.ask("GET", "/orders", token), served.ask_the_api("GET", "/api/user/user_info", token)):
            assert (answer.status, json.loads(answer.body)["reason"]) == (401, "session_logged_out")

    def test_the_account_routes_refuse_as_the_service_does(self, served: Served) -> None:
        wrong = {"phone": served.tokens.phone, "password": "not the password"}
        refused = served.ask("POST", "/api/user/login", [], wrong)
        assert (refused.status, json.loads(refused.body)["reason"]) == (403, "invalid_credentials")
        assert served.ask("POST", "/api/user/login", [], {"x": "x" * 20_000}).status == 413
        for method, path in (("GET", "/api/user/user_info"), ("GET", "/api/user/login"), ("GET", "/api/admin/users")):
            assert served.ask(method, path).judged == served.ask_the_api(method, path).judged, path

    def test_whoever_is_kicked_elsewhere_is_refused_at_the_next_request(self, served: Served) -> None:
        credentials = {"phone": str(next(_numbers)), "password": PASSWORD}
        token = [("token", json.loads(served.ask("POST", "/api/user/register", [], credentials).body)["token"])]
        assert served.ask("GET", "/orders", token).status == 200
        assert ask(served.api_port, "POST", "/api/user/logout", token).status == 200
        assert json.loads(served.ask("GET", "/orders", token).body)["reason"] == "session_logged_out"
