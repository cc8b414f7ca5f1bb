"""Device policies as operators write them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from menshen.domain.device_policy import DevicePolicy, Limit, Overflow, PolicyInvalid
from menshen.domain.devices import DeviceType
from menshen.entrypoints.device_policies import device_policy_text, parse_device_policy

from .cases import for_each

EVERY_TYPE = frozenset(DeviceType)


def limit(most: int, *types: str) -> Limit:
    return Limit(frozenset(map(DeviceType, types)), most)


GOOD = {
    "multi": DevicePolicy(),
    "single": DevicePolicy((Limit(EVERY_TYPE, 1),)),
    '{"phone": 1}': DevicePolicy((limit(1, "phone"),)),
    '{"phone": 0}': DevicePolicy((limit(0, "phone"),)),
    '{"mini_program": 1000}': DevicePolicy((limit(1_000, "mini_program"),)),
    '{"total": 1}': DevicePolicy.single(),
    '{"tablet+phone": 1}': DevicePolicy((limit(1, "phone", "tablet"),)),
    '{"phone+phone": 2}': DevicePolicy((limit(2, "phone"),)),
    '{"phone+tablet+pc+web+mini_program+other": 3}': DevicePolicy((Limit(EVERY_TYPE, 3),)),
    '{"phone": 1, "pc": 1, "tablet+phone": 1, "total": 3}': DevicePolicy(
        (limit(1, "phone"), limit(1, "pc"), limit(1, "tablet", "phone"), Limit(EVERY_TYPE, 3))
    ),
    '{"overflow": "evict_idle", "total": 5}': DevicePolicy((Limit(EVERY_TYPE, 5),), Overflow.EVICT_IDLE),
    '{"total": 1, "overflow": "evict_oldest"}': DevicePolicy.single(),
    '{"total": 1, "overflow": "reject_new"}': DevicePolicy((Limit(EVERY_TYPE, 1),), Overflow.REJECT_NEW),
    ' {\n"web" : 2\n} ': DevicePolicy((limit(2, "web"),)),
}


@for_each("text", GOOD)
def test_a_policy_is_read(text: str) -> None:
    assert parse_device_policy(text) == GOOD[text]


@for_each("text", GOOD)
def test_a_policy_that_is_written_reads_back_as_the_same(text: str) -> None:
    policy = parse_device_policy(text)
    written = device_policy_text(policy)
    assert parse_device_policy(written) == policy
    assert len(written.splitlines()) == 1


@for_each(
    ("policy", "text"),
    [
        (DevicePolicy(), "multi"),
        (DevicePolicy(overflow=Overflow.REJECT_NEW), "multi"),
        (DevicePolicy.single(), "single"),
        (GOOD['{"tablet+phone": 1}'], '{"phone+tablet": 1, "overflow": "evict_oldest"}'),
        (GOOD['{"total": 1, "overflow": "reject_new"}'], '{"total": 1, "overflow": "reject_new"}'),
    ],
)
def test_a_policy_is_written_in_its_shortest_form(policy: DevicePolicy, text: str) -> None:
    assert device_policy_text(policy) == text


groups = st.sets(st.sampled_from(list(DeviceType)), min_size=1).map(frozenset)
policies = st.builds(
    DevicePolicy,
    st.lists(st.builds(Limit, groups, st.integers(0, 1_000)), min_size=1, unique_by=lambda each: each.types).map(tuple),
    st.sampled_from(Overflow),
)


@given(policies)
def test_any_policy_reads_back_as_the_same(policy: DevicePolicy) -> None:
    assert parse_device_policy(device_policy_text(policy)) == policy


NO_POLICY = "multi, single or a JSON object"
WHOLE = "must be a whole number from 0 to 1000"

BAD = {
    "": NO_POLICY,
    " ": NO_POLICY,
    "MULTI": NO_POLICY,
    "multi ": NO_POLICY,
    "Single": NO_POLICY,
    "none": NO_POLICY,
    "null": NO_POLICY,
    "1": NO_POLICY,
    "[]": NO_POLICY,
    '"multi"': NO_POLICY,
    "true": NO_POLICY,
    '{"phone": 1': NO_POLICY,
    "{'phone': 1}": NO_POLICY,
    '{"phone": 1,}': NO_POLICY,
    '{"phone": 1} {"pc": 1}': NO_POLICY,
    '{"phone": 1, "phone": 2}': "names each limit once",
    '{"overflow": "evict_idle", "overflow": "evict_idle"}': "names each limit once",
    '{"phone": {"a": 1, "a": 2}}': NO_POLICY,
    "[" * 9_000: NO_POLICY,
    '{"a":' * 9_000: NO_POLICY,
    '{"phone": ' + "9" * 5_000 + "}": NO_POLICY,
    '{"phone+tablet": 1, "tablet+phone": 2}': "'tablet\\+phone' limits what another member limits already",
    '{"pc": 1, "pc+pc": 1}': "limits what another member limits already",
    '{"total": 1, "phone+tablet+pc+web+mini_program+other": 2}': "limits what another member limits already",
    "{}": "the table has no limit",
    '{"overflow": "reject_new"}': "the table has no limit",
    '{"fridge": 1}': "'fridge' names no device type",
    '{"Phone": 1}': "'Phone' names no device type",
    '{"": 1}': "'' names no device type",
    '{"phone+": 1}': "'phone\\+' names no device type",
    '{"phone + pc": 1}': "names no device type",
    '{"phone,pc": 1}': "names no device type",
    '{"phone+total": 1}': "names no device type",
    '{"multi": 1}': "names no device type",
    '{"a\\nb": 1}': "names no device type",
    '{"\\ud800": 1}': "names no device type",
    '{"' + "x" * 9_000 + '": 1}': "names no device type",
    '{"phone": -1}': WHOLE,
    '{"phone": 1001}': WHOLE,
    '{"phone": 1.0}': WHOLE,
    '{"phone": 1e3}': WHOLE,
    '{"phone": true}': WHOLE,
    '{"phone": "1"}': WHOLE,
    '{"phone": null}': WHOLE,
    '{"phone": [1]}': WHOLE,
    '{"phone": NaN}': WHOLE,
    '{"total": {}}': WHOLE,
    '{"phone": 1, "overflow": "evict"}': "overflow must be one of evict_oldest, evict_idle, reject_new",
    '{"phone": 1, "overflow": "EVICT_IDLE"}': "overflow must be one of",
    '{"phone": 1, "overflow": ""}': "overflow must be one of",
    '{"phone": 1, "overflow": null}': "overflow must be one of",
    '{"phone": 1, "overflow": 1}': "overflow must be one of",
    '{"phone": 1, "overflow": ["evict_idle"]}': "overflow must be one of",
    '{"phone": 1, "overflow": {}}': "overflow must be one of",
}


@for_each("text", BAD)
def test_what_is_no_policy_is_refused_in_one_line_that_says_why(text: str) -> None:
    with pytest.raises(PolicyInvalid, match=BAD[text]) as refusal:
        parse_device_policy(text)
    line = str(refusal.value)
    assert len(line.splitlines()) == 1
    assert len(line) < 200
    line.encode()


@given(st.text() | st.dictionaries(st.text(max_size=9), st.integers() | st.text() | st.none()).map(json.dumps))
def test_any_text_is_a_policy_or_is_refused_in_one_line(text: str) -> None:
    try:
        line = device_policy_text(parse_device_policy(text))
    except PolicyInvalid as refusal:
        line = str(refusal)
    else:
        assert parse_device_policy(line) == parse_device_policy(text)
    assert len(line.splitlines()) == 1
