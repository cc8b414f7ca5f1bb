"""From a refresh token to the next pair of tokens."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from attrs import define, evolve
from hypothesis import given
from hypothesis import strategies as st

from menshen.adapters.memory.fakes import FakeRefreshTokenCodec
from menshen.adapters.memory.sessions import MemorySessionWriter
from menshen.domain.actors import Actor
from menshen.domain.audit import Action
from menshen.domain.clocks import CLOCK_LEEWAY
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.errors import Refusal, Unauthenticated
from menshen.domain.ports.writing import SessionWriter, Transaction, UnitOfWork
from menshen.domain.realms import NotAnAdmin
from menshen.domain.refresh_tokens import (
    MAX_RECENT,
    REUSE_GRACE,
    RefreshToken,
    RefreshTokenExpired,
    RefreshTokenInvalid,
    Shown,
    judge,
    recent_after,
)
from menshen.domain.sessions import (
    EndReason,
    Refreshing,
    RefreshTokenWasReused,
    SessionEnd,
    SessionExpired,
    SessionId,
    SessionIdle,
    SessionKicked,
    SessionKind,
    SessionLoggedOut,
    SessionReplaced,
)
from menshen.domain.use_cases.issuing import Granted
from menshen.domain.users import User, UserId, UserNotActive, UserNotFound
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.stores import memory_store

from .cases import examples, for_each
from .memory_house import MOMENT, OPERATOR, SECOND, House, client_on, with_parts

T = TypeVar("T")

START = datetime(2026, 1, 1, tzinfo=UTC)


# What a token turns out to be.


RETRY = timedelta(minutes=10)


@for_each(
    ("generation", "since_rotation", "shown"),
    [
        (0, timedelta(0), Shown.CURRENT),
        (0, timedelta(days=365), Shown.CURRENT),
        (1, timedelta(0), Shown.REPLACED_LATELY),
        (1, RETRY, Shown.REPLACED_LATELY),
        (1, RETRY + MOMENT, Shown.REUSED),
        # If the clock was put back by up to an hour, retrying after a lost answer does not count as theft.
        (1, -SECOND, Shown.REPLACED_LATELY),
        (1, -CLOCK_LEEWAY, Shown.REPLACED_LATELY),
        (1, -CLOCK_LEEWAY - MOMENT, Shown.REUSED),
        (1, -timedelta(days=1), Shown.REUSED),
        # Its successor has been used.
        (2, timedelta(0), Shown.REPLACED_LATELY),
        (2, REUSE_GRACE - SECOND, Shown.REPLACED_LATELY),
        (2, REUSE_GRACE - SECOND + MOMENT, Shown.REUSED),
        (2, -REUSE_GRACE - SECOND, Shown.REPLACED_LATELY),
        (2, -REUSE_GRACE - SECOND - MOMENT, Shown.REUSED),
        (3, REUSE_GRACE - 3 * SECOND, Shown.REPLACED_LATELY),
        (3, REUSE_GRACE - 3 * SECOND + MOMENT, Shown.REUSED),
        # Older than what is remembered.
        (4, timedelta(0), Shown.REUSED),
        (9_999, timedelta(0), Shown.REUSED),
    ],
)
def test_a_token_is_judged_by_its_generation_and_the_time(
    generation: int, since_rotation: timedelta, shown: Shown
) -> None:
    recent = (START - SECOND, START - 3 * SECOND)
    standing = Refreshing(digest=b"", rotations=5, rotated_at=START, expires_at=START, recent=recent)
    assert judge(generation, standing, START + since_rotation, RETRY) is shown


def test_no_retry_makes_the_grace_shorter() -> None:
    standing = Refreshing(digest=b"", rotations=1, rotated_at=START, expires_at=START)
    assert judge(1, standing, START + REUSE_GRACE, SECOND) is Shown.REPLACED_LATELY
    assert judge(1, standing, START + REUSE_GRACE + MOMENT, SECOND) is Shown.REUSED


def test_only_what_may_still_matter_is_remembered() -> None:
    standing = Refreshing(digest=b"", rotations=0, rotated_at=START, expires_at=START)
    assert recent_after(standing, START) == ()
    for number in range(1, 100):
        now = START + number * SECOND / 10
        recent = recent_after(standing, now)
        standing = evolve(standing, rotations=number, rotated_at=now, recent=recent)
        assert recent == tuple(now - each * SECOND / 10 for each in range(1, number))[:MAX_RECENT]
    assert recent_after(standing, now + REUSE_GRACE) == (now,)
    assert recent_after(standing, now + REUSE_GRACE + MOMENT) == ()


def test_an_answer_may_be_lost_for_10_seconds() -> None:
    assert timedelta(seconds=10) == REUSE_GRACE


def test_a_refresh_token_shows_no_secret() -> None:
    assert "secret bits" not in repr(RefreshToken(SessionId("s"), b"secret bits"))


# Rotation.


@pytest.fixture
def user(house: House) -> User:
    return house.register_admin()


@pytest.fixture
def first(house: House, user: User) -> Granted:
    return house.login(client=client_on("phone", "phone-1", "a phone"))


def refuse(house: House, token: str, refusal: type[Refusal]) -> Refusal:
    with pytest.raises(refusal) as refused:
        house.service.refresh(token)
    assert type(refused.value) is refusal
    return refused.value


def test_a_refresh_gives_a_fresh_pair_for_the_same_session(house: House, user: User, first: Granted) -> None:
    house.clock.move(timedelta(hours=1))
    second = house.service.refresh(first.refresh_token)
    assert second.user == user.profile
    assert second.session.id == first.session.id
    assert len({first.access_token, second.access_token, first.refresh_token, second.refresh_token}) == 4
    claims, before = house.codec.decode(second.access_token), house.codec.decode(first.access_token)
    assert claims.issued_at == house.clock.time
    assert claims.token_id != before.token_id
    assert house.live(user) == [first.session.id]
    # The previous access token is valid until its own end: only the session counts.
    house.authenticate(first)
    house.authenticate(second)


def test_what_a_refresh_grants_shows_no_token(house: House, first: Granted) -> None:
    second = house.service.refresh(first.refresh_token)
    assert second.access_token not in repr(second)
    assert second.refresh_token not in repr(second)


def test_a_chain_of_refreshes_goes_on(house: House, first: Granted) -> None:
    token, seen = first.refresh_token, {first.refresh_token}
    for rotations in range(1, 21):
        house.clock.move(timedelta(days=1))
        token = house.service.refresh(token).refresh_token
        seen.add(token)
        stored = house.stored(first).refreshing
        assert (stored.rotations, stored.rotated_at) == (rotations, house.clock.time)
        assert stored.expires_at == house.clock.time + house.settings.refresh_token_ttl
    assert len(seen) == 21


def test_only_the_digest_of_the_current_token_is_kept(house: House, first: Granted) -> None:
    second = house.service.refresh(first.refresh_token)
    codec, current = house.refresh_codec, house.refresh_codec.decode(second.refresh_token)
    assert current is not None
    assert house.stored(first).refreshing.digest == codec.digest(current)


@pytest.mark.parametrize("later", [timedelta(0), SECOND, REUSE_GRACE, RETRY])
def test_a_client_whose_answer_was_lost_gets_the_same_successor(house: House, first: Granted, later: timedelta) -> None:
    second = house.service.refresh(first.refresh_token)
    house.clock.move(later)
    again = house.service.refresh(first.refresh_token)
    assert again.refresh_token == second.refresh_token
    assert again.access_token != second.access_token
    house.authenticate(again)
    house.authenticate(second)
    house.service.refresh(second.refresh_token)


def test_the_time_for_a_repeat_counts_from_the_rotation_and_not_from_the_last_answer(
    house: House, first: Granted
) -> None:
    house.service.refresh(first.refresh_token)
    house.clock.move(RETRY)
    house.service.refresh(first.refresh_token)
    house.clock.move(MOMENT)
    refuse(house, first.refresh_token, RefreshTokenWasReused)


def test_for_how_long_a_lost_answer_can_be_asked_for_again_is_settable() -> None:
    house = House(Settings(refresh_retry=timedelta(hours=2)))
    house.register()
    first = house.login()
    second = house.service.refresh(first.refresh_token)
    house.clock.move(timedelta(hours=2))
    assert house.service.refresh(first.refresh_token).refresh_token == second.refresh_token
    house.clock.move(MOMENT)
    refuse(house, first.refresh_token, RefreshTokenWasReused)


@pytest.mark.parametrize("shown", range(3))
def test_three_rotations_in_a_second_and_then_any_of_their_tokens_gives_the_current_one(
    house: House, first: Granted, shown: int
) -> None:
    tokens = [first.refresh_token]
    for _ in range(3):
        tokens.append(house.service.refresh(tokens[-1]).refresh_token)
        house.clock.move(SECOND / 3)
    again = house.service.refresh(tokens[shown])
    assert again.refresh_token == tokens[-1]
    house.authenticate(again)
    house.service.refresh(again.refresh_token)


def test_tabs_that_lag_behind_each_other_stay_in(house: House, first: Granted) -> None:
    """Five tabs share one store of tokens, but each read it some steps ago. There is never more than one live chain."""
    read = [first.refresh_token] * 5
    for number in range(40):
        house.clock.move(SECOND)
        read = [*read[1:], house.service.refresh(read[0]).refresh_token]
        assert house.stored(first).refreshing.rotations <= number + 1
    assert len(house.live(first.user)) == 1


def test_two_tabs_that_refresh_in_turn_both_stay_in(house: House, first: Granted) -> None:
    one = other = first
    for _ in range(5):
        house.clock.move(timedelta(minutes=15))
        one, other = house.service.refresh(one.refresh_token), house.service.refresh(other.refresh_token)
        assert one.refresh_token == other.refresh_token
    house.authenticate(one)
    house.authenticate(other)


def is_ended_by_reuse(house: House, first: Granted, refused: Refusal) -> None:
    """The session has ended, none of its tokens is accepted any more, and the log says why."""
    now = house.clock.time
    assert isinstance(refused, RefreshTokenWasReused)
    assert (refused.ended_at, refused.by) == (now, None)
    assert house.stored(first).end == SessionEnd(now, EndReason.REFRESH_REUSED, None, Actor.service())
    with pytest.raises(RefreshTokenWasReused):
        house.authenticate(first)
    (event,) = house.events_of(Action.END_SESSION)
    assert (event.session_id, event.detail, event.actor) == (first.session.id, "refresh_reused", Actor.service())


def test_a_token_that_comes_again_too_late_ends_the_session(house: House, first: Granted) -> None:
    second = house.service.refresh(first.refresh_token)
    house.clock.move(RETRY + MOMENT)
    is_ended_by_reuse(house, first, refuse(house, first.refresh_token, RefreshTokenWasReused))
    refuse(house, second.refresh_token, RefreshTokenWasReused)


def test_once_its_successor_was_used_a_token_ends_the_session_after_10_seconds(house: House, first: Granted) -> None:
    second = house.service.refresh(first.refresh_token)
    house.clock.move(SECOND)
    third = house.service.refresh(second.refresh_token)
    house.clock.move(REUSE_GRACE - SECOND + MOMENT)
    is_ended_by_reuse(house, first, refuse(house, first.refresh_token, RefreshTokenWasReused))
    refuse(house, third.refresh_token, RefreshTokenWasReused)


def test_a_reuse_ends_no_other_session(house: House, first: Granted) -> None:
    other = house.login()
    house.service.refresh(house.service.refresh(first.refresh_token).refresh_token)
    house.clock.move(REUSE_GRACE + MOMENT)
    refuse(house, first.refresh_token, RefreshTokenWasReused)
    house.authenticate(other)
    house.service.refresh(other.refresh_token)


# Invalid tokens.


@pytest.mark.parametrize("text", ["", " ", "a.b", "/", "/1", "session/", "nobody/0", "nobody/1", "\0", "x" * 100_000])
def test_what_is_no_refresh_token_is_invalid(house: House, first: Granted, text: str) -> None:
    refuse(house, text, RefreshTokenInvalid)
    assert house.stored(first).end is None


def test_an_access_token_is_no_refresh_token_and_the_other_way_round(house: House, first: Granted) -> None:
    refuse(house, first.access_token, RefreshTokenInvalid)
    with pytest.raises(Unauthenticated):
        house.service.authenticate(first.refresh_token)


def test_a_token_that_was_never_given_out_ends_nothing(house: House, first: Granted) -> None:
    house.service.refresh(first.refresh_token)
    # The fake's tokens count their rotations; these would come later in the chain.
    for number in (2, 3, 100):
        refuse(house, f"{first.session.id}/{number}", RefreshTokenInvalid)
    assert house.stored(first).end is None


class NoWork:
    """A unit of work that must not be used: what can be refused earlier keeps nobody waiting."""

    def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
        raise AssertionError(work)


def be_far_on(house: House, first: Granted, rotations: int) -> None:
    standing = house.stored(first)
    digest = house.refresh_codec.digest(RefreshToken(standing.id, str(rotations).encode()))
    far = evolve(standing.refreshing, digest=digest, rotations=rotations)
    house.store.sessions[standing.id] = evolve(standing, refreshing=far)


@pytest.mark.parametrize("rotations", [1_001, 1_000_000])
def test_a_token_from_too_far_back_is_not_walked_to_and_ends_nothing(
    house: House, first: Granted, rotations: int
) -> None:
    steps = 0

    class CountingCodec(FakeRefreshTokenCodec):
        def successor(self, token: RefreshToken) -> RefreshToken:
            nonlocal steps
            steps += 1
            return super().successor(token)

    be_far_on(house, first, rotations)
    with pytest.raises(RefreshTokenInvalid):
        with_parts(house.service.refresh, refresh_codec=CountingCodec(), work=NoWork())(first.refresh_token)
    assert steps <= 1_001
    assert house.stored(first).end is None


def test_a_token_from_1000_rotations_back_is_known_as_one_that_was_used(house: House, first: Granted) -> None:
    be_far_on(house, first, 1_000)
    is_ended_by_reuse(house, first, refuse(house, first.refresh_token, RefreshTokenWasReused))


def test_what_is_no_token_of_the_session_is_refused_before_any_transaction(house: House, first: Granted) -> None:
    admin = house.admin_login()
    refresh = evolve(house.service.refresh, work=NoWork())
    for text in ("", "x", "nobody/0", f"{first.session.id}/1", admin.refresh_token):
        with pytest.raises(RefreshTokenInvalid):
            refresh(text)


def test_the_tokens_of_one_kind_of_session_refresh_nothing_of_the_other(house: House, first: Granted) -> None:
    admin = house.admin_login()
    refuse(house, admin.refresh_token, RefreshTokenInvalid)
    with pytest.raises(RefreshTokenInvalid):
        house.service.admin_refresh(first.refresh_token)
    assert house.stored(first).end is None
    assert house.stored(admin).end is None


def test_an_admin_refreshes_for_another_short_token(house: House, user: User) -> None:
    admin = house.admin_login()
    house.clock.move(timedelta(minutes=20))
    again = house.service.admin_refresh(admin.refresh_token)
    assert again.access_token_ttl == timedelta(minutes=15)
    assert house.service.authenticate_admin(again.access_token).session.kind is SessionKind.ADMIN


# State and session are checked again.


def test_a_refresh_token_that_was_not_used_in_time_has_expired_though_its_session_is_in_use() -> None:
    hour = timedelta(hours=1)
    house = House(Settings(access_token_ttl=2 * hour, refresh_token_ttl=hour, session_idle_ttl=hour))
    house.register()
    refreshed, granted = house.login(), house.login()
    house.clock.move(hour - MOMENT)
    house.service.refresh(refreshed.refresh_token)
    house.authenticate(granted)
    house.clock.move(MOMENT)
    refuse(house, granted.refresh_token, RefreshTokenExpired)
    assert house.stored(granted).end is None
    house.authenticate(granted)


def test_a_refresh_token_lasts_at_least_as_long_as_its_session_may_be_idle() -> None:
    day = timedelta(days=1)
    house = House(
        Settings(
            refresh_token_ttl=day, session_idle_ttl=5 * day, remember_session_idle_ttl=9 * day, session_ttl=90 * day
        )
    )
    house.register()
    plain, remembered = house.login(), house.login(client=client_on(remember=True))
    for granted, days in ((plain, 5), (remembered, 9)):
        assert house.stored(granted).refreshing.expires_at == house.clock.time + days * day
    begun = house.clock.time
    for granted, days in ((plain, 5), (remembered, 9)):
        house.clock.time = begun + days * day - MOMENT
        house.service.refresh(granted.refresh_token)
        assert house.stored(granted).refreshing.expires_at == house.clock.time + days * day


def test_a_session_ends_at_its_absolute_end_however_often_it_is_refreshed() -> None:
    house = House(Settings(session_ttl=timedelta(days=3), session_idle_ttl=timedelta(days=2)))
    house.register()
    granted = house.login()
    end = house.clock.time + timedelta(days=3)
    house.clock.move(timedelta(days=1))
    granted = house.service.refresh(granted.refresh_token)
    house.clock.time = end - MOMENT
    granted = house.service.refresh(granted.refresh_token)
    claims = house.codec.decode(granted.access_token)
    assert claims.expires_at == end
    assert granted.access_token_ttl == SECOND
    house.clock.time = end
    refused = refuse(house, granted.refresh_token, SessionExpired)
    assert isinstance(refused, SessionExpired)
    assert refused.ended_at == end


def test_a_refresh_is_a_use_of_the_session() -> None:
    house = House(Settings(session_idle_ttl=timedelta(days=2)))
    user = house.register()
    granted, other = house.login(), house.login()
    for _ in range(3):
        house.clock.move(timedelta(days=1))
        granted = house.service.refresh(granted.refresh_token)
    assert house.stored(granted).last_seen_at == house.clock.time
    assert house.live(user) == [granted.session.id]
    refuse(house, other.refresh_token, SessionIdle)


def test_a_refresh_within_a_minute_writes_no_last_use(house: House, first: Granted) -> None:
    house.clock.move(timedelta(minutes=1) - MOMENT)
    second = house.service.refresh(first.refresh_token)
    assert house.stored(first).last_seen_at == first.session.last_seen_at
    house.clock.move(MOMENT)
    house.service.refresh(second.refresh_token)
    assert house.stored(first).last_seen_at == house.clock.time


ENDINGS: list[tuple[Callable[[House, Granted], object], type[Refusal]]] = [
    (lambda house, granted: house.service.logout(granted.principal), SessionLoggedOut),
    (lambda house, granted: house.login(replacing=granted.session.id), SessionReplaced),
    (lambda house, granted: house.service.operate.kick(UserId(1), session_id=None, actor=OPERATOR), SessionKicked),
    (lambda house, granted: house.freeze(granted.user), UserNotActive),
    (lambda house, granted: house.service.close_account.close(UserId(1), actor=OPERATOR), UserNotActive),
    (lambda house, granted: house.forget(granted.user), UserNotFound),
    (lambda house, granted: house.store.sessions.clear(), RefreshTokenInvalid),
]


@pytest.mark.parametrize(("ending", "refusal"), ENDINGS)
@pytest.mark.parametrize("shown_before", [False, True])
def test_nobody_comes_back_by_a_refresh_token(
    house: House,
    first: Granted,
    ending: Callable[[House, Granted], object],
    refusal: type[Refusal],
    shown_before: bool,
) -> None:
    tokens = [first.refresh_token]
    if shown_before:
        tokens.append(house.service.refresh(first.refresh_token).refresh_token)
    ending(house, first)
    for token in tokens:
        refuse(house, token, refusal)


def test_who_may_not_act_is_told_when_that_ended_the_session(house: House, user: User, first: Granted) -> None:
    house.freeze(user)
    refused = refuse(house, first.refresh_token, UserNotActive)
    assert isinstance(refused, UserNotActive)
    assert refused.ended_at is None
    house.service.operate.freeze(user.id, reason="x", until=None, actor=OPERATOR)
    frozen_at = house.clock.time
    house.clock.move(timedelta(minutes=1))
    refused = refuse(house, first.refresh_token, UserNotActive)
    assert isinstance(refused, UserNotActive)
    assert refused.ended_at == frozen_at


def test_who_is_no_admin_any_more_refreshes_no_admin_session(house: House, user: User) -> None:
    admin = house.admin_login()
    house.store.users[user.id] = evolve(house.user(user), is_admin=False)
    with pytest.raises(NotAnAdmin):
        house.service.admin_refresh(admin.refresh_token)


def test_a_policy_that_became_stricter_ends_the_surplus_at_their_next_refresh(house: House, user: User) -> None:
    oldest, middle, newest = [house.login() for _ in range(3)]
    house.service.operate.set_policy(user.id, policy=DevicePolicy.from_table({"total": 2}), actor=OPERATOR)
    house.clock.move(timedelta(hours=1))
    house.authenticate(oldest)
    house.service.refresh(newest.refresh_token)
    house.service.refresh(middle.refresh_token)
    refused = refuse(house, oldest.refresh_token, SessionReplaced)
    assert isinstance(refused, SessionReplaced)
    assert (refused.ended_at, refused.by) == (house.clock.time, None)
    assert house.stored(oldest).end == SessionEnd(house.clock.time, EndReason.REPLACED, None, Actor.service())
    (event,) = house.events_of(Action.END_SESSION)
    assert (event.session_id, event.detail) == (oldest.session.id, "replaced")
    assert set(house.live(user)) == {middle.session.id, newest.session.id}


def test_the_policy_of_a_user_is_not_for_admin_sessions(house: House, user: User) -> None:
    sessions = [house.admin_login() for _ in range(2)]
    house.service.operate.set_policy(user.id, policy=DevicePolicy.single(), actor=OPERATOR)
    for admin in sessions:
        house.service.admin_refresh(admin.refresh_token)


def test_what_a_refresh_ends_is_recorded_with_the_device_of_the_session(house: House, first: Granted) -> None:
    house.service.refresh(house.service.refresh(first.refresh_token).refresh_token)
    house.clock.move(REUSE_GRACE + MOMENT)
    elsewhere = client_on("pc", "pc-1", "whatever the caller says", address="2001:db8::1")
    with pytest.raises(RefreshTokenWasReused):
        house.service.refresh(first.refresh_token, elsewhere)
    (event,) = house.events_of(Action.END_SESSION)
    assert (event.device, event.address) == (first.session.device, "2001:db8::1")


# Changes after the token was checked, and before the lock.


@define
class Overtaken:
    """A unit of work before which something else is done."""

    work: UnitOfWork
    before: Callable[[], object]

    def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
        self.before()
        return self.work.transact(work, is_vital=is_vital)


def refresh_after(house: House, first: Granted, before: Callable[[], object]) -> Granted:
    refresh = house.service.refresh
    return evolve(refresh, work=Overtaken(refresh.work, before))(first.refresh_token)


def test_a_rotation_that_was_faster_gives_both_the_same_successor(house: House, first: Granted) -> None:
    faster: list[Granted] = []
    granted = refresh_after(house, first, lambda: faster.append(house.service.refresh(first.refresh_token)))
    assert [each.refresh_token for each in faster] == [granted.refresh_token]
    assert house.stored(first).refreshing.rotations == 1


def test_rotations_that_were_faster_are_counted(house: House, first: Granted) -> None:
    current: list[str] = []

    def rotate_twice() -> None:
        second = house.service.refresh(first.refresh_token)
        house.clock.move(SECOND)
        current.append(house.service.refresh(second.refresh_token).refresh_token)

    assert [refresh_after(house, first, rotate_twice).refresh_token] == current

    def and_wait() -> None:
        house.clock.move(REUSE_GRACE)

    with pytest.raises(RefreshTokenWasReused) as refused:
        refresh_after(house, first, and_wait)
    is_ended_by_reuse(house, first, refused.value)


def test_the_grace_counts_at_the_time_of_the_lock(house: House, first: Granted) -> None:
    def rotate_and_wait() -> None:
        house.service.refresh(first.refresh_token)
        house.clock.move(RETRY + MOMENT)

    with pytest.raises(RefreshTokenWasReused) as refused:
        refresh_after(house, first, rotate_and_wait)
    is_ended_by_reuse(house, first, refused.value)


@pytest.mark.parametrize(("ending", "refusal"), ENDINGS)
def test_a_user_who_is_out_by_the_time_of_the_lock_stays_out(
    house: House, first: Granted, ending: Callable[[House, Granted], object], refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal) as refused:
        refresh_after(house, first, lambda: ending(house, first))
    assert type(refused.value) is refusal


class RotatedSessions(MemorySessionWriter):
    """Somebody else was faster to rotate."""

    def rotate(self, session_id: SessionId, *, old: bytes, new: Refreshing) -> bool:
        return False


def test_a_token_that_cannot_be_rotated_any_more_is_invalid(house: House, first: Granted) -> None:
    work = memory_store(house.store, {SessionWriter: RotatedSessions}).work
    with pytest.raises(RefreshTokenInvalid):
        evolve(house.service.refresh, work=work)(first.refresh_token)


@examples(150)
@given(data=st.data())
def test_of_a_thief_and_the_owner_at_most_one_keeps_exchanging(data: st.DataObject) -> None:
    """Both have the same token at first; then each exchanges its latest one, in any order and at any pace.

    There are never two live chains. Once one of them has used a token that both had, the other is detected at its next
    exchange more than 10 seconds later.
    """
    house = House()
    house.register()
    first = house.login()
    held = {"owner": first.refresh_token, "thief": first.refresh_token}
    overtaken_at: dict[str, datetime] = {}
    for _ in range(data.draw(st.integers(2, 12))):
        house.clock.move(timedelta(seconds=data.draw(st.sampled_from([0, 1, 9, 11, 60, 599, 601, 86_400]))))
        who = data.draw(st.sampled_from(sorted(held)))
        other = "thief" if who == "owner" else "owner"
        shown, now = held[who], house.clock.time
        is_found_out = who in overtaken_at and now - overtaken_at[who] > REUSE_GRACE
        try:
            given_out = house.service.refresh(shown).refresh_token
        except RefreshTokenWasReused:
            assert held[other] != shown
            assert house.stored(first).end is not None
            return
        assert not is_found_out
        current = house.refresh_codec.decode(given_out)
        assert current is not None
        assert house.stored(first).refreshing.digest == house.refresh_codec.digest(current)
        held[who] = given_out
        overtaken_at.pop(who, None)
        # The other's token has a used successor, unless it is the current token or the one before.
        standing = house.refresh_codec.decode(held[other])
        assert standing is not None
        if int(current.secret) - int(standing.secret) == 2 and other not in overtaken_at:
            overtaken_at[other] = now
