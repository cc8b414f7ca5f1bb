"""Whichever order transactions commit in, each change is heard of."""

from hypothesis import given
from hypothesis import strategies as st

from menshen.adapters.sql.passed_over import MOST, PassedOver, Range

from .cases import examples


def within(over: PassedOver) -> set[int]:
    return {number for each in over.ranges for number in range(each.first, each.last + 1)}


@examples(300)
@given(st.permutations(range(1, 25)), st.data())
def test_whatever_commits_late_is_heard_of(order: list[int], data: st.DataObject) -> None:
    """A reader that asks after any number of commits, for what is above the highest and for what it passed over."""
    committed, heard, high, over = set[int](), set[int](), 0, PassedOver()
    while len(committed) < len(order):
        more = data.draw(st.integers(min_value=1, max_value=len(order) - len(committed)))
        committed |= set(order[len(committed) : len(committed) + more])
        late = committed & within(over)
        over.came(late)
        new = sorted(number for number in committed if number > high)
        high = over.note(new, high, 0.0)
        heard |= late | set(new)
        assert heard == committed
        assert within(over) == set(range(1, high)) - committed


def test_what_is_passed_over_is_forgotten_by_its_age() -> None:
    over = PassedOver()
    assert over.note([5], 0, 10.0) == 5
    assert over.note([9], 5, 20.0) == 9
    over.forget(since_before=10.0)
    assert over.ranges == [Range(1, 4, 10.0), Range(6, 8, 20.0)]
    over.forget(since_before=10.5)
    assert over.ranges == [Range(6, 8, 20.0)]


def test_what_is_looked_at_anew_is_not_kept_twice() -> None:
    over = PassedOver([Range(2, 4, 1.0), Range(8, 12, 2.0), Range(15, 16, 3.0)])
    over.forget_above(10)
    assert over.ranges == [Range(2, 4, 1.0), Range(8, 10, 2.0)]


def test_too_many_become_fewer_and_none_of_them_is_lost() -> None:
    """Galera's nodes take each third number, say."""
    over, numbers = PassedOver(), range(3, 9000, 3)
    for number in numbers:
        over.note([number], number - 3, float(number))
        assert len(over.ranges) <= MOST
    assert set(range(1, numbers[-1])) - set(numbers) <= within(over)
    # The newest are exact, and the one that stands for the others is forgotten last of them.
    assert over.ranges[-1] == Range(numbers[-1] - 2, numbers[-1] - 1, float(numbers[-1]))
    assert over.ranges[0].first == 1
    assert over.ranges[0].since == float(over.ranges[0].last + 1)


def test_a_jump_costs_nothing() -> None:
    over = PassedOver()
    assert over.note([10**15], 0, 0.0) == 10**15
    assert over.ranges == [Range(1, 10**15 - 1, 0.0)]
