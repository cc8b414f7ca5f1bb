"""Clocks may be wrong, and may be corrected."""

from datetime import datetime, timedelta

from .errors import Refusal

CLOCK_LEEWAY = timedelta(hours=1)
"""How far a clock may have been put back, and how far the clocks of two nodes may differ.

A token issued before such a change seems to come from the future, and is valid all the same; one from further ahead is
not.
"""


class ClockInDoubt(Refusal):
    """The clock says *clock*, but the store has no record of the *days* days before *gap_ends*: it may have jumped.

    While this is in doubt, nothing is deleted because of its age.
    """

    reason = "clock_in_doubt"

    def __init__(self, now: datetime, gap_ends: datetime, step: timedelta) -> None:
        self.clock = now.isoformat(timespec="seconds")
        self.gap_ends = gap_ends.isoformat(timespec="seconds")
        self.days = step.days
        super().__init__(
            f"the clock says {self.clock}, and of the {self.days} days before {self.gap_ends} the store knows nothing:"
            " it may have jumped; where it is right, say so by `menshen prune --clock-is-right`"
        )
