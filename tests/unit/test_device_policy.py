"""Which sessions of a user may live side by side."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from menshen.domain.device_policy import DevicePolicy, decide
from menshen.domain.sessions import Session, SessionId
from menshen.domain.users import UserId

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 1, 8, tzinfo=UTC)
MANY, ONE = DevicePolicy(multi_device=True), DevicePolicy(multi_device=False)


def session(name: str) -> Session:
    return Session(id=SessionId(name), user_id=UserId(1), started_at=START, expires_at=END)


names = st.text("abcdef", min_size=1, max_size=3)


def test_sessions_live_side_by_side_by_default() -> None:
    assert DevicePolicy() == MANY


@given(live=st.lists(names, unique=True), newcomer=names)
@settings(max_examples=50)
def test_many_devices_end_no_session(live: list[str], newcomer: str) -> None:
    assert decide(MANY, map(session, live), session(newcomer)) == frozenset()


@given(live=st.lists(names, unique=True), newcomer=names)
@settings(max_examples=50)
def test_one_device_ends_every_session_but_the_newcomer(live: list[str], newcomer: str) -> None:
    assert decide(ONE, map(session, live), session(newcomer)) == set(live) - {newcomer}


def test_the_first_session_ends_none() -> None:
    assert decide(ONE, [], session("first")) == frozenset()


@pytest.mark.parametrize("policy", [MANY, ONE])
def test_a_policy_that_need_not_read_the_live_sessions_ends_none(policy: DevicePolicy) -> None:
    ends = decide(policy, [session("a"), session("b")], session("c"))
    assert policy.reads_live_sessions == bool(ends)
