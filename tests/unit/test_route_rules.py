"""Rules by route: who gets where, and that no path has two spellings."""

import re
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from menshen.entrypoints.guarding.one_spelling import plain_host, plain_path
from menshen.entrypoints.guarding.refusals import RouteNotAllowed, TargetAmbiguous
from menshen.entrypoints.guarding.route_rules import Access, Rules, parse_rules

from .cases import examples, for_each

SHOP = parse_rules("""
# what everybody may see
open GET /news
open GET,POST cdn.example/**      # another host
user /orders/**
user GET /shops/*/open
user /中文/书
admin admin.example/**
admin POST /admin/**
open /
""")

EVERYBODY = parse_rules("open /**")


def verdict(rules: Rules, path: str, method: str = "GET", host: str = "shop.example") -> str:
    try:
        return rules.access(method, host, path)
    except (TargetAmbiguous, RouteNotAllowed) as refusal:
        return refusal.reason


DENIED, AMBIGUOUS = RouteNotAllowed.reason, TargetAmbiguous.reason


@for_each(
    ("request_", "expected"),
    [
        (("/news", "GET"), "open"),
        (("/news", "HEAD"), "open"),
        (("/news", "POST"), DENIED),
        (("/news/1", "GET"), DENIED),
        (("/newsroom", "GET"), DENIED),
        (("/", "GET"), "open"),
        (("/orders", "GET"), "user"),
        (("/orders/", "DELETE"), "user"),
        (("/orders/1/2/3", "PUT"), "user"),
        (("/ordersx", "GET"), DENIED),
        (("/shops/7/open", "GET"), "user"),
        (("/shops//open", "GET"), AMBIGUOUS),
        (("/shops/7/8/open", "GET"), DENIED),
        (("/%E4%B8%AD%E6%96%87/%E4%B9%A6", "GET"), "user"),
        (("/anything", "GET", "cdn.example"), "open"),
        (("/anything", "PUT", "cdn.example"), DENIED),
        (("/anything", "PUT", "admin.example"), "admin"),
        (("/admin/x", "POST"), "admin"),
        (("/admin/x", "GET"), DENIED),
        (("/elsewhere", "GET"), DENIED),
        (("/news", "get"), AMBIGUOUS),
        (("/news", "GET POST"), AMBIGUOUS),
    ],
)
def test_the_first_rule_that_fits_decides_and_without_one_nobody_gets_there(
    request_: tuple[str, ...], expected: str
) -> None:
    assert verdict(SHOP, *request_) == expected


TWO_SPELLINGS = [
    *("", "news", "*", "http://h/news", "//news", "/a//b", "/a/./b", "/.", "/./", "/..", "/../a", "/a/..", "/a/../b"),
    *("/%2e", "/%2E%2E/a", "/a%2fb", "/a%2Fb", "/a%5cb", "/a%5Cb", "/a\\b", "/a;b", "/a;jsessionid=1", "/a%3bb"),
    *("/%61", "/a%2D", "/a%7Eb", "/%25", "/%252e", "/a%00", "/a\0", "/a\n", "/a%0A", "/a\tb", "/a b", "/a%09", "/a%7F"),
    *("/%ff", "/%C0%AF", "/%C0%AE", "/%ED%A0%80", "/%E4%B8", "/中", "/\xe4\xb8\xad", "/%e4%b8%ad", "/%", "/%E", "/%zz"),
    *("/a#b", "/a%23b", "/a?b", "/a%3Fb", "/admin.", "/admin%20", "/%20admin", "/a./b", "/a%20/b", "/..."),
    *("/%C2%85", "/%E2%80%8B", "/%EF%BB%BFa", "/e%CC%81", "/%E2%80%AE", "/a|b", "/a%7Cb", "/<a>", '/"', "/^", "/`"),
]


@for_each("path", TWO_SPELLINGS)
def test_a_path_with_two_spellings_has_no_rule_not_even_an_open_one(path: str) -> None:
    assert verdict(EVERYBODY, path) == AMBIGUOUS


@for_each(
    "path",
    ["/", "/a", "/a/", "/a-b_c~d.e", "/a.b/.well-known/x", "/a:b@c!$&'()*+,=d", "/a%20b", "/%C3%A9", "/a%E4%B9%A6/"],
)
def test_an_ordinary_path_has_one_spelling(path: str) -> None:
    assert verdict(EVERYBODY, path) == "open"
    assert plain_path(path) == unquote(path)


@for_each(
    ("path", "expected"),
    [("/Admin/x", AMBIGUOUS), ("/ADMIN", AMBIGUOUS), ("/admin", "admin"), ("/news/", AMBIGUOUS), ("/News", AMBIGUOUS)],
)
def test_another_case_or_a_slash_at_the_end_slips_through_to_no_later_rule(path: str, expected: str) -> None:
    rules = parse_rules("admin /admin/**\nopen /news\nuser /**")
    assert verdict(rules, path) == expected


_PIECES = st.sampled_from(
    [
        *"/.%;\\?#:abAB2eEfF5cC~",
        "..",
        "//",
        "%2e",
        "%2F",
        "%2f",
        "%5C",
        "%3B",
        "%25",
        "%41",
        "%E4%B8%AD",
        "%e4",
        "admin",
        "news",
        "\0",
        " ",
    ]
)


@given(path=st.lists(_PIECES | st.characters(), max_size=12).map(lambda pieces: "/" + "".join(pieces)))
@examples(300)
def test_whatever_is_let_in_is_spelled_in_the_only_way(path: str) -> None:
    """The decoded path, encoded anew, is the path; and no segment of it means another place."""
    try:
        decoded = plain_path(path)
    except TargetAmbiguous:
        return
    assert quote(decoded, safe="/:@!$&'()*+,=~") == path
    assert unquote(decoded) == decoded, "decoding it twice changes nothing"
    segments = decoded.split("/")[1:]
    assert "" not in segments[:-1]
    assert not {".", ".."} & set(segments)
    assert not set(decoded) & set("\\;?#%\0")
    assert decoded.isprintable()


@given(decoded=st.text(max_size=10).map(lambda text: "/" + text), data=st.data())
@examples(60)
def test_of_all_spellings_of_a_path_only_one_is_let_in(decoded: str, data: st.DataObject) -> None:
    """Each character as it is or in percents, in either case of the digits: at most one such text passes."""

    def spellings(character: str) -> list[str]:
        encoded = "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
        return [character, encoded, encoded.lower()]

    tries = {"".join(data.draw(st.sampled_from(spellings(each))) for each in decoded) for _ in range(8)}
    assert len([each for each in tries if verdict(EVERYBODY, each) == "open"]) <= 1


@for_each(
    ("line", "why"),
    [
        ("", "it has no rule"),
        ("# only this", "it has no rule"),
        ("open", "line 1 ('open'): it must be open, user or admin"),
        ("allow /a", "it must be open, user or admin"),
        ("open GET POST /a", "it must be open, user or admin"),
        ("open get /a", "methods must be in upper case"),
        ("open GET, /a", "methods must be in upper case"),
        ("open GET", "spelled"),
        ("open a", "spelled"),
        ("open /a/../b", "spelled"),
        ("open /a//b", "spelled"),
        ("open /a%2fb", "spelled"),
        ("open /a?b", "spelled"),
        ("open https://app.example/a", "spelled"),
        ("open App.example/a", "lower case"),
        ("open app.example:80/a", "without a port"),
        ("open /a*", "must be a whole part"),
        ("open /**/a", "must be a whole part"),
        ("open /a/***", "must be a whole part"),
        ("open /**\nadmin /admin/**", "line 2 ('admin /admin/**'): it never counts, after 'open /**'"),
        ("user /Orders/*; admin /orders/secret", "it never counts"),
        ("open /a\nopen GET /a", "it never counts"),
        ("open /a/*\nuser shop.example/a/b", "it never counts"),
        ("open /news; user /news/", "it never counts"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_told_with_its_line(line: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        parse_rules(line)


@for_each(
    "lines",
    [
        "open GET /a\nopen /a",
        "open a.example/**\nuser /**",
        "open /a/*\nuser /a/**",
        "open /a/*/b\nuser /a/*/c",
        "user /a/b\nuser /a/*",
        "user /a/*\nuser /a",
    ],
)
def test_a_rule_that_still_counts_may_follow(lines: str) -> None:
    assert len(parse_rules(lines).rules) == 2


def test_rules_read_back_as_they_are_shown() -> None:
    assert parse_rules(str(SHOP)) == SHOP
    assert Access.ADMIN in {rule.access for rule in SHOP.rules}


@for_each(
    ("host", "plain"),
    [
        ("app.example.com", "app.example.com"),
        ("APP.example.com:8443", "app.example.com"),
        ("localhost", "localhost"),
        ("10.0.0.1:80", "10.0.0.1"),
        ("[::1]:8000", "[::1]"),
        ("xn--fsq.example", "xn--fsq.example"),
    ],
)
def test_a_host_is_told_in_lower_case_without_its_port(host: str, plain: str) -> None:
    assert plain_host(host) == plain


@for_each(
    "host",
    [
        *(
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a b",
            "a,b",
            "a@b",
            "a/b",
            "a:b",
            "a:80:80",
            "::1",
            "[::1",
            "例子",
            "a\n",
            "a:80\n",
        ),
        *("-a", "a-.b", "a" * 300, "%61", "a\0", "*.a"),
    ],
)
def test_a_host_that_may_be_two_is_none(host: str) -> None:
    with pytest.raises(TargetAmbiguous):
        plain_host(host)
