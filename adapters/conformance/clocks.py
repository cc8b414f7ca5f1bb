"""The contract of Clock."""

from datetime import timedelta

from ...domain.ports.outside import Clock


class ClockContract:
    """Subclasses give the fixture ``clock``."""

    def test_now_is_aware_utc(self, clock: Clock) -> None:
        assert clock.now().utcoffset() == timedelta(0)
