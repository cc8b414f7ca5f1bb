"""Forward-auth over HTTP: which headers are read, who may ask, and what the answers are."""

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network

from menshen.adapters.memory.fakes import FakeHostTokenCodec
from menshen.domain.errors import StoreUnavailable
from menshen.domain.host_tokens import HostTokenClaims
from menshen.entrypoints.guarding.route_rules import parse_rules
from menshen.entrypoints.http.forward_auth import FOR_NGINX, FOR_OTHERS
from menshen.entrypoints.settings import Settings

from .cases import for_each
from .http_service import ADDRESS, PHONE, SHANGHAI, HttpService, failing_sessions, refused, serve

FROM_A_PROXY = (ip_network(ADDRESS),)
RULES = parse_rules("""
open GET /news
user /orders/**
admin /admin/**
""")
SETTINGS = Settings(time_zone=SHANGHAI, trusted_proxies=FROM_A_PROXY, forward_rules=RULES)


def forwarded(uri: str, method: str = "GET", host: str = "shop.example", scheme: str = "https") -> dict[str, str]:
    """What Caddy and Traefik say."""
    said = {"Method": method, "Proto": scheme, "Host": host, "Uri": uri}
    return {f"X-Forwarded-{name}": value for name, value in said.items()}


def original(uri: str, method: str = "GET", host: str = "shop.example", scheme: str = "https") -> dict[str, str]:
    """What nginx says, by our configuration."""
    return {"X-Original-Method": method, "X-Original-URL": f"{scheme}://{host}{uri}"}


Said = Callable[..., dict[str, str]]

BOTH: dict[str, Said] = {FOR_NGINX: original, FOR_OTHERS: forwarded}


def served() -> tuple[HttpService, str]:
    http = serve(SETTINGS)
    return http, http.registered()


def claims_of(http: HttpService, token: str) -> HostTokenClaims:
    codec = http.service.issue_host_token.codec
    assert isinstance(codec, FakeHostTokenCodec)
    return codec.issued[token]


@for_each(("path", "headers"), BOTH.items())
def test_the_app_behind_is_told_who_it_is(path: str, headers: Said) -> None:
    http, token = served()
    for shown in ({"token": token}, {"Authorization": f"Bearer {token}"}):
        answer = http.request("GET", path, **headers("/orders/7?x=1", host="Shop.Example:8443"), **shown)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["x-menshen-user"] == str(http.user(PHONE).id)
        assert answer.headers["cache-control"] == "no-store"
        claims = claims_of(http, answer.headers["x-menshen-token"])
        assert (claims.host, claims.subject, claims.kind.value) == ("shop.example", http.user(PHONE).id, "user")


@for_each(("path", "headers"), BOTH.items())
def test_an_open_route_asks_nobody_and_tells_nothing(path: str, headers: Said) -> None:
    http, token = served()
    for shown in ({}, {"token": "garbage"}, {"token": token}):
        answer = http.request("GET", path, **headers("/news"), **shown)
        assert (answer.status_code, answer.content) == (200, b"")
        assert (answer.headers["x-menshen-token"], answer.headers["x-menshen-user"]) == ("", "")


@for_each(("path", "headers"), BOTH.items())
def test_the_guards_refusals_are_those_of_user_info_to_the_byte(path: str, headers: Said) -> None:
    http, token = served()
    http.admin()
    admin = http.admin_login().json["token"]
    kicked = http.login().json["token"]
    http.post("/api/user/logout", {}, token=kicked)
    cases: list[dict[str, str]] = [
        {},
        {"token": ""},
        {"token": "garbage"},
        {"token": admin},
        {"token": kicked},
        {"token": token, "Authorization": "Bearer another"},
        {"token": f"{token},{token}"},
        {"Authorization": "Basic x"},
    ]
    for shown in cases:
        for language in ({}, {"Accept-Language": "en"}):
            asked = http.request("GET", path, **headers("/orders"), **shown, **language)
            told = http.request("GET", "/api/user/user_info", **shown, **language)
            assert told.status_code == 401, shown
            assert (asked.status_code, asked.content, asked.headers) == (401, told.content, told.headers), shown
    http.clock.move(timedelta(days=8))
    refused(http.request("GET", path, **headers("/orders"), token=token), 401, "token_expired")


@for_each(("path", "headers"), BOTH.items())
def test_an_admin_route_takes_the_token_of_an_admin_alone(path: str, headers: Said) -> None:
    http, token = served()
    http.admin()
    admin = http.admin_login().json["token"]
    refused(http.request("GET", path, **headers("/admin/x"), token=token), 401, "token_invalid")
    answer = http.request("GET", path, **headers("/admin/x"), token=admin)
    assert claims_of(http, answer.headers["x-menshen-token"]).kind.value == "admin"


@for_each(("path", "headers"), BOTH.items())
def test_where_no_rule_fits_nobody_gets(path: str, headers: Said) -> None:
    http, token = served()
    for uri, method in (("/elsewhere", "GET"), ("/news", "POST"), ("/", "GET"), ("/news/1?/news", "GET")):
        refused(http.request("GET", path, **headers(uri, method), token=token), 403, "route_not_allowed")


@for_each(("path", "headers"), BOTH.items())
def test_what_may_be_read_in_two_ways_is_refused_before_any_rule(path: str, headers: Said) -> None:
    http, token = served()
    for uri in ("/orders/../news", "/%6eews", "//news", "/news;x", "/news#x", "/orders/%2e%2e/news", "/ne\\ws"):
        refused(http.request("GET", path, **headers(uri), token=token), 403, "target_ambiguous")
    for target in (
        headers("/news", "get"),
        headers("/news", host="a b"),
        headers("/news", host="shop.example."),
        headers("/news", host="x@shop.example"),
        headers("/news", scheme="ftp"),
    ):
        refused(http.request("GET", path, **target, token=token), 403, "target_ambiguous")


@for_each(("path", "headers"), BOTH.items())
def test_a_missing_header_and_those_of_the_other_family_are_refused(path: str, headers: Said) -> None:
    http, token = served()
    own = headers("/news")
    for name in own:
        missing = {each: value for each, value in own.items() if each != name}
        for less in (missing, {**own, name: ""}):
            refused(http.request("GET", path, **less, token=token), 400, "proxy_headers_invalid")
    [foreign] = [other("/news") for each, other in BOTH.items() if each != path]
    for name, value in foreign.items():
        for said in (value, ""):
            refused(http.request("GET", path, **own, **{name: said}, token=token), 400, "proxy_headers_invalid")
    refused(http.request("GET", path, **foreign, token=token), 400, "proxy_headers_invalid")


@for_each(("path", "headers"), BOTH.items())
def test_nothing_is_read_from_the_query(path: str, headers: Said) -> None:
    http, token = served()
    for query in ("uri=/news", "X-Forwarded-Uri=/news", "X-Original-URL=https://shop.example/news", "rd=/news"):
        refused(http.request("GET", f"{path}?{query}&token={token}", **headers("/orders")), 401, "token_missing")
        refused(http.request("GET", f"{path}?{query}&token={token}"), 400, "proxy_headers_invalid")


@for_each(("path", "headers"), BOTH.items())
def test_only_a_trusted_proxy_may_ask(path: str, headers: Said) -> None:
    http, token = served()
    for address in ("198.51.100.8", "127.0.0.1", "", "unix:"):
        asked = {**headers("/news"), "token": token, "X-Forwarded-For": ADDRESS}
        answer = http.client.simulate_get(path, headers=asked, remote_addr=address)
        refused(answer, 403, "caller_not_trusted")


@for_each(("path", "headers"), BOTH.items())
def test_a_store_that_is_down_lets_nobody_in(path: str, headers: Said) -> None:
    http, good = served()
    broken = serve(
        SETTINGS,
        others=failing_sessions(StoreUnavailable("down")),
        codec=http.service.authenticate_strictly.codec,
    )
    answer = broken.request("GET", path, **headers("/orders"), token=good)
    refused(answer, 503, "store_unavailable")
    assert answer.headers["retry-after"] == "1"


def test_without_rules_there_is_no_such_route() -> None:
    http = serve(Settings(time_zone=SHANGHAI, trusted_proxies=FROM_A_PROXY))
    for path, headers in BOTH.items():
        refused(http.request("GET", path, **headers("/news")), 404, "not_found")
