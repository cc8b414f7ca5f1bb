"""When an access token is valid."""

from datetime import UTC, datetime, timedelta

import pytest

from menshen.domain.clocks import CLOCK_LEEWAY
from menshen.domain.sessions import SessionId
from menshen.domain.tokens import AccessTokenClaims, TokenExpired, TokenInvalid
from menshen.domain.users import UserId

from .cases import for_each

ISSUED = datetime(2026, 1, 1, tzinfo=UTC)
EXPIRES = ISSUED + timedelta(days=7)
MOMENT = timedelta(microseconds=1)


def claims(not_before: datetime | None = None, issued_at: datetime = ISSUED) -> AccessTokenClaims:
    return AccessTokenClaims(
        subject=UserId(1),
        session_id=SessionId("s"),
        token_id="t",
        issued_at=issued_at,
        expires_at=EXPIRES,
        not_before=not_before,
    )


@for_each("now", [ISSUED, ISSUED + timedelta(days=3), EXPIRES - MOMENT])
def test_a_token_is_valid_until_it_expires(now: datetime) -> None:
    claims().check_time(now)


@for_each("now", [EXPIRES, EXPIRES + MOMENT, EXPIRES + timedelta(days=365)])
def test_a_token_has_expired_at_exp_and_after(now: datetime) -> None:
    with pytest.raises(TokenExpired):
        claims().check_time(now)


def test_the_leeway_is_an_hour() -> None:
    assert timedelta(hours=1) == CLOCK_LEEWAY


def test_a_token_from_a_clock_that_runs_ahead_a_little_holds() -> None:
    claims().check_time(ISSUED - CLOCK_LEEWAY)
    claims(not_before=ISSUED + CLOCK_LEEWAY).check_time(ISSUED)


@for_each("ahead", [MOMENT, timedelta(days=1)])
def test_a_token_from_the_future_is_invalid(ahead: timedelta) -> None:
    with pytest.raises(TokenInvalid):
        claims().check_time(ISSUED - CLOCK_LEEWAY - ahead)
    with pytest.raises(TokenInvalid):
        claims(not_before=ISSUED + CLOCK_LEEWAY + ahead).check_time(ISSUED)


def test_the_later_of_issued_at_and_not_before_counts() -> None:
    early = ISSUED - timedelta(days=1)
    with pytest.raises(TokenInvalid):
        claims(not_before=early).check_time(early)
    claims(not_before=early).check_time(ISSUED)


def test_a_token_that_was_issued_after_its_own_end_has_expired() -> None:
    with pytest.raises(TokenExpired):
        claims(issued_at=EXPIRES + timedelta(days=1)).check_time(EXPIRES)
