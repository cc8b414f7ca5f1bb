"""How soon a service is back."""

import time

from .load import Load

RECOVERY_SECONDS = 10.0
"""How soon the service must be back after its database is (RL-06)."""

_GIVING_UP_SECONDS = 60.0


def until_registered(load: Load) -> float:
    """How long it takes until a registration is acknowledged."""
    begin = time.monotonic()
    with load.running():
        load.until_acknowledged(1, _GIVING_UP_SECONDS)
        return time.monotonic() - begin
