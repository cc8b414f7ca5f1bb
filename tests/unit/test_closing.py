"""Closing an account: the grace period, cancelling, and what is kept afterwards."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import pytest
from attrs import evolve, frozen

from menshen.adapters.memory.store import MemoryStore
from menshen.domain.actors import Actor
from menshen.domain.admission import TooManyDevices
from menshen.domain.audit import Action
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.errors import Refusal
from menshen.domain.ports.outside import Verdict
from menshen.domain.ports.reading import UserFilter
from menshen.domain.ports.writing import Personal
from menshen.domain.proofs import InvalidCredentials, ReauthenticationFailed
from menshen.domain.sessions import UserWasClosed
from menshen.domain.use_cases.closing import erase
from menshen.domain.use_cases.issuing import Granted
from menshen.domain.users import (
    LoginNotAllowed,
    NoSuchUser,
    Phone,
    PhoneTaken,
    Standing,
    StateConflict,
    User,
    UserId,
    UserNotActive,
    UserState,
)
from menshen.entrypoints.stores import memory_store

from .cases import for_each
from .memory_house import (
    MOMENT,
    OPERATOR,
    OTHER_PHONE,
    PASSWORD,
    PHONE,
    WRONG_PASSWORD,
    House,
    MeddlingHasher,
    client_on,
    told_of,
    with_parts,
)

GRACE = timedelta(days=7)
HERE = client_on("phone", "phone-1", "a phone")
THERE = client_on("phone", "phone-1", "the phone as it said at login")


@pytest.fixture
def user(house: House) -> User:
    return house.register()


@pytest.fixture
def granted(house: House, user: User) -> Granted:
    return house.login(client=THERE)


def close(house: House, granted: Granted, password: str = PASSWORD) -> datetime:
    return house.service.close_account(granted.principal, password=password, client=HERE)


def standing(house: House, user: User) -> Standing:
    return house.user(user).state.standing(house.clock.time)


def test_an_account_closes_when_the_grace_is_over(house: House, user: User, granted: Granted) -> None:
    closes_at = close(house, granted)
    assert closes_at == house.clock.time + GRACE == house.clock.time + house.settings.account_closing_grace
    assert house.user(user) == evolve(user, state=UserState.closing(closes_at))
    house.clock.time = closes_at - MOMENT
    assert standing(house, user) is Standing.CLOSING
    house.clock.time = closes_at
    assert standing(house, user) is Standing.CLOSED


def test_closing_ends_all_sessions_of_every_kind_at_once(house: House) -> None:
    user = house.register_admin()
    house.register(OTHER_PHONE)
    granted, admin, other = house.login(), house.admin_login(), house.login(OTHER_PHONE)
    close(house, granted)
    assert house.live(user) == []
    with pytest.raises(UserNotActive) as refused:
        house.authenticate(granted)
    assert refused.value.ended_at == house.clock.time
    with pytest.raises(UserNotActive):
        house.service.refresh(granted.refresh_token)
    with pytest.raises(UserNotActive):
        house.service.authenticate_admin(admin.access_token)
    house.authenticate(other)


@pytest.mark.parametrize("password", ["", WRONG_PASSWORD, PASSWORD + " "])
def test_closing_takes_the_password(house: House, user: User, granted: Granted, password: str) -> None:
    with pytest.raises(ReauthenticationFailed):
        close(house, granted, password)
    assert house.user(user) == user
    house.authenticate(granted)
    (event,) = house.events_of(Action.CLOSE)
    assert (event.outcome, event.actor, event.subject) == ("password_wrong", Actor.user(user.id), user.id)
    assert (event.device, event.address) == (HERE.device, HERE.address)


def test_an_outdated_hash_proves_the_password_as_well(house: House, user: User, granted: Granted) -> None:
    house.put_hash(user, f"old:{PASSWORD}")
    close(house, granted)
    assert standing(house, user) is Standing.CLOSING


def test_a_password_that_was_changed_since_it_was_judged_closes_nothing(
    house: House, user: User, granted: Granted
) -> None:
    hasher = MeddlingHasher(house, after=lambda: house.put_hash(user, "fake:a newer password"))
    with pytest.raises(ReauthenticationFailed):
        with_parts(house.service.close_account, hasher=hasher)(granted.principal, password=PASSWORD, client=HERE)
    assert hasher.verdicts == [Verdict.MATCH]
    assert standing(house, user) is Standing.ACTIVE
    house.authenticate(granted)
    assert [event.outcome for event in house.events_of(Action.CLOSE)] == ["password_wrong"]


@pytest.mark.parametrize("until", [None, timedelta(days=1)])
def test_a_freeze_that_comes_while_the_password_is_judged_wins(
    house: House, user: User, granted: Granted, until: timedelta | None
) -> None:
    def freeze() -> None:
        end = None if until is None else house.clock.time + until
        house.service.operate.freeze(user.id, reason="rude", until=end, actor=OPERATOR)

    with pytest.raises(UserNotActive):
        with_parts(house.service.close_account, hasher=MeddlingHasher(house, after=freeze))(
            granted.principal, password=PASSWORD, client=HERE
        )
    assert standing(house, user) is Standing.FROZEN
    house.clock.move(GRACE)
    prune(house)
    assert house.user(user).phone == user.phone


@pytest.mark.parametrize("later", [timedelta(0), GRACE - MOMENT])
def test_logging_in_within_the_grace_takes_the_closing_back(
    house: House, user: User, granted: Granted, later: timedelta
) -> None:
    close(house, granted)
    house.clock.move(later)
    again = house.login(client=HERE)
    assert house.user(user) == user
    assert again.user == user.profile
    house.authenticate(again)
    with pytest.raises(UserWasClosed):
        house.authenticate(granted)
    assert [event.action for event in house.events[-2:]] == [Action.REOPEN, Action.LOG_IN]
    reopened = house.events[-2]
    assert (reopened.actor, reopened.subject, reopened.device) == (Actor.user(user.id), user.id, HERE.device)
    house.clock.move(GRACE)
    assert standing(house, user) is Standing.ACTIVE


def test_a_login_that_is_refused_takes_no_closing_back() -> None:
    house = House.with_policy({"pc": 0})
    user = house.register()
    close(house, house.login())
    closing = house.user(user)
    with pytest.raises(InvalidCredentials):
        house.login(password=WRONG_PASSWORD)
    with pytest.raises(TooManyDevices):
        house.login(client=client_on("pc"))
    assert house.user(user) == closing
    assert not house.events_of(Action.REOPEN)


def test_after_the_grace_nothing_is_taken_back(house: House, user: User, granted: Granted) -> None:
    close(house, granted)
    house.clock.move(GRACE)
    with pytest.raises(LoginNotAllowed):
        house.login()
    assert standing(house, user) is Standing.CLOSED


NOW = House().clock.time


@pytest.mark.parametrize(
    "state",
    [
        UserState.frozen(until=None, reason="rude"),
        UserState.frozen(until=NOW + MOMENT, reason="rude"),
        UserState("异常"),
        UserState("注销中"),
        UserState.closing(NOW + MOMENT),
        UserState.closing(NOW),
        UserState.closed(),
    ],
)
def test_only_an_active_account_can_be_closed(house: House, user: User, granted: Granted, state: UserState) -> None:
    house.put_state(user, state)
    before = house.user(user), dict(house.store.sessions)
    with pytest.raises(UserNotActive):
        close(house, granted)
    with pytest.raises(StateConflict):
        house.service.close_account.close(user.id, actor=OPERATOR)
    assert (house.user(user), house.store.sessions) == before
    by_owner, by_operator = house.events_of(Action.CLOSE)
    assert (by_owner.outcome, by_owner.actor) == ("user_not_active", Actor.user(user.id))
    assert (by_operator.outcome, by_operator.actor) == ("state_conflict", OPERATOR)


def test_who_was_frozen_for_a_while_that_is_over_can_leave(house: House, user: User, granted: Granted) -> None:
    house.put_state(user, UserState.frozen(until=house.clock.time, reason="over"))
    close(house, granted)
    assert standing(house, user) is Standing.CLOSING


def test_an_operator_closes_an_account_without_the_password(house: House, user: User, granted: Granted) -> None:
    closes_at = house.service.close_account.close(user.id, actor=OPERATOR)
    assert closes_at == house.clock.time + GRACE
    assert house.user(user).state == UserState.closing(closes_at)
    end = house.stored(granted).end
    assert end is not None
    assert (end.actor, end.by) == (OPERATOR, None)
    ended, closed = house.events[-2:]
    assert (ended.action, closed.action) == (Action.END_SESSION, Action.CLOSE)
    for event in (closed, ended):
        assert (event.actor, event.subject, event.outcome) == (OPERATOR, user.id, "done")
        assert (event.device, event.address) == (None, None)


def test_nobody_cannot_be_closed_which_is_recorded(house: House) -> None:
    with pytest.raises(NoSuchUser):
        house.service.close_account.close(UserId(99), actor=OPERATOR)
    (event,) = house.events
    assert (event.action, event.outcome, event.subject) == (Action.CLOSE, "no_such_user", UserId(99))
    assert (event.actor, event.at, event.device) == (OPERATOR, house.clock.time, None)


def test_a_closing_is_recorded_with_the_ends_it_brings(house: House, user: User, granted: Granted) -> None:
    before = len(house.events)
    close(house, granted)
    closed, ended = house.events[before:]
    assert (closed.action, closed.outcome) == (Action.CLOSE, "done")
    assert (ended.action, ended.session_id, ended.detail) == (Action.END_SESSION, granted.session.id, "user_closed")
    for event in (closed, ended):
        assert (event.actor, event.subject, event.at) == (Actor.user(user.id), user.id, house.clock.time)
        assert (event.device, event.address) == (HERE.device, HERE.address)
    end = house.stored(granted).end
    assert end is not None
    # The device is that of the session from which it was closed, not what this one request says.
    assert (end.by, end.at) == (told_of(THERE.device), house.clock.time)


# What is left.


def prune(house: House) -> None:
    house.service.prune()


def register_again(house: House) -> None:
    house.service.register_and_login(phone=PHONE, password="somebody else's password")


@pytest.fixture
def full(house: House) -> User:
    """A user with every field set, who is also another user's referrer."""
    referrer = house.register(OTHER_PHONE)
    user = house.service.register_user(phone=PHONE, password=PASSWORD, user_name="张三", invited_by=referrer.id)
    house.store.users[user.id] = evolve(
        user,
        wechat_openid="openid",
        account_balance=Decimal("12.3400"),
        fee_percentage=7,
        is_admin=True,
        device_policy=DevicePolicy.single(),
    )
    house.login(client=HERE)
    house.service.register_user(phone="13700137000", password=PASSWORD, invited_by=user.id)
    return house.user(user)


@pytest.mark.parametrize("erases", [prune, register_again])
def test_a_closed_account_keeps_only_what_others_refer_to(
    house: House, full: User, erases: Callable[[House], None]
) -> None:
    house.service.close_account.close(full.id, actor=OPERATOR)
    house.clock.move(GRACE)
    erases(house)
    assert house.user(full) == User(
        id=full.id,
        phone=None,
        password_hash="",
        registered_at=full.registered_at,
        user_name=None,
        referrer_id=full.referrer_id,
        wechat_openid=None,
        account_balance=Decimal("12.3400"),
        state=UserState.closed(),
        fee_percentage=7,
        is_admin=False,
        device_policy=None,
    )
    assert not [session for session in house.store.sessions.values() if session.user_id == full.id]
    (event,) = house.events_of(Action.ERASE)
    assert (event.actor, event.subject, event.at) == (Actor.service(), full.id, house.clock.time)
    assert [user.referrer_id for user in house.store.users.values()].count(full.id) == 1


def test_the_reasons_of_freezes_and_what_was_looked_for_go_too(house: House, full: User) -> None:
    house.service.operate.freeze(full.id, reason="a rude person", until=None, actor=OPERATOR)
    house.service.operate.unfreeze(full.id, actor=OPERATOR)
    house.service.browse.users(UserFilter(phone=Phone(PHONE)), caller=OPERATOR)
    house.service.close_account.close(full.id, actor=OPERATOR)
    house.clock.move(GRACE)
    prune(house)
    assert [(event.subject, event.detail) for event in house.events_of(Action.FREEZE, Action.READ)] == [
        (full.id, None)
    ] * 2
    assert "rude" not in repr(house.store)


def test_the_number_of_an_account_that_another_program_closed_stays_taken(house: House, full: User) -> None:
    house.put_state(full, UserState.closed())
    before = house.user(full)
    with pytest.raises(PhoneTaken):
        register_again(house)
    assert house.user(full) == before


@for_each("erases", [prune, register_again])
def test_the_tokens_of_an_erased_account_open_nothing(erases: Callable[[House], None]) -> None:
    house = House()
    user = house.register()
    granted: Granted = house.login()
    house.put_state(user, UserState.closing(house.clock.time))
    erases(house)
    with pytest.raises(UserNotActive):
        house.authenticate(granted)
    with pytest.raises(Refusal):
        house.service.refresh(granted.refresh_token)


def test_whoever_registers_a_freed_number_is_another_user(house: House, full: User) -> None:
    house.service.close_account.close(full.id, actor=OPERATOR)
    house.clock.move(GRACE)
    register_again(house)
    found = house.users.by_phone(Phone(PHONE))
    assert found is not None
    assert found.id not in {full.id, full.referrer_id}
    assert (found.user_name, found.wechat_openid, found.is_admin, found.device_policy) == (None, None, False, None)
    assert found.account_balance == Decimal(0)
    with pytest.raises(InvalidCredentials):
        house.login()


def test_an_erased_account_is_found_by_its_id_and_its_state_alone(house: House, full: User) -> None:
    house.service.close_account.close(full.id, actor=OPERATOR)
    house.clock.move(GRACE)
    prune(house)
    erased = house.user(full)
    assert house.service.find_user(PHONE) is None
    assert house.service.find_user(str(full.id)) == erased
    assert house.service.find_users(UserFilter(standing=Standing.CLOSED)) == [erased]
    assert house.service.find_users(UserFilter(name_prefix="张")) == []


@pytest.mark.parametrize(
    "state",
    [
        UserState.active(),
        UserState("冻结"),
        UserState("异常"),
        UserState.closing(House().clock.time + MOMENT),
        UserState.closed(),
        UserState("已注销", House().clock.time),
        UserState("注销中"),
    ],
)
def test_only_what_is_closed_is_erased(house: House, full: User, state: UserState) -> None:
    house.put_state(full, state)
    before, sessions, events = house.user(full), dict(house.store.sessions), house.events
    assert not house.service.register_user.work.transact(lambda tx: erase(tx, full.id, house.clock.now()))
    prune(house)
    assert house.user(full) == before
    assert (house.store.sessions, house.events) == (sessions, events)


class Diaries(Personal, Protocol):
    """A further noun."""


def test_what_any_noun_has_of_a_user_goes_with_the_account(house: House, full: User) -> None:
    erased: list[UserId] = []

    @frozen
    class ToldDiaries:
        rows: MemoryStore

        def erase_of(self, user_id: UserId) -> None:
            erased.append(user_id)

    house.service.close_account.close(full.id, actor=OPERATOR)
    work = memory_store(house.store, {Diaries: ToldDiaries}).work
    assert not work.transact(lambda tx: erase(tx, full.id, house.clock.now()))
    assert erased == []
    assert work.transact(lambda tx: erase(tx, full.id, house.clock.now() + GRACE))
    assert erased == [full.id]


def test_erasing_twice_changes_nothing(house: House, full: User) -> None:
    house.service.close_account.close(full.id, actor=OPERATOR)
    house.clock.move(GRACE)
    prune(house)
    before = house.events
    work = house.service.register_user.work
    assert not work.transact(lambda tx: erase(tx, full.id, house.clock.now()))
    assert not work.transact(lambda tx: erase(tx, UserId(99), house.clock.now()))
    assert house.events == before


def test_an_erased_account_is_closed_for_good(house: House, full: User) -> None:
    house.service.close_account.close(full.id, actor=OPERATOR)
    house.clock.move(GRACE)
    prune(house)
    for act in (
        lambda: house.service.operate.freeze(full.id, reason="x", until=None, actor=OPERATOR),
        lambda: house.service.operate.unfreeze(full.id, actor=OPERATOR),
        lambda: house.service.close_account.close(full.id, actor=OPERATOR),
    ):
        with pytest.raises(StateConflict):
            act()
    house.clock.move(timedelta(days=3650))
    assert standing(house, full) is Standing.CLOSED
