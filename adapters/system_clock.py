"""The machine's clock."""

from datetime import UTC, datetime

from attrs import frozen


@frozen
class SystemClock:
    """Clock by the machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)
