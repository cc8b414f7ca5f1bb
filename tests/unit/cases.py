"""How many cases a test has, and that all of them may be one test.

pytest takes more than a millisecond for each test; most of what is tested here takes some microseconds.
"""

from __future__ import annotations

import functools
import inspect
import reprlib
from collections.abc import Callable, Iterable
from typing import Any

import hypothesis
import pytest

Test = Callable[..., None]

_USUAL = 100
"""Hypothesis' own default."""

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 100


def for_each(
    names: str | tuple[str, ...], cases: Iterable[Any], *, ids: Iterable[str] | None = None
) -> Callable[[Test], Test]:
    """Like ``pytest.mark.parametrize``, but all *cases* are one test.

    All of them are tried even if some fail, and the failure names those that do. What pytest gives to the test
    (fixtures, other parameters) is the same for all cases, so a test that changes something makes it again for each
    case, and uses no fixture.
    """
    wanted = (names,) if isinstance(names, str) else names
    every = [dict(zip(wanted, [case] if isinstance(names, str) else case, strict=True)) for case in cases]
    called = [_told(values) for values in every] if ids is None else [*ids]
    assert every, "a test without a case proves nothing"
    assert len(called) == len(every), "a name for each case"

    def all_of_them(test: Test) -> Test:
        signature = inspect.signature(test)
        assert set(wanted) <= set(signature.parameters), f"{test.__name__} asks for no such thing"

        @functools.wraps(test)
        def tried(*arguments: Any, **given: Any) -> None:
            failures = [_failure(functools.partial(test, *arguments, **given, **values)) for values in every]
            failed = [(name, failure) for name, failure in zip(called, failures, strict=True) if failure]
            if failed:
                first = failed[0][1]
                first.add_note(f"{len(failed)} of {len(every)} cases of {test.__name__}:")
                for name, _ in failed:
                    first.add_note(f"  {name}")
                raise first

        rest = [parameter for name, parameter in signature.parameters.items() if name not in wanted]
        tried.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]
        return tried

    return all_of_them


def examples(number: int) -> hypothesis.settings:
    """The number of Hypothesis examples, which the profile for quick runs reduces by the same factor everywhere."""
    part = hypothesis.settings().max_examples / _USUAL
    return hypothesis.settings(max_examples=max(round(number * part), 5))


def _told(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_short.repr(value)}" for name, value in values.items())


def _failure(case: Callable[[], None]) -> BaseException | None:
    try:
        case()
    except (Exception, pytest.fail.Exception) as failure:  # noqa: BLE001 - raised again by whoever asks
        return failure
    return None
