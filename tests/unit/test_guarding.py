"""The guard for any framework: where a token is found, who is let in, and what all others are told."""

import json
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from menshen.domain.admission import TooManyDevices
from menshen.domain.errors import Refusal, StoreUnavailable
from menshen.domain.passwords import PasswordLengthInvalid
from menshen.domain.presences import Principal
from menshen.domain.tokens import TokenInvalid, TokenMissing
from menshen.domain.users import UserNotActive
from menshen.entrypoints.guarding.answers import ANSWERS, PASSWORD_NOT_CHANGED
from menshen.entrypoints.guarding.bearer import token_of
from menshen.entrypoints.guarding.envelopes import HEADERS, Envelopes, Refused
from menshen.entrypoints.guarding.guard import Guard
from menshen.entrypoints.guarding.refusals import InternalError

from .cases import for_each
from .memory_house import House, client_on

# Where a token is found.


@for_each(
    ("header", "authorization"),
    [
        ("t.o.k", None),
        ("t.o.k", ""),
        ("t.o.k", "Basic dXNlcjpwYXNz"),
        ("t.o.k", "Bearer t.o.k"),
        (None, "Bearer t.o.k"),
        ("", "bearer t.o.k"),
        (None, "BEARER   t.o.k  "),
    ],
)
def test_a_token_stands_in_either_header(header: str | None, authorization: str | None) -> None:
    assert token_of(header, authorization) == "t.o.k"


@for_each("authorization", [None, "", "t.o.k", "Basic t.o.k", "Token t.o.k", "Bearer:t.o.k", "Bearer\tt.o.k"])
def test_where_neither_carries_one_there_is_none(authorization: str | None) -> None:
    for header in (None, ""):
        with pytest.raises(TokenMissing):
            token_of(header, authorization)


@for_each("authorization", ["Bearer other", "Bearer ", "Bearer", "Bearer t.o.k t.o.k"])
def test_two_that_differ_are_none(authorization: str) -> None:
    with pytest.raises(TokenInvalid):
        token_of("t.o.k", authorization)


# The guard.


def guard_of(house: House) -> Guard:
    return Guard(house.service.authenticate, envelopes_of(house))


def envelopes_of(house: House) -> Envelopes:
    return Envelopes(house.clock, ZoneInfo("Asia/Shanghai"), "zh")


def said(refused: Refused) -> dict[str, object]:
    found = json.loads(refused.body)
    assert isinstance(found, dict)
    return found


def test_whoever_shows_a_token_that_is_good_is_known() -> None:
    house = House()
    user, granted = house.register(), house.login()
    for token, authorization in ((granted.access_token, None), (None, f"Bearer {granted.access_token}")):
        found = guard_of(house)(token, authorization, None)
        assert isinstance(found, Principal)
        assert (found.user, found.session.id) == (user.profile, granted.session.id)


def test_a_refusal_is_finished() -> None:
    house = House()
    refused = guard_of(house)(None, None, "en")
    assert isinstance(refused, Refused)
    assert (refused.code, refused.reason) == (401, "token_missing")
    assert refused.headers == {**HEADERS, "WWW-Authenticate": "Bearer"}
    assert said(refused) == {
        "code": 401,
        "data": "",
        "msg": "There is no token.",
        "time": "2026-01-01 08:00:00",
        "reason": "token_missing",
    }


def test_a_token_that_opens_nothing_is_challenged_as_invalid() -> None:
    """RFC 6750, section 3."""
    house = House()
    house.register()
    token = house.login().access_token
    house.clock.move(house.settings.access_token_ttl)
    for header, reason in ((token, "token_expired"), ("x", "token_invalid")):
        refused = guard_of(house)(header, None, None)
        assert isinstance(refused, Refused)
        assert (refused.code, refused.reason) == (401, reason)
        assert refused.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


# The messages of the answers.


@for_each(("accept_language", "msg"), [(None, "token不存在"), ("fr", "token不存在"), ("en-GB", "There is no token.")])
def test_it_speaks_the_callers_language(accept_language: str | None, msg: str) -> None:
    assert said(envelopes_of(House()).refused(accept_language, TokenMissing()))["msg"] == msg


def test_it_says_how_a_session_ended_and_by_which_device() -> None:
    house = House.with_policy({"total": 1})
    house.register()
    first = house.login().access_token
    house.login(client=client_on("phone", name="the new one"))
    refused = guard_of(house)(first, None, None)
    assert isinstance(refused, Refused)
    assert said(refused)["data"] == {
        "ended_at": "2026-01-01 08:00:00",
        "by": {"type": "phone", "name": "the new one"},
    }


def test_it_says_since_when_who_may_not_act_may_not() -> None:
    house = House()
    envelopes = envelopes_of(house)
    assert said(envelopes.refused(None, UserNotActive()))["data"] == ""
    ended = UserNotActive(house.clock.time - timedelta(hours=1))
    assert said(envelopes.refused(None, ended))["data"] == {"ended_at": "2026-01-01 07:00:00"}


def test_it_says_who_is_in_where_no_more_may_log_in() -> None:
    house = House()
    house.register()
    session = house.login(client=client_on("pc", name="a PC")).session
    [shown] = json.loads(envelopes_of(house).refused(None, TooManyDevices([session])).body)["data"]["sessions"]
    assert (shown["id"], shown["device"]["name"]) == (session.id, "a PC")


@for_each(("refusal", "retry_after"), [(StoreUnavailable("gone", retry_after=7), "7"), (TokenMissing(), None)])
def test_it_says_when_to_come_again(refusal: Refusal, retry_after: str | None) -> None:
    assert envelopes_of(House()).refused(None, refusal).headers.get("Retry-After") == retry_after


def test_its_words_hold_what_the_refusal_knows_and_what_was_not_done() -> None:
    envelopes = envelopes_of(House())
    length = PasswordLengthInvalid(8, 32)
    assert said(envelopes.refused("en", length))["msg"] == "Registration failed: a password has 8 to 32 characters."
    changing = said(envelopes.refused("en", length, PASSWORD_NOT_CHANGED))
    assert changing["msg"] == "The password was not changed: a password has 8 to 32 characters."
    assert said(envelopes.refused("en", InternalError("abc")))["msg"] == "Internal error, incident abc."


# Reasons are public: none is removed or changes its meaning, and each new one is listed here.

REASONS = {
    400: {
        *("body_incomplete", "body_invalid", "device_invalid", "host_invalid", "length_required", "member_invalid"),
        *("member_missing", "proxy_headers_invalid", "query_invalid", "request_invalid", "return_invalid"),
    },
    401: {
        *("not_an_admin", "password_changed", "refresh_token_expired", "refresh_token_invalid", "refresh_token_reused"),
        *("session_ended", "session_expired", "session_idle", "session_kicked", "session_logged_out"),
        *("session_replaced", "session_unknown", "token_expired", "token_invalid", "token_missing", "user_closed"),
        *("user_frozen", "user_not_active", "user_not_found"),
    },
    403: {
        *("caller_not_trusted", "cross_site", "route_not_allowed", "target_ambiguous"),
        *("fee_invalid", "freeze_invalid", "invalid_credentials", "not_an_admin", "password_common"),
        *("password_holds_identifier", "password_length", "password_needed", "password_text", "password_wrong"),
        *("phone_invalid", "phone_taken", "referrer_unknown", "state_conflict", "text_invalid", "too_many_devices"),
        *("user_name_invalid", "user_not_active"),
    },
    404: {"no_such_session", "no_such_user", "not_found"},
    405: {"method_not_allowed"},
    413: {"body_too_large"},
    414: {"target_too_long"},
    415: {"content_encoding_unsupported", "media_type_unsupported"},
    431: {"head_too_large"},
    500: {"internal_error"},
    503: {"busy", "clock_in_doubt", "store_unavailable"},
}


def test_every_reason_is_written_down_with_its_code() -> None:
    found: dict[int, set[str]] = {}
    for kind, answer in ANSWERS.items():
        found.setdefault(answer.code, set()).add(kind.reason)
    assert found == REASONS
