"""What holds of clocks, which may be wrong, and may be put right."""

from datetime import datetime, timedelta

from .errors import Refusal

CLOCK_LEEWAY = timedelta(hours=1)
"""How far a clock may have been put back, and how far those of two nodes may differ.

What was issued before that seems to come from the future, and holds all the same; what comes from further ahead does not.
"""


class ClockInDoubt(Refusal):
    """The clock says *clock*, and the store knows of nothing in the *days* days before *gap_ends*: it may have jumped.

    Nothing that is deleted by its age is deleted then.
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
