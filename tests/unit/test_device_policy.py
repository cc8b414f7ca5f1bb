"""Device policies as tables: which are valid, which are refused, and that the conversion works both ways."""

from itertools import chain, combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from menshen.domain.device_policy import DevicePolicy, Limit, Overflow, PolicyInvalid
from menshen.domain.devices import Device, DeviceType

from .cases import examples, for_each

ALL = frozenset(DeviceType)
PHONE, TABLET, PC = DeviceType.PHONE, DeviceType.TABLET, DeviceType.PC

type_sets = st.frozensets(st.sampled_from(DeviceType), min_size=1)
policies = st.builds(
    lambda limits, overflow: DevicePolicy(tuple(Limit(types, most) for types, most in limits.items()), overflow),
    st.dictionaries(type_sets, st.integers(0, 1_000), max_size=6),
    st.sampled_from(Overflow),
)


def limit(most: int, *types: DeviceType) -> Limit:
    return Limit(frozenset(types), most)


def test_sessions_live_side_by_side_by_default() -> None:
    assert DevicePolicy().is_unlimited
    assert DevicePolicy() == DevicePolicy.from_table({})


def test_the_single_policy_is_one_in_total() -> None:
    assert DevicePolicy.single() == DevicePolicy.from_table({"total": 1})
    assert not DevicePolicy.single().is_unlimited


def test_a_table_limits_types_groups_of_types_and_all_together() -> None:
    policy = DevicePolicy.from_table({"phone": 1, "pc": 2, "tablet+phone": 3, "total": 4, "overflow": "evict_idle"})
    assert policy == DevicePolicy(
        (limit(1, PHONE), limit(2, PC), limit(3, PHONE, TABLET), Limit(ALL, 4)), Overflow.EVICT_IDLE
    )


@for_each("key", ["mini_program", "phone+tablet+pc+web+mini_program+other", "phone+phone"])
def test_a_key_may_name_any_types(key: str) -> None:
    (only,) = DevicePolicy.from_table({key: 1}).limits
    assert only.types == {DeviceType(part) for part in key.split("+")}


def test_the_oldest_goes_unless_the_table_says_otherwise() -> None:
    assert DevicePolicy.from_table({"total": 1}).overflow is Overflow.EVICT_OLDEST
    for overflow in Overflow:
        assert DevicePolicy.from_table({"total": 1, "overflow": overflow.value}).overflow is overflow


@for_each("kind", DeviceType)
def test_a_limit_counts_the_devices_of_its_types_and_no_other(kind: DeviceType) -> None:
    assert Limit(ALL, 1).counts(Device(kind))
    assert limit(1, PHONE, TABLET).counts(Device(kind)) == (kind in {PHONE, TABLET})
    assert not Limit(frozenset(), 1).counts(Device(kind))


@for_each("most", [0, 1, 1_000])
def test_a_limit_goes_from_0_to_1000(most: int) -> None:
    assert DevicePolicy.from_table({"phone": most}).limits == (limit(most, PHONE),)


@for_each("most", [-1, 1_001, 2**63, 1.0, "1", None, True, False, [1], {}])
def test_a_limit_that_is_no_such_number_is_refused(most: object) -> None:
    with pytest.raises(PolicyInvalid, match=r"^the limit of 'phone' must be a whole number from 0 to 1000$"):
        DevicePolicy.from_table({"phone": most})


@for_each(
    "key", ["", "+", "phone+", "+phone", "phone++pc", "Phone", "phone pc", "phones", " phone", "total+phone", "\ud800"]
)
def test_a_key_that_names_no_type_is_refused(key: str) -> None:
    with pytest.raises(PolicyInvalid) as refused:
        DevicePolicy.from_table({key: 1})
    assert str(refused.value) == f"{key!r} names no device type"


def test_the_text_of_a_refusal_is_one_short_line() -> None:
    for table in ({"x\n" * 100_000: 1}, {"x\n" * 100_000: -1}, {"overflow": "x\n" * 100_000}):
        with pytest.raises(PolicyInvalid) as refused:
            DevicePolicy.from_table(table)
        assert len(str(refused.value)) < 120
        assert "\n" not in str(refused.value)


@for_each(
    ("first", "second"),
    [
        ("phone+tablet", "tablet+phone"),
        ("pc", "pc+pc"),
        ("total", "phone+tablet+pc+web+mini_program+other"),
        ("other+mini_program+web+pc+tablet+phone", "total"),
    ],
)
def test_what_is_limited_twice_is_refused_even_to_the_same_number(first: str, second: str) -> None:
    for most in (1, 2):
        with pytest.raises(PolicyInvalid) as refused:
            DevicePolicy.from_table({first: 1, second: most})
        assert str(refused.value) == f"{second!r:.40} limits what another member limits already"
    DevicePolicy.from_table({first: 1})
    DevicePolicy.from_table({second: 1})


@for_each("overflow", ["", "evict", "EVICT_OLDEST", "reject", None, 1, True, [], ["reject_new"], {}])
def test_an_overflow_that_is_none_is_refused(overflow: object) -> None:
    with pytest.raises(PolicyInvalid, match=r"^overflow must be one of evict_oldest, evict_idle, reject_new$"):
        DevicePolicy.from_table({"phone": 1, "overflow": overflow})


def test_a_policy_that_is_invalid_is_a_value_error_for_the_settings() -> None:
    assert issubclass(PolicyInvalid, ValueError)


def test_the_table_of_a_policy_names_types_in_one_order() -> None:
    table: dict[str, Any] = {"tablet+phone": 1, "total": 3, "overflow": "reject_new"}
    assert DevicePolicy.from_table(table).to_table() == {"phone+tablet": 1, "total": 3, "overflow": "reject_new"}


def test_the_table_of_a_policy_without_limits_says_so() -> None:
    assert DevicePolicy().to_table() == {"overflow": "evict_oldest"}


@given(policies)
@examples(100)
def test_the_table_of_a_policy_makes_the_same_policy(policy: DevicePolicy) -> None:
    assert DevicePolicy.from_table(policy.to_table()) == policy


def test_every_group_of_types_has_a_key() -> None:
    every = chain.from_iterable(combinations(DeviceType, size) for size in range(1, len(DeviceType) + 1))
    policy = DevicePolicy(tuple(Limit(frozenset(types), 1) for types in every))
    assert len(policy.to_table()) == 2 ** len(DeviceType)  # all but the empty group, and the overflow
    assert DevicePolicy.from_table(policy.to_table()) == policy
