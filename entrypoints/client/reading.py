"""Reading the answers: strict JSON, with numbers as exact as they were sent."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


class AnswerUnreadable(Exception):
    """What answered is not this service, or not in its contract: a proxy's page, a redirect, another version."""


class Members:
    """The members of a JSON object, each read in the type that it is to have. Raises AnswerUnreadable."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self._found = found

    def text(self, name: str) -> str:
        return _of_type(self._found.get(name), str, name)

    def optional_text(self, name: str) -> str | None:
        return None if self._found.get(name) is None else self.text(name)

    def number(self, name: str) -> int:
        return _of_type(self._found.get(name), int, name)

    def optional_number(self, name: str) -> int | None:
        return None if self._found.get(name) is None else self.number(name)

    def truth(self, name: str) -> bool:
        return _of_type(self._found.get(name), bool, name)

    def amount(self, name: str) -> Decimal:
        """A number with its exact digits."""
        value = self._found.get(name)
        return Decimal(value) if type(value) is int else _of_type(value, Decimal, name)

    def members(self, name: str) -> "Members":
        return Members(_of_type(self._found.get(name), dict, name))

    def optional_members(self, name: str) -> "Members | None":
        return None if self._found.get(name) is None else self.members(name)

    def list(self, name: str) -> "list[Members]":
        found = _of_type(self._found.get(name), list, name)
        return [Members(_of_type(each, dict, name)) for each in found]

    def table(self, name: str) -> dict[str, Any] | None:
        """An object as it is, or None."""
        found = self._found.get(name)
        return None if found is None else dict(_of_type(found, dict, name))


def _of_type(value: Any, wanted: type[T], name: str) -> T:
    # Exactly: in Python, True is an int as well.
    if type(value) is not wanted:
        raise AnswerUnreadable(f"the member {name} of the answer is not as it has to be")
    return value


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object that *body* is. Raises AnswerUnreadable, which has nothing of the body in it."""
    try:
        found = json.loads(
            body.decode(), parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_without_duplicates
        )
    except (ValueError, RecursionError, InvalidOperation):
        raise AnswerUnreadable("the answer is not JSON") from None
    if not isinstance(found, dict):
        raise AnswerUnreadable("the answer is not a JSON object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member comes twice")
    return members
