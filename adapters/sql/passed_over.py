"""Numbers of changes that were not there when higher ones were: no database gives them in the order of the commits."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from attrs import define, evolve, field, frozen

KEPT_SECONDS = 3600.0
"""How long a number that was passed over may still come: its transaction had taken it and has not ended."""

MOST = 400
"""The most ranges that are kept apart; SQLite takes fewer than a thousand conditions in one statement."""


@frozen
class Range:
    """The numbers from *first* to *last*, both among them, that were passed over at *since*."""

    first: int
    last: int
    since: float


@define
class PassedOver:
    """The ranges, lowest first.

    Too many are not dropped: the oldest become one with what lies between them. Those in between are then heard of once
    more, which costs a read and no more.
    """

    ranges: Sequence[Range] = field(default=())

    def note(self, numbers: Sequence[int], above: int, now: float) -> int:
        """Note what *numbers*, in ascending order, leave out above *above*. Returns the highest of them, or *above*."""
        befores = [above, *numbers]
        new = [
            Range(before + 1, number - 1, now)
            for before, number in zip(befores, numbers, strict=False)
            if number > before + 1
        ]
        self.ranges = _few([*self.ranges, *new])
        return befores[-1]

    def came(self, numbers: Iterable[int]) -> None:
        """Those need not be waited for any more."""
        ascending = sorted(set(numbers))
        left: list[Range] = []
        for each in self.ranges:
            within = ascending[bisect_left(ascending, each.first) : bisect_right(ascending, each.last)]
            first = each.first
            for number in within:
                if first < number:
                    left.append(evolve(each, first=first, last=number - 1))
                first = number + 1
            if first <= each.last:
                left.append(evolve(each, first=first))
        self.ranges = _few(left)

    def forget(self, *, since_before: float) -> None:
        """Forget what was passed over earlier than that."""
        self.ranges = [each for each in self.ranges if each.since >= since_before]

    def forget_above(self, number: int) -> None:
        self.ranges = [evolve(each, last=min(each.last, number)) for each in self.ranges if each.first <= number]


def _few(ranges: Sequence[Range]) -> Sequence[Range]:
    surplus = len(ranges) - MOST
    if surplus <= 0:
        return ranges
    old = ranges[: surplus + 1]
    return [Range(old[0].first, old[-1].last, max(each.since for each in old)), *ranges[surplus + 1 :]]
