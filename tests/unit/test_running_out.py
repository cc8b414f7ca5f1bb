"""Sessions that expire: one that was found expired stays expired, even if the clock is changed (RL-11)."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from menshen.adapters.memory.sessions import MemorySessions
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.devices import NO_CLIENT
from menshen.domain.errors import StoreUnavailable
from menshen.domain.presences import Presence
from menshen.domain.refresh_tokens import RefreshTokenExpired, RefreshTokenInvalid
from menshen.domain.sessions import (
    EndReason,
    SessionEnd,
    SessionExpired,
    SessionId,
    SessionIdle,
    SessionKind,
    SessionOver,
)
from menshen.domain.tokens import TokenExpired, TokenInvalid
from menshen.domain.use_cases.issuing import Granted
from menshen.domain.users import UserId
from menshen.entrypoints.settings import Settings

from .cases import for_each
from .memory_house import MOMENT, OPERATOR, OTHER_PHONE, PASSWORD, SECOND, House

DAY = timedelta(days=1)
YEAR = timedelta(days=365)

# A token that outlives its session, so that it is the session that is judged.
LONG = Settings(access_token_ttl=30 * DAY, session_ttl=30 * DAY, session_idle_ttl=3 * DAY)


def outlived(house: House, granted: Granted) -> None:
    """A token from elsewhere: ours end with their sessions."""
    claims = house.codec.issued[granted.access_token]
    house.codec.issued[granted.access_token] = evolve(claims, expires_at=claims.expires_at + 10 * YEAR)


def be_idle(house: House, granted: Granted) -> None:
    house.clock.time = granted.session.idle_at


def expire(house: House, granted: Granted) -> None:
    house.sessions.see([(granted.session.id, granted.session.expires_at - SECOND)], house.clock.time)
    outlived(house, granted)
    house.clock.time = granted.session.expires_at


def by_guard(house: House, granted: Granted) -> None:
    house.authenticate(granted)


def by_refreshing(house: House, granted: Granted) -> None:
    house.service.refresh(granted.refresh_token)


Way = Callable[[House, Granted], None]
WAYS: list[Way] = [by_guard, by_refreshing]


@for_each("again", WAYS)
@for_each("first", WAYS)
@for_each(
    ("runs_out", "refusal", "reason"),
    [(be_idle, SessionIdle, EndReason.IDLE), (expire, SessionExpired, EndReason.EXPIRED)],
)
def test_a_session_that_was_seen_to_have_run_out_stays_so(
    runs_out: Way, refusal: type[SessionOver], reason: EndReason, first: Way, again: Way
) -> None:
    house = House(LONG)
    house.register()
    granted = house.login()
    runs_out(house, granted)
    with pytest.raises(refusal) as seen:
        first(house, granted)
    assert house.stored(granted).end == SessionEnd(seen.value.ended_at, reason)
    for back in (MOMENT, timedelta(hours=1), DAY):
        house.clock.move(-back)
        with pytest.raises(refusal) as refused:
            again(house, granted)
        assert (refused.value.ended_at, refused.value.by) == (seen.value.ended_at, None)
    assert house.live(granted.user) == []


def test_a_session_that_ran_out_with_its_last_token_stays_so(house: House) -> None:
    house.register()
    granted = house.login()
    claims = house.codec.issued[granted.access_token]
    house.codec.issued[granted.access_token] = evolve(claims, expires_at=granted.session.expires_at)
    house.sessions.see([(granted.session.id, granted.session.expires_at - SECOND)], house.clock.time)
    house.clock.time = granted.session.expires_at
    with pytest.raises(TokenExpired):
        house.authenticate(granted)
    house.clock.move(-timedelta(minutes=1))
    with pytest.raises(SessionExpired):
        house.authenticate(granted)


def test_an_admin_session_that_was_seen_to_be_idle_stays_so(house: House) -> None:
    house.register_admin()
    granted = house.admin_login()
    house.clock.time = granted.session.idle_at
    with pytest.raises((SessionIdle, TokenExpired)):
        house.service.authenticate_admin(granted.access_token)
    house.clock.move(-timedelta(minutes=50))
    with pytest.raises(SessionIdle):
        house.service.authenticate_admin(granted.access_token)
    assert house.stored(granted).kind is SessionKind.ADMIN


def test_a_clock_that_was_ahead_for_a_while_ends_only_what_came_meanwhile(house: House) -> None:
    house.register()
    house.register(OTHER_PHONE)
    asked, not_asked, others = house.login(), house.login(), house.login(OTHER_PHONE)
    house.clock.move(YEAR)
    with pytest.raises(TokenExpired):
        house.authenticate(asked)
    house.login()
    house.service.sessions_of(asked.user.id)
    house.service.explain_token(not_asked.access_token)
    house.clock.move(-YEAR)
    for granted in (not_asked, others):
        house.authenticate(granted)
        house.service.refresh(granted.refresh_token)
    with pytest.raises(SessionOver):
        house.authenticate(asked)


@define
class Counting:
    """LastSeen that counts the ends that are noted."""

    house: House
    ends: list[SessionEnd] = field(factory=list)

    def note(self, session_id: SessionId, at: datetime) -> None:
        pass

    def note_end(self, session_id: SessionId, end: SessionEnd) -> None:
        self.ends.append(end)
        self.house.sessions.end([session_id], end)


def test_the_end_is_noted_once_and_never_for_what_lives() -> None:
    house = House(LONG)
    house.register()
    granted, logged_out = house.login(), house.login()
    house.service.logout(logged_out.principal)
    counting = Counting(house)
    guard = evolve(house.service.authenticate_strictly, last_seen=counting)
    for _ in range(3):
        guard(granted.access_token)
    assert counting.ends == []
    house.clock.time = granted.session.idle_at
    for _ in range(3):
        for each in (granted, logged_out):
            with pytest.raises(SessionOver):
                guard(each.access_token)
    assert counting.ends == [SessionEnd(granted.session.idle_at, EndReason.IDLE)]
    assert house.stored(logged_out).end != counting.ends[0]


def test_who_only_looks_at_a_token_ends_nothing() -> None:
    house = House(LONG)
    house.register()
    granted = house.login()
    house.clock.time = granted.session.idle_at
    assert house.service.explain_token(granted.access_token).verdict == "session_idle"
    assert house.stored(granted).end is None


def test_a_token_has_expired_whatever_the_store_says_of_its_session(house: House) -> None:
    house.register()
    granted = house.login()
    house.clock.time = house.codec.issued[granted.access_token].expires_at

    class Down(MemorySessions):
        def by_session(self, user_id: UserId, session_id: SessionId) -> Presence | None:
            raise StoreUnavailable("down")

    with pytest.raises(TokenExpired):
        evolve(house.service.authenticate_strictly, presences=Down(house.store))(granted.access_token)
    house.forget(granted.user)
    with pytest.raises(TokenExpired):
        house.authenticate(granted)


# What ends the sessions of a user also ends those that the clock would revive.


def change_password(house: House, granted: Granted) -> None:
    house.service.change_password(granted.principal, old=PASSWORD, new="another password", client=NO_CLIENT)


def end_others(house: House, granted: Granted) -> None:
    house.service.end_sessions.others(granted.principal, password=PASSWORD, client=NO_CLIENT)


def log_in_where_one_is_allowed(house: House, granted: Granted) -> None:
    house.service.operate.set_policy(granted.user.id, policy=DevicePolicy.single(), actor=OPERATOR)
    house.login()


def kick(house: House, granted: Granted) -> None:
    house.service.operate.kick(granted.user.id, session_id=None, actor=OPERATOR)


def freeze_and_unfreeze(house: House, granted: Granted) -> None:
    house.service.operate.freeze(granted.user.id, reason="x", until=None, actor=OPERATOR)
    house.service.operate.unfreeze(granted.user.id, actor=OPERATOR)


def close_and_come_back(house: House, granted: Granted) -> None:
    house.service.close_account.close(granted.user.id, actor=OPERATOR)
    house.login()


def set_password(house: House, granted: Granted) -> None:
    house.service.set_password(granted.user.id, password="another password", actor=OPERATOR)


@for_each(
    "acts",
    [
        change_password,
        end_others,
        log_in_where_one_is_allowed,
        kick,
        freeze_and_unfreeze,
        close_and_come_back,
        set_password,
    ],
)
def test_what_had_run_out_when_the_others_were_ended_is_not_given_back(acts: Way) -> None:
    house = House(LONG)
    house.register()
    idle = house.login()
    house.clock.time = idle.session.idle_at - timedelta(minutes=1)
    granted = house.login()
    house.clock.move(timedelta(minutes=2))
    assert idle.session.id not in house.live(granted.user)
    entries = len(house.events)
    acts(house, granted)
    assert all(event.session_id != idle.session.id for event in house.events[entries:])
    house.clock.move(-timedelta(hours=1))
    for way in WAYS:
        with pytest.raises(SessionIdle):
            way(house, idle)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["guard", "refresh", "explain", "log in"]),
            st.timedeltas(-timedelta(hours=1), 4 * DAY) | st.sampled_from([-DAY, 40 * DAY, -40 * DAY]),
        ),
        max_size=25,
    )
)
def test_no_way_of_the_clock_brings_back_what_was_seen_to_be_over(steps: list[tuple[str, timedelta]]) -> None:
    house = House(LONG)
    house.register()
    granted = house.login()
    refresh_token = granted.refresh_token
    over: set[tuple[type[SessionOver], datetime]] = set()
    for act, move in steps:
        house.clock.time = max(granted.session.started_at, house.clock.time + move)
        try:
            if act == "guard":
                house.authenticate(granted)
            elif act == "refresh":
                refresh_token = house.service.refresh(refresh_token).refresh_token
            elif act == "log in":
                house.login()
            else:
                house.service.explain_token(granted.access_token)
        except SessionOver as refusal:
            over.add((type(refusal), refusal.ended_at))
        except (TokenExpired, TokenInvalid, RefreshTokenExpired, RefreshTokenInvalid):
            pass
        else:
            assert not over or act in {"explain", "log in"}
    assert len(over) <= 1
