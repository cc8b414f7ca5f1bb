"""Accounts in an app of any framework."""

from typing import Any

import falcon
import pytest
from falcon.testing import TestClient
from flask import Flask, request

from menshen.entrypoints.accounts import _MOUNTS, Accounts, GuardMissing
from menshen.entrypoints.wsgi import PRINCIPAL, Guarded

from .cases import for_each
from .embedding import with_cookies
from .http_service import ADMIN_LOGIN, LOGIN, PASSWORD, PHONE, REGISTER, USER_INFO, serve


def accounts() -> Accounts:
    http = serve()
    return Accounts(http.service, http.settings)


class Shop(Flask):
    """An app whose class is a subclass of its framework's."""


def test_a_subclass_of_a_frameworks_app_is_one() -> None:
    app = Shop("a_shop")
    accounts().mount(app)
    assert app.test_client().get(USER_INFO).status_code == 401


@for_each(
    "app",
    [None, object(), "flask", Flask, lambda environ, start_response: [], accounts, falcon.Request, falcon.Response()],
)
def test_what_is_no_app_that_is_known_is_a_type_error(app: Any) -> None:
    with pytest.raises(TypeError, match="accounts cannot be mounted in"):
        accounts().mount(app)


def test_the_class_of_each_frameworks_app_is_where_it_is_said_to_be() -> None:
    for name in _MOUNTS:
        module, _, kind = name.rpartition(".")
        found = getattr(__import__(module, fromlist=[kind]), kind)
        assert f"{found.__module__}.{found.__qualname__}" == name


@for_each("path", [USER_INFO, LOGIN, ADMIN_LOGIN, "/api/user", "/api/admin/users/1"])
def test_an_account_path_is_one_of_an_account_route(path: str) -> None:
    assert accounts().is_account_path(path)


@for_each("path", ["/healthz", "/", "/api", "/api/user/nothing", "/api/users", "/api/user/login/", "/x/api/user", ""])
def test_no_other_path_is(path: str) -> None:
    assert not accounts().is_account_path(path)


def test_user_info_has_the_members_of_its_answer() -> None:
    http = serve()
    found = Accounts(http.service, http.settings)
    principal: Any = found.judge(http.registered(), None, None)
    shown = found.user_info(principal)
    assert shown["phone"] == PHONE
    assert "password" not in shown


def test_the_accounts_opened_last_are_those_of_the_process() -> None:
    first, second = accounts(), accounts()
    assert Accounts.opened() is second
    assert first is not second
    Accounts._latest = None
    with pytest.raises(GuardMissing):
        Accounts.opened()


def test_an_account_route_may_set_cookies_in_falcon() -> None:
    found, app = accounts(), falcon.App()
    found.wsgi = with_cookies  # type: ignore[assignment]
    found.mount(app)
    answer = TestClient(app).simulate_get(USER_INFO)
    assert [value for name, value in answer.headers.items() if name == "set-cookie"]
    assert set(answer.cookies) == {"__Host-a", "__Host-b"}


def test_any_wsgi_app_can_be_wrapped_whatever_its_framework() -> None:
    found, app = accounts(), Flask("a_shop")
    app.add_url_rule("/news", view_func=lambda: "news", endpoint="news")
    app.add_url_rule("/orders", view_func=lambda: request.environ[PRINCIPAL].user.phone.digits, endpoint="orders")
    app.wsgi_app = Guarded(app.wsgi_app, found, exempt=["/news"])  # type: ignore[method-assign]
    client = app.test_client()
    assert client.get("/news").text == "news"
    assert client.get("/orders").status_code == 401
    token = client.post(REGISTER, json={"phone": PHONE, "password": PASSWORD}).get_json()["token"]
    assert client.get("/orders", headers={"token": token}).text == PHONE
