"""The client: every route is a method, every answer a value, every refusal an exception."""

import inspect
import pickle
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

import menshen.client
from menshen.client import (
    AdminClient,
    AnswerUnreadable,
    AsyncAdminClient,
    AsyncClient,
    Client,
    Device,
    InternalError,
    InvalidCredentials,
    LoginNotAllowed,
    NoSuchUser,
    NotLoggedIn,
    Refused,
    TooManyDevices,
    Unauthenticated,
    Unavailable,
    UserNotActive,
)
from menshen.domain.device_policy import DevicePolicy, Limit, Overflow
from menshen.domain.devices import EVERY_TYPE
from menshen.entrypoints.client.refused import _KINDS, refused
from menshen.entrypoints.client.transport import Response
from menshen.entrypoints.guarding.answers import ANSWERS

from .cases import for_each
from .client_house import ClientHouse, answer
from .http_service import PASSWORD, PHONE, routes_of, serve

ROUTES: dict[str, tuple[type, str]] = {
    "POST /api/user/register": (Client, "register"),
    "POST /api/user/login": (Client, "login"),
    "POST /api/user/token/refresh": (Client, "refresh"),
    "POST /api/user/logout": (Client, "logout"),
    "GET /api/user/user_info": (Client, "user_info"),
    "GET /api/user/sessions": (Client, "sessions"),
    "DELETE /api/user/sessions": (Client, "end_other_sessions"),
    "POST /api/user/sessions/end": (Client, "end_other_sessions"),
    "DELETE /api/user/sessions/{session_id}": (Client, "end_session"),
    "POST /api/user/sessions/{session_id}/end": (Client, "end_session"),
    "POST /api/user/password": (Client, "change_password"),
    "PATCH /api/user/profile": (Client, "rename"),
    "POST /api/user/profile": (Client, "rename"),
    "DELETE /api/user": (Client, "close_account"),
    "POST /api/user/close": (Client, "close_account"),
    "POST /api/admin/login": (AdminClient, "login"),
    "POST /api/admin/token/refresh": (AdminClient, "refresh"),
    "POST /api/admin/logout": (AdminClient, "logout"),
    "GET /api/admin/users": (AdminClient, "users"),
    "GET /api/admin/users/{user_id:int}": (AdminClient, "user"),
    "POST /api/admin/users/{user_id:int}/freeze": (AdminClient, "freeze"),
    "POST /api/admin/users/{user_id:int}/unfreeze": (AdminClient, "unfreeze"),
    "PUT /api/admin/users/{user_id:int}/fee": (AdminClient, "set_fee"),
    "GET /api/admin/users/{user_id:int}/sessions": (AdminClient, "user_sessions"),
    "DELETE /api/admin/users/{user_id:int}/sessions": (AdminClient, "kick_user"),
    "DELETE /api/admin/users/{user_id:int}/sessions/{session_id}": (AdminClient, "kick_session"),
    "POST /api/admin/sessions/kick": (AdminClient, "kick_everybody"),
    "GET /api/admin/audit": (AdminClient, "audit"),
    "POST /api/admin/explain": (AdminClient, "explain"),
}
"""The method for each route; where a route has two spellings, both are the same method."""

NO_ROUTE = {"access_token", "close"}
"""Methods that are about the client itself."""

CALLS: dict[tuple[type, str], Callable[[Any], object]] = {
    (Client, "register"): lambda client: client.register("13900139000", PASSWORD),
    (Client, "login"): lambda client: client.login(PHONE, PASSWORD),
    (Client, "refresh"): lambda client: client.refresh(),
    (Client, "logout"): lambda client: client.logout(),
    (Client, "user_info"): lambda client: client.user_info(),
    (Client, "sessions"): lambda client: client.sessions(),
    (Client, "end_other_sessions"): lambda client: client.end_other_sessions(),
    (Client, "end_session"): lambda client: client.end_session(client.sessions()[0].id),
    (Client, "change_password"): lambda client: client.change_password(PASSWORD, "another password"),
    (Client, "rename"): lambda client: client.rename("小明"),
    (Client, "close_account"): lambda client: client.close_account(PASSWORD),
    (AdminClient, "login"): lambda admin: admin.login("13700137000", PASSWORD),
    (AdminClient, "refresh"): lambda admin: admin.refresh(),
    (AdminClient, "logout"): lambda admin: admin.logout(),
    (AdminClient, "users"): lambda admin: admin.users(),
    (AdminClient, "user"): lambda admin: admin.user(1),
    (AdminClient, "freeze"): lambda admin: admin.freeze(1, reason="a reason"),
    (AdminClient, "unfreeze"): lambda admin: (admin.freeze(1, reason="a reason"), admin.unfreeze(1)),
    (AdminClient, "set_fee"): lambda admin: admin.set_fee(1, 7),
    (AdminClient, "user_sessions"): lambda admin: admin.user_sessions(1),
    (AdminClient, "kick_user"): lambda admin: admin.kick_user(1),
    (AdminClient, "kick_session"): lambda admin: admin.kick_session(1, admin.user_sessions(1)[0].id),
    (AdminClient, "kick_everybody"): lambda admin: admin.kick_everybody(PASSWORD),
    (AdminClient, "audit"): lambda admin: admin.audit(),
    (AdminClient, "explain"): lambda admin: admin.explain("a.b.c"),
}


def methods_of(kind: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


def test_every_route_has_a_method_and_every_method_a_route() -> None:
    assert set(map(str, routes_of(serve()))) == set(ROUTES)
    for kind in (Client, AdminClient):
        assert methods_of(kind) - NO_ROUTE == {name for owner, name in ROUTES.values() if owner is kind}


@for_each(("kind", "name"), CALLS)
def test_a_method_asks_its_route_and_reads_the_answer(kind: type, name: str) -> None:
    house = ClientHouse()
    house.http.registered()
    client = house.admin() if kind is AdminClient else house.client()
    if kind is Client:
        client.login(PHONE, PASSWORD)
    CALLS[kind, name](client)
    last = house.transport.seen[-1]
    here = [route for route in routes_of(house.http) if ROUTES[str(route)] == (kind, name)]
    assert any(last.method == route.method and _matches(route.template, last.path) for route in here), last


def test_every_method_is_called_here() -> None:
    assert set(CALLS) == set(ROUTES.values())


def _matches(template: str, path: str) -> bool:
    wanted, found = template.split("/"), path.split("/")
    return len(wanted) == len(found) and all(a == b or a.startswith("{") for a, b in zip(wanted, found, strict=True))


@for_each(("sync", "asynchronous"), [(Client, AsyncClient), (AdminClient, AsyncAdminClient)])
def test_the_asynchronous_client_is_the_same_awaited(sync: type, asynchronous: type) -> None:
    assert methods_of(sync) == methods_of(asynchronous)
    for name in methods_of(sync):
        there = getattr(asynchronous, name)
        assert inspect.iscoroutinefunction(there), name
        assert inspect.signature(there) == inspect.signature(getattr(sync, name)), name
    assert isinstance(vars(asynchronous.__base__)["tokens"], property)
    assert isinstance(vars(asynchronous.__base__)["signed_out"], property)


# The answers.


def test_a_user_is_what_the_service_knows_with_an_exact_balance() -> None:
    house = ClientHouse()
    client = house.client()
    client.register(PHONE, PASSWORD, user_name="小明")
    house.http.change_user(account_balance=Decimal("9007199254740993.0001"))
    user = client.user_info()
    assert (user.id, user.phone, user.user_name, user.mid, user.state) == (1, PHONE, "小明", None, "正常")
    assert user.account_balance == Decimal("9007199254740993.0001")
    assert user.registration_time is not None
    assert client.rename(None).user_name is None


def test_ones_sessions_say_which_is_this_one() -> None:
    house = ClientHouse()
    client, other = house.client(), house.client()
    client.register(PHONE, PASSWORD)
    other.login(PHONE, PASSWORD, device=Device("phone", "an-id", "小明的手机"), remember=True)
    mine, theirs = sorted(client.sessions(), key=lambda session: not session.current)
    assert (mine.current, theirs.current) == (True, False)
    assert theirs.device == Device("phone", "an-id", "小明的手机")
    assert client.end_other_sessions() == 1


def test_an_admin_sees_records() -> None:
    house = ClientHouse()
    user = house.client()
    token = user.register(PHONE, PASSWORD).access_token
    admin = house.admin()
    [found] = admin.users(phone=PHONE, state="active").users
    assert (found.id, found.standing, found.is_admin, found.device_policy) == (1, "active", False, None)
    assert admin.users(limit=1).next == 1
    assert admin.explain(token).verdict == "valid"
    frozen = admin.freeze(1, reason="a reason", until=house.http.clock.now() + timedelta(days=1))
    assert (frozen.standing, frozen.state_reason) == ("frozen", "a reason")
    explained = admin.explain(token)
    assert explained.verdict == "user_not_active"
    assert explained.session is not None
    assert explained.session.end is not None
    assert explained.session.end.actor is not None
    [entry] = admin.audit(user=1, limit=1).entries
    assert (entry.action, entry.subject, entry.outcome) == ("freeze", 1, "done")


def test_a_time_without_a_zone_is_no_time() -> None:
    with pytest.raises(ValueError, match="time zone"):
        ClientHouse().admin().freeze(1, reason="a reason", until=datetime(2031, 1, 1))


@for_each("session_id", ["", ".", "..", "a/b", "a b", "a?b", "é", "x" * 129])
def test_what_is_no_session_is_not_asked_for(session_id: str) -> None:
    house = ClientHouse()
    client = house.client()
    client.register(PHONE, PASSWORD)
    with pytest.raises(ValueError, match="session"):
        client.end_session(session_id)
    assert len(house.transport.seen) == 1


# The refusals.


@for_each(("kind", "code"), [(kind, given.code) for kind, given in ANSWERS.items()])
def test_every_reason_has_an_exception_of_the_same_name(kind: type, code: int) -> None:
    found = type(refused(code, kind.reason, "", {}))  # type: ignore[attr-defined]
    assert found.__name__ == kind.__name__
    assert getattr(menshen.client, kind.__name__) is found
    assert issubclass(found, Unauthenticated) == (code == 401)
    assert issubclass(found, Unavailable) == (code == 503)
    assert found.__doc__


def test_there_is_no_exception_for_what_the_service_never_says() -> None:
    assert {(code == 401, kind.reason) for kind, code in ((k, a.code) for k, a in ANSWERS.items())} == set(_KINDS)


@for_each(("code", "kind"), [(403, Refused), (401, Unauthenticated), (503, Unavailable)])
def test_a_reason_that_is_newer_than_the_client_is_told_as_it_is(code: int, kind: type) -> None:
    house = ClientHouse()
    house.transport.before = lambda request: answer(code, reason="a_new_one", data={"more": 1})
    with pytest.raises(Refused) as told:
        house.client().login(PHONE, PASSWORD)
    assert type(told.value) is kind
    assert (told.value.code, told.value.reason, told.value.msg) == (code, "a_new_one", "a message")
    assert told.value.data == {"more": 1}
    assert str(told.value) == f"{code} a_new_one: a message"


def test_a_refusal_can_be_sent_to_another_process() -> None:
    refusal = pickle.loads(pickle.dumps(refused(401, "session_kicked", "a message", {"ended_at": "then"})))
    assert type(refusal) is menshen.client.SessionKicked
    assert (refusal.code, refusal.msg, refusal.ended_at) == (401, "a message", "then")


def test_the_same_state_is_told_apart_at_the_login_and_at_the_guard() -> None:
    house = ClientHouse()
    client = house.client()
    client.register(PHONE, PASSWORD)
    house.admin().freeze(1, reason="a reason")
    with pytest.raises(UserNotActive):
        client.user_info()
    with pytest.raises(LoginNotAllowed):
        client.login(PHONE, PASSWORD)
    with pytest.raises(InvalidCredentials):
        client.login(PHONE, "a wrong one")
    with pytest.raises(NoSuchUser):
        house.admin().user(99)


def test_too_many_devices_says_which_are_in_and_one_of_them_can_be_replaced() -> None:
    house = ClientHouse()
    house.http.registered()
    house.http.change_user(device_policy=DevicePolicy((Limit(EVERY_TYPE, 1),), Overflow.REJECT_NEW))
    with pytest.raises(TooManyDevices) as told:
        house.client().login(PHONE, PASSWORD)
    [session] = told.value.sessions
    house.client().login(PHONE, PASSWORD, replace=session.id)


A_USER = {
    **dict.fromkeys(("mid", "phone", "user_name", "openid", "registration_time")),
    "id": 1,
    "account_balance": 0,
    "state": "",
    "fee_percentage": 4,
}


def test_members_that_are_newer_than_the_client_do_no_harm() -> None:
    house = ClientHouse()
    client = house.client()
    client.register(PHONE, PASSWORD)
    house.transport.before = lambda request: answer(200, data={**A_USER, "a_new_one": 1}, another=2)
    assert client.user_info().account_balance == 0


def test_without_a_login_nothing_is_asked() -> None:
    house = ClientHouse()
    with pytest.raises(NotLoggedIn):
        house.client().user_info()
    assert house.transport.seen == []


@for_each(
    "response",
    [
        Response(502, {}, b"<html>Bad Gateway</html>"),
        Response(302, {"location": "https://elsewhere.example"}, b""),
        Response(200, {}, b"[]"),
        Response(200, {}, b"{"),
        Response(200, {}, b"\xff"),
        Response(200, {}, b"[" * 100_000),
        Response(200, {}, b'{"code": 200, "code": 200}'),
        Response(200, {}, b'{"code": NaN}'),
        Response(200, {}, b'{"code": true, "msg": "", "data": ""}'),
        Response(200, {}, b'{"code": ' + b"9" * 5_000 + b"}"),
        answer(200, status=401, data=A_USER),
        answer(200, data={**A_USER, "id": True}),
        answer(200, data={**A_USER, "account_balance": "1"}),
        answer(200, data={**A_USER, "state": None}),
        answer(403),
        answer(200, data=[]),
        answer(200, data={"id": "1"}),
        answer(200, data={}),
    ],
)
def test_what_is_not_the_services_answer_is_told_as_such(response: Response) -> None:
    house = ClientHouse()
    client = house.client()
    client.register(PHONE, PASSWORD)
    house.transport.before = lambda request: response
    with pytest.raises(AnswerUnreadable):
        client.user_info()
    assert client.tokens is not None


def test_a_service_that_always_says_200_is_understood_by_its_body() -> None:
    house = ClientHouse()
    house.transport.before = lambda request: answer(403, status=200, reason="invalid_credentials")
    with pytest.raises(InvalidCredentials):
        house.client().login(PHONE, PASSWORD)


def test_a_fault_of_the_service_is_told_with_its_incident() -> None:
    house = ClientHouse()
    house.transport.before = lambda request: answer(500, reason="internal_error", msg="incident 4711")
    with pytest.raises(InternalError, match="4711"):
        house.client().login(PHONE, PASSWORD)
