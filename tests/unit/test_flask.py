"""The guard and the account routes in Flask."""

import gc
from collections.abc import Iterable
from typing import Any

import pytest
from flask import Blueprint, Flask, abort, g, request
from flask.testing import FlaskClient
from flask.views import MethodView
from werkzeug.test import TestResponse

from menshen.entrypoints.accounts import Accounts, GuardMissing
from menshen.entrypoints.flask import blueprint, default_deny, strict_user_token_required, user_token_required

from .cases import for_each
from .embedding import COOKIES, with_cookies
from .http_service import LOGIN, LOGOUT, PASSWORD, PHONE, REGISTER, USER_INFO, HttpService, routes_of, serve

KEYS = {
    *("id", "mid", "phone", "user_name", "openid", "registration_time", "account_balance", "state", "fee_percentage")
}


class Place:
    """A Flask app with accounts."""

    def __init__(self, *, denies: bool = False, exempt: Iterable[str] = ("/news",), mounts: bool = True) -> None:
        self.http: HttpService = serve()
        self.accounts = Accounts(self.http.service, self.http.settings)
        self.app = Flask("a_shop", static_folder=None)
        if denies:
            default_deny(self.app, self.accounts, exempt=exempt)
        if mounts:
            self.accounts.mount(self.app)

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def ask(self, path: str, method: str = "GET", token: str | None = None, **headers: str) -> TestResponse:
        headers |= {} if token is None else {"token": token}
        return self.client.open(path, method=method, headers=headers)

    def orders(self) -> None:
        @self.app.route("/orders")
        @user_token_required
        def orders(user_info: dict[str, Any]) -> dict[str, Any]:
            return {"orders_of": user_info["phone"]}


def is_refused(answer: TestResponse, reason: str) -> None:
    assert answer.status_code == 401, answer.data
    found = answer.get_json()
    assert (found["code"], found["reason"]) == (401, reason)


# The decorator.


def test_a_view_gets_the_user_as_the_tutorial_shows_them() -> None:
    place, seen = Place(), []

    @place.app.route("/orders")
    @user_token_required
    def orders(user_info: dict[str, Any]) -> dict[str, Any]:
        seen.append(user_info)
        return {"orders_of": user_info["phone"], "same": g.user.phone.digits, "by": g.principal.user.phone.digits}

    token = place.http.registered()
    assert place.ask("/orders", token=token).get_json() == {"orders_of": PHONE, "same": PHONE, "by": PHONE}
    assert set(seen[0]) == KEYS
    theirs = place.ask(USER_INFO, token=token).get_json()["data"]
    assert {**seen[0], "account_balance": float(seen[0]["account_balance"])} == theirs


def test_a_refusal_is_the_apis_own_to_the_byte() -> None:
    place = Place()
    place.orders()
    for headers in ({}, {"token": "x"}, {"Accept-Language": "en"}, {"token": "a", "Authorization": "Bearer b"}):
        ours, theirs = place.ask("/orders", **headers), place.http.user_info(**headers)
        assert (ours.status_code, ours.data) == (theirs.status_code, theirs.content)
        assert {name.lower(): value for name, value in ours.headers.items()} == dict(theirs.headers)


def test_a_token_that_was_logged_out_opens_nothing() -> None:
    place = Place()
    place.orders()
    token = place.http.registered()
    assert place.ask("/orders", token=token).status_code == 200
    assert place.ask(LOGOUT, "POST", token=token).status_code == 200
    is_refused(place.ask("/orders", token=token), "session_logged_out")


def test_user_info_comes_by_its_name_or_else_by_position() -> None:
    place = Place(mounts=False)

    @place.app.route("/1/<int:number>")
    @user_token_required
    def by_name(number: int, user_info: dict[str, Any]) -> list[Any]:
        return [number, user_info["phone"]]

    @place.app.route("/2/<int:number>")
    @user_token_required
    def by_keyword(*, number: int, user_info: dict[str, Any]) -> list[Any]:
        return [number, user_info["phone"]]

    @place.app.route("/3/<int:number>")
    @user_token_required
    def by_position(who: dict[str, Any], number: int) -> list[Any]:
        return [number, who["phone"]]

    @place.app.route("/4/<int:number>")
    @user_token_required
    def by_position_alone(user_info: dict[str, Any], /, number: int) -> list[Any]:
        return [number, user_info["phone"]]

    @place.app.route("/5/<int:number>")
    @user_token_required
    def by_any_name(**named: Any) -> list[Any]:
        return [named["number"], named["user_info"]["phone"]]

    token = place.http.registered()
    for view in "12345":
        assert place.ask(f"/{view}/7", token=token).get_json() == [7, PHONE], view
        is_refused(place.ask(f"/{view}/7"), "token_missing")


def test_views_that_are_classes_are_guarded_whole_or_by_the_method() -> None:
    place = Place()

    class Orders(MethodView):
        def get(self, user_info: dict[str, Any]) -> dict[str, Any]:
            return {"orders_of": user_info["phone"]}

    class Bills(MethodView):
        @user_token_required
        def get(self, who: dict[str, Any]) -> dict[str, Any]:
            return {"orders_of": who["phone"]}

    Orders.decorators = [user_token_required]
    place.app.add_url_rule("/orders", view_func=Orders.as_view("orders"))
    place.app.add_url_rule("/bills", view_func=Bills.as_view("bills"))
    token = place.http.registered()
    for path in ("/orders", "/bills"):
        assert place.ask(path, token=token).get_json() == {"orders_of": PHONE}
        is_refused(place.ask(path), "token_missing")


def test_a_view_may_be_a_coroutine() -> None:
    place = Place()

    @place.app.route("/orders")
    @user_token_required
    async def orders(user_info: dict[str, Any]) -> dict[str, Any]:
        return {"orders_of": user_info["phone"]}

    assert place.ask("/orders", token=place.http.registered()).get_json() == {"orders_of": PHONE}
    is_refused(place.ask("/orders"), "token_missing")


def test_a_strict_view_is_judged_by_the_judge_that_always_reads() -> None:
    place = Place()

    @place.app.route("/pay")
    @strict_user_token_required
    def pay(user_info: dict[str, Any]) -> dict[str, Any]:
        return {"paid_by": user_info["phone"]}

    token, asked, strict = place.http.registered(), list[object](), place.accounts.strict_judge
    place.accounts.strict_judge = lambda *headers: asked.append(headers) or strict(*headers)  # type: ignore[assignment,func-returns-value]
    assert place.ask("/pay", token=token).get_json() == {"paid_by": PHONE}
    assert asked == [(token, None, None)]


def test_a_preflight_reaches_no_guarded_view() -> None:
    place, seen = Place(), []

    @place.app.route("/orders", methods=["GET", "OPTIONS"])
    @user_token_required
    def orders(user_info: dict[str, Any]) -> dict[str, Any]:
        seen.append(user_info)
        return {}

    headers = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    answer = place.ask("/orders", "OPTIONS", **headers)
    assert (answer.status_code, answer.headers["Allow"], seen) == (200, "PUT", [])
    is_refused(place.ask("/orders", "OPTIONS"), "token_missing")


def test_no_error_handler_of_the_app_changes_a_refusal() -> None:
    place = Place(denies=True)
    place.app.register_error_handler(401, lambda _error: ("mine", 418))
    place.app.register_error_handler(Exception, lambda _error: ("mine", 418))
    place.orders()

    @place.app.route("/news")
    def news() -> str:
        abort(401)

    is_refused(place.ask("/orders"), "token_missing")
    is_refused(place.ask("/nothing"), "token_missing")
    assert place.ask("/news").data == b"mine"


# What does not start.


def test_a_guard_without_accounts_is_an_error_at_the_start() -> None:
    gc.collect()
    Accounts._latest = None
    for decorator in (user_token_required, strict_user_token_required):
        with pytest.raises(GuardMissing, match="no accounts yet"):
            decorator(lambda user_info: {})


def test_a_guard_above_the_route_is_an_error_at_the_start() -> None:
    place = Place()
    with pytest.raises(GuardMissing, match="orders is open"):

        @user_token_required
        @place.app.route("/orders")
        def orders(user_info: dict[str, Any]) -> dict[str, Any]:
            return {}


def test_a_guard_above_the_route_is_an_error_when_the_accounts_are_mounted() -> None:
    place = Place(mounts=False)
    shop = Blueprint("shop", __name__)

    @user_token_required
    @shop.route("/orders")
    def orders(user_info: dict[str, Any]) -> dict[str, Any]:
        return {}

    place.app.register_blueprint(shop)
    with pytest.raises(GuardMissing, match=r"shop\.orders is open"):
        place.accounts.mount(place.app)


def test_a_blueprint_that_comes_later_with_a_guard_above_a_route_lets_nobody_in() -> None:
    place = Place()
    shop = Blueprint("shop", __name__)

    @user_token_required
    @shop.route("/shop")
    def orders(user_info: Any = None) -> dict[str, Any]:
        return {"open": True}

    place.app.register_blueprint(shop)
    place.app.testing = True
    try:
        for _ in range(2):
            with pytest.raises(GuardMissing, match=r"shop\.orders is open"):
                place.client.get("/shop")
    finally:
        # Or no other app of the tests could be decorated, as long as this one is there.
        del place.app.view_functions["shop.orders"]


def test_a_view_that_takes_no_user_info_is_an_error_at_the_start() -> None:
    place = Place()
    with pytest.raises(TypeError, match="takes no user_info"):
        user_token_required(lambda: place)


def test_an_app_has_the_accounts_of_one_guard() -> None:
    place, other = Place(), Place()
    with pytest.raises(GuardMissing, match="by other accounts"):
        default_deny(place.app, other.accounts)


def test_the_account_routes_take_no_prefix() -> None:
    place = Place(mounts=False)
    with pytest.raises(ValueError, match="url_prefix"):
        place.app.register_blueprint(blueprint(place.accounts), url_prefix="/v1")


def test_a_guard_asks_the_accounts_of_its_app_before_those_opened_last() -> None:
    place = Place()
    place.orders()
    other = Place()
    place_token, other_token = place.http.registered(), other.http.registered("13900139000")
    assert place.ask("/orders", token=place_token).get_json() == {"orders_of": PHONE}
    assert place.ask("/orders", token=other_token).get_json() != {"orders_of": "13900139000"}


# Default deny.


def test_everything_that_is_not_exempt_is_refused() -> None:
    place = Place(denies=True, exempt=["/news", "/news/<int:number>"])
    place.app.add_url_rule("/news", view_func=lambda: "news", endpoint="news", methods=["GET", "POST"])
    place.app.add_url_rule("/news/<int:number>", view_func=lambda number: str(number), endpoint="one")
    place.app.add_url_rule("/news/<name>", view_func=lambda name: name, endpoint="named")
    place.app.add_url_rule("/forgotten/", view_func=lambda: g.user.phone.digits, endpoint="forgotten")
    token = place.http.registered()
    assert (place.ask("/news").data, place.ask("/news", "POST").data, place.ask("/news/7").data) == (
        b"news",
        b"news",
        b"7",
    )
    for path in ("/news/", "/news/x", "/forgotten/", "/forgotten", "/nothing", "//news", "/api/user/nothing"):
        for method in ("GET", "HEAD", "POST", "OPTIONS"):
            answer = place.ask(path, method)
            assert answer.status_code == 401, (path, method)
    assert place.ask("/forgotten/", token=token).text == PHONE
    assert place.ask("/nothing", token=token).status_code == 404


@for_each("exempt", ["/news", "admin|/news", "<shop>|/news"])
def test_an_exempt_rule_is_that_of_one_subdomain(exempt: str) -> None:
    accounts = Place(mounts=False).accounts
    app = Flask("a_shop", static_folder=None, subdomain_matching=True)
    app.config["SERVER_NAME"] = "shop.example"
    default_deny(app, accounts, exempt=[exempt])
    for subdomain in (None, "admin", "<shop>"):
        app.add_url_rule("/news", f"news of {subdomain}", lambda shop="": {}, subdomain=subdomain)
    hosts = {"/news": "shop.example", "admin|/news": "admin.shop.example", "<shop>|/news": "tea.shop.example"}
    client = app.test_client()
    opened = [rule for rule, host in hosts.items() if client.get("/news", base_url=f"http://{host}").status_code == 200]
    assert opened == [exempt]


def test_an_exempt_rule_is_that_of_one_host() -> None:
    app = Flask("a_shop", static_folder=None, host_matching=True)
    default_deny(app, Place(mounts=False).accounts, exempt=["a.example|/news", "/news"])
    for host in ("a.example", "b.example"):
        app.add_url_rule("/news", host, dict, host=host)
    client = app.test_client()
    assert client.get("/news", base_url="http://a.example").status_code == 200
    assert client.get("/news", base_url="http://b.example").status_code == 401


def test_static_files_are_guarded_too() -> None:
    http = serve()
    app = Flask("a_shop", static_folder="static")
    default_deny(app, Accounts(http.service, http.settings))
    assert app.test_client().get("/static/app.js").status_code == 401


def test_a_preflight_is_answered_before_any_view() -> None:
    place = Place(denies=True)
    headers = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    for path in ("/forgotten", "/nothing"):
        answer = place.ask(path, "OPTIONS", **headers)
        assert (answer.status_code, answer.headers["Allow"]) == (200, "PUT")


def test_an_apps_own_route_that_looks_like_ours_stays_closed() -> None:
    place = Place(denies=True)
    for number, rule in enumerate(
        ["/api/user/sessions/mine", "/api/user/login", "/api/admin/users/<int:user_id>/mine"]
    ):
        place.app.add_url_rule(rule, view_func=lambda **_: "mine", endpoint=f"mine{number}", methods=["GET", "POST"])
    for path in ("/api/user/sessions/mine", "/api/user/login", "/api/admin/users/1/mine"):
        for method in ("GET", "POST"):
            is_refused(place.ask(path, method), "token_missing")
    assert place.ask("/api/user/sessions/mine", token=place.http.registered()).text == "mine"


@for_each("exempt", ["/news", b"/news", [1]])
def test_wrong_exemptions_are_an_error_at_the_start(exempt: Any) -> None:
    http = serve()
    with pytest.raises(TypeError):
        default_deny(Flask("a_shop"), Accounts(http.service, http.settings), exempt=exempt)


def test_no_accounts_are_an_error_at_the_start() -> None:
    with pytest.raises(AttributeError):
        default_deny(Flask("a_shop"), None)  # type: ignore[arg-type]


# The account routes.


@for_each("denies", [False, True])
def test_every_account_route_answers_as_it_does_alone(denies: bool) -> None:
    place, alone = Place(denies=denies), serve()
    for route in routes_of(alone):
        if not route.path.startswith("/api/"):
            continue
        for token in (None, "x"):
            headers = {} if token is None else {"token": token}
            theirs = place.client.open(route.path, method=route.method, json={}, headers=headers)
            ours = alone.request(route.method, route.path, {}, **headers)
            assert (theirs.status_code, theirs.data) == (ours.status_code, ours.content), route
            found = {name.lower(): value for name, value in theirs.headers.items()}
            assert found == dict(ours.headers), route


@for_each("denies", [False, True])
def test_one_registers_logs_in_and_is_known(denies: bool) -> None:
    place = Place(denies=denies)
    place.orders()
    body = {"phone": PHONE, "password": PASSWORD}
    assert place.client.post(REGISTER, json=body).status_code == 200
    token = place.client.post(LOGIN, json=body).get_json()["token"]
    assert place.ask(USER_INFO, token=token).get_json()["data"]["phone"] == PHONE
    assert place.ask("/orders", token=token).get_json() == {"orders_of": PHONE}


def test_a_hook_of_the_app_may_read_the_body_first() -> None:
    place, read = Place(), []
    place.app.before_request(lambda: read.append(request.get_json(silent=True)))
    body = {"phone": PHONE, "password": PASSWORD}
    assert place.client.post(REGISTER, json=body).status_code == 200
    assert read == [body]


def test_a_body_that_is_too_long_or_not_whole_is_refused_in_the_envelope() -> None:
    place = Place()
    for body, length, reason in ((b"x" * 20_000, 20_000, "body_too_large"), (b"{", 20, "body_incomplete")):
        answer = place.client.post(
            REGISTER, data=body, content_type="application/json", environ_overrides={"CONTENT_LENGTH": str(length)}
        )
        assert answer.get_json()["reason"] == reason


def test_the_view_of_the_account_routes_has_a_name_as_extensions_expect_of_each() -> None:
    place = Place()
    for view in place.app.view_functions.values():
        assert (view.__module__, view.__name__) == ("menshen.entrypoints.flask", "accounts_view")


def test_an_account_route_may_set_cookies() -> None:
    place = Place()
    place.accounts.wsgi = with_cookies  # type: ignore[assignment]
    assert place.ask(USER_INFO).headers.getlist("Set-Cookie") == COOKIES


def test_unknown_paths_below_ours_are_answered_in_the_envelope() -> None:
    place = Place()
    for path in ("/api/user/nothing", "/api/user/", "/api/admin/", "/api/user/login/"):
        answer = place.ask(path)
        assert (answer.status_code, answer.get_json()["reason"]) == (404, "not_found"), path
    assert place.ask("/nothing").content_type.startswith("text/html")


def test_an_account_route_answers_head_without_a_body() -> None:
    place = Place()
    token = place.http.registered()
    whole, head = place.ask(USER_INFO, token=token), place.ask(USER_INFO, "HEAD", token=token)
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", str(len(whole.data)))


def test_an_app_may_put_its_own_routes_before_ours() -> None:
    place = Place()
    place.app.add_url_rule("/api/user/login", view_func=lambda: "mine", endpoint="mine", methods=["POST"])
    assert place.ask(LOGIN, "POST").text == "mine"
