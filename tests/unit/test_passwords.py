"""What a password must be, under both policies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from menshen.domain.errors import Refusal
from menshen.domain.passwords import (
    PasswordHoldsIdentifier,
    PasswordLengthInvalid,
    PasswordPolicy,
    PasswordTextInvalid,
    PasswordTooCommon,
    contract_policy,
    strict_policy,
)
from menshen.domain.users import Phone

from .cases import examples, for_each

PHONE = Phone("13800138000")
CONTRACT = contract_policy()
STRICT = strict_policy(common=frozenset({"password1", "qwertyuiop"}), service_name="the service")


def check(policy: PasswordPolicy, password: str, user_name: str | None = None) -> None:
    policy.check(password, phone=PHONE, user_name=user_name)


@for_each(
    ("policy", "minimum", "maximum"),
    [(CONTRACT, 6, 32), (STRICT, 8, 128), (strict_policy(common=(), service_name="", minimum=15), 15, 128)],
)
@for_each("character", ["x", " ", "密", "🔑", "\N{COMBINING ACUTE ACCENT}"])
def test_a_length_is_in_characters_with_both_ends_allowed(
    policy: PasswordPolicy, minimum: int, maximum: int, character: str
) -> None:
    check(policy, character * minimum)
    check(policy, character * maximum)
    for length in (0, 1, minimum - 1, maximum + 1):
        with pytest.raises(PasswordLengthInvalid) as refusal:
            check(policy, character * length)
        assert (refusal.value.minimum, refusal.value.maximum) == (minimum, maximum)


@for_each("policy", [CONTRACT, STRICT])
@for_each("password", ["x" * 1_000_000, "\N{COMBINING ACUTE ACCENT}" * 60_000], ids=["1 MB", "marks"])
def test_a_very_long_password_is_refused(policy: PasswordPolicy, password: str) -> None:
    with pytest.raises(PasswordLengthInvalid):
        check(policy, password)


@for_each("policy", [CONTRACT, STRICT])
@for_each(
    "password",
    [
        "abcdefgh",
        "ABCDEFGH",
        "31415926",
        "        ",
        " leading and trailing ",
        "密码密码密码密码",
        "🔑🔑🔑🔑🔑🔑🔑🔑",
        "!\"#$%&'()*+,-./",
        ":;<=>?@[\\]^_`{|}~",
        "tab\tand\nnewline",
        "e\u0301e\u0301e\u0301e\u0301",
        "13800138 000",
    ],
)
def test_no_rule_says_which_characters_a_password_holds(policy: PasswordPolicy, password: str) -> None:
    check(policy, password, user_name="somebody")


@for_each("policy", [CONTRACT, STRICT])
@for_each("password", ["with a \0 in it", "\0" * 8, "lone \ud83d half"])
def test_what_is_no_text_is_refused(policy: PasswordPolicy, password: str) -> None:
    with pytest.raises(PasswordTextInvalid):
        check(policy, password)


@for_each("password", ["password1", "PASSWORD1", "Password1", "qwertyuiop"])
def test_common_passwords_are_refused_under_strict(password: str) -> None:
    with pytest.raises(PasswordTooCommon):
        check(STRICT, password)
    check(CONTRACT, password)


@for_each("password", ["password1 ", "password12", "qwertyuio"])
def test_a_common_password_with_a_difference_is_another_one(password: str) -> None:
    check(STRICT, password)


@for_each("password", ["13800138000", "my13800138000!", "x13800138000"])
def test_a_password_that_contains_the_phone_number_is_refused_under_strict(password: str) -> None:
    with pytest.raises(PasswordHoldsIdentifier):
        check(STRICT, password)
    check(CONTRACT, password)


@for_each(
    ("password", "user_name"),
    [
        ("zhangsan1", "zhangsan"),
        ("ZhangSan1", "zhangsan"),
        ("x zhangsan", "ZhangSan"),
        ("我是张三,很长的密码", "张三"),
        ("strasse 42", "Straße"),
        ("Straße 42", "STRASSE"),
    ],
)
def test_a_password_that_contains_the_user_name_is_refused_under_strict(password: str, user_name: str) -> None:
    with pytest.raises(PasswordHoldsIdentifier):
        check(STRICT, password, user_name)
    check(CONTRACT, password, user_name)
    check(STRICT, password, "somebody else")


@for_each("user_name", [None, "", "a", "ana", "A d", "三", "ан", "123"])
def test_a_user_name_too_short_to_tell_anything_forbids_nothing(user_name: str | None) -> None:
    check(STRICT, "a banana a day 三 банан 123", user_name)


@for_each("user_name", ["Anna", "张三", "欧阳小明", "金씨", "a三", "𠮷野"])
def test_a_telling_name_rules_out_passwords_that_contain_it(user_name: str) -> None:
    with pytest.raises(PasswordHoldsIdentifier):
        check(STRICT, f"correct {user_name} staple", user_name)


@for_each("password", ["the service", "The Service"])
def test_the_name_of_the_service_is_refused_under_strict(password: str) -> None:
    with pytest.raises(PasswordHoldsIdentifier):
        check(STRICT, password)
    check(CONTRACT, password)


def test_a_policy_shows_none_of_its_3000_passwords() -> None:
    assert "qwertyuiop" not in repr(STRICT)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=6, max_size=32))
@examples(100)
def test_the_contract_takes_any_text_of_6_to_32_characters(password: str) -> None:
    check(CONTRACT, password)


@given(password=st.text(max_size=200) | st.text(st.characters(categories=["Cs"]), max_size=20), user_name=st.text())
@examples(200)
def test_any_text_is_refused_or_can_be_hashed(password: str, user_name: str) -> None:
    for policy in (CONTRACT, STRICT):
        try:
            check(policy, password, user_name)
        except Refusal:
            continue
        assert policy.minimum <= len(password) <= policy.maximum
        password.encode()
