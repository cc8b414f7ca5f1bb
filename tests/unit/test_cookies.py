"""The cookie of browsers: when it is set and cleared, what it opens, and that no page of another site can use it."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from attrs import evolve
from falcon.testing import Result

from menshen.entrypoints.accounts import Accounts
from menshen.entrypoints.guarding.cookies import COOKIE
from menshen.entrypoints.guarding.route_rules import parse_rules
from menshen.entrypoints.http.cookies import RETURN
from menshen.entrypoints.http.forward_auth import FOR_NGINX, FOR_OTHERS

from .cases import for_each
from .http_service import (
    LOGIN,
    LOGOUT,
    PASSWORD,
    PHONE,
    PROFILE,
    REFRESH,
    REGISTER,
    SESSIONS,
    USER_INFO,
    HttpService,
    call_wsgi,
    refresh_token_of,
    refused,
    serve,
)
from .test_forwarding import BOTH, SETTINGS, forwarded, original

HOST = "shop.example"
WITH_COOKIE = evolve(
    SETTINGS,
    cookie=True,
    login_page="/login",
    return_hosts=(HOST,),
    forward_rules=parse_rules("open /news; user /orders/**; admin /admin/**"),
)
OWN = {"Sec-Fetch-Site": "same-origin"}


def cookie_in(result: Result) -> str:
    """What the browser sends back."""
    text = result.headers["set-cookie"]
    pair, *attributes = text.split("; ")
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} < set(attributes)
    assert not [each for each in attributes if each.lower().startswith("domain")]
    assert pair.startswith(f"{COOKIE}=")
    return pair


def logged_in() -> tuple[HttpService, dict[str, str]]:
    http = serve(WITH_COOKIE)
    return http, {"Cookie": cookie_in(http.register())}


def test_register_login_and_refresh_set_it_and_logout_clears_it() -> None:
    http = serve(WITH_COOKIE)
    registered = http.register()
    for answer in (registered, http.login(), http.refresh(refresh_token_of(registered))):
        cookie = cookie_in(answer)
        assert answer.json["token"] not in cookie, "it is sealed"
        assert f"Max-Age={answer.json['data']['expires_in']}" in answer.headers["set-cookie"]
        assert http.request("GET", USER_INFO, Cookie=cookie).status_code == 200
    out = http.request("POST", LOGOUT, Cookie=cookie, **OWN)
    assert out.headers["set-cookie"].startswith(f"{COOKIE}=; Max-Age=0; ")
    assert http.request("GET", USER_INFO, Cookie=cookie).json["reason"] == "session_logged_out"


def test_a_refused_login_sets_none_and_neither_does_any_other_answer() -> None:
    http, cookie = logged_in()
    http.admin()
    for answer in (
        http.login(password="a wrong one"),
        http.request("GET", USER_INFO, **cookie),
        http.request("POST", PROFILE, {"user_name": "x"}, **cookie, **OWN),
        http.admin_login(),
        http.request("POST", LOGOUT),
    ):
        assert "set-cookie" not in answer.headers


def test_without_the_setting_it_is_neither_set_nor_taken() -> None:
    http = serve(evolve(WITH_COOKIE, cookie=False))
    assert "set-cookie" not in http.register().headers
    sealed = http.service.seal.seal(http.login().json["token"], "cookie")
    refused(http.request("GET", USER_INFO, Cookie=f"{COOKIE}={sealed}"), 401, "token_missing")
    asked = forwarded("/orders")
    refused(http.request("GET", FOR_OTHERS, **asked, Cookie=f"{COOKIE}={sealed}"), 401, "token_missing")
    answer = http.request("GET", FOR_OTHERS, **asked, Accept="text/html")
    refused(answer, 401, "token_missing")
    assert "location" not in answer.headers
    refused(http.request("GET", f"{RETURN}?return=x"), 404, "not_found")


def test_accounts_in_the_apps_of_others_have_none() -> None:
    http = serve(WITH_COOKIE)
    app = Accounts(http.service, http.settings).wsgi
    sealed = http.service.seal.seal(http.registered(), "cookie")
    answer = call_wsgi(app, PATH_INFO=USER_INFO, HTTP_COOKIE=f"{COOKIE}={sealed}")
    refused(answer, 401, "token_missing")


@for_each(
    ("cookies", "reason"),
    [
        ("", "token_missing"),
        ("other=1", "token_missing"),
        ("menshen={value}", "token_missing"),
        ("__host-menshen={value}", "token_missing"),
        (COOKIE, "token_invalid"),
        (f"{COOKIE}=", "token_invalid"),
        (f"{COOKIE}=garbage", "token_invalid"),
        (f"{COOKIE}={{token}}", "token_invalid"),
        (f"{COOKIE}={{value}}; {COOKIE}={{value}}", "token_invalid"),
        (f"{COOKIE}={{value}}; {COOKIE}=x", "token_invalid"),
        (f"{COOKIE}={{return}}", "token_invalid"),
        (f'{COOKIE}="{{value}}"', "token_invalid"),
    ],
)
def test_what_is_none_of_ours_opens_nothing(cookies: str, reason: str) -> None:
    http = serve(WITH_COOKIE)
    token = http.registered()
    values = {
        "value": http.service.seal.seal(token, "cookie"),
        "return": http.service.seal.seal(token, "return address"),
    }
    sent = cookies.format(token=token, **values)
    for path, headers in ((USER_INFO, {}), (FOR_OTHERS, forwarded("/orders")), (FOR_NGINX, original("/orders"))):
        refused(http.request("GET", path, **headers, Cookie=sent), 401, reason)


def test_it_stands_among_others() -> None:
    http, cookie = logged_in()
    for sent in (
        f"a=1; {cookie['Cookie']}",
        f"{cookie['Cookie']};b=2",
        f"a=1;\t{cookie['Cookie']} ; b=2".replace(" ;", ";"),
    ):
        assert http.request("GET", USER_INFO, Cookie=sent).status_code == 200, sent


def test_a_token_in_a_header_counts_alone() -> None:
    http, cookie = logged_in()
    refused(http.request("GET", USER_INFO, **cookie, token="garbage"), 401, "token_invalid")
    refused(http.request("GET", USER_INFO, **cookie, Authorization="Bearer garbage"), 401, "token_invalid")
    token = http.login().json["token"]
    # Pages of other sites cannot send one, so where it comes from does not matter.
    for shown in ({"token": token}, {"Authorization": f"Bearer {token}"}):
        answer = http.request(
            "POST", PROFILE, {"user_name": "x"}, **cookie, **shown, **{"Sec-Fetch-Site": "cross-site"}
        )
        assert answer.status_code == 200
    # Another kind of Authorization is no token.
    assert http.request("GET", USER_INFO, **cookie, Authorization="Basic eDp5").status_code == 200


def test_it_opens_nothing_of_admins() -> None:
    http, cookie = logged_in()
    http.admin(PHONE)
    refused(http.request("GET", "/api/admin/users", **cookie), 401, "token_missing")
    for path, headers in BOTH.items():
        refused(http.request("GET", path, **headers("/admin/x"), **cookie), 401, "token_missing")


FROM_ELSEWHERE = [
    {},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "cross-site", "Origin": f"https://{HOST}"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": f"http://{HOST}"},
    {"Origin": f"https://{HOST}.evil.example"},
    {"Origin": f"https://{HOST}:8443"},
    {"Origin": f"https://{HOST}@evil.example"},
    {"Origin": f"https://{HOST},https://evil.example"},
]
FROM_HERE = [OWN, {"Sec-Fetch-Site": "none"}, {"Origin": f"https://{HOST}"}]


@for_each("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_page_of_another_site_changes_nothing_behind_a_proxy(method: str) -> None:
    http, cookie = logged_in()
    for path, headers in BOTH.items():
        for page in FROM_ELSEWHERE:
            refused(http.request("GET", path, **headers("/orders", method), **cookie, **page), 403, "cross_site")
        for page in FROM_HERE:
            assert http.request("GET", path, **headers("/orders", method), **cookie, **page).status_code == 200, page


def test_a_page_of_another_site_changes_nothing_of_an_account() -> None:
    http, cookie = logged_in()
    for page in FROM_ELSEWHERE:
        for method, path in (("POST", PROFILE), ("PATCH", PROFILE), ("POST", LOGOUT), ("DELETE", SESSIONS)):
            refused(http.request(method, path, {"user_name": "x"}, Host=HOST, **cookie, **page), 403, "cross_site")
    for page in FROM_HERE:
        answer = http.request("POST", PROFILE, {"user_name": "x"}, Host=HOST, **cookie, **page)
        assert answer.status_code == 200, page


def test_reading_needs_no_proof_but_a_web_socket_does() -> None:
    http, cookie = logged_in()
    for path, headers in BOTH.items():
        for method in ("GET", "HEAD"):
            assert http.request("GET", path, **headers("/orders", method), **cookie).status_code == 200
        socket = {"Sec-Fetch-Mode": "websocket", "Sec-Fetch-Site": "same-site"}
        refused(http.request("GET", path, **headers("/orders"), **cookie, **socket), 403, "cross_site")
        assert http.request("GET", path, **headers("/orders"), **cookie, **{**socket, **OWN}).status_code == 200
        # Of a WebSocket Chromium says no more than where it comes from.
        for origin, status in ((f"https://{HOST}", 200), ("https://evil.example", 403), ("null", 403)):
            asked = http.request("GET", path, **headers("/orders"), **cookie, Origin=origin)
            assert asked.status_code == status, origin
        # A page that reads from another one says that it does, and is kept from the answer by its browser.
        assert (
            http.request(
                "GET",
                path,
                **headers("/orders"),
                **cookie,
                **{"Sec-Fetch-Site": "same-site", "Origin": "https://x.example"},
            ).status_code
            == 200
        )


def test_who_logs_in_needs_no_proof_whatever_cookie_there_is() -> None:
    http, cookie = logged_in()
    for path in (LOGIN, REGISTER):
        body = {"phone": PHONE if path == LOGIN else "13900139000", "password": PASSWORD}
        assert http.request("POST", path, body, **cookie, **{"Sec-Fetch-Site": "cross-site"}).status_code == 200
    token = refresh_token_of(http.login())
    assert http.request("POST", REFRESH, {"refresh_token": token}, **cookie).status_code == 200


# The way to the login page and back.

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def sent_back(location: str) -> str:
    [sealed] = parse_qs(urlsplit(location).query)["return"]
    return sealed


@for_each(("path", "status"), [(FOR_NGINX, 401), (FOR_OTHERS, 302)])
def test_a_browser_is_sent_to_the_login_page_and_comes_back(path: str, status: int) -> None:
    for page, beginning in (
        ("/login", f"https://{HOST}/login?return="),
        ("/login?a=b", f"https://{HOST}/login?a=b&return="),
        ("https://login.example/", "https://login.example/?return="),
    ):
        http = serve(evolve(WITH_COOKIE, login_page=page))
        for uri in ("/orders", "/orders/7?x=1&y=%2F", "/orders?next=//evil.example"):
            answer = http.request("GET", path, **BOTH[path](uri), **HTML)
            assert answer.status_code == status
            location = answer.headers["location"]
            assert location.startswith(beginning)
            back = http.request("GET", f"{RETURN}?return={sent_back(location)}")
            assert (back.status_code, back.headers["location"]) == (302, f"https://{HOST}{uri}")


@for_each(("path", "headers"), BOTH.items())
def test_whatever_shows_no_page_gets_401_and_no_redirection(path: str, headers: Callable[..., dict[str, str]]) -> None:
    http = serve(WITH_COOKIE)
    cases: list[tuple[dict[str, str], dict[str, str]]] = [
        (headers("/orders"), {}),
        (headers("/orders"), {"Accept": "*/*"}),
        (headers("/orders"), {"Accept": "application/json"}),
        (headers("/orders", "POST"), HTML),
        (headers("/orders", "HEAD"), HTML),
        (headers("/orders"), {**HTML, "X-Requested-With": "XMLHttpRequest"}),
        (headers("/orders"), {**HTML, "Sec-Fetch-Mode": "cors"}),
        (headers("/orders"), {**HTML, "Sec-Fetch-Mode": "no-cors"}),
        (headers("/orders", host="other.example"), HTML),
        (headers("/orders", host=f"{HOST}:8443"), HTML),
        (headers("/orders", host=f"x.{HOST}"), HTML),
    ]
    for asked, more in cases:
        answer = http.request("GET", path, **asked, **more)
        refused(answer, 401, "token_missing")
        assert "location" not in answer.headers, (asked, more)
    # A refusal that no login changes is none of its cases.
    for uri, reason in (("/elsewhere", "route_not_allowed"), ("/orders/..", "target_ambiguous")):
        refused(http.request("GET", path, **headers(uri), **HTML), 403, reason)


def test_the_host_is_the_same_in_any_case_and_with_the_usual_port() -> None:
    http = serve(WITH_COOKIE)
    for host in ("Shop.Example", f"{HOST}:443"):
        location = http.request("GET", FOR_OTHERS, **forwarded("/orders", host=host), **HTML).headers["location"]
        back = http.request("GET", f"{RETURN}?return={sent_back(location)}")
        assert back.headers["location"] == f"https://{HOST}/orders"


def test_an_address_that_no_header_can_hold_becomes_the_beginning_of_the_site() -> None:
    http = serve(WITH_COOKIE)
    for uri in ("/orders?" + "a" * 3000, "/orders?a b", "/orders?\xe9"):
        location = http.request("GET", FOR_OTHERS, **forwarded(uri), **HTML).headers["location"]
        back = http.request("GET", f"{RETURN}?return={sent_back(location)}")
        assert back.headers["location"] == f"https://{HOST}/"


@for_each(
    "address",
    [
        *("", f"https://{HOST}/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "fake-seal-99"),
        *(f"https://{HOST}@evil.example/", f"HTTPS://{HOST}/"),
    ],
)
def test_nobody_else_makes_an_address_to_come_back_to(address: str) -> None:
    http = serve(WITH_COOKIE)
    refused(http.client.simulate_get(RETURN, params={"return": address}), 400, "return_invalid")
    refused(http.request("GET", RETURN), 400, "return_invalid")


@for_each("address", ["//evil.example/", "javascript:alert(1)", f"https://{HOST}@evil.example/", f"https://{HOST}", ""])
def test_not_even_a_sealed_one_leads_elsewhere(address: str) -> None:
    http = serve(WITH_COOKIE)
    for text, purpose in ((address, "return address"), (f"https://{HOST}/", "cookie")):
        sealed = http.service.seal.seal(text, purpose)
        refused(http.request("GET", f"{RETURN}?return={sealed}"), 400, "return_invalid")


def test_a_host_that_is_allowed_no_more_is_not_come_back_to() -> None:
    http = serve(WITH_COOKIE)
    sealed = http.service.seal.seal("https://old.example/", "return address")
    refused(http.request("GET", f"{RETURN}?return={sealed}"), 400, "return_invalid")


def test_the_cookie_lasts_as_long_as_its_token() -> None:
    http, cookie = logged_in()
    http.clock.move(timedelta(days=8))
    refused(http.request("GET", USER_INFO, **cookie), 401, "token_expired")
