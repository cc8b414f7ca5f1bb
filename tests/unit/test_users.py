"""Phone numbers have one spelling, user names are kept whole, states mean one thing, and users show no password hash."""

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from menshen.domain.texts import TextInvalid
from menshen.domain.users import (
    MAX_FREEZE_REASON_LENGTH,
    FeeInvalid,
    NewUser,
    Phone,
    PhoneInvalid,
    Standing,
    User,
    UserId,
    UserNameInvalid,
    UserState,
    check_fee_percentage,
    check_user_name,
)

from .cases import examples, for_each

FULL_WIDTH = str.maketrans("0123456789+-", "０１２３４５６７８９＋－")

numbers = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True).filter(str.isascii)
prefixes = st.sampled_from(["", "+86", "0086", "86-", "+86 ", "+86-", "0086 ", "0086-", "86- "])
separators = st.text(" -", max_size=3)


@for_each(
    "text",
    [
        "13800138000",
        "138 0013 8000",
        "138-0013-8000",
        "1 3 8 0 0 1 3 8 0 0 0",
        "138 - 0013 - 8000",
        "138  0013--8000",
        "+8613800138000",
        "+86 13800138000",
        "+86-138-0013-8000",
        "+86 138 0013 8000",
        "008613800138000",
        "0086 138 0013 8000",
        "0086-13800138000",
        "86-13800138000",
        "86-138-0013-8000",
        "１３８００１３８０００",
        "＋８６１３８００１３８０００",
        "８６－１３８－００１３－８０００",
        "138\u30000013\u30008000",
        "138\N{NO-BREAK SPACE}0013\N{NO-BREAK SPACE}8000",
        "138\N{NON-BREAKING HYPHEN}0013\N{HYPHEN}8000",
        "1３8００138０00",
        "8613800138000",
        "86 13800138000",
        "+86 (138) 0013-8000",
        "+86（138）00138000",
        "138–0013—8000",
        "138\N{NARROW NO-BREAK SPACE}0013\N{MINUS SIGN}8000",
        # As they are filled in, and copied from a list of contacts.
        "13800138000 ",
        " 13800138000",
        "\t13800138000\r\n",
        "\N{NO-BREAK SPACE}13800138000\N{NO-BREAK SPACE}",
        "\N{LEFT-TO-RIGHT OVERRIDE}138 0013 8000\N{POP DIRECTIONAL FORMATTING}",
        "\N{LEFT-TO-RIGHT MARK}+86 138 0013 8000\N{RIGHT-TO-LEFT MARK}",
        "\N{FIRST STRONG ISOLATE}13800138000\N{POP DIRECTIONAL ISOLATE}",
        "\ufeff13800138000",
    ],
)
def test_every_spelling_of_a_number_becomes_the_one(text: str) -> None:
    assert Phone.parse(text) == Phone("13800138000")


@for_each("second", range(3, 10))
def test_the_second_digit_goes_from_3_to_9(second: int) -> None:
    number = f"1{second}800138000"
    assert Phone.parse(number).digits == number


@for_each(
    "text",
    [
        "",
        " ",
        "1380013800",
        "138001380000",
        "+8513800138000",
        "+86+8613800138000",
        "86-86-13800138000",
        "+008613800138000",
        "0 086 13800138000",
        "+ 8613800138000",
        "8613800138000-",
        "10800138000",
        "11800138000",
        "12800138000",
        "03800138000",
        "23800138000",
        "138\n00138000",
        "138\t00138000",
        "-13800138000",
        "13800138000-",
        "13800138000\0",
        "138\u200b00138000",
        "138.0013.8000",
        "(138)00138000",
        "138_0013_8000",
        "+1 415 555 2671",
        "13800138000;13900139000",
        "13800138000 OR 1=1",
        "1380013800O",
        "1.3800138e10",
        "0x3367FDEA0",
        "١٣٨٠٠١٣٨٠٠٠",
        "१३८००१३८०००",
        "𝟏𝟑𝟖𝟎𝟎𝟏𝟑𝟖𝟎𝟎𝟎",
        "①③⑧⓪⓪①③⑧⓪⓪⓪",
        "一三八〇〇一三八〇〇〇",
        "1³800138000",
        "\ud800",
        "13800138000\ud800",
        "手机号",
    ],
)
def test_what_is_no_mainland_mobile_number_is_refused(text: str) -> None:
    with pytest.raises(PhoneInvalid):
        Phone.parse(text)


@for_each(
    "text",
    [
        "1" * 1_000_000,
        " " * 1_000_000,
        "-" * 1_000_000 + "x",
        "13800138000" + " " * 1_000_000,
        "13800138000" + " " * 54,
        "138" + " " * 1_000_000 + "00138000",
        "+86" * 300_000,
        "138" + " " * 54 + "00138000",
    ],
)
def test_very_long_text_is_refused(text: str) -> None:
    with pytest.raises(PhoneInvalid):
        Phone.parse(text)


def test_up_to_64_characters_may_be_a_number() -> None:
    assert Phone.parse("138" + " " * 53 + "00138000").digits == "13800138000"


@given(number=numbers, prefix=prefixes, gaps=st.lists(separators, min_size=10, max_size=10), wide=st.booleans())
@examples(100)
def test_a_number_survives_any_prefix_and_any_separators(number: str, prefix: str, gaps: list[str], wide: bool) -> None:
    text = prefix + "".join(digit + gap for digit, gap in zip(number, [*gaps, ""], strict=True))
    if wide:
        text = text.translate(FULL_WIDTH)
    assert Phone.parse(text) == Phone(number)


@given(numbers)
@examples(50)
def test_the_one_spelling_is_its_own(number: str) -> None:
    once = Phone.parse(number)
    assert once.digits == number
    assert Phone.parse(str(once)) == once


@given(st.text(max_size=80) | st.text("0123456789+- ８６１３－＋", max_size=20))
@examples(200)
def test_any_text_becomes_11_ascii_digits_or_is_refused(text: str) -> None:
    try:
        digits = Phone.parse(text).digits
    except PhoneInvalid:
        return
    assert len(digits) == 11
    assert digits.isascii()
    assert digits.isdigit()
    assert digits[0] == "1"
    assert digits[1] in "3456789"


@given(number=numbers, character=st.characters(), place=st.integers(0, 11))
@examples(200)
def test_one_more_character_gives_the_same_number_or_none(number: str, character: str, place: int) -> None:
    try:
        phone = Phone.parse(number[:place] + character + number[place:])
    except PhoneInvalid:
        return
    assert phone.digits == number


@for_each(
    "name", [None, "", " ", "张三", " 张 三 ", "𠮷野家 🏮", "O'Brien\"; --", "<b>", "x" * 80, "🔑" * 80, "e\u0301"]
)
def test_a_user_name_may_be_anything_that_can_be_shown(name: str | None) -> None:
    check_user_name(name)


@for_each(
    "name", ["x" * 81, "x" * 1_000_000, "a\0b", "\n", "name\r\nforged: line", "\x1b[31m", "\x7f", "\x85", "\ud83d"]
)
def test_a_user_name_that_cannot_be_kept_whole_is_refused(name: str) -> None:
    with pytest.raises(UserNameInvalid):
        check_user_name(name)


NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
LATER = NOW + timedelta(days=7)


def test_a_state_is_spelled_as_the_contract_has_it() -> None:
    assert UserState().text == UserState.active().text == "正常"
    assert UserState.frozen(until=None, reason="x").text == "冻结"
    assert UserState.closing(LATER).text == "注销中"
    assert UserState.closed().text == "已注销"


@for_each("standing", [each for each in Standing if each is not Standing.UNKNOWN])
def test_each_standing_but_the_unknown_one_has_a_spelling_that_means_it(standing: Standing) -> None:
    assert UserState(UserState.text_of(standing), until=LATER).standing(NOW) is standing


def test_the_unknown_standing_has_no_spelling() -> None:
    with pytest.raises(ValueError, match=r"^unknown$"):
        UserState.text_of(Standing.UNKNOWN)


@for_each("text", ["", "正常 ", " 正常", "正 常", "异常", "normal", "active", "FROZEN", "注销", "\0正常"])
def test_a_text_that_nobody_knows_is_not_active(text: str) -> None:
    assert UserState(text).standing(NOW) is Standing.UNKNOWN
    assert UserState(text, until=NOW).standing(LATER) is Standing.UNKNOWN


@given(st.text(max_size=8))
@examples(50)
def test_only_the_contracts_word_is_active(text: str) -> None:
    assert (UserState(text).standing(NOW) is Standing.ACTIVE) == (text == "正常")


def test_a_freeze_until_a_time_ends_then() -> None:
    state = UserState.frozen(until=LATER, reason="many complaints")
    assert state.standing(LATER - MOMENT) is Standing.FROZEN
    assert state.standing(LATER) is Standing.ACTIVE
    assert state.standing(LATER + timedelta(days=365)) is Standing.ACTIVE
    assert state.reason == "many complaints"


def test_a_freeze_for_good_never_ends() -> None:
    assert UserState.frozen(until=None, reason="x").standing(NOW + timedelta(days=36500)) is Standing.FROZEN
    assert UserState("冻结").standing(NOW + timedelta(days=36500)) is Standing.FROZEN


def test_a_closing_becomes_closed_when_its_time_comes() -> None:
    state = UserState.closing(LATER)
    assert state.standing(LATER - MOMENT) is Standing.CLOSING
    assert state.standing(LATER) is Standing.CLOSED
    assert state.standing(LATER + timedelta(days=365)) is Standing.CLOSED


def test_a_closing_without_an_end_is_none_of_ours_and_nobody_takes_it_back() -> None:
    state = UserState("注销中")
    assert state.standing(NOW) is Standing.UNKNOWN
    assert state.standing(NOW + timedelta(days=36500)) is Standing.UNKNOWN


def test_what_is_closed_stays_closed_and_what_is_active_stays_active() -> None:
    assert UserState.closed().standing(NOW + timedelta(days=36500)) is Standing.CLOSED
    assert evolve(UserState.closed(), until=LATER).standing(NOW) is Standing.CLOSED
    assert evolve(UserState.active(), until=NOW).standing(LATER) is Standing.ACTIVE


@for_each("reason", [" x ", "投诉过多", "x" * MAX_FREEZE_REASON_LENGTH, "冻" * MAX_FREEZE_REASON_LENGTH])
def test_a_reason_to_freeze_may_be_anything_that_can_be_shown(reason: str) -> None:
    assert UserState.frozen(until=None, reason=reason).reason == reason


@for_each("reason", ["", " ", "\u3000"])
def test_a_reason_to_freeze_that_says_nothing_is_refused(reason: str) -> None:
    with pytest.raises(TextInvalid):
        UserState.frozen(until=None, reason=reason)


@for_each("reason", ["x" * (MAX_FREEZE_REASON_LENGTH + 1), "a\nb", "\0", "\x1b[2J", "\ud83d"])
def test_a_reason_to_freeze_that_cannot_be_shown_is_refused(reason: str) -> None:
    with pytest.raises(TextInvalid):
        UserState.frozen(until=None, reason=reason)


@for_each("percentage", [0, 1, 4, 99, 100])
def test_a_fee_goes_from_0_to_100(percentage: int) -> None:
    check_fee_percentage(percentage)


@for_each("percentage", [-1, 101, 2**31, -(2**63)])
def test_any_other_fee_is_refused(percentage: int) -> None:
    with pytest.raises(FeeInvalid):
        check_fee_percentage(percentage)


def test_a_user_is_active_as_long_as_the_state_says_so() -> None:
    frozen = UserState.frozen(until=LATER, reason="x")
    user = User(id=UserId(1), phone=Phone("13800138000"), password_hash="", registered_at=None)
    assert user.is_active(NOW)
    assert not evolve(user, state=frozen).is_active(NOW)
    assert evolve(user, state=frozen).is_active(LATER)
    assert not evolve(user, state=UserState.closing(LATER)).is_active(NOW)


def test_no_user_shows_the_password_hash() -> None:
    phone, now = Phone("13800138000"), datetime(2026, 1, 1, tzinfo=UTC)
    new = NewUser(phone=phone, password_hash="the hash", registered_at=now)
    user = User(id=UserId(1), phone=phone, password_hash="the hash", registered_at=now)
    assert "the hash" not in repr(new) + str(new) + repr(user) + str(user)


def test_a_user_does_not_change() -> None:
    user = User(id=UserId(1), phone=Phone("13800138000"), password_hash="", registered_at=None)
    with pytest.raises(FrozenInstanceError):
        user.id = UserId(2)  # type: ignore[misc]
