"""A clock that is put back: what was issued before stays valid for an hour, and gains nothing (RL-11)."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from menshen.domain.clocks import CLOCK_LEEWAY
from menshen.domain.devices import NO_CLIENT
from menshen.domain.errors import Refusal
from menshen.domain.proofs import ReauthenticationNeeded
from menshen.domain.refresh_tokens import RefreshTokenExpired, RefreshTokenInvalid
from menshen.domain.tokens import TokenExpired, TokenInvalid
from menshen.domain.use_cases.issuing import Granted
from menshen.entrypoints.settings import Settings

from .cases import for_each
from .memory_house import MOMENT, House

DAY = timedelta(days=1)


def by_guard(house: House, granted: Granted) -> None:
    house.authenticate(granted)


def by_refreshing(house: House, granted: Granted) -> None:
    house.service.refresh(granted.refresh_token)


Way = Callable[[House, Granted], None]
WAYS: list[Way] = [by_guard, by_refreshing]


@for_each("way", WAYS)
def test_what_was_issued_before_the_clock_went_back_by_up_to_an_hour_opens(way: Way) -> None:
    house = House()
    house.register()
    granted = house.login()
    house.clock.move(-CLOCK_LEEWAY)
    way(house, granted)
    assert house.live(granted.user) == [granted.session.id]
    assert house.stored(granted).last_seen_at == granted.session.last_seen_at


@for_each(("way", "refusal"), [(by_guard, TokenInvalid), (by_refreshing, RefreshTokenInvalid)])
def test_what_was_issued_further_ahead_opens_nothing_until_then(way: Way, refusal: type[Refusal]) -> None:
    house = House()
    house.register()
    granted = house.login()
    house.clock.move(-CLOCK_LEEWAY - MOMENT)
    with pytest.raises(refusal):
        way(house, granted)
    assert house.stored(granted).overview == granted.session
    house.clock.move(MOMENT)
    way(house, granted)


def test_a_refresh_from_a_clock_that_was_ahead_is_not_taken_for_a_theft(house: House) -> None:
    house.register()
    first = house.login()
    house.clock.move(2 * DAY)
    house.service.refresh(first.refresh_token)
    house.clock.move(-2 * DAY)
    with pytest.raises(RefreshTokenInvalid):
        house.service.refresh(first.refresh_token)
    assert house.stored(first).end is None


def test_a_lost_answer_is_given_again_after_the_clock_went_back(house: House) -> None:
    house.register()
    first = house.login()
    house.clock.move(DAY)
    lost = house.service.refresh(first.refresh_token)
    house.clock.move(-CLOCK_LEEWAY)
    again = house.service.refresh(first.refresh_token)
    assert again.refresh_token == lost.refresh_token
    house.service.refresh(again.refresh_token)


def test_a_token_that_was_over_when_its_session_was_used_does_not_come_alive_again() -> None:
    house = House(Settings(access_token_ttl=timedelta(minutes=15)))
    house.register()
    old = house.login()
    house.clock.move(timedelta(minutes=20))
    new = house.service.refresh(old.refresh_token)
    house.clock.move(-timedelta(minutes=10))
    with pytest.raises(TokenExpired):
        house.authenticate(old)
    house.authenticate(new)


def test_a_token_that_was_issued_after_the_clock_went_back_opens() -> None:
    """Its session seems to have been used after the token's end; a client would refresh in a loop."""
    house = House(Settings(access_token_ttl=timedelta(minutes=15)))
    house.register()
    granted = house.login()
    house.clock.move(timedelta(minutes=50))
    granted = house.service.refresh(granted.refresh_token)
    house.authenticate(granted)
    house.clock.move(-timedelta(minutes=50))
    for _ in range(4):
        granted = house.service.refresh(granted.refresh_token)
        house.authenticate(granted)
        house.clock.move(timedelta(minutes=10))


def test_a_refresh_token_that_was_seen_to_have_expired_stays_so() -> None:
    house = House(Settings(refresh_token_ttl=DAY, session_idle_ttl=DAY))
    house.register()
    granted = house.login()
    house.clock.move(DAY - timedelta(hours=1))
    house.authenticate(granted)
    house.clock.time = house.stored(granted).refreshing.expires_at
    for back in (timedelta(0), MOMENT, timedelta(minutes=59)):
        house.clock.move(-back)
        with pytest.raises(RefreshTokenExpired):
            house.service.refresh(granted.refresh_token)
    house.authenticate(granted)


def test_a_login_is_no_more_recent_for_a_clock_that_was_put_back(house: House) -> None:
    house.register()
    granted, other = house.login(), house.login()
    house.clock.move(-timedelta(minutes=10))
    with pytest.raises(ReauthenticationNeeded):
        house.service.end_sessions(granted.principal, session_id=other.session.id, password=None, client=NO_CLIENT)
