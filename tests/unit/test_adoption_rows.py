"""How one row of a tutorial's table is judged."""

from datetime import UTC
from typing import Any

import pytest

from menshen.adapters.sql.adoption.rows import Left, Taken, Why, judged, number_of
from menshen.adapters.sql.adoption.states import decided
from menshen.domain.users import PhoneInvalid, Standing

from .cases import for_each


def row(user_id: int = 1, phone: object = "13800138000", **values: Any) -> tuple[Any, ...]:
    named = {"at": "2021-03-04 05:06:07", "state": "正常", "balance": "100", **values}
    return (user_id, phone, named["at"], named["state"], "hash", None, None, None, 4, named["balance"])


def left(found: Taken | Left) -> Left:
    assert isinstance(found, Left)
    return found


@for_each(
    "phone",
    [
        *("13800138000", "13800138000 ", "\u202d13800138000\u202c", "\u00a013800138000\r\n", "+86 (138) 0013-8000"),
        *("8613800138000", "13800138000.0", "13800138000.00", "+86 13800138000.0 ", "\u202d13800138000.0\u202c"),
        *(13800138000, 13800138000.0),
    ],
)
def test_a_number_has_one_spelling_whatever_wrote_it(phone: object) -> None:
    assert number_of(phone) == "13800138000"


@for_each("phone", [None, "", " ", "\u3000", "\u200b", "\ufeff\n"])
def test_what_shows_nothing_is_no_number(phone: object) -> None:
    assert number_of(phone) is None


@for_each(
    "phone",
    [
        *(
            "12345",
            "13800138000.5",
            "13800138000.",
            ".0",
            "1380013800.0",
            "13800138000.0.0",
            "1.3800138e10",
            b"13800138000",
        ),
        *(13800138000.5, float("inf"), float("nan"), True),
    ],
)
def test_what_is_nearly_a_number_is_none(phone: object) -> None:
    with pytest.raises(PhoneInvalid):
        number_of(phone)


@for_each(
    ("found", "why"),
    [
        (row(at="long ago"), Why.TIME_UNREADABLE),
        (row(balance="a lot"), Why.VALUE_UNREADABLE),
        (row(0), Why.ID_OUT_OF_RANGE),
        (row(2**31), Why.ID_OUT_OF_RANGE),
    ],
)
def test_a_row_that_is_left_keeps_its_number(found: tuple[Any, ...], why: Why) -> None:
    one = left(judged(found, UTC, decided({})))
    assert (one.why, one.digits) == (why, "13800138000")


def test_one_without_a_number_or_that_was_closed_keeps_none() -> None:
    assert left(judged(row(phone="12345"), UTC, decided({}))).digits is None
    assert left(judged(row(0, phone="12345"), UTC, decided({}))) == Left(
        0, "12345", Why.ID_OUT_OF_RANGE, balance="100.0000"
    )
    for state in ("已注销", " 已注销\u200b"):
        one = left(judged(row(state=state), UTC, decided({})))
        assert (one.why, one.digits) == (Why.CLOSED, None)
    one = left(judged(row(state="销户", at="long ago"), UTC, decided({"销户": Standing.ACTIVE})))
    assert (one.why, one.digits) == (Why.TIME_UNREADABLE, "13800138000")


@for_each(
    ("balance", "shown"),
    [("100", "100.0000"), (7, "7.0000"), (0.1, "0.1000"), (None, None), ("a lot", "a lot"), ("NaN", "NaN")],
)
def test_what_is_left_shows_what_is_at_stake(balance: object, shown: str | None) -> None:
    assert left(judged(row(phone="12345", balance=balance), UTC, decided({}))).balance == shown
