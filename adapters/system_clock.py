"""The machine's clock."""

from datetime import UTC, datetime
from functools import partial

from attrs import frozen


@frozen
class SystemClock:
    """Clock by the machine's time."""

    # No function of ours: it is asked for each request.
    now = staticmethod(partial(datetime.now, UTC))
