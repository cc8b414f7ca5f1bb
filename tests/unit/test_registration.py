"""Becoming a user."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from menshen.adapters.memory.users import MemoryUserRepository
from menshen.domain.errors import (
    HasherBusy,
    PasswordLengthInvalid,
    PhoneInvalid,
    PhoneTaken,
    ReferrerUnknown,
    Refusal,
    UserNameInvalid,
)
from menshen.domain.passwords import contract_policy
from menshen.domain.ports import Verdict
from menshen.domain.use_cases.registration import RegisterUser
from menshen.domain.users import MAX_USER_ID, NewUser, Phone, User, UserId, UserState

from .memory_house import PASSWORD, PHONE, House


@pytest.fixture
def house() -> House:
    return House()


def test_registering_makes_an_active_user(house: House) -> None:
    house.clock.time = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    user = house.service.register_user(phone="+86 138-0013-8000", password=PASSWORD, user_name=" 张三 ")
    assert user == house.users.by_phone(Phone(PHONE))
    assert user.user_name == " 张三 "
    assert user.registered_at == house.clock.time
    assert user.state == UserState.ACTIVE
    assert user.account_balance == Decimal(0)
    assert user.fee_percentage == 4
    assert user.referrer_id is None
    assert user.wechat_openid is None


@pytest.mark.parametrize("password", ["abcdef", " abcdef ", "密码密码密码", "Straße", "e\u0301e\u0301e\u0301"])
def test_the_password_is_hashed_exactly_as_it_came(house: House, password: str) -> None:
    user = house.service.register_user(phone=PHONE, password=password)
    assert user.password_hash == house.hasher.hash(password)


@pytest.mark.parametrize("spelling", [PHONE, "+86 13800138000", "１３８００１３８０００", "138-0013-8000"])
def test_a_number_is_taken_in_any_spelling(house: House, spelling: str) -> None:
    first = house.register()
    with pytest.raises(PhoneTaken):
        house.service.register_user(phone=spelling, password="another password")
    assert house.store.users == {first.id: first}


def test_a_user_may_be_invited_by_another(house: House) -> None:
    referrer = house.register()
    user = house.service.register_user(phone="13900139000", password=PASSWORD, invited_by=referrer.id)
    assert user.referrer_id == referrer.id


@pytest.mark.parametrize("invited_by", [0, -1, 2, MAX_USER_ID, MAX_USER_ID + 1, 2**63, -(2**63), 10**40])
def test_an_id_that_nobody_has_invites_nobody(house: House, invited_by: int) -> None:
    house.register()
    with pytest.raises(ReferrerUnknown):
        house.service.register_user(phone="13900139000", password=PASSWORD, invited_by=invited_by)
    assert len(house.store.users) == 1


@pytest.mark.parametrize("invited_by", [0, -1, MAX_USER_ID + 1, 2**63, -(2**63), 10**40])
def test_an_id_that_no_table_can_hold_reaches_no_store(house: House, invited_by: int) -> None:
    class NoUsers(MemoryUserRepository):
        def add(self, user: NewUser) -> User:
            raise AssertionError(user)

    register = RegisterUser(NoUsers(house.store), house.hasher, contract_policy(), house.clock)
    with pytest.raises(ReferrerUnknown):
        register(phone=PHONE, password=PASSWORD, invited_by=invited_by)


@pytest.mark.parametrize(
    ("phone", "password", "user_name", "refusal"),
    [
        ("1380013800", PASSWORD, None, PhoneInvalid),
        ("8613800138000", PASSWORD, None, PhoneInvalid),
        (PHONE, "short", None, PasswordLengthInvalid),
        (PHONE, "x" * 33, None, PasswordLengthInvalid),
        (PHONE, PASSWORD, "x" * 81, UserNameInvalid),
        (PHONE, PASSWORD, "a\nb", UserNameInvalid),
    ],
)
def test_who_is_refused_is_not_kept(
    house: House, phone: str, password: str, user_name: str | None, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        house.service.register_and_login(phone=phone, password=password, user_name=user_name)
    assert not house.store.users
    assert not house.store.sessions


def test_registering_logs_in(house: House) -> None:
    granted = house.service.register_and_login(phone=PHONE, password=PASSWORD, user_name="张三")
    assert granted.user == house.users.by_phone(Phone(PHONE))
    assert granted.user.user_name == "张三"
    assert house.service.authenticate(granted.access_token).session == granted.session


def test_registering_for_an_operator_opens_no_session(house: House) -> None:
    house.register()
    assert not house.store.sessions


def test_a_busy_hasher_keeps_nothing(house: House) -> None:
    class BusyHasher:
        def hash(self, password: str) -> str:
            raise HasherBusy("busy")

        def verify(self, password: str, password_hash: str | None) -> Verdict:
            raise HasherBusy("busy")

    register = RegisterUser(house.users, BusyHasher(), contract_policy(), house.clock)
    with pytest.raises(HasherBusy):
        register(phone=PHONE, password=PASSWORD)
    assert house.users.by_id(UserId(1)) is None
