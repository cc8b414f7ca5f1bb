"""The answers of a store, in a form that allows comparing two stores."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs
from attrs import define, field

from menshen.domain.actors import Actor
from menshen.domain.audit import AuditEntry, AuditEvent
from menshen.domain.errors import Refusal
from menshen.domain.sessions import Session, SessionOverview
from menshen.domain.tokens import AccessTokenClaims
from menshen.domain.users import Profile, User

_USER_IDS: frozenset[tuple[type, str]] = frozenset(
    {
        *((kind, name) for kind in (User, Profile) for name in ("id", "referrer_id")),
        *((kind, "user_id") for kind in (Session, SessionOverview)),
        (AuditEvent, "subject"),
        (AccessTokenClaims, "subject"),
    }
)
_ENTRY_IDS: frozenset[tuple[type, str]] = frozenset({(AuditEntry, "id")})


@define
class Numbering:
    """The ids that one store gave, and which of its users and entries each was: the first, the second, ...

    An id is only promised to be fresh and, in the log, greater than those before: a server skips the id of what it
    rolled back, and continues where another test has stopped. So both are compared as numbers in the order of creation.
    Nothing else is made equal: times to the microsecond, the type of each value and every text are compared as they
    are.
    """

    users: list[int] = field(factory=list)
    entries: list[int] = field(factory=list)

    def plain(self, value: Any) -> Any:
        """*value* as dicts, lists and texts, the fields that have no repr included."""
        if isinstance(value, Refusal):
            return {"refused": type(value).__name__, "reason": value.reason, **self._plain_items(vars(value))}
        if isinstance(value, Actor):
            kind, colon, number = value.text.partition(":")
            return f"user {self._user(int(number))}" if (kind, colon) == ("user", ":") else value.text
        if attrs.has(type(value)):
            fields = [each.name for each in attrs.fields(type(value))]
            return {"a": type(value).__name__, **{name: self._field(value, name) for name in fields}}
        if isinstance(value, Enum):
            return str(value)
        if isinstance(value, list | tuple):
            return [self.plain(each) for each in value]
        if isinstance(value, frozenset):
            return sorted(map(repr, value))
        return repr(value)

    def _plain_items(self, items: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.plain(value) for name, value in items.items()}

    def _field(self, owner: Any, name: str) -> Any:
        value = getattr(owner, name)
        if value is None:
            return repr(None)
        if (type(owner), name) in _USER_IDS:
            return self._user(value)
        if (type(owner), name) in _ENTRY_IDS:
            return f"entry {self.entries.index(value)}"
        # A digest over ids, among others.
        return "there is one" if (type(owner), name) == (AuditEntry, "likeness") else self.plain(value)

    def _user(self, user_id: int) -> str:
        # An answer about a user that never existed repeats the requested id.
        return f"user {self.users.index(user_id)}" if user_id in self.users else f"no user: {user_id!r}"


def difference(one: Any, other: Any, path: str = "") -> str | None:
    """The first place in which two answers differ, in one line; None where they are the same."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        inner = [difference(one[name], other[name], f"{path}.{name}") for name in one]
        return next(filter(None, inner), None)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        inner = [difference(*pair, f"{path}[{number}]") for number, pair in enumerate(zip(one, other, strict=True))]
        return next(filter(None, inner), None)
    return None if one == other else f"{path or 'the answer'}: {one!r:.300} against {other!r:.300}"
