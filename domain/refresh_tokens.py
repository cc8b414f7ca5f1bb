"""Refresh tokens: what became of one that is shown.

Each token has one successor, which only the service can compute from it. So a client that lost an answer, or a second
tab, gets the very same successor again, and there are never two (RFC 9700, 4.14.2, with the answer to its own problem).
"""

from datetime import datetime, timedelta
from enum import Enum, auto

from attrs import field, frozen

from .sessions import Refreshing, SessionId

REUSE_GRACE = timedelta(seconds=10)
"""How long after a rotation the token before it still gets its successor: for lost answers and for two tabs at once."""


@frozen
class RefreshToken:
    """A refresh token: the session it belongs to, and 256 secret bits."""

    session_id: SessionId
    secret: bytes = field(repr=False)


class Shown(Enum):
    """What a refresh token turns out to be."""

    CURRENT = auto()
    JUST_ROTATED = auto()
    REUSED = auto()


def judge(generation: int, refreshing: Refreshing, now: datetime) -> Shown:
    """Judge a token that stands *generation* rotations before the current one."""
    if generation == 0:
        return Shown.CURRENT
    # abs: a clock that was put back must not make the grace longer.
    if generation == 1 and abs(now - refreshing.rotated_at) <= REUSE_GRACE:
        return Shown.JUST_ROTATED
    return Shown.REUSED
