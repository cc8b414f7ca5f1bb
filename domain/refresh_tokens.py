"""Refresh tokens: how one that is presented is judged.

Each token has one successor, which only the service can compute from it. So a client that lost an answer, or a second
tab, gets the same successor again, and there are never two (RFC 9700, 4.14.2).
"""

from datetime import datetime, timedelta
from enum import Enum, auto

from attrs import field, frozen

from .clocks import CLOCK_LEEWAY
from .errors import Unauthenticated
from .sessions import Refreshing, SessionId

REUSE_GRACE = timedelta(seconds=10)
"""How long after its replacement any token still gets the current one: for tabs and retries that overlap."""

MAX_RECENT = 32
"""How many replacements within the grace are remembered; a token from before them counts as stolen."""


class RefreshTokenInvalid(Unauthenticated):
    """The refresh token is not ours, or not of this kind of session."""

    reason = "refresh_token_invalid"


class RefreshTokenExpired(Unauthenticated):
    """The refresh token was not used before it expired."""

    reason = "refresh_token_expired"


@frozen
class RefreshToken:
    """A refresh token: the session it belongs to, and 256 secret bits."""

    session_id: SessionId
    secret: bytes = field(repr=False)


class Shown(Enum):
    """What a presented refresh token turns out to be."""

    CURRENT = auto()
    REPLACED_LATELY = auto()
    """Replaced a moment ago, or by one that has not been used yet: it gets the current token again."""
    REUSED = auto()


def judge(generation: int, refreshing: Refreshing, now: datetime, retry: timedelta) -> Shown:
    """Judge a token that is *generation* rotations older than the current one.

    *retry*: how long the direct predecessor gets the current token again, since the answer with it may have been lost.
    The current token is by definition unused.
    """
    if generation == 0:
        return Shown.CURRENT
    replaced_at = _replaced_at(generation, refreshing)
    if replaced_at is not None and _is_lately(now - replaced_at, generation, retry):
        return Shown.REPLACED_LATELY
    return Shown.REUSED


def _is_lately(ago: timedelta, generation: int, retry: timedelta) -> bool:
    if generation > 1:
        # abs: a clock that was put back must not make it longer.
        return abs(ago) <= REUSE_GRACE
    patience = max(retry, REUSE_GRACE)
    # Nobody has used its successor, so asking again after the clock was put back a little is no sign of theft.
    return -max(patience, CLOCK_LEEWAY) <= ago <= patience


def recent_after(refreshing: Refreshing, now: datetime) -> tuple[datetime, ...]:
    """The value of ``Refreshing.recent`` after one more rotation *now*."""
    before = (refreshing.rotated_at, *refreshing.recent) if refreshing.rotations else ()
    return tuple(moment for moment in before if abs(now - moment) <= REUSE_GRACE)[:MAX_RECENT]


def _replaced_at(generation: int, refreshing: Refreshing) -> datetime | None:
    """When the token of that *generation* was replaced; None if that was long ago."""
    moments = (refreshing.rotated_at, *refreshing.recent)
    return moments[generation - 1] if generation <= len(moments) else None
