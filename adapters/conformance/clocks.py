"""The contract of Clock."""

from datetime import timedelta

from ...domain.ports.outside import Clock


class ClockContract:
    """Subclasses give the fixture ``clock``."""

    def test_now_is_aware_utc(self, clock: Clock) -> None:
        assert clock.now().utcoffset() == timedelta(0)

    def test_both_ways_to_ask_give_the_same_time(self, clock: Clock) -> None:
        before, between, after = clock.timestamp(), clock.now().timestamp(), clock.timestamp()
        # A datetime has whole microseconds.
        assert before - 1e-5 <= between <= after + 1e-5
