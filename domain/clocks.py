"""What holds of clocks, which may be wrong, and may be put right."""

from datetime import timedelta

CLOCK_LEEWAY = timedelta(hours=1)
"""How far a clock may have been put back, and how far those of two nodes may differ.

What was issued before that seems to come from the future, and holds all the same; what comes from further ahead does not.
"""
