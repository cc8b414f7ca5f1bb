"""Pruning deletes nothing while the clock may have jumped, but is not stuck permanently."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from menshen.domain.audit import Action
from menshen.domain.clocks import ClockInDoubt
from menshen.domain.use_cases.clock_judging import LONGEST_STEP
from menshen.domain.use_cases.housekeeping import Pruned
from menshen.domain.users import UserState
from menshen.entrypoints.settings import Settings

from .cases import for_each
from .memory_house import MOMENT, OPERATOR, OTHER_PHONE, House

HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)
NOTHING = Pruned(sessions=0, audit_entries=0, accounts=0)


@pytest.fixture
def in_use(house: House) -> House:
    """A service with a session, an ended one, and an account that closes in a week."""
    house.register()
    house.login()
    house.service.logout(house.login().principal)
    closing = house.register(OTHER_PHONE)
    house.service.close_account.close(closing.id, actor=OPERATOR)
    return house


def kept(house: House) -> Sequence[object]:
    """Everything that pruning could delete."""
    return [dict(house.store.users), dict(house.store.sessions), dict(house.store.audit)]


def is_refused(house: House) -> bool:
    """Whether pruning is refused; then it has touched nothing."""
    before, pruned_at = kept(house), dict(house.store.marks)
    try:
        house.service.prune()
    except ClockInDoubt:
        assert (kept(house), house.store.marks) == (before, pruned_at)
        return True
    return False


@pytest.mark.parametrize("was_pruned", [False, True])
def test_nothing_is_deleted_by_a_clock_that_is_a_year_ahead(in_use: House, was_pruned: bool) -> None:
    if was_pruned:
        in_use.service.prune()
    before = kept(in_use)
    in_use.clock.move(YEAR)
    assert is_refused(in_use)
    in_use.clock.move(-YEAR)
    assert in_use.service.prune() == NOTHING
    assert kept(in_use) == before


@for_each("was_pruned", [False, True])
@for_each("retention", [HOUR, 180 * DAY])
def test_logins_by_such_a_clock_make_it_no_better(was_pruned: bool, retention: timedelta) -> None:
    house = House(Settings(audit_retention=retention))
    user, granted = house.register(), house.login()
    if was_pruned:
        house.service.prune()
    house.clock.move(YEAR)
    for _ in range(21):
        house.login()
        assert is_refused(house)
        house.clock.move(9 * HOUR)
    house.clock.move(-YEAR - 21 * 9 * HOUR)
    house.authenticate(granted)
    assert not is_refused(house)
    assert house.user(user).phone is not None


def test_where_the_log_keeps_nothing_the_last_pruning_is_known(house: House) -> None:
    house = House(Settings(audit_retention=HOUR))
    house.register()
    granted = house.login()
    house.clock.move(2 * HOUR)
    assert house.service.prune().audit_entries == 2
    house.clock.move(YEAR)
    house.login()
    assert is_refused(house)
    house.clock.move(-YEAR)
    house.authenticate(granted)


def test_a_clock_that_goes_on_steadily_is_believed_after_eight_days(in_use: House) -> None:
    in_use.service.prune()
    in_use.clock.move(YEAR)
    began = in_use.clock.time
    in_use.login()
    while in_use.clock.time < began + LONGEST_STEP:
        assert is_refused(in_use)
        in_use.clock.move(DAY - HOUR)
        in_use.login()
    assert in_use.service.prune().accounts == 1
    assert not is_refused(in_use)


def test_a_clock_that_leaves_gaps_is_not(in_use: House) -> None:
    in_use.service.prune()
    in_use.clock.move(YEAR)
    for _ in range(10):
        in_use.login()
        in_use.clock.move(LONGEST_STEP + MOMENT)
        assert is_refused(in_use)


def test_who_knows_that_it_is_right_says_so_once(in_use: House) -> None:
    in_use.service.prune()
    in_use.clock.move(YEAR)
    assert is_refused(in_use)
    pruned = in_use.service.prune(vouched_by=OPERATOR)
    assert (pruned.sessions, pruned.accounts) == (2, 1)
    [event] = in_use.events_of(Action.VOUCH_FOR_CLOCK)
    assert (event.actor, event.at, event.outcome) == (OPERATOR, in_use.clock.time, "done")
    in_use.clock.move(LONGEST_STEP)
    assert not is_refused(in_use)


def test_it_is_recorded_that_somebody_said_so_also_where_there_is_nothing_to_delete(house: House) -> None:
    assert house.service.prune(vouched_by=OPERATOR) == NOTHING
    assert [event.action for event in house.events] == [Action.VOUCH_FOR_CLOCK]


@pytest.mark.parametrize("every", [timedelta(minutes=10), 7 * DAY, LONGEST_STEP])
def test_a_service_that_nobody_uses_is_pruned_as_long_as_it_runs(in_use: House, every: timedelta) -> None:
    for _ in range(60):
        in_use.clock.move(every)
        assert not is_refused(in_use)


def test_a_service_that_is_used_can_be_pruned_for_the_first_time_after_a_year(in_use: House) -> None:
    for _ in range(73):
        in_use.clock.move(5 * DAY)
        in_use.login()
    assert in_use.service.prune().audit_entries > 30


def test_a_service_that_is_new_can_be_pruned(house: House) -> None:
    assert house.service.prune() == NOTHING
    house = House()
    house.register()
    house.clock.move(LONGEST_STEP)
    assert house.service.prune() == NOTHING


def test_of_a_gap_that_is_longer_the_refusal_tells_where_it_ends(house: House) -> None:
    house.register()
    house.clock.move(LONGEST_STEP + MOMENT)
    with pytest.raises(ClockInDoubt) as refused:
        house.service.prune()
    assert (refused.value.clock, refused.value.gap_ends) == ("2026-01-09T00:00:00+00:00",) * 2
    house.login()
    house.clock.move(5 * DAY)
    with pytest.raises(ClockInDoubt) as refused:
        house.service.prune()
    assert refused.value.clock == "2026-01-14T00:00:00+00:00"
    assert refused.value.gap_ends == "2026-01-09T00:00:00+00:00"
    assert refused.value.days == 8


@pytest.mark.parametrize("was_pruned", [False, True])
def test_a_clock_that_was_put_back_further_than_that_is_not_believed_either(in_use: House, was_pruned: bool) -> None:
    if was_pruned:
        in_use.service.prune()
    in_use.clock.move(-LONGEST_STEP)
    assert not is_refused(in_use)
    in_use.clock.move(-LONGEST_STEP - MOMENT)
    assert is_refused(in_use)


def test_entries_of_a_clock_that_was_ahead_do_not_disturb_once_it_is_right(in_use: House) -> None:
    in_use.clock.move(YEAR)
    in_use.login()
    in_use.clock.move(-YEAR + HOUR)
    assert not is_refused(in_use)
    in_use.clock.move(HOUR)
    assert not is_refused(in_use)


def test_a_clock_that_jumps_while_it_is_pruned_decides_nothing(in_use: House) -> None:
    before = kept(in_use)

    def jump() -> bool:
        in_use.clock.move(YEAR)
        return False

    assert in_use.service.prune(jump) == NOTHING
    assert kept(in_use) == before


# What happens in one hour: whether somebody logs in, and whether it is pruned.
_HOURS = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12)


@given(
    _HOURS,
    st.timedeltas(LONGEST_STEP + 13 * HOUR, 2000 * DAY),
    st.lists(st.tuples(st.booleans(), st.timedeltas(timedelta(0), DAY)), max_size=7),
)
def test_whatever_happened_before_no_jump_of_the_clock_deletes_anything(
    hours: list[tuple[bool, bool]], jump: timedelta, after: list[tuple[bool, timedelta]]
) -> None:
    house = House()
    house.put_state(house.register(OTHER_PHONE), UserState.closing(house.clock.time + 2 * DAY))
    house.register()
    granted = house.login()
    for logs_in, prunes in hours:
        if logs_in:
            house.login()
        if prunes:
            assert house.service.prune() == NOTHING
        house.clock.move(HOUR)
    house.clock.move(jump)
    for logs_in, wait in after:
        if logs_in:
            house.login()
        assert is_refused(house)
        house.clock.move(wait)
    # A login may have found it idle; it is there.
    assert evolve(house.stored(granted), end=None).overview == granted.session


@given(st.lists(st.tuples(st.booleans(), st.timedeltas(timedelta(0), LONGEST_STEP)), max_size=12))
def test_a_clock_that_is_right_is_believed_wherever_there_is_life(days: list[tuple[bool, timedelta]]) -> None:
    house = House()
    house.register()
    for prunes, wait in days:
        house.clock.time += wait
        assert not (prunes and is_refused(house))
        house.login()
