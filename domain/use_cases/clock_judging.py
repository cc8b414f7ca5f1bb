"""Whether the clock can be right: checked before anything is deleted because of its age."""

from datetime import datetime, timedelta

from ..clocks import ClockInDoubt
from ..ports.writing import AuditPruning, Transaction

LONGEST_STEP = timedelta(days=8)
"""If nothing was recorded for longer, time is not known to have passed. A week, so that pruning once a week is enough.

A clock may be ahead by as much without being noticed. That is less than the 30 days for which an ended session is kept,
so no live session is deleted.
"""


def check_clock(tx: Transaction, now: datetime) -> None:
    """Raises ClockInDoubt unless the known moments lead up to *now* in steps no longer than LONGEST_STEP.

    The known moments are those of the audit log (every login and every refusal leaves one) and the moment of the last
    pruning. That one is within a step of *now* wherever the service runs, used or not, or is pruned once a week: then
    the clock is right.

    If it is not, the entries of the log are followed back from *now*. Without a gap they must lead to the last pruning,
    or over at least one LONGEST_STEP, or, if the store was never pruned, to the first entry of all.

    Neither the newest entry nor the number of entries is enough: with a clock that is a year ahead, the next login is a
    year ahead as well. What such a clock cannot fake is the year in between. So nothing is deleted until the clock has
    run steadily for eight days, with entries throughout; without this rule, a service that is used again after months
    would never prune. An operator who knows that the clock is right can say so and need not wait.

    A clock that was put back is judged in the same way; a slow clock deletes nothing too early.
    """
    log = tx[AuditPruning]
    pruned_at = log.pruned_at()
    reached = now
    while not (pruned_at is not None and abs(reached - pruned_at) <= LONGEST_STEP):
        if now - reached >= LONGEST_STEP:
            return
        earliest = log.earliest(reached - LONGEST_STEP)
        if earliest is None or earliest >= reached:
            if pruned_at is None and _begins_at(log, reached):
                return
            raise ClockInDoubt(now, reached, LONGEST_STEP)
        reached = earliest


def _begins_at(log: AuditPruning, moment: datetime) -> bool:
    """Whether the log is empty, or has nothing from before *moment* and something soon after."""
    first = log.earliest(None)
    return first is None or timedelta(0) <= first - moment <= LONGEST_STEP
