"""What operators do for users who cannot get in: another number, another password."""

from datetime import timedelta

import pytest

from menshen.domain.audit import Action
from menshen.domain.passwords import PasswordLengthInvalid
from menshen.domain.proofs import InvalidCredentials
from menshen.domain.sessions import EndReason, PasswordWasChanged
from menshen.domain.users import NoSuchUser, Phone, PhoneInvalid, PhoneTaken, StateConflict, User, UserId

from .memory_house import OPERATOR, OTHER_PHONE, PASSWORD, PHONE, House

NEW = "another good password"


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def user(house: House) -> User:
    return house.register()


def test_another_number_logs_in_and_the_old_one_does_not(house: House, user: User) -> None:
    granted = house.login()
    changed = house.service.set_phone(user.id, phone="+86 139-0013-9000", actor=OPERATOR)
    assert (changed.id, changed.phone) == (user.id, Phone(OTHER_PHONE))
    assert house.login(OTHER_PHONE).user.id == user.id
    with pytest.raises(InvalidCredentials):
        house.login(PHONE)
    house.authenticate(granted)
    # The number is free again.
    assert house.register(PHONE).id != user.id


def test_a_number_is_nobody_elses(house: House, user: User) -> None:
    other = house.register(OTHER_PHONE)
    with pytest.raises(PhoneTaken):
        house.service.set_phone(user.id, phone=OTHER_PHONE, actor=OPERATOR)
    with pytest.raises(PhoneInvalid):
        house.service.set_phone(user.id, phone="12345", actor=OPERATOR)
    assert house.user(user) == user
    assert house.user(other) == other


def test_a_change_of_the_number_is_recorded_without_the_number(house: House, user: User) -> None:
    house.service.set_phone(user.id, phone=OTHER_PHONE, actor=OPERATOR)
    house.service.set_phone(user.id, phone=OTHER_PHONE, actor=OPERATOR)
    [event] = house.events_of(Action.CHANGE_PHONE)
    assert (event.subject, event.actor, event.detail) == (user.id, OPERATOR, "to 139****9000")


def test_another_password_logs_in_and_ends_all_sessions(house: House, user: User) -> None:
    granted = [house.login(), house.login()]
    house.service.set_password(user.id, password=NEW, actor=OPERATOR)
    for each in granted:
        with pytest.raises(PasswordWasChanged):
            house.authenticate(each)
        end = house.stored(each).end
        assert end is not None
        assert (end.reason, end.actor) == (EndReason.PASSWORD_CHANGED, OPERATOR)
    with pytest.raises(InvalidCredentials):
        house.login()
    house.login(password=NEW)
    [event] = house.events_of(Action.CHANGE_PASSWORD)
    assert (event.subject, event.actor, event.detail) == (user.id, OPERATOR, None)


def test_the_policy_applies_to_operators_too(house: House, user: User) -> None:
    with pytest.raises(PasswordLengthInvalid):
        house.service.set_password(user.id, password="short", actor=OPERATOR)
    house.login(password=PASSWORD)


def test_nobody_has_neither(house: House) -> None:
    with pytest.raises(NoSuchUser):
        house.service.set_phone(UserId(9), phone=PHONE, actor=OPERATOR)
    with pytest.raises(NoSuchUser):
        house.service.set_password(UserId(9), password=NEW, actor=OPERATOR)


def test_an_account_that_was_erased_gets_neither(house: House, user: User) -> None:
    house.service.close_account.close(user.id, actor=OPERATOR)
    house.clock.move(timedelta(days=8))
    house.service.prune()
    with pytest.raises(StateConflict):
        house.service.set_phone(user.id, phone=PHONE, actor=OPERATOR)
    with pytest.raises(StateConflict):
        house.service.set_password(user.id, password=NEW, actor=OPERATOR)
