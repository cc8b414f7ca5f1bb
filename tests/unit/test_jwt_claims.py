"""The claims of a token: a token signed by us is still refused if a claim is not exactly like ours."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from menshen.domain.tokens import TokenInvalid

from .cases import examples, for_each
from .forged_tokens import CLAIMS, CODEC, HUGE, MISSING, PAYLOAD, forged, json_values, refused


def test_not_before_is_read() -> None:
    assert CODEC.decode(forged({**PAYLOAD, "nbf": 1767323045})).not_before == CLAIMS.issued_at


@for_each("claim", PAYLOAD)
@for_each("value", [MISSING, None, -1, True, [], ["7"], {}, 1.5])
def test_every_claim_must_be_there_and_of_its_type(claim: str, value: object) -> None:
    payload = {**PAYLOAD, claim: value}
    if value is MISSING:
        del payload[claim]
    refused(forged(payload))


@for_each("claim", ["iss", "aud"])
@for_each(
    "change",
    [
        lambda value: value[:-1],
        lambda value: value[1:],
        lambda value: value + " ",
        lambda value: value + "/",
        lambda value: value + "\0",
        lambda value: value.upper(),
        lambda value: [value],
        lambda value: [value, "another"],
        lambda value: {value: value},
        lambda value: "another",
        lambda value: "a",
    ],
)
def test_issuer_and_audience_are_compared_whole(claim: str, change: Any) -> None:
    refused(forged({**PAYLOAD, claim: change(PAYLOAD[claim])}))


def test_issuer_and_audience_are_not_mixed_up() -> None:
    refused(forged({**PAYLOAD, "iss": PAYLOAD["aud"], "aud": PAYLOAD["iss"]}))


@for_each("claim", ["exp", "iat", "nbf"])
@for_each(
    "value",
    [
        "true",
        "false",
        "null",
        "1767323045.0",
        "1767323045.5",
        "1e9",
        "1e400",
        "-1e400",
        "-1",
        "-1767323045",
        "-0.0",
        '"1767323045"',
        '""',
        "[]",
        "[1767323045]",
        "{}",
        "NaN",
        "Infinity",
        "-Infinity",
        "253402300800",
        "9223372036854775808",
        "1" + "0" * 40,
        "-1" + "0" * 40,
        HUGE,
        f"-{HUGE}",
        f"0.{HUGE}",
        f"1e{HUGE}",
    ],
)
def test_a_time_is_a_whole_number_that_a_calendar_knows(claim: str, value: str) -> None:
    payload = json.dumps({**PAYLOAD, claim: "HERE"}).replace('"HERE"', value)
    refused(forged(payload.encode()))


@for_each("claim", ["exp", "iat", "nbf"])
@for_each("value", [0, 1, 253402300799])
def test_the_first_and_the_last_second_of_the_calendar_are_times(claim: str, value: int) -> None:
    CODEC.decode(forged({**PAYLOAD, claim: value}))


@for_each(
    "subject",
    [
        7,
        7.0,
        True,
        None,
        [],
        ["7"],
        {},
        "",
        "0",
        "-1",
        "-0",
        "+7",
        "01",
        "007",
        " 7",
        "7 ",
        "7\n",
        "7\0",
        "7.0",
        "7e0",
        "0x7",
        "1_0",
        "１",
        "٧",
        "²",
        "seven",
        "\ud800",
        "2147483648",
        "4294967303",
        "9999999999",
        "1" * 11,
        HUGE,
        "7;1",
        "7,1",
        "7 OR 1=1",
    ],
)
def test_a_subject_is_an_id_in_its_one_spelling(subject: object) -> None:
    refused(forged({**PAYLOAD, "sub": subject}))


def test_a_session_id_is_no_longer_than_the_store_keeps() -> None:
    assert CODEC.decode(forged({**PAYLOAD, "sid": "s" * 64})).session_id == "s" * 64
    refused(forged({**PAYLOAD, "sid": "s" * 65}))


@for_each("claim", PAYLOAD)
def test_a_claim_that_comes_twice_is_refused(claim: str) -> None:
    text = json.dumps(PAYLOAD)
    twice = f'{text[:-1]}, "{claim}": {json.dumps(PAYLOAD[claim])}}}'
    refused(forged(twice.encode()))
    escaped = f'{text[:-1]}, "\\u{ord(claim[0]):04x}{claim[1:]}": {json.dumps(PAYLOAD[claim])}}}'
    refused(forged(escaped.encode()))


def test_a_member_that_comes_twice_deep_inside_is_refused() -> None:
    refused(forged(json.dumps(PAYLOAD)[:-1].encode() + b', "more": [{"a": 1, "a": 1}]}'))


@given(claim=st.sampled_from([*PAYLOAD, "nbf"]), value=json_values)
@examples(200)
def test_any_value_of_any_claim_is_taken_or_invalid(claim: str, value: object) -> None:
    try:
        claims = CODEC.decode(forged({**PAYLOAD, claim: value}))
    except TokenInvalid:
        return
    assert claims.issued_at.utcoffset() == claims.expires_at.utcoffset() == CLAIMS.issued_at.utcoffset()
