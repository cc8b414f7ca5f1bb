"""Trying again what somebody else was in the way of."""

import secrets
import time
from collections.abc import Callable
from typing import TypeVar

from ....domain.errors import StoreUnavailable
from ..database import NotTaken, Repeatable

T = TypeVar("T")

PATIENCE_SECONDS = 60.0
"""How long a step is repeated, and another adoption waited for."""


def repeated(act: Callable[[], T]) -> T:
    """What *act* returns, once nobody is in its way. Raises StoreUnavailable where somebody is for a minute."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return act()
        except (Repeatable, NotTaken) as error:
            # Not taken: somebody may just have registered a number that was free when we looked.
            cause = error.__cause__
        if time.monotonic() > end:
            raise StoreUnavailable(
                "something else keeps x_user from being changed; stop it, and adopt again"
            ) from cause
        time.sleep(secrets.randbelow(1000) / 1000 * 0.2)
