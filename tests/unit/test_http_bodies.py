"""What a body may contain: one strict JSON object. Anything else is refused, without an internal fault."""

import gzip
import json
from io import BytesIO
from typing import Any

import pytest
from falcon.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from menshen.adapters.memory.fakes import FakePasswordHasher

from .cases import examples, for_each
from .http_service import (
    LOGIN,
    PASSWORD,
    PHONE,
    REGISTER,
    HttpService,
    call_wsgi,
    envelope,
    granted,
    refused,
    serve,
)

BOTH = (REGISTER, LOGIN)
GOOD = json.dumps({"phone": PHONE, "password": PASSWORD}).encode()
LIMIT = 16 * 1024


def with_member(text: bytes) -> bytes:
    """A valid body with one more member, *text*, inserted verbatim."""
    return GOOD[:-1] + b"," + text + b"}"


def nested(depth: int, *, opening: bytes = b"[", inner: bytes = b"", closing: bytes = b"]") -> bytes:
    return with_member(b'"x":' + opening * depth + inner + closing * depth)


NOT_ONE_STRICT_OBJECT = {
    # Not an object.
    "array": b"[]",
    "array with a good object": b"[" + GOOD + b"]",
    "text": b'"x"',
    "number": b"1",
    "true": b"true",
    "null": b"null",
    # Not JSON.
    "blank": b" ",
    "blanks": b" \t\r\n" * 100,
    "one brace": b"{",
    "two openings": b"{{",
    "no end": GOOD[:-1],
    "no value": b'{"phone"}',
    "no key": b"{:1}",
    "a number as a key": b"{1:1}",
    "a comma too many": GOOD[:-1] + b",}",
    "a comma too few": b'{"phone":"1" "password":"2"}',
    "rubbish after it": GOOD + b"x",
    "a second object after it": GOOD + GOOD,
    "NUL after it": GOOD + b"\0",
    "rubbish before it": b"x" + GOOD,
    "anti-hijacking before it": b")]}'," + GOOD,
    "a line comment": GOOD + b"// comment",
    "a block comment": b"/* comment */" + GOOD,
    "a hash comment": b"# comment\n" + GOOD,
    "single quotes": b"{'phone':'13800138000','password':'123456'}",
    "bare keys": b"{phone:1}",
    "Python's True": with_member(b'"x":True'),
    "undefined": with_member(b'"x":undefined'),
    "a hexadecimal number": with_member(b'"x":0x10'),
    "an octal number": with_member(b'"x":010'),
    "a number with a plus": with_member(b'"x":+1'),
    "a number without a start": with_member(b'"x":.5'),
    "a number without an end": with_member(b'"x":1.'),
    "a number with an underscore": with_member(b'"x":1_0'),
    "full-width digits": with_member('"x":１'.encode()),
    "a form feed as a blank": GOOD + b"\f",
    "a no-break space as a blank": GOOD + b"\xc2\xa0",
    "a raw line break in text": with_member(b'"x":"a\nb"'),
    "a raw NUL in text": with_member(b'"x":"a\0b"'),
    "an unknown escape": with_member(rb'"x":"\x41"'),
    "a short escape": with_member(rb'"x":"\u12"'),
    "a form": b"phone=13800138000&password=123456",
    "a document type": b"<?xml version='1.0'?><phone/>",
    "a pickle": b"\x80\x04\x95\x00\x00\x00\x00.",
    # Invalid numbers.
    "NaN": with_member(b'"x":NaN'),
    "Infinity": with_member(b'"x":Infinity'),
    "-Infinity": with_member(b'"x":-Infinity'),
    "more than a float holds": with_member(b'"x":1e999'),
    "less than a float holds": with_member(b'"x":-1e999'),
    "deep in it, more than a float holds": with_member(b'"x":[{"y":[1e400]}]'),
    "a float of many digits": with_member(b'"x":' + b"9" * 400 + b".0"),
    "an integer of too many digits": with_member(b'"x":' + b"9" * 5_000),
    "an exponent of many digits": with_member(b'"x":1e' + b"9" * 5_000),
    # Members twice.
    "the phone twice": with_member(b'"phone":"13900139000"'),
    "the same value twice": with_member(b'"phone":"13800138000"'),
    "twice by an escape": with_member(rb'"\u0070hone":"13900139000"'),
    "an unknown member twice": with_member(b'"x":1,"x":1'),
    "twice, deep in it": with_member(b'"x":[{"y":{"z":1,"z":2}}]'),
    # Invalid characters.
    "a high surrogate": with_member(rb'"x":"\ud800"'),
    "a low surrogate": with_member(rb'"x":"\udc00"'),
    "a pair the wrong way round": with_member(rb'"x":"\udc00\ud800"'),
    "a surrogate in a key": with_member(rb'"\ud800":1'),
    "a surrogate deep in it": with_member(rb'"x":[{"y":["a\udfff"]}]'),
    "a surrogate in a deep key": with_member(rb'"x":[{"\udfff":1}]'),
    "an escaped NUL": with_member(rb'"x":"\u0000"'),
    "an escaped NUL in a key": with_member(rb'"\u0000":1'),
    "an escaped NUL deep in it": with_member(rb'"x":[[{"y":"\u0000"}]]'),
    # Not UTF-8.
    "a byte that is none": with_member(b'"x":"\xff"'),
    "Latin-1": with_member(b'"x":"\xe9"'),
    "GBK": with_member('"x":"张三"'.encode("gbk")),
    "an overlong slash": with_member(b'"x":"\xc0\xaf"'),
    "a cut character": with_member(b'"x":"\xe5\xbc"'),
    "a surrogate as CESU-8": with_member(b'"x":"\xed\xa0\x80\xed\xb0\x80"'),
    "beyond Unicode": with_member(b'"x":"\xf4\x90\x80\x80"'),
    "two byte order marks": b"\xef\xbb\xbf" * 2 + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-16-LE": GOOD.decode().encode("utf-16-le"),
    "UTF-16-BE": GOOD.decode().encode("utf-16-be"),
    "UTF-32": GOOD.decode().encode("utf-32"),
    "UTF-7": b"+AHsAfQ-",
    "gzip": gzip.compress(GOOD),
    # Deep nesting.
    **{f"{depth} deep": nested(depth) for depth in (20, 100, 900, 1_000, 2_000, 8_000)},
    **{f"{depth} deep, without an end": b"[" * depth for depth in (20, 1_000, 8_000, LIMIT)},
    **{
        f"{depth} objects deep": nested(depth, opening=b'{"a":', inner=b"1", closing=b"}")
        for depth in (20, 100, 900, 1_000, 2_000)
    },
    **{f"{depth} objects deep, without an end": b'{"a":' * depth for depth in (20, 1_000, 3_000)},
    "mixed, deep": nested(500, opening=b'[{"a":', inner=b"1", closing=b"}]"),
}


@for_each("body", NOT_ONE_STRICT_OBJECT.values(), ids=NOT_ONE_STRICT_OBJECT)
def test_what_is_not_one_strict_object_is_refused(body: bytes) -> None:
    hasher = FakePasswordHasher()
    http = serve(hasher=hasher)
    for path in BOTH:
        refused(http.post_raw(path, body), 400, "body_invalid", "请求体必须是一个JSON对象")
        assert not http.store.users
        assert hasher.judged == 0


@for_each(
    "body",
    [
        GOOD,
        b" \t\r\n" + GOOD + b" \t\r\n",
        with_member(rb'"x":"\ud83d\ude00"'),
        with_member('"x":"😀𠮷\\u4f60"'.encode()),
        with_member(b'"x":[1,-0,1.5e3,1E-400,true,false,null,{}]'),
        with_member(b'"x":' + b"9" * 4_000),
        with_member(b'"Phone":1,"PHONE":2'),
        with_member(b'"":""'),
        with_member(b'"__proto__":{"state":1},"constructor":1'),
        with_member(b'"x":[{"y":1},{"y":2}]'),
        nested(5),
        json.dumps({"phone": PHONE, "password": PASSWORD}, indent=4).encode(),
        rb'{"\u0070hone":"1380013800\u0030","password":"123456"}',
    ],
)
def test_whatever_json_can_say_of_an_account_is_understood(body: bytes) -> None:
    http = serve()
    granted(http.post_raw(REGISTER, body))
    assert http.user().id == 1


# The size.


def padded(length: int) -> bytes:
    return GOOD + b" " * (length - len(GOOD))


@for_each("length", [16_385, 20_000, 1_000_000])
def test_a_body_beyond_the_limit_is_too_large(length: int) -> None:
    http = serve()
    for path in BOTH:
        refused(http.post_raw(path, padded(length)), 413, "body_too_large", "请求体过大")
        assert not http.store.users


def test_a_body_up_to_the_limit_is_read(http: HttpService) -> None:
    granted(http.post_raw(REGISTER, padded(16_384)))
    granted(http.post_raw(LOGIN, padded(16_384)))


class Unreadable(BytesIO):
    """A stream that fails the test when somebody reads it."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise AssertionError(f"read({size})")


@for_each("length", [16_385, 2**31, 2**63, 10**30])
def test_nothing_of_a_body_beyond_the_limit_is_read(length: int) -> None:
    http = serve()
    for path in BOTH:
        result = call_wsgi(
            http.client.app,
            REQUEST_METHOD="POST",
            PATH_INFO=path,
            CONTENT_TYPE="application/json",
            CONTENT_LENGTH=str(length),
            wsgi__input=Unreadable(),
        )
        refused(result, 413, "body_too_large")


class Watched(BytesIO):
    """A stream that remembers how much was asked of it."""

    asked = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size >= 0, "read without a bound"
        self.asked += size
        return super().read(size)


def test_no_more_is_read_than_was_announced(http: HttpService) -> None:
    stream = Watched(GOOD + b"GET / HTTP/1.1\r\n\r\n")
    result = call_wsgi(
        http.client.app,
        REQUEST_METHOD="POST",
        PATH_INFO=REGISTER,
        CONTENT_TYPE="application/json",
        CONTENT_LENGTH=str(len(GOOD)),
        wsgi__input=stream,
    )
    granted(result)
    assert stream.asked == len(GOOD)


# The framing.


def framed(http: HttpService, path: str, body: bytes = GOOD, **environ: object) -> Result:
    environ = {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)), **environ}
    return call_wsgi(
        http.client.app, REQUEST_METHOD="POST", PATH_INFO=path, **{"wsgi__input": BytesIO(body), **environ}
    )


@for_each("length", [None, "", "0", "00"])
@for_each("media_type", [None, "", "application/json", "text/plain"])
def test_where_there_is_no_body_it_is_told_what_is_missing(length: str | None, media_type: str | None) -> None:
    http = serve()
    for path in BOTH:
        result = framed(http, path, b"", CONTENT_LENGTH=length, CONTENT_TYPE=media_type)
        refused(result, 400, "member_missing", "缺少参数phone")


@for_each("encoding", ["chunked", "identity", "gzip, chunked", "CHUNKED", "xchunked", ""])
@for_each("length", [None, str(len(GOOD))])
def test_a_transfer_encoding_is_refused(encoding: str, length: str | None) -> None:
    http = serve()
    for path in BOTH:
        result = framed(http, path, HTTP_TRANSFER_ENCODING=encoding, CONTENT_LENGTH=length)
        refused(result, 400, "length_required")
        assert not http.store.users


def in_chunks(http: HttpService, path: str, body: bytes, **changes: object) -> Result:
    """A chunked body from a server that knows its end, such as ours and gunicorn."""
    told = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": None, "wsgi__input_terminated": True}
    return framed(http, path, body, **{**told, **changes})


def test_a_chunked_body_is_read_where_the_server_knows_its_end(http: HttpService) -> None:
    assert in_chunks(http, REGISTER, GOOD).status_code == 200
    assert (
        in_chunks(http, LOGIN, GOOD + b" " * (16 * 1024 - len(GOOD)), HTTP_TRANSFER_ENCODING="Chunked").status_code
        == 200
    )
    for path in BOTH:
        refused(in_chunks(http, path, GOOD + b" " * (16 * 1024 - len(GOOD) + 1)), 413, "body_too_large")
        refused(in_chunks(http, path, b""), 400, "body_invalid")
        refused(in_chunks(http, path, GOOD, wsgi__input=Broken()), 400, "body_incomplete")


@for_each(
    "changes",
    [
        {"CONTENT_LENGTH": str(len(GOOD))},
        {"HTTP_TRANSFER_ENCODING": "gzip, chunked"},
        {"HTTP_TRANSFER_ENCODING": "chunked,chunked"},
        {"HTTP_TRANSFER_ENCODING": "identity"},
        {"HTTP_TRAILER": "X-A"},
        {"wsgi__input_terminated": False},
        {"wsgi__input_terminated": None},
    ],
)
def test_a_chunked_body_that_could_mean_two_things_is_refused(changes: dict[str, object]) -> None:
    http = serve()
    for path in BOTH:
        refused(in_chunks(http, path, GOOD, **changes), 400, "length_required")
    assert not http.store.users


@for_each("missing", [1, 10, 10_000])
def test_a_body_shorter_than_announced_is_refused(missing: int) -> None:
    http = serve()
    for path in BOTH:
        refused(framed(http, path, CONTENT_LENGTH=str(len(GOOD) + missing)), 400, "body_incomplete", "请求体不完整")
        assert not http.store.users


class Broken(BytesIO):
    """The stream of a caller who went away."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise ConnectionResetError


def test_a_caller_who_goes_away_is_no_fault_of_ours(http: HttpService) -> None:
    for path in BOTH:
        refused(framed(http, path, wsgi__input=Broken()), 400, "body_incomplete")


# The type.


@for_each(
    "content_type",
    [
        None,
        "",
        " ",
        ";",
        "json",
        "text/json",
        "text/plain",
        "text/html",
        "application/*",
        "*/*",
        "application/jsonp",
        "application/json-patch+json",
        "application/vnd.api+json",
        "application/msgpack",
        "application/xml",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "multipart/form-data; boundary=",
        "application/json, application/json",
        "application/json text/plain",
        "application/json; charset=utf-16",
        "application/json; charset=gbk",
        "application/json; charset=latin-1",
        "application/json; charset=",
        "application/json; charset=utf-7",
        "application/json; charset=utf-8; charset=gbk",
        "application/json; boundary=x",
        "application/json;q=1;=;",
        "a" * 8_000,
        "\xff/\xff",
    ],
)
def test_a_body_of_another_type_is_unsupported(content_type: str | None) -> None:
    http = serve()
    for path in BOTH:
        refused(framed(http, path, CONTENT_TYPE=content_type), 415, "media_type_unsupported", "请使用application/json")
        assert not http.store.users


@for_each(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json; charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json ; charset=utf8",
        "application/json;",
    ],
)
def test_every_spelling_of_the_type_is_known(content_type: str) -> None:
    http = serve()
    granted(framed(http, REGISTER, CONTENT_TYPE=content_type))


def test_a_form_is_unsupported(http: HttpService) -> None:
    form = b"phone=13800138000&password=123456"
    for path in BOTH:
        refused(
            framed(http, path, form, CONTENT_TYPE="application/x-www-form-urlencoded"), 415, "media_type_unsupported"
        )
        parts = b'--x\r\nContent-Disposition: form-data; name="phone"\r\n\r\n13800138000\r\n--x--\r\n'
        refused(
            framed(http, path, parts, CONTENT_TYPE="multipart/form-data; boundary=x"), 415, "media_type_unsupported"
        )


def test_a_byte_order_mark_is_passed_over(http: HttpService) -> None:
    """RFC 8259, 8.1; Windows' own tools write one."""
    for path in BOTH:
        assert framed(http, path, b"\xef\xbb\xbf" + GOOD).status_code == 200


@for_each("encoding", ["identity", "Identity", ""])
def test_a_body_that_says_it_is_not_packed_is_read(encoding: str) -> None:
    http = serve()
    assert framed(http, REGISTER, GOOD, HTTP_CONTENT_ENCODING=encoding).status_code == 200


@for_each("encoding", ["gzip", "deflate", "br", "gzip, gzip", "identity, gzip", "x"])
def test_a_packed_body_is_unsupported(encoding: str) -> None:
    http = serve()
    for path in BOTH:
        for body in (GOOD, gzip.compress(GOOD), gzip.compress(b"x" * 1_000_000)):
            refused(framed(http, path, body, HTTP_CONTENT_ENCODING=encoding), 415, "content_encoding_unsupported")


def test_the_query_is_no_body(http: HttpService) -> None:
    for path in BOTH:
        result = framed(http, path, b"{}", QUERY_STRING="phone=13800138000&password=123456")
        refused(result, 400, "member_missing")


# The members.

WRONG_TYPES: list[Any] = [None, 0, 1, 13800138000, 1.5, True, False, [], ["13800138000"], {}, {"$ne": ""}, {"a": 1}]


@for_each("member", ["phone", "password"])
@for_each("value", WRONG_TYPES)
def test_a_member_of_a_wrong_type_is_refused(member: str, value: object) -> None:
    hasher = FakePasswordHasher()
    http = serve(hasher=hasher)
    for path in BOTH:
        body = {"phone": PHONE, "password": PASSWORD, member: value}
        refused(http.post(path, body), 400, "member_invalid", f"参数{member}类型错误")
        assert not http.store.users
        assert hasher.judged == 0


@for_each("value", WRONG_TYPES[1:])
def test_a_user_name_of_a_wrong_type_is_refused(value: object) -> None:
    http = serve()
    refused(http.register(user_name=value), 400, "member_invalid", "参数user_name类型错误")
    assert not http.store.users


@for_each("value", [1.5, 1.0, -0.0, True, False, "1", "", [], [1], {}, {"id": 1}])
def test_an_inviter_of_a_wrong_type_is_refused(value: object) -> None:
    http = serve()
    refused(http.register(invited_by=value), 400, "member_invalid", "参数invited_by类型错误")
    assert not http.store.users


@for_each("member", ["phone", "password"])
def test_a_member_that_is_missing_is_named(member: str) -> None:
    http = serve()
    for path in BOTH:
        body = {"phone": PHONE, "password": PASSWORD}
        del body[member]
        refused(http.post(path, body), 400, "member_missing", f"缺少参数{member}")


@for_each("name", ["Phone", "PHONE", " phone", "phone ", "рhone", "phone[]", "phone\u200b"])
def test_a_member_has_one_name(name: str) -> None:
    http = serve()
    for path in BOTH:
        refused(http.post(path, {name: PHONE, "password": PASSWORD}), 400, "member_missing", "缺少参数phone")


def test_nothing_of_the_body_comes_back(http: HttpService) -> None:
    marked = {"phone": "<marker>", "password": "<marker>", "user_name": "<marker>", "<marker>": 1}
    for path in (REGISTER, LOGIN):
        for body in (marked, {**marked, "phone": 1}, {"<marker>": 1}, {**marked, "phone": PHONE}):
            result = http.post(path, body)
            assert "marker" not in result.text + str(dict(result.headers))


# Arbitrary bodies.

# One house for all examples: building one for each would take most of the time.
HOUSE = serve()

ODD = ["", "\0", "\ud800", "a\udfff", "{member}", "%s", "\u2028", "１３８", PHONE, PASSWORD]
texts = st.text(max_size=12) | st.sampled_from(ODD)
numbers = st.integers() | st.floats() | st.sampled_from([10**300, -(10**300), 2**63, -0.0])
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(texts, parts, max_size=3),
    max_leaves=6,
)
members = st.sampled_from(["phone", "password", "user_name", "invited_by", "mid", "state"])
few = examples(20)


@pytest.mark.parametrize("path", BOTH)
@few
@given(body=st.binary(max_size=100))
def test_no_bytes_are_a_fault_of_ours(path: str, body: bytes) -> None:
    assert envelope(framed(HOUSE, path, body))["code"] == 400


@pytest.mark.parametrize("path", BOTH)
@few
@given(body=json_values)
def test_no_json_is_a_fault_of_ours(path: str, body: object) -> None:
    assert envelope(framed(HOUSE, path, json.dumps(body).encode()))["code"] == 400


@pytest.mark.parametrize("path", BOTH)
@few
@given(body=st.dictionaries(members, json_values), as_ascii=st.booleans())
def test_no_members_are_a_fault_of_ours(path: str, body: dict[str, object], as_ascii: bool) -> None:
    text = json.dumps(body, ensure_ascii=as_ascii).encode("utf-8", "surrogatepass")
    result = framed(HOUSE, path, text)
    answer = envelope(result)
    assert result.status_code == answer["code"]
    assert answer["code"] in {200, 400, 403, 413}


@few
@given(phone=texts, password=texts, user_name=st.none() | texts)
def test_no_text_is_a_fault_of_ours(phone: str, password: str, user_name: str | None) -> None:
    assert envelope(HOUSE.register(phone, password, user_name=user_name))["code"] in {200, 400, 403}
    assert envelope(HOUSE.login(phone, password))["code"] in {200, 400, 403}


@few
@given(password=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=6, max_size=32))
def test_any_password_that_registers_logs_in(password: str) -> None:
    http = serve()
    granted(http.register(password=password))
    granted(http.login(password=password))
    refused(http.login(password=password + " "), 403, "invalid_credentials")


@few
@given(name=st.text(max_size=90) | texts)
def test_a_user_name_is_kept_whole_or_refused(name: str) -> None:
    http = serve()
    result = http.register(user_name=name)
    if result.status_code == 200:
        assert http.user().user_name == name
    else:
        assert result.json["code"] in {400, 403}
        assert not http.store.users
