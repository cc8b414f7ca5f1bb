"""The columns of ``x_user``: which a tutorial's table must have, and which have room for what menshen writes."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.types import CHAR, SmallInteger, String

from ..tables import users

Column = Mapping[str, Any]
"""A column of the existing table, as SQLAlchemy describes it."""

Columns = Mapping[str, Column]
"""By their names."""

LAST = "device_policy"
"""The column that is added when all rows have been adopted: a table without it is refused by every other command."""

TEXTS = ("phone", "user_name", "openid", "password", "state")
WE_WRITE_NULL = ("phone", "user_name", "openid", "mid", "registration_time")

SECOND_DIGITS = 6
"""Digits of a second's fraction; a time that we write comes back exactly."""


def is_too_small(name: str, kind: Any) -> bool:
    """Whether a column of this type has no room for what menshen writes, or pads it."""
    if name == "mid":
        return isinstance(kind, SmallInteger)
    if name not in TEXTS:
        return False
    if not isinstance(kind, String) or isinstance(kind, CHAR):
        return True
    return kind.length is not None and kind.length < (getattr(users.c[name].type, "length", None) or 0)


def wider(name: str, kind: Any, dialect: Dialect) -> str:
    """The type for a column that is too small: ours, or a longer one if the column had more room."""
    ours: Any = users.c[name].type
    if isinstance(kind, String) and (kind.length or 0) > ours.length:
        ours = String(kind.length)
    return str(ours.compile(dialect))
