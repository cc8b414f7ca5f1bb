"""The machine's clock."""

import time
from datetime import UTC, datetime

from attrs import frozen


@frozen
class SystemClock:
    """Clock by the machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    # No function of ours: it is asked for each request.
    timestamp = staticmethod(time.time)
