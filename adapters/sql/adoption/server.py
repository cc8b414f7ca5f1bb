"""Adopting a table on a server: what all servers have in common."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy.types import INTEGER, DateTime, Enum, Integer, Numeric, String

from ..database import Database
from .columns import Column

_TYPES: dict[str, tuple[type[Any], ...]] = {
    "phone": (String, Integer),
    **dict.fromkeys(("user_name", "openid", "password", "state"), (String,)),
    **dict.fromkeys(("mid", "fee_percentage"), (Integer,)),
    "account_balance": (Numeric,),
    "registration_time": (DateTime,),
}


class AdoptionOnServer:
    """Its column types are enforced, and opening a database changes nothing."""

    def read_only(self, database: Database) -> Database:
        return database

    def begin(self, database: Database) -> None:
        pass

    def id_obstacles(self, found: Column) -> Iterator[str]:
        kind = found["type"]
        if not isinstance(kind, INTEGER) or getattr(kind, "unsigned", False):
            yield f"x_user.id is {kind!r}: it must be INTEGER"
        elif not (found.get("autoincrement") or found.get("identity")):
            yield "x_user.id does not count by itself: it must be AUTO_INCREMENT, or have a sequence"

    def column_obstacles(self, name: str, found: Column) -> Iterator[str]:
        if name in _TYPES and not self._can_use(name, found["type"]):
            yield f"x_user.{name} is {found['type']!r}, which menshen cannot use: change its type"

    def _can_use(self, name: str, kind: Any) -> bool:
        return isinstance(kind, _TYPES[name]) and not isinstance(kind, Enum)
