"""Whether the clock can be right: asked by whoever deletes by it what is old."""

from datetime import datetime, timedelta

from ..clocks import ClockInDoubt
from ..ports.writing import AuditPruning, Transaction

LONGEST_STEP = timedelta(days=8)
"""Without a sign of life for longer, time is not known to have passed. A week, so that pruning once a week is enough of one.

It is also by how much a clock may be ahead unnoticed: less than the 30 days for which a session that has ended is kept, so
that none is lost that is live.
"""


def check_clock(tx: Transaction, now: datetime) -> None:
    """Raises ClockInDoubt unless what is known leads up to *now* in steps of which none is longer than LONGEST_STEP.

    What is known are the moments of the audit log (every login leaves one, so does every refusal) and the moment at which
    the store was pruned last. That one comes within a step of *now* wherever the service runs, whether it is used or not,
    or is pruned once a week: then the clock is right.

    Where it does not, the entries of the log are walked back from *now*. They must lead, without a gap, to when the store
    was pruned last, or over one LONGEST_STEP at least, or, where it was never pruned, to the first entry that there is.

    Neither the newest entry alone is believed, nor how many there are: with a clock that is a year ahead the next login is a
    year ahead as well. What such a clock cannot make is the year in between. So nothing is deleted until the clock has gone
    on steadily for eight days, with entries all the while; that is for a service that stood still for months and is in use
    again, which would be stuck otherwise. Somebody who knows better need not wait, but say so.

    A clock that was put back is judged in the same way; by one that is slow nothing is deleted that is not old.
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
    """Whether the log has nothing at all, or nothing from before *moment* and something soon after."""
    first = log.earliest(None)
    return first is None or timedelta(0) <= first - moment <= LONGEST_STEP
