"""The adapters to the machine's clock and random generator keep their contracts."""

import pytest

from menshen.adapters.conformance.clocks import ClockContract
from menshen.adapters.conformance.ids import RandomIdsContract
from menshen.adapters.random_ids import SystemRandomIds
from menshen.adapters.system_clock import SystemClock
from menshen.domain.ports.outside import Clock, RandomIds


class TestSystemClock(ClockContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return SystemClock()


class TestSystemRandomIds(RandomIdsContract):
    @pytest.fixture
    def ids(self) -> RandomIds:
        return SystemRandomIds()


def test_no_id_looks_like_an_option_of_a_command() -> None:
    assert not any(SystemRandomIds().new_id().startswith("-") for _ in range(2_000))
