"""From a password to a session, and out of it again."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from attrs import define

from menshen.domain.errors import (
    HasherBusy,
    InvalidCredentials,
    LoginNotAllowed,
    SessionLoggedOut,
    SessionReplaced,
    TokenExpired,
)
from menshen.domain.ports import Verdict
from menshen.domain.sessions import EndReason, SessionEnd
from menshen.domain.use_cases.login import Login
from menshen.entrypoints.settings import Settings

from .memory_house import PASSWORD, PHONE, House

MALFORMED = ["", "1380013800", "8613800138000", "13800138000\n", "' OR 1=1 --", "\ud800", "1" * 100_000]


@pytest.fixture
def house() -> House:
    return House()


def test_the_right_password_opens_a_session(house: House) -> None:
    user = house.register()
    granted = house.login()
    assert granted.user == user
    assert granted.session.user_id == user.id
    assert house.service.authenticate(granted.access_token).session == granted.session


@pytest.mark.parametrize("spelling", ["+86 138-0013-8000", "１３８００１３８０００", "0086 13800138000"])
def test_login_takes_a_number_in_any_spelling(house: House, spelling: str) -> None:
    user = house.register()
    assert house.login(spelling).user == user


@pytest.mark.parametrize("password", ["", PASSWORD + " ", " " + PASSWORD, PASSWORD.upper(), "\ud800", "x" * 1_000_000])
def test_another_password_opens_nothing(house: House, password: str) -> None:
    house.register()
    with pytest.raises(InvalidCredentials):
        house.login(password=password)
    assert not house.store.sessions


def test_login_does_not_say_which_was_wrong(house: House) -> None:
    frozen = house.register()
    house.freeze(frozen)
    house.register("13900139000")
    told = set()
    for phone in (PHONE, "13900139000", "13700137000", "no number"):
        with pytest.raises(InvalidCredentials) as refusal:
            house.login(phone, "a wrong password")
        told.add((type(refusal.value), refusal.value.args, refusal.value.reason, refusal.value.__cause__))
    assert len(told) == 1


def test_a_frozen_user_is_told_so_only_with_the_right_password(house: House) -> None:
    house.freeze(house.register())
    with pytest.raises(InvalidCredentials):
        house.login(password="a wrong password")
    with pytest.raises(LoginNotAllowed):
        house.login()
    assert not house.store.sessions


@pytest.mark.parametrize("registered", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("password", [PASSWORD, "a wrong password", ""])
def test_each_login_judges_exactly_one_password(house: House, registered: bool, frozen: bool, password: str) -> None:
    if registered:
        user = house.register()
        if frozen:
            house.freeze(user)
    before = house.hasher.judged
    with suppress(InvalidCredentials, LoginNotAllowed):
        house.login(password=password)
    assert house.hasher.judged == before + 1


@pytest.mark.parametrize("phone", MALFORMED)
def test_no_password_is_judged_for_what_is_no_number(house: House, phone: str) -> None:
    with pytest.raises(InvalidCredentials):
        house.login(phone)
    assert house.hasher.judged == 0


def test_each_login_makes_a_fresh_session_and_a_fresh_token(house: House) -> None:
    house.register()
    granted = [house.login() for _ in range(5)]
    assert len({each.session.id for each in granted}) == 5
    assert len({each.access_token for each in granted}) == 5
    claims = [house.codec.decode(each.access_token) for each in granted]
    assert len({each.token_id for each in claims}) == 5
    assert [each.session_id for each in claims] == [each.session.id for each in granted]
    assert not {each.session_id for each in claims} & {each.token_id for each in claims}


def test_token_and_session_end_at_the_same_whole_second() -> None:
    house = House(Settings(access_token_ttl=timedelta(minutes=15)))
    house.clock.time = datetime(2026, 1, 2, 3, 4, 5, 999999, tzinfo=UTC)
    house.register()
    granted = house.login()
    claims = house.codec.decode(granted.access_token)
    assert claims.issued_at == granted.session.started_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert claims.expires_at == granted.session.expires_at == datetime(2026, 1, 2, 3, 19, 5, tzinfo=UTC)
    house.clock.time = claims.expires_at - timedelta(microseconds=1)
    house.service.authenticate(granted.access_token)
    house.clock.time = claims.expires_at
    with pytest.raises(TokenExpired):
        house.service.authenticate(granted.access_token)


def test_what_login_grants_shows_no_token(house: House) -> None:
    house.register()
    granted = house.login()
    assert granted.access_token not in repr(granted)
    assert granted.user.password_hash not in repr(granted)


def test_logins_live_side_by_side_by_default(house: House) -> None:
    house.register()
    for granted in [house.login(), house.login(), house.login()]:
        house.service.authenticate(granted.access_token)


def test_the_newest_login_ends_the_others_under_the_single_device_policy() -> None:
    house = House(Settings(multi_device_login=False))
    house.register()
    house.register("13900139000")
    other = house.login("13900139000")
    first, second = house.login(), house.login()
    with pytest.raises(SessionReplaced):
        house.service.authenticate(first.access_token)
    house.service.authenticate(second.access_token)
    house.service.authenticate(other.access_token)


def test_a_refused_login_ends_no_session_under_the_single_device_policy() -> None:
    house = House(Settings(multi_device_login=False))
    user = house.register()
    granted = house.login()
    with pytest.raises(InvalidCredentials):
        house.login(password="a wrong password")
    house.service.authenticate(granted.access_token)
    house.freeze(user)
    with pytest.raises(LoginNotAllowed):
        house.login()
    assert house.store.sessions[granted.session.id].end is None


def test_login_replaces_an_outdated_hash(house: House) -> None:
    user = house.register()
    house.put_hash(user, f"old:{PASSWORD}")
    house.login()
    assert house.hash_of(user) == f"fake:{PASSWORD}"
    house.login()


@pytest.mark.parametrize("stored", [f"fake:{PASSWORD}", "old:another password"])
def test_login_leaves_any_other_hash_alone(house: House, stored: str) -> None:
    user = house.register()
    house.put_hash(user, stored)
    with suppress(InvalidCredentials):
        house.login()
    assert house.hash_of(user) == stored


def test_a_hash_that_changed_meanwhile_is_not_written_over(house: House) -> None:
    user = house.register()
    house.put_hash(user, f"old:{PASSWORD}")

    class HasherDuringWhichThePasswordIsChanged:
        def hash(self, password: str) -> str:
            house.put_hash(user, "fake:a newer password")
            return house.hasher.hash(password)

        def verify(self, password: str, password_hash: str | None) -> Verdict:
            return house.hasher.verify(password, password_hash)

    login = Login(house.users, HasherDuringWhichThePasswordIsChanged(), house.service.login.open_session)
    login(phone=PHONE, password=PASSWORD)
    assert house.hash_of(user) == "fake:a newer password"


@define
class BusyHasher:
    """A hasher that has no turn to give."""

    def hash(self, password: str) -> str:
        raise HasherBusy("busy")

    def verify(self, password: str, password_hash: str | None) -> Verdict:
        raise HasherBusy("busy")


@pytest.mark.parametrize("phone", [PHONE, "13900139000"])
def test_a_busy_hasher_is_told_for_known_and_unknown_numbers_alike(house: House, phone: str) -> None:
    house.register()
    login = Login(house.users, BusyHasher(), house.service.login.open_session)
    with pytest.raises(HasherBusy):
        login(phone=phone, password=PASSWORD)
    assert not house.store.sessions


def test_logging_out_ends_this_session_and_no_other(house: House) -> None:
    house.register()
    granted, other = house.login(), house.login()
    house.clock.move(timedelta(minutes=1))
    assert house.service.logout(granted.session)
    assert house.store.sessions[granted.session.id].end == SessionEnd(house.clock.time, EndReason.LOGGED_OUT)
    with pytest.raises(SessionLoggedOut):
        house.service.authenticate(granted.access_token)
    house.service.authenticate(other.access_token)


def test_logging_out_twice_changes_nothing(house: House) -> None:
    house.register()
    granted = house.login()
    house.service.logout(granted.session)
    ended = house.store.sessions[granted.session.id]
    house.clock.move(timedelta(minutes=1))
    assert not house.service.logout(granted.session)
    assert house.store.sessions[granted.session.id] == ended
