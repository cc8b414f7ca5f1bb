"""Which sessions end for a newcomer: by properties over random policies and sessions, and by example."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations
from random import Random

import pytest
from attrs import evolve, frozen
from hypothesis import event, given
from hypothesis import strategies as st

from menshen.domain.admission import TooManyDevices, decide, surplus, with_total
from menshen.domain.device_policy import DevicePolicy, Limit, Overflow
from menshen.domain.devices import Device, DeviceType
from menshen.domain.sessions import SessionId, SessionKind, SessionOverview
from menshen.domain.users import UserId

from .cases import examples, for_each

START = datetime(2026, 1, 1, tzinfo=UTC)


def session(
    name: str, kind: DeviceType, started: int = 0, seen: int = 0, device_id: str | None = None
) -> SessionOverview:
    """A session that started, and was last seen, so many minutes after the first."""
    return SessionOverview(
        id=SessionId(name),
        user_id=UserId(1),
        kind=SessionKind.USER,
        device=Device(kind, device_id),
        started_at=START + timedelta(minutes=started),
        last_seen_at=START + timedelta(minutes=seen),
        expires_at=START + timedelta(days=7),
        idle_ttl=timedelta(days=7),
    )


@frozen
class Case:
    """A policy, the live sessions, and a newcomer."""

    policy: DevicePolicy
    live: list[SessionOverview]
    newcomer: SessionOverview

    @property
    def others(self) -> list[SessionOverview]:
        """The live sessions on other devices than the newcomer's."""
        own = self.newcomer.device.id
        return [each for each in self.live if own is None or each.device.id != own]

    @property
    def is_forbidden(self) -> bool:
        """Whether a limit of 0 forbids the newcomer."""
        return any(limit.most == 0 and limit.counts(self.newcomer.device) for limit in self.policy.limits)

    def decided(self) -> frozenset[SessionId] | None:
        """None if the newcomer is refused."""
        try:
            return decide(self.policy, self.live, self.newcomer)
        except TooManyDevices:
            return None


def holds(limit: Limit, sessions: Iterable[SessionOverview]) -> bool:
    return sum(limit.counts(each.device) for each in sessions) <= limit.most


def all_hold(policy: DevicePolicy, sessions: Iterable[SessionOverview]) -> bool:
    some = list(sessions)
    return all(holds(limit, some) for limit in policy.limits)


def rank(policy: DevicePolicy, each: SessionOverview) -> datetime:
    """The order in which sessions end: the smallest first."""
    return each.last_seen_at if policy.overflow is Overflow.EVICT_IDLE else each.started_at


# Types, minutes and device ids are few, so that they often coincide.
types = st.sampled_from(DeviceType)
GROUPS = [frozenset(some) for size in range(1, len(DeviceType) + 1) for some in combinations(DeviceType, size)]
SINGLE_OR_TOTAL = [group for group in GROUPS if len(group) in {1, len(DeviceType)}]
type_sets = st.sampled_from([*GROUPS, *SINGLE_OR_TOTAL * 10])
limits = st.builds(Limit, type_sets, st.integers(0, 4))
policies = st.builds(DevicePolicy, st.lists(limits, max_size=6).map(tuple), st.sampled_from(Overflow))
evicting = st.sampled_from([Overflow.EVICT_OLDEST, Overflow.EVICT_IDLE])
minutes = st.integers(0, 4)
device_ids = st.sampled_from([None, None, "a", "b", "c"])


@st.composite
def sessions(draw: st.DrawFn, most: int = 8) -> list[SessionOverview]:
    rows = draw(st.lists(st.tuples(types, minutes, minutes, device_ids), max_size=most))
    names = [f"s{number:02}" for number in range(len(rows))]
    Random(draw(st.integers(0, 9))).shuffle(names)
    return [session(name, *row) for name, row in zip(names, rows, strict=True)]


@st.composite
def cases(draw: st.DrawFn, most: int = 8, *, permitted: bool = False) -> Case:
    """A case; if *permitted*, one in which every limit was met before the newcomer."""
    policy, live = draw(policies), draw(sessions(most))
    newcomer = session("newcomer", draw(types), draw(minutes), draw(minutes), draw(device_ids))
    if permitted:
        gone = surplus(policy, live)
        live = [each for each in live if each.id not in gone]
    return Case(policy, live, newcomer)


@given(cases())
@examples(30)
def test_whom_the_newcomer_joins_is_within_every_limit_of_an_evicting_policy(case: Case) -> None:
    case = evolve(case, policy=evolve(case.policy, overflow=Overflow.EVICT_OLDEST))
    ends = case.decided()
    event(f"refused: {ends is None}, forbidden: {case.is_forbidden}")
    # Only a limit of 0 keeps a newcomer out.
    assert (ends is None) == case.is_forbidden
    if ends is not None:
        assert all_hold(case.policy, [*(each for each in case.live if each.id not in ends), case.newcomer])


@given(cases())
@examples(30)
def test_a_limit_that_was_met_before_is_met_after(case: Case) -> None:
    ends = case.decided()
    if ends is None:
        return
    after = [*(each for each in case.live if each.id not in ends), case.newcomer]
    for limit in case.policy.limits:
        assert holds(limit, after) or not holds(limit, case.live)


@given(cases())
@examples(30)
def test_no_session_ends_that_could_have_stayed(case: Case) -> None:
    ends = case.decided()
    if ends is None:
        return
    after = [*(each for each in case.live if each.id not in ends), case.newcomer]
    for each in case.others:
        if each.id in ends:
            assert not all(holds(limit, [*after, each]) for limit in case.policy.limits if limit.counts(each.device))


def fewest_ends(case: Case) -> int:
    """How many of the others must end at least, by trying all subsets."""
    for size in range(len(case.others) + 1):
        for gone in combinations(case.others, size):
            if all_hold(case.policy, [*(each for each in case.others if each not in gone), case.newcomer]):
                return size
    raise AssertionError("there is no way in")


@given(cases(most=7, permitted=True))
@examples(30)
def test_where_every_limit_held_no_smaller_number_of_ends_would_do(case: Case) -> None:
    ends = case.decided()
    if ends is not None:
        own = len(case.live) - len(case.others)
        event(f"{len(ends) - own} of others end")
        assert len(ends) == own + fewest_ends(case)


@given(cases())
@examples(30)
def test_only_sessions_that_are_in_end_and_never_the_newcomer(case: Case) -> None:
    ends = case.decided() or frozenset()
    assert ends <= {each.id for each in case.live}
    assert case.newcomer.id not in ends


@given(cases())
@examples(30)
def test_a_newcomer_that_is_listed_among_the_live_is_not_counted_twice(case: Case) -> None:
    assert evolve(case, live=[*case.live, case.newcomer]).decided() == case.decided()


@given(case=cases(), data=st.data())
@examples(30)
def test_the_order_in_which_sessions_are_listed_decides_nothing(case: Case, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(case.live))
    assert evolve(case, live=shuffled).decided() == case.decided()
    assert surplus(case.policy, shuffled) == surplus(case.policy, case.live)


@given(case=cases(), data=st.data())
@examples(30)
def test_the_order_in_which_limits_are_written_decides_nothing(case: Case, data: st.DataObject) -> None:
    shuffled = evolve(case.policy, limits=tuple(data.draw(st.permutations(case.policy.limits))))
    assert evolve(case, policy=shuffled).decided() == case.decided()
    assert surplus(shuffled, case.live) == surplus(case.policy, case.live)


@given(cases())
@examples(30)
def test_a_session_on_the_newcomers_own_device_ends_first(case: Case) -> None:
    ends = case.decided()
    if ends is not None:
        own = {each.id for each in case.live} - {each.id for each in case.others}
        assert own <= ends
        # For the others, the result is the same as if it had ended before.
        assert evolve(case, live=case.others).decided() == ends - own


def going_comes_before_staying(
    policy: DevicePolicy, live: Sequence[SessionOverview], ends: frozenset[SessionId]
) -> None:
    """Among devices of one type, which no limit can tell apart, the first in the policy's order end."""
    for kind in DeviceType:
        alike = [each for each in live if each.device.type is kind]
        going = [rank(policy, each) for each in alike if each.id in ends]
        staying = [rank(policy, each) for each in alike if each.id not in ends]
        assert not going or not staying or max(going) <= min(staying)


@given(case=cases(), overflow=evicting)
@examples(30)
def test_of_equals_the_oldest_or_the_least_recently_seen_go(case: Case, overflow: Overflow) -> None:
    case = evolve(case, policy=evolve(case.policy, overflow=overflow))
    ends = case.decided()
    if ends is not None:
        going_comes_before_staying(case.policy, case.others, ends)


@given(policy=policies, live=sessions(), overflow=evicting)
@examples(30)
def test_of_equals_the_oldest_or_the_least_recently_seen_are_surplus(
    policy: DevicePolicy, live: list[SessionOverview], overflow: Overflow
) -> None:
    policy = evolve(policy, overflow=overflow)
    going_comes_before_staying(policy, live, surplus(policy, live))


@given(live=sessions(), most=st.integers(1, 5), overflow=evicting)
@examples(30)
def test_a_total_keeps_the_newest_or_the_most_recently_seen(
    live: list[SessionOverview], most: int, overflow: Overflow
) -> None:
    policy = DevicePolicy((Limit(frozenset(DeviceType), most),), overflow)
    in_order = sorted(live, key=lambda each: (rank(policy, each), each.id))
    newcomer = session("newcomer", DeviceType.OTHER)
    ends = decide(policy, live, newcomer)
    assert ends == {each.id for each in in_order[: max(0, len(live) + 1 - most)]}


@given(cases())
@examples(30)
def test_a_rejecting_policy_ends_only_the_newcomers_own_device_and_names_who_is_in_the_way(case: Case) -> None:
    case = evolve(case, policy=evolve(case.policy, overflow=Overflow.REJECT_NEW))
    full = [
        limit
        for limit in case.policy.limits
        if limit.counts(case.newcomer.device) and not holds(limit, [*case.others, case.newcomer])
    ]
    if not full:
        own = {each.id for each in case.live} - {each.id for each in case.others}
        assert decide(case.policy, case.live, case.newcomer) == own
        return
    with pytest.raises(TooManyDevices) as refused:
        decide(case.policy, case.live, case.newcomer)
    assert refused.value.sessions == [each for each in case.others if any(limit.counts(each.device) for limit in full)]


@given(case=cases(), data=st.data())
@examples(30)
def test_a_limit_of_0_keeps_its_types_out_whatever_gives_way(case: Case, data: st.DataObject) -> None:
    none_of = Limit(data.draw(st.frozensets(types)) | {case.newcomer.device.type}, 0)
    policy = evolve(case.policy, limits=(*case.policy.limits, none_of))
    with pytest.raises(TooManyDevices) as refused:
        decide(policy, case.live, case.newcomer)
    assert set(refused.value.sessions) <= set(case.others)


@given(case=cases())
@examples(30)
def test_without_a_limit_only_the_newcomers_own_device_ends(case: Case) -> None:
    own = {each.id for each in case.live} - {each.id for each in case.others}
    for overflow in Overflow:
        assert decide(DevicePolicy((), overflow), case.live, case.newcomer) == own
        assert surplus(DevicePolicy((), overflow), case.live) == frozenset()


@given(policy=policies, live=sessions())
@examples(30)
def test_without_the_surplus_every_limit_holds_and_nothing_more_is_surplus(
    policy: DevicePolicy, live: list[SessionOverview]
) -> None:
    gone = surplus(policy, live)
    left = [each for each in live if each.id not in gone]
    assert gone <= {each.id for each in live}
    assert all_hold(policy, left)
    assert surplus(policy, left) == frozenset()
    for each in live:
        if each.id in gone:
            assert not all(holds(limit, [*left, each]) for limit in policy.limits if limit.counts(each.device))


@given(policy=policies, live=sessions())
@examples(30)
def test_nobody_is_surplus_where_every_limit_holds(policy: DevicePolicy, live: list[SessionOverview]) -> None:
    if all_hold(policy, live):
        assert surplus(policy, live) == frozenset()


@given(cases(permitted=True))
@examples(30)
def test_nobody_is_surplus_after_an_admission(case: Case) -> None:
    ends = case.decided()
    if ends is not None:
        after = [*(each for each in case.live if each.id not in ends), case.newcomer]
        assert surplus(case.policy, after) == frozenset()


# By example.

PHONE, TABLET, PC, WEB = DeviceType.PHONE, DeviceType.TABLET, DeviceType.PC, DeviceType.WEB

QQ = DevicePolicy.from_table({"phone": 1, "pc": 1, "tablet+phone": 1, "total": 3})
BANK = DevicePolicy.single()
BOX_OFFICE = DevicePolicy.from_table({"total": 5, "overflow": "evict_idle"})


@for_each(
    ("policy", "inside", "newcomer", "ends"),
    [
        (QQ, {}, PHONE, set()),
        (QQ, {"phone": PHONE}, PC, set()),
        (QQ, {"phone": PHONE}, PHONE, {"phone"}),
        (QQ, {"phone": PHONE}, TABLET, {"phone"}),
        (QQ, {"tablet": TABLET}, PHONE, {"tablet"}),
        (QQ, {"phone": PHONE, "pc": PC}, PC, {"pc"}),
        (QQ, {"phone": PHONE, "pc": PC}, WEB, set()),
        (QQ, {"phone": PHONE, "pc": PC, "web": WEB}, PHONE, {"phone"}),
        (QQ, {"phone": PHONE, "pc": PC, "web": WEB}, PC, {"pc"}),
        (QQ, {"phone": PHONE, "pc": PC, "web": WEB}, WEB, {"phone"}),
        # A session that has to end for its own limit also makes room in the total.
        (QQ, {"web": WEB, "pc": PC, "phone": PHONE}, TABLET, {"phone"}),
        (QQ, {"web 1": WEB, "web 2": WEB, "web 3": WEB}, PHONE, {"web 1"}),
        (BANK, {"phone": PHONE}, WEB, {"phone"}),
        (BANK, {"phone": PHONE, "pc": PC, "web": WEB}, WEB, {"phone", "pc", "web"}),
        (BOX_OFFICE, {"1": PC, "2": PC, "3": PC, "4": PC}, PC, set()),
        (DevicePolicy.from_table({"phone": 0}), {"phone": PHONE}, PC, {"phone"}),
    ],
)
def test_examples_of_evicting_policies(
    policy: DevicePolicy, inside: dict[str, DeviceType], newcomer: DeviceType, ends: set[str]
) -> None:
    live = [session(name, kind, started=minute, seen=minute) for minute, (name, kind) in enumerate(inside.items())]
    assert decide(policy, live, session("new", newcomer, started=60, seen=60)) == ends


def test_a_box_office_signs_out_the_till_that_was_idle_longest() -> None:
    seen = {"till 1": 30, "till 2": 12, "till 3": 7, "till 4": 44, "till 5": 13}
    live = [session(name, PC, started=number, seen=at) for number, (name, at) in enumerate(seen.items())]
    assert decide(BOX_OFFICE, live, session("till 6", PC, started=60, seen=60)) == {"till 3"}


def test_a_till_that_logs_in_again_takes_its_own_place() -> None:
    live = [session(f"till {number}", PC, seen=number, device_id=f"device {number}") for number in range(1, 6)]
    newcomer = session("till 4 again", PC, started=60, seen=60, device_id="device 4")
    assert decide(BOX_OFFICE, live, newcomer) == {"till 4"}


def test_devices_without_an_id_are_never_the_same() -> None:
    assert decide(DevicePolicy(), [session("a", PHONE)], session("b", PHONE)) == frozenset()


def test_of_two_ways_to_make_room_the_older_device_goes() -> None:
    # One tablet makes room in both groups at once; so would one phone and one computer, but that would be two.
    policy = DevicePolicy.from_table({"phone+tablet": 2, "pc+tablet": 2})
    live = [session("phone", PHONE, 0), session("pc", PC, 1), session("tablet", TABLET, 2)]
    assert decide(policy, live, session("new", TABLET, 3)) == {"tablet"}


def test_who_went_early_is_spared_where_a_later_end_made_room() -> None:
    policy = DevicePolicy.from_table({"phone": 0, "phone+tablet": 0, "tablet+pc": 1})
    live = [session("pc", PC, 0), session("phone", PHONE, 1), session("tablet", TABLET, 2)]
    # The computer is the older of the two on "tablet+pc", but the tablet has to end anyway.
    assert surplus(policy, live) == {"phone", "tablet"}


def test_a_limit_that_nothing_can_meet_is_a_fault() -> None:
    with pytest.raises(AssertionError, match="counts more sessions than there are"):
        surplus(DevicePolicy((Limit(frozenset(DeviceType), -1),)), [session("a", PC)])


def test_a_full_policy_that_rejects_names_those_in_the_way_and_no_others() -> None:
    policy = DevicePolicy.from_table({"phone": 1, "total": 5, "overflow": "reject_new"})
    live = [session("pc", PC), session("phone", PHONE, device_id="mine")]
    with pytest.raises(TooManyDevices) as refused:
        decide(policy, live, session("new", PHONE))
    assert refused.value.sessions == [live[1]]
    assert str(refused.value) == "1 sessions are in"
    assert decide(policy, live, session("new", PC)) == frozenset()
    assert decide(policy, live, session("new", PHONE, device_id="mine")) == {"phone"}


def test_where_newcomers_are_rejected_the_last_to_come_are_surplus() -> None:
    policy = DevicePolicy.from_table({"total": 1, "overflow": "reject_new"})
    live = [session("first", PC, 0), session("second", PC, 1), session("third", PC, 2)]
    assert surplus(policy, live) == {"second", "third"}


def test_a_microsecond_tells_who_came_last() -> None:
    policy = DevicePolicy.from_table({"total": 1, "overflow": "reject_new"})
    first = session("z", PC)
    later = evolve(session("a", PC), started_at=START + timedelta(microseconds=1))
    assert surplus(policy, [first, later]) == {"a"}


def test_the_id_settles_a_tie() -> None:
    for overflow in Overflow:
        policy = DevicePolicy((Limit(frozenset(DeviceType), 1),), overflow)
        assert surplus(policy, [session("b", PC), session("a", PHONE)]) == {"a"}


@for_each("overflow", Overflow)
@for_each("limits", [(), (Limit(frozenset({PHONE}), 3), Limit(frozenset(DeviceType) - {PC}, 1_000))])
def test_a_policy_without_a_total_has_one_of_100(limits: tuple[Limit, ...], overflow: Overflow) -> None:
    policy = DevicePolicy(limits, overflow)
    total = Limit(frozenset(DeviceType), 100)
    assert with_total(policy) == DevicePolicy((*limits, total), overflow)


@for_each("most", [0, 1, 100, 101, 1_000])
def test_a_total_that_is_set_stays_as_it_is(most: int) -> None:
    policy = DevicePolicy.from_table({"phone": 1, "total": most})
    assert with_total(policy) == policy
