"""The bodies of all routes except register and login: the same strict reader, and nothing is done before it accepts."""

import gzip
import json
from typing import Any

import pytest
from attrs import field, frozen
from falcon.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from .cases import examples, for_each
from .http_service import (
    ACCOUNT,
    ADMIN_LOGIN,
    ADMIN_PHONE,
    ADMIN_REFRESH,
    CHANGE_PASSWORD,
    CLOSE,
    EXPLAIN,
    KICK_EVERYBODY,
    LOGIN,
    PASSWORD,
    PROFILE,
    REFRESH,
    REGISTER,
    SESSIONS,
    HttpService,
    envelope,
    refresh_token_of,
    refused,
    routes_of,
    serve,
    session_of,
)

FREEZE = "/api/admin/users/1/freeze"
FEE = "/api/admin/users/1/fee"


@frozen
class Taking:
    """A route that takes a body: the required and the optional members."""

    method: str
    path: str
    must: dict[str, object]
    may: dict[str, object] = field(factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


TAKING = [
    Taking("POST", REFRESH, {"refresh_token": "<refresh>"}),
    Taking("POST", CHANGE_PASSWORD, {"old_password": PASSWORD, "new_password": "another good one"}),
    Taking("PATCH", PROFILE, {"user_name": "a name"}),
    Taking("POST", PROFILE, {"user_name": "a name"}),
    Taking("DELETE", ACCOUNT, {"password": PASSWORD}),
    Taking("POST", CLOSE, {"password": PASSWORD}),
    Taking(
        "POST",
        ADMIN_LOGIN,
        {"phone": ADMIN_PHONE, "password": PASSWORD},
        {"replace": "x", "device": {"type": "pc"}, "remember": True},
    ),
    Taking("POST", ADMIN_REFRESH, {"refresh_token": "<admin refresh>"}),
    Taking("POST", FREEZE, {"reason": "a reason"}, {"until": "2026-02-01T00:00:00Z"}),
    Taking("PUT", FEE, {"fee_percentage": 50}),
    Taking("POST", EXPLAIN, {"token": "x"}),
    Taking("POST", KICK_EVERYBODY, {"password": PASSWORD}),
    Taking("DELETE", SESSIONS, {}, {"password": PASSWORD}),
    Taking("POST", f"{SESSIONS}/end", {}, {"password": PASSWORD}),
    Taking("DELETE", f"{SESSIONS}/<session>", {}, {"password": PASSWORD}),
    Taking("POST", f"{SESSIONS}/<session>/end", {}, {"password": PASSWORD}),
]

each_route = for_each("route", TAKING)


class Desk:
    """A service with a user, who is number 1, and an admin; both are logged in."""

    def __init__(self) -> None:
        self.http: HttpService = serve()
        user = self.http.register()
        self.http.admin()
        admin = self.http.admin_login()
        self._tokens = {False: user.json["token"], True: admin.json["token"]}
        self._refresh = {"<refresh>": refresh_token_of(user), "<admin refresh>": refresh_token_of(admin)}
        self._session = session_of(user)
        self._before = self._state()

    def body(self, route: Taking, **changes: object) -> dict[str, object]:
        body = {name: self._refresh.get(str(value), value) for name, value in route.must.items()}
        return {**body, **changes}

    def send(self, route: Taking, text: bytes, **headers: str) -> Result:
        headers = {"Content-Type": "application/json", "token": self._token(route), **headers}
        path = route.path.replace("<session>", self._session)
        return self.http.client.simulate_request(route.method, path, body=text, headers=headers)

    def call(self, route: Taking, body: object) -> Result:
        return self.send(route, json.dumps(body).encode())

    def is_untouched(self) -> bool:
        return self._state() == self._before

    def _token(self, route: Taking) -> str:
        token: str = self._tokens[route.path.startswith("/api/admin")]
        return token

    def _state(self) -> list[dict[Any, Any]]:
        return [
            dict(self.http.store.users),
            dict(self.http.store.sessions),
            dict(self.http.store.audit),
        ]


_desks: list[Desk] = []


def a_desk() -> Desk:
    """The desk of the previous case, if nothing was done at it."""
    if not _desks or not _desks[0].is_untouched():
        _desks[:] = [Desk()]
    return _desks[0]


def test_every_route_that_takes_a_body_is_here() -> None:
    """Each of them refuses an invalid body, and no other route reads it."""
    known = {(route.method, route.path.replace("<session>", "fake-session")) for route in TAKING} | {
        ("POST", REGISTER),
        ("POST", LOGIN),
    }
    for route in routes_of(a_desk().http):
        result = a_desk().send(Taking(route.method, route.path, {}), b"{")
        asked = result.json.get("reason") == "body_invalid"
        assert asked == ((route.method, route.path) in known), route


@each_route
def test_a_good_body_is_taken(route: Taking) -> None:
    """So that the refusals below are those of the reader."""
    desk = a_desk()
    assert envelope(desk.call(route, desk.body(route)))["code"] == 200
    again = Desk()
    assert envelope(again.call(route, again.body(route, **route.may)))["code"] == 200


@each_route
def test_members_nobody_asked_for_do_not_matter(route: Taking) -> None:
    desk = a_desk()
    assert envelope(desk.call(route, desk.body(route, x=1, state=None, __proto__={})))["code"] == 200


@each_route
@for_each(
    "text",
    [b" ", b"{", b"[]", b"null", b'"x"', b"1", b"true", b"NaN", b"x=1", b"\xff", b"[" * 9_000, b'{"a":' * 2_000],
)
def test_what_is_not_one_strict_object_is_refused(route: Taking, text: bytes) -> None:
    desk = a_desk()
    refused(desk.send(route, text), 400, "body_invalid", "请求体必须是一个JSON对象")
    assert desk.is_untouched()


@each_route
@for_each(
    "member",
    [b'"x":NaN', b'"x":1e999', b'"x":1,"x":1', rb'"x":"\ud800"', rb'"x":"\u0000"', b'"x":' + b"[" * 9 + b"]" * 9],
)
def test_a_good_body_with_something_bad_in_it_is_refused(route: Taking, member: bytes) -> None:
    desk = a_desk()
    text = json.dumps(desk.body(route, y=1)).encode()[:-1] + b"," + member + b"}"
    refused(desk.send(route, text), 400, "body_invalid")
    assert desk.is_untouched()


@each_route
def test_a_member_twice_is_refused(route: Taking) -> None:
    desk = a_desk()
    text = json.dumps(desk.body(route, y=1)).encode()
    refused(desk.send(route, text[:-1] + b"," + text[1:]), 400, "body_invalid")
    assert desk.is_untouched()


@each_route
def test_a_body_has_a_type_a_size_and_no_packing(route: Taking) -> None:
    desk = a_desk()
    text = json.dumps(desk.body(route)).encode()
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=gbk", ""):
        refused(desk.send(route, text, **{"Content-Type": content_type}), 415, "media_type_unsupported")
    refused(desk.send(route, gzip.compress(text), **{"Content-Encoding": "gzip"}), 415, "content_encoding_unsupported")
    refused(desk.send(route, text + b" " * 16_384), 413, "body_too_large", "请求体过大")
    refused(desk.send(route, text, **{"Transfer-Encoding": "chunked"}), 400, "length_required")
    assert desk.is_untouched()


@for_each("route", [route for route in TAKING if route.must])
def test_a_request_without_a_body_is_refused(route: Taking) -> None:
    desk = a_desk()
    token, first = desk._token(route), next(iter(route.must))
    refused(desk.http.request(route.method, route.path, token=token), 400, "member_missing", f"缺少参数{first}")
    headers = {"token": token, "Content-Type": "application/json", "Content-Length": "0"}
    result = desk.http.client.simulate_request(route.method, route.path, headers=headers)
    refused(result, 400, "member_missing", f"缺少参数{first}")
    assert desk.is_untouched()


MUST = [(route, member) for route in TAKING for member in route.must]
MAY = [(route, member) for route in TAKING for member in route.may]

WRONG: list[object] = [0, 1, -1, 1.5, 50.0, True, False, "", "1", [], ["x"], {}, {"a": 1}, "50"]


@for_each(("route", "member"), MUST)
def test_a_member_that_is_missing_is_named(route: Taking, member: str) -> None:
    desk = a_desk()
    body = desk.body(route)
    del body[member]
    refused(desk.call(route, body), 400, "member_missing", f"缺少参数{member}")
    body[member.upper()] = body[f" {member}"] = route.must[member]
    english = desk.send(route, json.dumps(body).encode(), **{"Accept-Language": "en"})
    refused(english, 400, "member_missing", f"The member {member} is missing.")
    assert desk.is_untouched()


@for_each(("route", "member"), MUST + MAY)
@for_each("value", WRONG)
def test_a_member_of_a_wrong_type_is_never_coerced(route: Taking, member: str, value: object) -> None:
    desk = a_desk()
    if type(value) is type({**route.must, **route.may}[member]):
        return
    refused(desk.call(route, desk.body(route, **{member: value})), 400, "member_invalid", f"参数{member}类型错误")
    assert desk.is_untouched()


@for_each(("route", "member"), [pair for pair in MUST if pair[1] != "user_name"])
def test_null_is_no_value(route: Taking, member: str) -> None:
    desk = a_desk()
    refused(desk.call(route, desk.body(route, **{member: None})), 400, "member_invalid", f"参数{member}类型错误")
    assert desk.is_untouched()


@for_each(("route", "member"), MAY)
def test_null_is_the_same_as_not_there(route: Taking, member: str) -> None:
    desk = a_desk()
    assert envelope(desk.call(route, desk.body(route, **{member: None})))["code"] == 200


# Arbitrary bodies.

texts = st.text(max_size=12) | st.sampled_from(
    ["", "\0", "\ud800", "{member}", "%s", "x" * 300, "2026-01-02T03:04:05Z"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(texts, parts, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("number", range(len(TAKING)), ids=lambda number: str(TAKING[number]))
@examples(8)
@given(data=st.data())
def test_no_members_are_a_fault_of_ours(number: int, data: st.DataObject) -> None:
    route, desk = TAKING[number], a_desk()
    names = [*route.must, *route.may]
    body: dict[str, object] = data.draw(st.dictionaries(st.sampled_from(names), values))
    for name in data.draw(st.sets(st.sampled_from(names))):
        body.setdefault(name, route.must.get(name))
    answer = envelope(desk.call(route, body))
    assert answer["code"] in {200, 400, 401, 403}
