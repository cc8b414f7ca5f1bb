"""Forward-auth behind real nginx, Caddy and Traefik, configured as docs/examples/ says."""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
from attrs import frozen

from menshen.adapters.jwt_codec import JwtTokenCodec
from menshen.domain.sessions import SessionId
from menshen.domain.tokens import AccessTokenClaims
from menshen.domain.users import UserId

from .forward_proxies import PROXIES, telling_app
from .servers import PASSWORD, Answer, Client, Server, read_answer, serving

SECRET = "kZ3vQ8mT1xW6rB4nY7cJ2hL5pD9sF0gA"
HOST = "app.example.com"
PHONE, FROZEN, ADMIN = "13800138000", "13700137000", "13600136000"

RULES = f"""
# The news are for everybody.
open GET /news
open GET {HOST}/open/**
user /orders/**
admin /admin/**
"""


@frozen
class Place:
    """menshen, the app, and the three proxies before them."""

    accounts: Server
    app: int
    ports: dict[str, int]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("forward")
    (folder / "rules").write_text(RULES)
    with ExitStack() as stack:
        accounts = stack.enter_context(
            serving(
                folder / "menshen",
                SECRET_KEY=SECRET,
                TRUSTED_PROXIES="127.0.0.1",
                FORWARD_RULES_FILE=str(folder / "rules"),
                COOKIE="true",
                LOGIN_PAGE="/login",
                RETURN_HOSTS=HOST,
            )
        )
        app = stack.enter_context(telling_app())
        ports = {}
        for name, proxy in PROXIES.items():
            (folder / name).mkdir()
            ports[name] = stack.enter_context(proxy(folder / name, accounts.port, app))
        yield Place(accounts, app, ports)


@pytest.fixture(scope="module")
def token(place: Place) -> str:
    with place.accounts.client() as client:
        return client.register(PHONE).token


@pytest.fixture(scope="module")
def frozen_token(place: Place) -> str:
    with place.accounts.client() as client:
        token = client.register(FROZEN).token
    assert place.accounts.menshen("user", "freeze", FROZEN, "--reason", "test").returncode == 0
    return token


@pytest.fixture(scope="module")
def admins_token(place: Place) -> str:
    with place.accounts.client() as client:
        assert client.register(ADMIN).status == 200
        assert place.accounts.menshen("user", "grant-admin", ADMIN).returncode == 0
        return client.request("POST", "/api/admin/login", {"phone": ADMIN, "password": PASSWORD}).token


@pytest.fixture(params=PROXIES)
def proxy(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def browser(place: Place, proxy: str) -> Iterator[Client]:
    """A caller of the proxy."""
    with Client(place.ports[proxy]) as client:
        yield client


@pytest.fixture(scope="module")
def key(place: Place) -> str:
    """What the operator gives to the app."""
    done = place.accounts.menshen("token", "key", "--host", HOST)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def ask(client: Client, path: str, method: str = "GET", **headers: str) -> Answer:
    return client.request(method, path, headers={"Host": HOST, **headers})


def reached(answer: Answer) -> dict[str, list[str]]:
    """The headers that reached the app, each with its values, by their names in lower case."""
    assert answer.status == 200, answer.body
    found: dict[str, list[str]] = {}
    for name, value in answer.json["headers"]:
        found.setdefault(name.lower(), []).append(value)
    return found


def verified(token: str, key: str) -> dict[str, Any]:
    """As docs/forward-auth.md says."""
    return jwt.decode(token, key, algorithms=["HS256"], audience=HOST, issuer="menshen/host")


def at_any_time(body: bytes) -> bytes:
    return re.sub(rb'"time":"[^"]*"', b'"time":""', body)


def test_the_app_is_told_who_it_is_by_a_token_of_a_minute(place: Place, browser: Client, token: str, key: str) -> None:
    for shown in ({"token": token}, {"Authorization": f"Bearer {token}"}):
        got = reached(ask(browser, "/orders/7?page=2", **shown))
        [signed] = got["x-menshen-token"]
        claims = verified(signed, key)
        assert claims["exp"] - claims["iat"] <= 60
        assert [claims["sub"]] == got["x-menshen-user"]
        assert not {"token", "authorization"} & got.keys()
    answer = ask(browser, "/orders/7?page=2", "POST", token=token, **{"Content-Type": "text/plain"})
    assert (answer.json["method"], answer.json["target"]) == ("POST", "/orders/7?page=2")


def test_the_token_for_the_app_opens_nothing_of_menshens(place: Place, browser: Client, token: str, key: str) -> None:
    [signed] = reached(ask(browser, "/orders", token=token))["x-menshen-token"]
    with place.accounts.client() as client:
        assert client.user_info(signed).reason == "token_invalid"
    assert ask(browser, "/orders", token=signed).reason == "token_invalid"


def test_what_the_guard_refuses_the_client_gets_as_it_is(
    place: Place, browser: Client, token: str, frozen_token: str, admins_token: str
) -> None:
    with place.accounts.client() as client:
        kicked = client.login(PHONE).token
        assert client.logout(kicked).status == 200
        cases: list[dict[str, str]] = [
            {},
            {"token": "garbage"},
            {"token": _signed(expired=True)},
            {"token": _signed(audience="another")},
            {"token": kicked},
            {"token": frozen_token},
            {"token": admins_token},
            {"token": token, "Authorization": "Bearer another"},
            {"Authorization": "Basic eDp5"},
        ]
        for shown in cases:
            for language in ("en", "zh-CN"):
                told = client.request("GET", "/api/user/user_info", headers={"Accept-Language": language, **shown})
                assert told.status == 401, shown
                for method in ("GET", "POST"):
                    got = ask(browser, "/orders", method, **{"Accept-Language": language, **shown})
                    assert (got.status, at_any_time(got.body)) == (401, at_any_time(told.body)), shown
                    for name in ("www-authenticate", "content-type", "cache-control", "x-content-type-options"):
                        assert got.headers[name] == told.headers[name], (shown, name)
                    assert not [name for name in got.headers if name.startswith("x-menshen")]


def test_a_token_sent_twice_is_refused(place: Place, proxy: str, token: str) -> None:
    for pair in ((token, "another"), ("another", token), (token, token)):
        head = f"GET /orders HTTP/1.1\r\nHost: {HOST}\r\n" + "".join(f"token: {each}\r\n" for each in pair)
        assert _raw(place.ports[proxy], head).status == 401


def test_the_rules_decide_and_nobody_gets_where_there_is_none(browser: Client, token: str, admins_token: str) -> None:
    assert reached(ask(browser, "/news"))
    assert ask(browser, "/news", "POST").status == 403
    assert ask(browser, "/elsewhere", token=token).reason == "route_not_allowed"
    assert reached(ask(browser, "/open/x/y"))
    assert ask(browser, "/open/x", Host="other.example.com").reason == "route_not_allowed"
    assert ask(browser, "/admin/x", token=token).reason == "token_invalid"
    got = reached(ask(browser, "/admin/x", token=admins_token))
    assert got["x-menshen-token"]


def test_the_app_gets_the_host_that_was_judged(place: Place, proxy: str) -> None:
    """A request line may name another host than the header, and then each reader might take another one."""
    for asked, said in ((HOST, "other.example.com"), ("other.example.com", HOST)):
        answer = _raw(place.ports[proxy], f"GET http://{asked}/open/x HTTP/1.1\r\nHost: {said}\r\n")
        assert answer.status != 200 or reached(answer)["host"] == [HOST], (asked, said)


def test_the_account_routes_are_open_and_the_others_of_menshen_are_not(
    place: Place, browser: Client, token: str
) -> None:
    assert ask(browser, "/api/user/user_info", token=token).status == 200
    for path in ("/auth/forward", "/auth/request", "/api/admin/login", "/healthz", "/menshen"):
        assert ask(browser, path, token=token).status in {403, 404}, path


def test_an_answer_of_the_app_itself_stays_as_it_is(browser: Client, token: str) -> None:
    for status in ("401", "403", "500", "503"):
        answer = ask(browser, "/orders", token=token, **{"X-Answer": status})
        assert (answer.status, answer.json["target"]) == (int(status), "/orders")


STRANGERS = {
    "X-Forwarded-Method": "GET",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example.com",
    "X-Forwarded-Uri": "/news",
    "X-Original-Method": "GET",
    "X-Original-URL": f"https://{HOST}/news",
    "X-Original-URI": "/news",
    "Forwarded": "for=127.0.0.1;host=evil.example.com",
    "X-Forwarded-For": "127.0.0.1",
    "X-Rewrite-URL": "/news",
    "X-HTTP-Method-Override": "GET",
    "X-Menshen-Token": "e30.e30.x",
    "X-Menshen-User": "999",
}


def test_a_strangers_headers_change_nothing(browser: Client, token: str, key: str) -> None:
    for names in (STRANGERS, *({name} for name in STRANGERS)):
        forged = {name: STRANGERS[name] for name in names}
        assert ask(browser, "/orders", "POST", **forged).reason == "token_missing", names
        assert ask(browser, "/elsewhere", **forged).reason == "route_not_allowed", names
        # On an open route nobody is named.
        got = reached(ask(browser, "/news", **forged))
        assert {*got.get("x-menshen-token", []), *got.get("x-menshen-user", [])} <= {""}, names
        got = reached(ask(browser, "/orders", token=token, **forged))
        [signed] = got["x-menshen-token"]
        assert got["x-menshen-user"] == [verified(signed, key)["sub"]], names


def test_the_post_of_an_attacker_who_tries_everything_at_once(place: Place, proxy: str, token: str) -> None:
    lines = [f"{name}: {value}" for name, value in STRANGERS.items()]
    lines += ["X_Menshen_User: 2", "X.Menshen.User: 3", "Content-Length: 0"]
    for who in ([], [f"token: {token}"]):
        head = "\r\n".join(["POST /orders/%2e%2e/adm%69n//x?q=1&r=%2F HTTP/1.1", f"Host: {HOST}", *lines, *who, ""])
        answer = _raw(place.ports[proxy], head)
        assert answer.status in {400, 401, 403}, answer
        assert b'"target"' not in answer.body, "it reached the app"


SPELLINGS = [
    *("//admin/x", "/orders//x", "/./news", "/orders/../news", "/orders/../admin/x", "/orders/%2e%2e/admin/x"),
    *("/%6eews", "/orders%2f7", "/orders/%5c7", "/orders\\7", "/orders/7;x", "/news;/../admin/x", "/orders/%00"),
    *("/orders/%252e%252e/admin", "/orders/%ff", "/orders/%c0%ae", "/orders/.", "/orders/..", "/news/", "/NEWS"),
]


def test_a_path_with_two_spellings_reaches_the_app_only_if_the_proxy_itself_has_settled_on_one(
    place: Place, proxy: str, token: str
) -> None:
    for spelling in SPELLINGS:
        head = f"GET {spelling} HTTP/1.1\r\nHost: {HOST}\r\ntoken: {token}\r\n"
        answer = _raw(place.ports[proxy], head)
        if answer.status == 200:
            # Traefik tells menshen and the app the same path, and it is another one than was sent.
            assert proxy == "traefik", spelling
            target = answer.json["target"]
            assert target != spelling
            assert target == "/news" or target.startswith("/orders"), target
        else:
            assert answer.status in {400, 401, 403, 404, 301, 308}, (spelling, answer)


def test_the_users_name_alone_is_not_to_be_trusted(place: Place, proxy: str, token: str, key: str) -> None:
    """Traefik and older Caddys pass a stranger's other spellings on, which WSGI and PHP take for X-Menshen-User: verify the token."""
    forged = ["X_Menshen_User: 999", "X.Menshen.User: 999", "X_Menshen_Token: e30.e30.x"]
    head = "\r\n".join(["GET /orders HTTP/1.1", f"Host: {HOST}", f"token: {token}", *forged, ""])
    got = reached(_raw(place.ports[proxy], head))
    passed_on = "999" in [value for name in ("x_menshen_user", "x.menshen.user") for value in got.get(name, [])]
    assert passed_on is (proxy in {"traefik", "debians_caddy"}), "docs/forward-auth.md says which proxy does"
    [signed] = got["x-menshen-token"]
    assert verified(signed, key)["sub"] == got["x-menshen-user"][0]
    with pytest.raises(jwt.PyJWTError):
        verified(got.get("x_menshen_token", ["nothing"])[0], key)


def test_a_browser_is_known_by_its_cookie_from_pages_of_its_own_origin_alone(browser: Client, token: str) -> None:
    login = browser.request("POST", "/api/user/login", {"phone": PHONE, "password": PASSWORD}, headers={"Host": HOST})
    assert login.token not in login.headers["set-cookie"]
    cookie = {"Cookie": login.headers["set-cookie"].partition(";")[0]}
    assert reached(ask(browser, "/orders", **cookie))["x-menshen-user"] == ["1"]
    assert ask(browser, "/api/user/user_info", **cookie).status == 200
    for page in (
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
    ):
        for path in ("/orders", "/api/user/logout"):
            assert ask(browser, path, "POST", **cookie, **page).reason == "cross_site", page
    for page in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": f"https://{HOST}"}):
        assert reached(ask(browser, "/orders", "POST", **cookie, **page))
    out = ask(browser, "/api/user/logout", "POST", **cookie, **{"Sec-Fetch-Site": "same-origin"})
    assert (out.status, out.headers["set-cookie"].partition(";")[0]) == (200, "__Host-menshen=")
    assert ask(browser, "/orders", **cookie).reason == "session_logged_out"


def test_a_browser_is_sent_to_log_in_and_comes_back_and_a_script_is_not(browser: Client, token: str) -> None:
    html = {"Accept": "text/html,*/*;q=0.8"}
    answer = ask(browser, "/orders/7?page=2&next=%2F%2Fevil.example", **html, **{"Sec-Fetch-Mode": "navigate"})
    location = urlsplit(answer.headers["location"])
    assert (answer.status, location.netloc, location.path) == (302, HOST, "/login")
    back = ask(browser, f"/api/user/return?{location.query}")
    assert (back.status, back.headers["location"]) == (302, f"http://{HOST}/orders/7?page=2&next=%2F%2Fevil.example")
    assert ask(browser, "/api/user/return?return=https://evil.example/").reason == "return_invalid"
    for more in ({}, {**html, "Sec-Fetch-Mode": "cors"}, {**html, "X-Requested-With": "XMLHttpRequest"}):
        answer = ask(browser, "/orders", **more)
        assert (answer.status, answer.reason) == (401, "token_missing"), more
        assert "location" not in answer.headers
    for forged in ({"X-Forwarded-Host": "evil.example"}, {"X-Original-URL": "https://evil.example/"}):
        assert urlsplit(ask(browser, "/orders", **html, **forged).headers["location"]).netloc == HOST
    # Of another host, even one that the proxy serves, there is no way back.
    assert ask(browser, "/orders", Host="other.example.com", **html).status == 401


WITHOUT_MENSHEN = {"nginx": 503, "caddy": 502, "debians_caddy": 502, "traefik": 500}
"""As docs/forward-auth.md says."""


def test_where_menshen_does_not_answer_nobody_is_let_in(place: Place, token: str) -> None:
    place.accounts.stop()
    try:
        for name, port in place.ports.items():
            with Client(port) as client:
                for path in ("/news", "/orders", "/admin/x", "/elsewhere"):
                    answer = ask(client, path, token=token)
                    assert answer.status == WITHOUT_MENSHEN[name], (name, answer)
                    assert b'"target"' not in answer.body
                    if name == "nginx":
                        assert (answer.status, answer.reason) == (503, "store_unavailable")
    finally:
        place.accounts.start()
    for name, port in place.ports.items():
        with Client(port) as client:
            assert ask(client, "/orders", token=token).status == 200, name


def _signed(*, audience: str = "menshen-users", expired: bool = False) -> str:
    """An access token of nobody's session, with the right signature."""
    issued_at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=8 if expired else 0)
    claims = AccessTokenClaims(
        subject=UserId(1),
        session_id=SessionId("none"),
        token_id="x",
        issued_at=issued_at,
        expires_at=issued_at + timedelta(days=7),
    )
    return JwtTokenCodec(secret=SECRET.encode(), issuer="menshen", audience=audience).encode(claims)


def _raw(port: int, head: str) -> Answer:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as connection:
        connection.sendall(head.encode("latin-1") + b"Connection: close\r\n\r\n")
        return read_answer(connection)
