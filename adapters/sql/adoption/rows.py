"""How one row of a tutorial's table is judged when it is adopted."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Any

from attrs import frozen

from ....domain.passwords import HashKind
from ....domain.ports.outside import StoredHashes
from ....domain.users import MAX_USER_ID, Phone, PhoneInvalid, Standing, UserState
from ..types import Money
from .states import AS_IT_IS, Meant, StateDecisions, without_blanks

ROW_COLUMNS = (
    *("id", "phone", "registration_time", "state", "password"),
    *("user_name", "openid", "mid", "fee_percentage", "account_balance"),
)
"""The values read from a row, in this order; None for a column that the table does not have."""


class Why(StrEnum):
    """Why a row is left as it is."""

    PHONE_TAKEN = "phone_taken"
    PHONE_INVALID = "phone_invalid"
    TIME_UNREADABLE = "registration_time_unreadable"
    VALUE_UNREADABLE = "value_unreadable"
    ID_OUT_OF_RANGE = "id_out_of_range"
    CLOSED = "account_closed"


@frozen
class Taken:
    """A row that becomes an account."""

    id: int
    digits: str | None
    """None for one without a phone."""
    registered_at: datetime | None
    """UTC, but naive, as the column stores it."""
    phone: Any
    """As the column holds it now."""
    balance: Any
    """As the column holds it now."""
    state: Meant = AS_IT_IS


@frozen
class Left:
    """A row that stays as it is."""

    id: int
    phone: str | None
    why: Why
    holder: int | None = None
    """The row that has the number, if it is taken."""
    balance: str | None = None
    """In a form that can be shown."""
    digits: str | None = None
    """The number that others must not be able to register; None if there is none, or it was given up."""


def judged(row: Sequence[Any], zone: tzinfo | None, states: StateDecisions) -> Taken | Left:
    """The verdict on *row* if nobody else has its number. Its wall-clock times are in *zone*, or the machine's zone."""
    user_id, phone, at, state = row[:4]

    def left(why: Why, digits: str | None = None) -> Left:
        return Left(user_id, as_text(phone), why, balance=_shown_money(row[9]), digits=digits)

    meant = states.meant(state)
    # An account of ours in this state is erased. What another application meant by it is unknown, but its owner has
    # given up the number.
    if (meant.text or state) == _CLOSED:
        return left(Why.CLOSED)
    try:
        digits = number_of(phone)
    except PhoneInvalid:
        return left(Why.PHONE_INVALID if _is_id(user_id) else Why.ID_OUT_OF_RANGE)
    if not _is_id(user_id):
        return left(Why.ID_OUT_OF_RANGE, digits)
    try:
        registered_at = _utc(at, zone)
    except (ValueError, TypeError, OverflowError, OSError):
        return left(Why.TIME_UNREADABLE, digits)
    if not _is_readable(row):
        return left(Why.VALUE_UNREADABLE, digits)
    return Taken(user_id, digits, registered_at, phone, row[9], meant)


def _is_id(user_id: int) -> bool:
    return 0 < user_id <= MAX_USER_ID


def divided(found: Sequence[Taken | Left], holders: Mapping[str, int]) -> tuple[list[Taken], list[Left]]:
    """The rows of *found* by id; those whose number belongs to a holder or an earlier row are left out."""
    held = dict(holders)
    taken, left = [], []
    for each in found:
        if isinstance(each, Left):
            left.append(each)
        elif each.digits is None or (holder := held.setdefault(each.digits, each.id)) == each.id:
            taken.append(each)
        else:
            left.append(Left(each.id, as_text(each.phone), Why.PHONE_TAKEN, holder, _shown_money(each.balance)))
    return taken, left


def as_text(value: object) -> str | None:
    """*value* in a form that can be shown: invalid characters are escaped, and very long text is cut."""
    if value is None:
        return None
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


_SHOWN = 200
_CLOSED = UserState.text_of(Standing.CLOSED)


# A spreadsheet took the phone number for a numeric value.
_POINT_ZERO = re.compile(r"(?<=[0-9])\.0+(?=[^0-9]*\Z)", re.ASCII)


def number_of(phone: object) -> str | None:
    """The number in a column, in its canonical spelling. Raises PhoneInvalid."""
    if phone is None:
        return None
    if isinstance(phone, bytes):
        raise PhoneInvalid
    text = str(phone)
    if not without_blanks(text):
        return None
    return Phone.parse(_POINT_ZERO.sub("", text)).digits


# MariaDB's zero date.
_NO_DATE = "0000-00-00"


def _utc(at: object, zone: tzinfo | None) -> datetime | None:
    """Raises ValueError, TypeError, OverflowError, OSError."""
    if at is None:
        return None
    if isinstance(at, str):
        if at.startswith(_NO_DATE):
            return None
        at = datetime.fromisoformat(at)
    if not isinstance(at, datetime):
        raise TypeError(at)
    if at.tzinfo is None and zone is not None:
        at = at.replace(tzinfo=zone)
    # Without a given zone, it is the machine's.
    return at.astimezone(UTC).replace(tzinfo=None)


_MONEY = Money()


def _is_readable(row: Sequence[Any]) -> bool:
    """Whether every later read of the row will succeed: SQLite stores anything in any column."""
    _, _, _, state, password, name, openid, referrer, fee, balance = row
    for text in (state, password, name, openid):
        if text is not None and not _is_text(text):
            return False
    for number in (referrer, fee):
        if number is not None and type(number) is not int:
            return False
    return balance is None or type(balance) is int or money_of(balance) is not None


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def money_of(value: Any) -> Decimal | None:
    """The amount in a column of money, zero for NULL; None if it is not an amount."""
    try:
        found = _MONEY.process_result_value(0 if value is None else value, _ANY_DIALECT)
    except (ArithmeticError, ValueError, TypeError):
        return None
    return found if isinstance(found, Decimal) and found.is_finite() else None


def _shown_money(value: Any) -> str | None:
    found = None if value is None else money_of(value)
    return as_text(value) if found is None else str(found)


# What is read is the same on every product.
_ANY_DIALECT: Any = None


_NO_TEXT = HashKind("unknown", can_log_in=False)


def hash_kind(stored: object, hashes: StoredHashes) -> HashKind:
    """The kind of hash in the column, which may contain anything on SQLite."""
    return hashes.kind_of(stored) if stored is None or isinstance(stored, str) else _NO_TEXT
