"""Column types that bring back exactly what went in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import DateTime, Dialect, LargeBinary, Numeric, String, Text, TypeDecorator
from sqlalchemy.dialects.mysql import DATETIME, VARBINARY
from sqlalchemy.types import TypeEngine

Member = TypeVar("Member", bound=StrEnum)


def member_of(kind: type[Member], text: str | None, otherwise: Member) -> Member:
    """The member for *text*; *otherwise* if this version does not know it: a newer one or a person wrote it."""
    found: Member = _members(kind).get(text, otherwise)
    return found


@cache
def _members(kind: type[Member]) -> dict[str | None, Member]:
    # A user's hundred sessions are read at each login, and calling the class takes longer than the rest of a row.
    return {member.value: member for member in kind}


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC inside, a DATETIME without zone in the table."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        # MariaDB stores no microseconds unless told to.
        return dialect.type_descriptor(DATETIME(fsp=6) if dialect.name in {"mysql", "mariadb"} else DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        usual = super().result_processor(dialect, coltype)
        if dialect.name != "sqlite" or usual is None:
            return usual

        def quickly(text: Any) -> datetime | None:
            # A row of a session has seven moments, and setting the zone of each afterwards takes most of the time.
            try:
                return None if text is None else datetime.fromisoformat(text + "+00:00")
            except (TypeError, ValueError):
                found: datetime | None = usual(text)
                return found

        return quickly


class Money(TypeDecorator[Decimal]):
    """NUMERIC(20, 4), exact. SQLite has no decimal numbers and would store a binary float, so there it is text."""

    impl = Numeric(20, 4)
    cache_ok = True

    _UNIT = Decimal("0.0001")

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String(22) if dialect.name == "sqlite" else Numeric(20, 4))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        exact = value.quantize(self._UNIT)
        return str(exact) if dialect.name == "sqlite" else exact

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        # SQLite returns an int or a float for a column declared NUMERIC; its str() is the shortest exact text.
        return None if value is None else Decimal(str(value)).quantize(self._UNIT)


class Moments(TypeDecorator[tuple[datetime, ...]]):
    """A few moments, aware UTC, exact to the microsecond."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[datetime, ...] | None, dialect: Dialect) -> str | None:
        return " ".join(str((moment - _EPOCH) // _MICROSECOND) for moment in value) if value else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[datetime, ...]:
        return tuple(_EPOCH + int(number) * _MICROSECOND for number in (value or "").split())


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class WholeText(TypeDecorator[str]):
    """Text that is kept whole: what is longer than the column raises ValueError.

    PostgreSQL and MariaDB would silently cut trailing blanks, and SQLite accepts any length.
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self._length = length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is not None and len(value) > self._length:
            raise ValueError(f"a text is longer than {self._length} characters")
        return value


Digest = LargeBinary(32).with_variant(VARBINARY(32), "mysql", "mariadb")
"""32 bytes, compared byte by byte."""
