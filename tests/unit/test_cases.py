"""Many cases of one test: each of them is tried, and those that fail are named."""

import inspect

import hypothesis
import pytest

from .cases import examples, for_each


def test_every_case_is_tried_with_every_other() -> None:
    seen = []

    @for_each(("a", "b"), [(1, 2), (3, 4)])
    @for_each("c", {5: "five", 6: "six"})
    def test(c: int, fixture: str, a: int, b: int) -> None:
        seen.append((a, b, c, fixture))

    test(fixture="x")
    assert seen == [(1, 2, 5, "x"), (1, 2, 6, "x"), (3, 4, 5, "x"), (3, 4, 6, "x")]
    assert list(inspect.signature(test).parameters) == ["fixture"], "what pytest is asked for"


def test_those_that_fail_are_named_and_all_are_tried() -> None:
    tried = []

    @for_each(("text", "number"), [("good", 1), ("bad", 2), ("b" * 500, 3)])
    @for_each("more", [1, 2], ids=["the first", "the second"])
    def test(text: str, number: int, more: int) -> None:
        tried.append(number)
        if text[0] == "b" and more == 2:
            with pytest.raises(ValueError, match="nothing"):
                int("1")

    with pytest.raises(pytest.fail.Exception) as failure:
        test()
    assert tried == [1, 1, 2, 2, 3, 3]
    notes = failure.value.__notes__
    assert notes[:4] == [
        *("1 of 2 cases of test:", "  the second"),
        *("2 of 3 cases of test:", "  text='bad', number=2"),
    ]
    assert notes[4].startswith("  text='bbb")
    assert len(notes[4]) < 200


def test_cases_that_prove_nothing_are_refused() -> None:
    with pytest.raises(AssertionError, match="without a case"):
        for_each("a", [])
    with pytest.raises(AssertionError, match="asks for no such thing"):
        for_each("a", [1])(lambda b: None)
    with pytest.raises(AssertionError, match="a name for each"):
        for_each("a", [1], ids=["one", "two"])
    with pytest.raises(ValueError, match="zip"):
        for_each(("a", "b"), [(1,)])


def test_of_every_number_of_examples_the_same_part_is_tried() -> None:
    usual = hypothesis.settings().max_examples
    assert [examples(number).max_examples for number in (100, 200, 1)] == [usual, 2 * usual, 5]
