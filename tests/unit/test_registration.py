"""Registering a user."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import pytest
from attrs import evolve

from menshen.domain.actors import Actor
from menshen.domain.admission import TooManyDevices
from menshen.domain.audit import Action
from menshen.domain.errors import Refusal
from menshen.domain.passwords import HasherBusy, PasswordLengthInvalid
from menshen.domain.ports.outside import Verdict
from menshen.domain.ports.writing import Transaction
from menshen.domain.users import (
    MAX_USER_ID,
    Phone,
    PhoneInvalid,
    PhoneTaken,
    ReferrerUnknown,
    UserNameInvalid,
    UserState,
)

from .cases import for_each
from .memory_house import OPERATOR, OTHER_PHONE, PASSWORD, PHONE, House, client_on

T = TypeVar("T")


def test_registering_makes_an_active_user(house: House) -> None:
    house.clock.time = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    user = house.service.register_user(phone="+86 138-0013-8000", password=PASSWORD, user_name=" 张三 ")
    assert user == house.users.by_phone(Phone(PHONE))
    assert user.user_name == " 张三 "
    assert user.registered_at == house.clock.time
    assert user.state == UserState.active()
    assert user.account_balance == Decimal(0)
    assert user.fee_percentage == 4
    assert user.referrer_id is None
    assert user.wechat_openid is None


@for_each("password", ["abcdef", " abcdef ", "密码密码密码", "Straße", "e\u0301e\u0301e\u0301"])
def test_the_password_is_hashed_exactly_as_it_came(password: str) -> None:
    house = House()
    user = house.service.register_user(phone=PHONE, password=password)
    assert user.password_hash == house.hasher.hash(password)


@for_each("spelling", [PHONE, "+86 13800138000", "１３８００１３８０００", "138-0013-8000"])
def test_a_number_is_taken_in_any_spelling(spelling: str) -> None:
    house = House()
    first = house.register()
    with pytest.raises(PhoneTaken):
        house.service.register_user(phone=spelling, password="another password")
    assert house.store.users == {first.id: first}


def test_a_user_may_be_invited_by_another(house: House) -> None:
    referrer = house.register()
    user = house.service.register_user(phone=OTHER_PHONE, password=PASSWORD, invited_by=referrer.id)
    assert user.referrer_id == referrer.id


@for_each("invited_by", [0, -1, 2, MAX_USER_ID, MAX_USER_ID + 1, 2**63, -(2**63), 10**40])
def test_an_id_that_nobody_has_invites_nobody(invited_by: int) -> None:
    house = House()
    house.register()
    with pytest.raises(ReferrerUnknown):
        house.service.register_user(phone=OTHER_PHONE, password=PASSWORD, invited_by=invited_by)
    assert len(house.store.users) == 1


@for_each("invited_by", [0, -1, MAX_USER_ID + 1, 2**63, -(2**63), 10**40])
def test_an_id_that_no_table_can_hold_reaches_no_store(invited_by: int) -> None:
    house = House()

    class NoStore:
        def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
            raise AssertionError(work)

    register = evolve(house.service.register_user, work=NoStore())
    with pytest.raises(ReferrerUnknown):
        register(phone=PHONE, password=PASSWORD, invited_by=invited_by)


@for_each(
    ("phone", "password", "user_name", "refusal"),
    [
        ("1380013800", PASSWORD, None, PhoneInvalid),
        ("8513800138000", PASSWORD, None, PhoneInvalid),
        (PHONE, "short", None, PasswordLengthInvalid),
        (PHONE, "x" * 33, None, PasswordLengthInvalid),
        (PHONE, PASSWORD, "x" * 81, UserNameInvalid),
        (PHONE, PASSWORD, "a\nb", UserNameInvalid),
    ],
)
def test_who_is_refused_is_not_kept(phone: str, password: str, user_name: str | None, refusal: type[Refusal]) -> None:
    house = House()
    with pytest.raises(refusal):
        house.service.register_and_login(phone=phone, password=password, user_name=user_name)
    assert not house.store.users
    assert not house.store.sessions


def test_registering_logs_in(house: House) -> None:
    client = client_on("phone", "phone-1", "a phone", remember=True)
    granted = house.service.register_and_login(phone=PHONE, password=PASSWORD, user_name="张三", client=client)
    registered = house.users.by_phone(Phone(PHONE))
    assert registered is not None
    assert granted.user == registered.profile
    assert granted.user.user_name == "张三"
    assert house.authenticate(granted) == granted.session
    assert granted.session.device == client.device
    assert granted.session.expires_at == house.clock.time + house.settings.remember_session_ttl


def test_registering_for_an_operator_opens_no_session(house: House) -> None:
    house.register()
    assert not house.store.sessions


def test_who_may_not_log_in_by_the_device_policy_is_not_registered_either() -> None:
    house = House.with_policy({"phone": 0})
    with pytest.raises(TooManyDevices):
        house.service.register_and_login(phone=PHONE, password=PASSWORD, client=client_on("phone"))
    assert not house.store.users
    house.service.register_and_login(phone=PHONE, password=PASSWORD, client=client_on("pc"))


def test_a_busy_hasher_keeps_nothing(house: House) -> None:
    class BusyHasher:
        def hash(self, password: str) -> str:
            raise HasherBusy("busy")

        def verify(self, password: str, password_hash: str | None) -> Verdict:
            raise HasherBusy("busy")

    register = evolve(house.service.register_user, hasher=BusyHasher())
    with pytest.raises(HasherBusy):
        register(phone=PHONE, password=PASSWORD)
    assert not house.store.users
    assert not house.events


def test_a_number_is_free_again_once_the_account_that_had_it_is_closed(house: House) -> None:
    first = house.service.register_user(phone=PHONE, password=PASSWORD, user_name="张三")
    house.put_state(first, UserState.closing(house.clock.time + timedelta(days=7)))
    with pytest.raises(PhoneTaken):
        house.register()
    house.clock.move(timedelta(days=7))
    second = house.register()
    assert second.id != first.id
    assert house.users.by_phone(Phone(PHONE)) == second
    assert (house.user(first).phone, house.user(first).user_name) == (None, None)


@for_each("state", [UserState("冻结"), UserState("异常"), UserState("注销中")])
def test_a_number_whose_user_may_not_act_is_taken_all_the_same(state: UserState) -> None:
    house = House()
    house.put_state(house.register(), state)
    with pytest.raises(PhoneTaken):
        house.register()


def test_where_the_new_user_is_refused_the_closed_account_is_not_erased_yet(house: House) -> None:
    closed = house.register()
    house.put_state(closed, UserState.closing(house.clock.time))
    before = house.user(closed)
    with pytest.raises(ReferrerUnknown):
        house.service.register_user(phone=PHONE, password=PASSWORD, invited_by=99)
    assert house.user(closed) == before


def test_a_registration_is_recorded_with_the_login_that_comes_with_it(house: House) -> None:
    client = client_on("phone", "phone-1", "a phone")
    granted = house.service.register_and_login(phone=PHONE, password=PASSWORD, client=client)
    registered, logged_in = house.events
    assert (registered.action, logged_in.action) == (Action.REGISTER, Action.LOG_IN)
    for event in (registered, logged_in):
        assert event.at == house.clock.time
        assert event.actor == Actor.user(granted.user.id)
        assert event.subject == granted.user.id
        assert event.outcome == "done"
        assert (event.device, event.address) == (client.device, client.address)
    assert (registered.session_id, logged_in.session_id) == (None, granted.session.id)


def test_an_operator_who_registers_somebody_is_named(house: House) -> None:
    user = house.service.register_user(phone=PHONE, password=PASSWORD, actor=OPERATOR)
    (registered,) = house.events
    assert (registered.actor, registered.subject) == (OPERATOR, user.id)


@for_each(("phone", "invited_by", "refusal"), [(PHONE, None, PhoneTaken), (OTHER_PHONE, 99, ReferrerUnknown)])
def test_a_registration_that_the_store_refuses_is_recorded(
    phone: str, invited_by: int | None, refusal: type[Refusal]
) -> None:
    house = House()
    house.register()
    client = client_on("phone")
    with pytest.raises(refusal):
        house.service.register_and_login(phone=phone, password=PASSWORD, invited_by=invited_by, client=client)
    with pytest.raises(refusal):
        house.service.register_user(phone=phone, password=PASSWORD, invited_by=invited_by, actor=OPERATOR)
    by_nobody, by_operator = house.events[1:]
    assert (by_nobody.actor, by_operator.actor) == (Actor.nobody(), OPERATOR)
    for event in (by_nobody, by_operator):
        assert (event.action, event.subject, event.outcome) == (Action.REGISTER, None, refusal.reason)
    assert (by_nobody.device, by_operator.device) == (client.device, None)


def test_a_registration_that_the_device_policy_refuses_is_recorded() -> None:
    house = House.with_policy({"web": 0})
    client = client_on("web", "web-1", "a browser")
    with pytest.raises(TooManyDevices):
        house.service.register_and_login(phone=PHONE, password=PASSWORD, client=client)
    assert not house.store.users
    (event,) = house.events
    assert (event.action, event.outcome) == (Action.REGISTER, "too_many_devices")
    assert (event.actor, event.subject, event.session_id) == (Actor.nobody(), None, None)
    assert (event.device, event.address, event.at) == (client.device, client.address, house.clock.time)
