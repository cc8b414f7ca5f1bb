"""Access tokens as JSON Web Tokens: what is not exactly one of ours is refused (RFC 8725, the whole list)."""

import hashlib
import json
from base64 import b64encode, urlsafe_b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from menshen.adapters.conformance.codecs import TokenCodecContract, new_claims
from menshen.adapters.jwt_codec import JwtTokenCodec
from menshen.domain.ports.outside import TokenCodec

from .cases import examples, for_each
from .forged_tokens import (
    ALPHABET,
    CLAIMS,
    CODEC,
    HEADER,
    MISSING,
    PAYLOAD,
    SECRET,
    VALID,
    as_bytes,
    base64url,
    forged,
    json_values,
    refused,
    signed,
)


class TestJwtTokenCodec(TokenCodecContract):
    @pytest.fixture
    def codec(self) -> TokenCodec:
        return CODEC


def test_a_token_says_what_the_contract_has() -> None:
    header, payload, signature = VALID.split(".")
    assert json.loads(urlsafe_b64decode(header + "==")) == HEADER
    assert json.loads(urlsafe_b64decode(payload + "==")) == PAYLOAD
    assert signed(f"{header}.{payload}") == f"{header}.{payload}.{signature}"


def test_what_is_forged_here_with_the_right_secret_is_taken() -> None:
    assert CODEC.decode(forged()) == CLAIMS
    assert CODEC.decode(forged(header={"typ": "JWT", "alg": "HS256"})) == CLAIMS
    assert CODEC.decode(forged({**PAYLOAD, "another": [1.5, None, {"claim": True}]})) == CLAIMS


def test_the_codec_shows_no_secret() -> None:
    assert SECRET.decode() not in repr(CODEC)
    assert repr(SECRET) not in repr(CODEC)


@for_each("secret", [b"", b"XPay", SECRET[:-1], SECRET + b"0", SECRET.upper(), b"\0" * 32])
def test_a_token_by_another_secret_is_refused(secret: bytes) -> None:
    refused(forged(secret=secret))


@for_each("alg", ["none", "None", "NONE", "nOnE", "none ", "", None, False, 0, [], ["none"], {}, MISSING])
def test_no_algorithm_is_no_signature(alg: object) -> None:
    header = {"typ": "JWT"} if alg is MISSING else {"alg": alg, "typ": "JWT"}
    unsigned = f"{base64url(as_bytes(header))}.{base64url(as_bytes(PAYLOAD))}"
    refused(f"{unsigned}.")
    refused(unsigned)
    refused(f"{unsigned}.{VALID.split('.')[2]}")
    refused(forged(header=header))


@for_each(("alg", "digest"), [("HS384", "sha384"), ("HS512", "sha512"), ("HS224", "sha224")])
def test_another_algorithm_with_our_secret_is_refused(alg: str, digest: str) -> None:
    refused(forged(header={"alg": alg, "typ": "JWT"}, digest=digest))
    refused(forged(digest=digest))


@for_each(
    "alg",
    [
        "RS256",
        "RS512",
        "PS256",
        "ES256",
        "ES256K",
        "EdDSA",
        "HS1",
        "hs256",
        "Hs256",
        "HS256 ",
        "HS256\0",
        "dir",
        "A128KW",
    ],
)
def test_the_header_cannot_choose_an_algorithm(alg: str) -> None:
    refused(forged(header={"alg": alg, "typ": "JWT"}))


@for_each("alg", [["HS256"], {"HS256": 1}, 256, True, None])
def test_an_algorithm_is_text(alg: object) -> None:
    refused(forged(header={"alg": alg, "typ": "JWT"}))


@for_each(
    "member",
    [
        {"kid": "1"},
        {"kid": "../../../../dev/null"},
        {"kid": "' UNION SELECT 'key"},
        {"kid": None},
        {"jwk": {"kty": "oct", "k": base64url(SECRET)}},
        {"jku": "https://attacker.example/keys"},
        {"x5u": "https://attacker.example/cert"},
        {"x5c": ["MIIB"]},
        {"x5t": "AAAA"},
        {"crit": []},
        {"crit": ["exp"], "exp": 1},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"b64": True},
        {"zip": "DEF"},
        {"enc": "A256GCM"},
        {"cty": "JWT"},
        {"alg ": "none"},
        {"anything": 1},
    ],
)
def test_a_header_with_one_more_member_is_refused(member: dict[str, object]) -> None:
    refused(forged(header={**HEADER, **member}))


@for_each("typ", [MISSING, "", "jwt", "JWS", "at+jwt", "rt+jwt", "application/jwt", "JWT ", None, 1, ["JWT"]])
def test_a_token_of_another_type_is_refused(typ: object) -> None:
    refused(forged(header={"alg": "HS256"} if typ is MISSING else {"alg": "HS256", "typ": typ}))


@for_each(
    "header",
    [
        b'{"alg": "none", "alg": "HS256", "typ": "JWT"}',
        b'{"alg": "HS256", "alg": "none", "typ": "JWT"}',
        b'{"alg": "HS256", "alg": "HS256", "typ": "JWT"}',
        b'{"alg": "HS256", "typ": "JWT", "typ": "JWT"}',
        b'{"alg": "HS256", "typ": "JWT", "\\u0061lg": "HS256"}',
    ],
)
def test_a_header_member_that_comes_twice_is_refused(header: bytes) -> None:
    refused(forged(header=header))


HOSTILE = [
    b"",
    b" ",
    b"null",
    b"true",
    b"7",
    b'"text"',
    b"[]",
    b"NaN",
    b"{",
    b"}",
    b"{}",
    b"{}{}",
    b"{'alg': 'HS256'}",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b'{"a": "\xff"}',
    b"\xef\xbb\xbf{}",
    "{}".encode("utf-16"),
    b'{"a": NaN}',
    b'{"a": -Infinity}',
    b'{"a": 1,}',
    b'{"a": \x00}',
    b"[" * 1000,
    b"[" * 1000 + b"]" * 1000,
    b'{"a":' * 400 + b"1" + b"}" * 400,
    b"9" * 2900,
    b'{"a": ' + b"9" * 2900 + b"}",
]


@for_each("hostile", HOSTILE)
def test_hostile_json_is_refused_before_and_after_a_valid_signature(hostile: bytes) -> None:
    for token in (forged(hostile), forged(header=hostile), forged(hostile, header=hostile)):
        refused(token)
        refused(token[:-8] + "AAAAAAAA")


@for_each("bad", [b"\xff", b"\xed\xa0\x80", b"\xc0\xaf"])
def test_our_claims_with_bad_utf_8_beside_them_are_refused(bad: bytes) -> None:
    refused(forged(json.dumps(PAYLOAD)[:-1].encode() + b', "more": "' + bad + b'"}'))


def test_our_claims_with_something_after_them_are_refused() -> None:
    for more in (b"{}", b"\0", b" x", b","):
        refused(forged(as_bytes(PAYLOAD) + more))
    refused(forged("\ufeff".encode() + as_bytes(PAYLOAD)))
    refused(forged(json.dumps(PAYLOAD).encode("utf-16")))


@for_each(
    "reshaped",
    [
        lambda header, payload, signature: f"{header}=.{payload}.{signature}",
        lambda header, payload, signature: f"{header}.{payload}=.{signature}",
        lambda header, payload, signature: f"{header}.{payload}.{signature}=",
        lambda header, payload, signature: f".{header}.{payload}.{signature}",
        lambda header, payload, signature: f"{header}..{payload}.{signature}",
        lambda header, payload, signature: f"{header}.{payload}..{signature}",
        lambda header, payload, signature: f"{header}.{payload}.{signature}.",
        lambda header, payload, signature: f"{header}.{payload}.{signature}.{signature}",
        lambda header, payload, signature: f"{header}.{payload}.{signature}.a.b",
        lambda header, payload, signature: f"{header}.{payload}",
        lambda header, payload, signature: f"{header}.{payload}.",
        lambda header, payload, signature: f"{header}..{signature}",
        lambda header, payload, signature: f".{payload}.{signature}",
        lambda header, payload, signature: f"{header}\n.{payload}.{signature}",
        lambda header, payload, signature: f"{header}. {payload}.{signature}",
        lambda header, payload, signature: f"{header}.{payload[:9]}\r\n{payload[9:]}.{signature}",
        lambda header, payload, signature: f"{header}.{payload}.{signature[:9]}!{signature[9:]}",
        lambda header, payload, signature: f"{header}.{payload}.{signature[:9]}\0{signature[9:]}",
        lambda header, payload, signature: f"{header}.{payload}.{signature}Ａ",
        lambda header, payload, signature: f"{header}.{payload}.{signature}\ud800",
        lambda header, payload, signature: f"{header}.{payload}.{signature}A",
        lambda header, payload, signature: f"{header}.{payload}.{signature}AAAA",
        lambda header, payload, signature: f"{header}。{payload}。{signature}",
        lambda header, payload, signature: f"{payload}.{header}.{signature}",
        lambda header, payload, signature: json.dumps(
            {"protected": header, "payload": payload, "signature": signature}
        ),
        lambda header, payload, signature: json.dumps(
            {"payload": payload, "signatures": [{"protected": header, "signature": signature}]}
        ),
    ],
)
def test_a_token_has_one_serialisation(reshaped: Any) -> None:
    refused(reshaped(*VALID.split(".")))


def test_standard_base64_is_no_base64url() -> None:
    payload = as_bytes({**PAYLOAD, "more": "???>>>" * 3})
    header, standard = base64url(as_bytes(HEADER)), b64encode(payload).decode().rstrip("=")
    assert standard != base64url(payload)
    assert CODEC.decode(signed(f"{header}.{base64url(payload)}")) == CLAIMS
    refused(signed(f"{header}.{standard}"))


def twins(segment: str) -> list[str]:
    """The other texts that a careless decoder accepts as *segment*: they differ in unused bits."""
    decoded = urlsafe_b64decode(segment + "==")
    others = (segment[:-1] + last for last in ALPHABET if last != segment[-1])
    return [other for other in others if urlsafe_b64decode(other + "==") == decoded]


def test_the_unused_bits_of_a_signature_are_none() -> None:
    signing_input, _, signature = VALID.rpartition(".")
    assert len(twins(signature)) == 3
    for twin in twins(signature):
        refused(f"{signing_input}.{twin}")


def test_the_unused_bits_of_header_and_payload_are_none() -> None:
    found = 0
    for spaces in (b"", b" ", b"  "):
        header, payload = (base64url(as_bytes(part) + spaces) for part in (HEADER, PAYLOAD))
        assert CODEC.decode(signed(f"{header}.{payload}")) == CLAIMS
        for twin in twins(header):
            refused(signed(f"{twin}.{payload}"))
            found += 1
        for twin in twins(payload):
            refused(signed(f"{header}.{twin}"))
            found += 1
    assert found == 2 * (0 + 3 + 15)


def test_a_token_of_5_kb_is_refused_and_one_of_4_kb_is_read() -> None:
    fitting = forged({**PAYLOAD, "more": "x" * 2700})
    assert 3800 < len(fitting) <= 4096
    assert CODEC.decode(fitting) == CLAIMS
    refused(forged({**PAYLOAD, "more": "x" * 3700}))


def test_a_token_for_another_service_is_refused() -> None:
    for codec in (
        JwtTokenCodec(secret=SECRET, issuer="another", audience="an audience"),
        JwtTokenCodec(secret=SECRET, issuer="an issuer", audience="another"),
        JwtTokenCodec(secret=SECRET[::-1], issuer="an issuer", audience="an audience"),
    ):
        refused(codec.encode(new_claims()))


def test_the_digest_of_the_secret_is_no_secret() -> None:
    refused(forged(secret=hashlib.sha256(SECRET).digest()))
    refused(forged(secret=base64url(SECRET).encode()))


@given(place=st.integers(0, len(VALID) - 1), character=st.sampled_from(ALPHABET + ".=") | st.characters())
@examples(200)
def test_a_token_with_any_one_character_changed_is_refused(place: int, character: str) -> None:
    mutated = VALID[:place] + character + VALID[place + 1 :]
    if mutated != VALID:
        refused(mutated)


@given(place=st.integers(0, len(VALID)), character=st.sampled_from(ALPHABET + ".=") | st.characters())
@examples(100)
def test_a_token_with_any_one_character_more_or_less_is_refused(place: int, character: str) -> None:
    refused(VALID[:place] + character + VALID[place:])
    refused(VALID[:place] + VALID[place + 1 :] if place < len(VALID) else VALID[:-1])


@given(
    st.text() | st.text(ALPHABET + ".", max_size=200) | st.tuples(*[st.text(ALPHABET, min_size=1)] * 3).map(".".join)
)
@examples(200)
def test_any_text_is_invalid_and_nothing_worse(text: str) -> None:
    refused(text)


@given(payload=json_values | st.binary(max_size=40), header=json_values | st.binary(max_size=40))
@examples(200)
def test_any_header_and_any_payload_are_invalid_and_nothing_worse(payload: object, header: object) -> None:
    refused(forged(payload))
    refused(forged(payload, header=header))
