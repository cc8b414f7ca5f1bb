"""What operators do: freeze and unfreeze, fee, policy, admins, kick, find."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from menshen.domain.actors import Actor
from menshen.domain.audit import Action
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.ports.reading import UserFilter
from menshen.domain.sessions import NoSuchSession, SessionId, SessionKicked, UserWasFrozen
from menshen.domain.texts import TextInvalid
from menshen.domain.use_cases.operating import LONGEST_FREEZE
from menshen.domain.users import (
    FeeInvalid,
    FreezeInvalid,
    LoginNotAllowed,
    NoSuchUser,
    Phone,
    Standing,
    StateConflict,
    User,
    UserId,
    UserNotActive,
    UserState,
)

from .memory_house import MOMENT, OPERATOR, OTHER_PHONE, PHONE, House, client_on

HERE = client_on("pc", "pc-1", "an operator's computer")
ADMIN = Actor.operator("the desk")
NOBODY = UserId(99)
HOUR = timedelta(hours=1)


@pytest.fixture
def user(house: House) -> User:
    return house.register()


def standing(house: House, user: User) -> Standing:
    return house.user(user).state.standing(house.clock.time)


# Freezing.


def test_a_freeze_ends_all_sessions_of_every_kind_and_keeps_the_user_out(house: House) -> None:
    user = house.register_admin()
    house.register(OTHER_PHONE)
    granted, admin, other = house.login(), house.admin_login(), house.login(OTHER_PHONE)
    frozen = house.service.operate.freeze(user.id, reason="投诉过多", until=None, actor=OPERATOR)
    assert house.user(user) == evolve(user, state=UserState.frozen(until=None, reason="投诉过多"))
    assert frozen == house.user(user).profile
    assert house.live(user) == []
    with pytest.raises(UserNotActive):
        house.authenticate(granted)
    with pytest.raises(UserNotActive):
        house.service.authenticate_admin(admin.access_token)
    with pytest.raises(LoginNotAllowed):
        house.login()
    house.authenticate(other)


def test_a_timed_freeze_ends_and_the_sessions_stay_ended(house: House, user: User) -> None:
    granted, frozen_at = house.login(), house.clock.time
    house.service.operate.freeze(user.id, reason="x", until=frozen_at + HOUR, actor=OPERATOR)
    house.clock.time = frozen_at + HOUR - MOMENT
    with pytest.raises(LoginNotAllowed):
        house.login()
    house.clock.time = frozen_at + HOUR
    with pytest.raises(UserWasFrozen) as refused:
        house.authenticate(granted)
    assert refused.value.ended_at == frozen_at
    # The first login clears what is left of it.
    house.authenticate(house.login())
    assert house.user(user).state == UserState.active()


def test_unfreezing_lets_the_user_in_again(house: House, user: User) -> None:
    house.service.operate.freeze(user.id, reason="x", until=None, actor=OPERATOR)
    assert house.service.operate.unfreeze(user.id, actor=OPERATOR) == user.profile
    assert house.user(user) == user
    house.authenticate(house.login())


def test_who_was_frozen_by_the_tutorial_can_be_unfrozen(house: House, user: User) -> None:
    house.freeze(user)
    house.service.operate.unfreeze(user.id, actor=OPERATOR)
    assert standing(house, user) is Standing.ACTIVE


def test_a_later_freeze_takes_the_place_of_an_earlier_one(house: House, user: User) -> None:
    now = house.clock.time
    for until in (now + HOUR, None, now + 2 * HOUR):
        house.service.operate.freeze(user.id, reason="x", until=until, actor=OPERATOR)
        assert house.user(user).state.until == until


@pytest.mark.parametrize("ago", [timedelta(0), MOMENT, HOUR])
def test_nobody_is_frozen_until_a_time_that_has_passed(house: House, user: User, ago: timedelta) -> None:
    granted = house.login()
    with pytest.raises(FreezeInvalid):
        house.service.operate.freeze(user.id, reason="x", until=house.clock.time - ago, actor=OPERATOR)
    house.authenticate(granted)
    assert [event.outcome for event in house.events_of(Action.FREEZE)] == ["freeze_invalid"]


def test_a_timed_freeze_ends_within_ten_years(house: House, user: User) -> None:
    assert timedelta(days=3650) == LONGEST_FREEZE
    longest = house.clock.time + LONGEST_FREEZE
    for until in (longest + MOMENT, datetime.max.replace(tzinfo=UTC)):
        with pytest.raises(FreezeInvalid):
            house.service.operate.freeze(user.id, reason="x", until=until, actor=OPERATOR)
    assert house.user(user) == user
    house.service.operate.freeze(user.id, reason="x", until=longest, actor=OPERATOR)
    assert house.user(user).state.until == longest
    assert [event.outcome for event in house.events_of(Action.FREEZE)] == ["freeze_invalid"] * 2 + ["done"]


@pytest.mark.parametrize("unknown", [UserState("异常"), UserState("注销中")])
def test_who_is_of_unknown_state_is_frozen_for_good_or_not_at_all(house: House, user: User, unknown: UserState) -> None:
    # When a timed freeze is over the user is active, which an unknown state must not become automatically.
    house.put_state(user, unknown)
    with pytest.raises(StateConflict):
        house.service.operate.freeze(user.id, reason="x", until=house.clock.time + HOUR, actor=OPERATOR)
    assert house.user(user).state == unknown
    house.service.operate.freeze(user.id, reason="x", until=None, actor=OPERATOR)
    assert house.user(user).state == UserState.frozen(until=None, reason="x")


@pytest.mark.parametrize("until", [None, timedelta(days=1)])
def test_a_freeze_takes_a_closing_back(house: House, user: User, until: timedelta | None) -> None:
    closes_at = house.service.close_account.close(user.id, actor=OPERATOR)
    at = None if until is None else house.clock.time + until
    house.service.operate.freeze(user.id, reason="disputed", until=at, actor=OPERATOR)
    assert standing(house, user) is Standing.FROZEN
    house.clock.time = closes_at
    house.service.prune()
    assert house.user(user).phone == user.phone
    if until is None:
        house.service.operate.unfreeze(user.id, actor=OPERATOR)
    assert standing(house, user) is Standing.ACTIVE
    house.authenticate(house.login())


@pytest.mark.parametrize("reason", ["", " ", "x" * 201, "a\nb", "\x1b[2J"])
def test_a_reason_that_cannot_be_shown_freezes_nobody(house: House, user: User, reason: str) -> None:
    with pytest.raises(TextInvalid):
        house.service.operate.freeze(user.id, reason=reason, until=None, actor=OPERATOR)
    assert house.user(user) == user


@pytest.mark.parametrize("until", [None, HOUR])
def test_a_closed_account_is_not_frozen(house: House, user: User, until: timedelta | None) -> None:
    house.put_state(user, UserState.closing(house.clock.time))
    at = None if until is None else house.clock.time + until
    with pytest.raises(StateConflict):
        house.service.operate.freeze(user.id, reason="x", until=at, actor=OPERATOR)
    assert standing(house, user) is Standing.CLOSED


@pytest.mark.parametrize(
    "state",
    [
        UserState.active(),
        UserState.closed(),
        UserState("注销中"),
        UserState("异常"),
        UserState.frozen(until=House().clock.time, reason="over"),
    ],
)
def test_only_a_frozen_user_can_be_unfrozen(house: House, user: User, state: UserState) -> None:
    house.put_state(user, state)
    with pytest.raises(StateConflict):
        house.service.operate.unfreeze(user.id, actor=OPERATOR)
    assert house.user(user).state == state
    assert [event.outcome for event in house.events_of(Action.UNFREEZE)] == ["state_conflict"]


# Fee, policy, admins.


@pytest.mark.parametrize("percentage", [0, 4, 100])
def test_a_fee_is_set(house: House, user: User, percentage: int) -> None:
    changed = house.service.operate.set_fee(user.id, percentage=percentage, actor=OPERATOR)
    assert house.user(user) == evolve(user, fee_percentage=percentage)
    assert changed == house.user(user).profile


@pytest.mark.parametrize("percentage", [-1, 101])
def test_a_fee_that_is_none_is_refused(house: House, user: User, percentage: int) -> None:
    with pytest.raises(FeeInvalid):
        house.service.operate.set_fee(user.id, percentage=percentage, actor=OPERATOR)
    assert house.user(user) == user
    (event,) = house.events_of(Action.SET_FEE)
    assert (event.outcome, event.detail) == ("fee_invalid", str(percentage))


def test_a_policy_of_the_users_own_counts_from_the_next_login_and_can_be_taken_back(house: House, user: User) -> None:
    first, second = house.login(), house.login()
    house.service.operate.set_policy(user.id, policy=DevicePolicy.single(), actor=OPERATOR)
    house.authenticate(first)
    house.authenticate(second)
    third = house.login()
    assert house.live(user) == [third.session.id]
    house.service.operate.set_policy(user.id, policy=None, actor=OPERATOR)
    fourth = house.login()
    assert set(house.live(user)) == {third.session.id, fourth.session.id}


def test_who_becomes_an_admin_may_log_in_as_one(house: House, user: User) -> None:
    assert house.service.operate.set_admin(user.id, is_admin=True, actor=OPERATOR).is_admin
    house.service.authenticate_admin(house.admin_login().access_token)


def test_who_is_no_admin_any_more_loses_the_admin_sessions_and_no_other(house: House) -> None:
    user = house.register_admin()
    granted, admin = house.login(), house.admin_login()
    assert not house.service.operate.set_admin(user.id, is_admin=False, actor=OPERATOR).is_admin
    with pytest.raises(SessionKicked):
        house.service.authenticate_admin(admin.access_token)
    with pytest.raises(SessionKicked):
        house.service.admin_refresh(admin.refresh_token)
    house.authenticate(granted)
    house.service.operate.set_admin(user.id, is_admin=True, actor=OPERATOR)
    with pytest.raises(SessionKicked):
        house.service.authenticate_admin(admin.access_token)


# Kicking.


def test_an_operator_kicks_one_session_or_all(house: House) -> None:
    user = house.register_admin()
    house.register(OTHER_PHONE)
    first, second, admin, other = house.login(), house.login(), house.admin_login(), house.login(OTHER_PHONE)
    kick = house.service.operate.kick
    assert kick(user.id, session_id=first.session.id, actor=OPERATOR) == 1
    with pytest.raises(SessionKicked) as refused:
        house.authenticate(first)
    assert refused.value.by is None
    assert set(house.live(user)) == {second.session.id, admin.session.id}
    assert kick(user.id, session_id=None, actor=OPERATOR) == 2
    assert house.live(user) == []
    assert kick(user.id, session_id=None, actor=OPERATOR) == 0
    house.authenticate(other)


def test_a_session_that_is_not_this_users_and_live_cannot_be_kicked(house: House, user: User) -> None:
    house.register(OTHER_PHONE)
    others, ended = house.login(OTHER_PHONE), house.login()
    house.service.logout(ended.principal)
    before = dict(house.store.sessions)
    for session_id in (others.session.id, ended.session.id, SessionId("nobody's")):
        with pytest.raises(NoSuchSession):
            house.service.operate.kick(user.id, session_id=session_id, actor=OPERATOR)
    assert house.store.sessions == before
    kicks = house.events_of(Action.KICK)
    assert [(event.outcome, event.subject) for event in kicks] == [("no_such_session", user.id)]
    assert [entry.times for entry in house.store.audit.values() if entry.event.action is Action.KICK] == [3]


def test_a_kick_leaves_an_entry_of_its_own_also_of_nobody(house: House, user: User) -> None:
    first, _, _ = [house.login() for _ in range(3)]
    before = len(house.events)
    house.service.operate.kick(user.id, session_id=first.session.id, actor=ADMIN, client=HERE)
    house.service.operate.kick(user.id, session_id=None, actor=ADMIN, client=HERE)
    house.clock.move(HOUR)
    house.service.operate.kick(user.id, session_id=None, actor=ADMIN, client=HERE)
    assert [(event.action, event.detail) for event in house.events[before:]] == [
        (Action.END_SESSION, "kicked"),
        (Action.KICK, None),
        (Action.END_SESSION, "kicked"),
        (Action.END_SESSION, "kicked"),
        (Action.KICK, "all sessions"),
        (Action.KICK, "all sessions"),
    ]
    one, all_of_them, nobody = house.events_of(Action.KICK)
    assert (one.session_id, all_of_them.session_id, nobody.session_id) == (first.session.id, None, None)
    assert nobody.at == house.clock.time
    for event in (one, all_of_them, nobody):
        assert (event.actor, event.subject, event.outcome) == (ADMIN, user.id, "done")
        assert (event.device, event.address) == (HERE.device, HERE.address)


# Nobody, and what is recorded.

Act = Callable[[House, UserId], object]

ACTS: list[tuple[Act, Action, str | None]] = [
    (
        lambda h, u: h.service.operate.freeze(u, reason="rude", until=None, actor=ADMIN, client=HERE),
        Action.FREEZE,
        "rude",
    ),
    (
        lambda h, u: h.service.operate.freeze(u, reason="rude", until=h.clock.time + HOUR, actor=ADMIN, client=HERE),
        Action.FREEZE,
        "until 2026-01-01T01:00:00+00:00: rude",
    ),
    (lambda h, u: h.service.operate.set_fee(u, percentage=7, actor=ADMIN, client=HERE), Action.SET_FEE, "7"),
    (
        lambda h, u: h.service.operate.set_policy(u, policy=DevicePolicy.single(), actor=ADMIN),
        Action.SET_POLICY,
        "{'total': 1, 'overflow': 'evict_oldest'}",
    ),
    (lambda h, u: h.service.operate.set_admin(u, is_admin=True, actor=ADMIN), Action.GRANT_ADMIN, None),
    (lambda h, u: h.service.close_account.close(u, actor=ADMIN), Action.CLOSE, None),
    (lambda h, u: h.service.operate.kick(u, session_id=None, actor=ADMIN, client=HERE), Action.KICK, "all sessions"),
]


@pytest.mark.parametrize(("act", "action", "detail"), ACTS)
def test_every_act_of_an_operator_is_recorded(
    house: House, user: User, act: Act, action: Action, detail: str | None
) -> None:
    before = len(house.events)
    act(house, user.id)
    (event,) = house.events[before:]
    assert (event.action, event.actor, event.subject, event.detail) == (action, ADMIN, user.id, detail)
    assert (event.at, event.outcome) == (house.clock.time, "done")
    by_http = action in {Action.FREEZE, Action.SET_FEE, Action.KICK}
    assert (event.device, event.address) == ((HERE.device, HERE.address) if by_http else (None, None))


def test_taking_back_is_recorded(house: House, user: User) -> None:
    operate = house.service.operate
    operate.set_policy(user.id, policy=DevicePolicy.single(), actor=ADMIN)
    operate.set_policy(user.id, policy=None, actor=ADMIN)
    operate.set_admin(user.id, is_admin=True, actor=ADMIN)
    operate.set_admin(user.id, is_admin=False, actor=ADMIN)
    _, policy, _, admin = house.events[-4:]
    assert (policy.action, policy.detail, admin.action) == (Action.SET_POLICY, "everybody's", Action.REVOKE_ADMIN)


@pytest.mark.parametrize(
    "act",
    [
        lambda h, u: h.service.operate.freeze(u, reason="rude", until=None, actor=ADMIN),
        lambda h, u: h.service.operate.freeze(u, reason="rude", until=h.clock.time + HOUR, actor=ADMIN),
        lambda h, u: h.service.operate.set_fee(u, percentage=7, actor=ADMIN),
        lambda h, u: h.service.operate.set_policy(u, policy=DevicePolicy.single(), actor=ADMIN),
        lambda h, u: h.service.operate.set_admin(u, is_admin=True, actor=ADMIN),
    ],
)
def test_what_changes_nothing_writes_nothing(house: House, user: User, act: Callable[[House, UserId], object]) -> None:
    first = act(house, user.id)
    before = house.user(user), house.events
    assert act(house, user.id) == first
    assert (house.user(user), house.events) == before


def test_unfreezing_is_recorded(house: House, user: User) -> None:
    house.freeze(user)
    house.service.operate.unfreeze(user.id, actor=ADMIN, client=HERE)
    (event,) = house.events_of(Action.UNFREEZE)
    assert (event.actor, event.subject, event.device, event.address) == (ADMIN, user.id, HERE.device, HERE.address)


def test_every_end_that_an_operator_brings_is_recorded(house: House) -> None:
    user = house.register_admin()
    kicked, frozen = house.login(), house.login()
    admin = house.admin_login()
    house.service.operate.kick(user.id, session_id=kicked.session.id, actor=ADMIN, client=HERE)
    house.service.operate.set_admin(user.id, is_admin=False, actor=ADMIN)
    house.service.operate.freeze(user.id, reason="x", until=None, actor=ADMIN, client=HERE)
    events = house.events_of(Action.END_SESSION)
    assert [(event.session_id, event.detail) for event in events] == [
        (kicked.session.id, "kicked"),
        (admin.session.id, "kicked"),
        (frozen.session.id, "user_frozen"),
    ]
    assert {(event.actor, event.subject) for event in events} == {(ADMIN, user.id)}
    assert (events[0].device, events[0].address) == (HERE.device, HERE.address)


MORE_ACTS: list[tuple[Act, Action]] = [
    (lambda h, u: h.service.operate.unfreeze(u, actor=ADMIN), Action.UNFREEZE),
    (lambda h, u: h.service.operate.kick(u, session_id=SessionId("s"), actor=ADMIN), Action.KICK),
]


@pytest.mark.parametrize(("act", "action"), [*((act, action) for act, action, _ in ACTS), *MORE_ACTS])
def test_nothing_can_be_done_to_nobody_and_to_try_is_recorded(
    house: House, user: User, act: Act, action: Action
) -> None:
    before, events = dict(house.store.users), house.events
    with pytest.raises(NoSuchUser):
        act(house, NOBODY)
    assert house.store.users == before
    *others, event = house.events
    assert others == events
    assert (event.action, event.outcome, event.actor, event.subject) == (action, "no_such_user", ADMIN, NOBODY)


def test_nobody_has_sessions(house: House) -> None:
    with pytest.raises(NoSuchUser):
        house.service.sessions_of(NOBODY)


def test_a_refusal_is_recorded_with_all_that_was_asked_for(house: House, user: User) -> None:
    house.put_state(user, UserState.closed())
    with pytest.raises(StateConflict):
        house.service.operate.freeze(user.id, reason="rude", until=None, actor=ADMIN, client=HERE)
    event = house.events[-1]
    assert (event.action, event.outcome, event.detail) == (Action.FREEZE, "state_conflict", "rude")
    assert (event.actor, event.subject, event.at) == (ADMIN, user.id, house.clock.time)
    assert (event.device, event.address) == (HERE.device, HERE.address)


# Finding.


@pytest.fixture
def crowd() -> House:
    """A house of 250 users, of whom every tenth is frozen, and every fifth has a name."""
    house = House()
    for number in range(250):
        name = f"张{number}" if number % 5 == 0 else None
        user = house.service.register_user(phone=f"138{number:08}", password="a good password", user_name=name)
        if number % 10 == 0:
            house.freeze(user)
    return house


def test_users_come_by_id_in_pages_of_at_most_100(crowd: House) -> None:
    find = crowd.service.find_users
    seen: list[UserId] = []
    sizes = []
    while page := find(UserFilter(), after=seen[-1] if seen else 0, limit=1_000_000):
        sizes.append(len(page))
        seen += [user.id for user in page]
    assert sizes == [100, 100, 50]
    assert seen == sorted(crowd.store.users)
    assert len(find(UserFilter())) == 100


@pytest.mark.parametrize(("limit", "size"), [(7, 7), (1, 1), (0, 1), (-5, 1), (100, 100), (101, 100)])
def test_a_page_has_from_1_to_100_users(crowd: House, limit: int, size: int) -> None:
    assert len(crowd.service.find_users(UserFilter(), limit=limit)) == size


def test_users_are_found_by_what_is_known_of_them(crowd: House) -> None:
    find = crowd.service.find_users
    assert [user.id for user in find(UserFilter(user_id=UserId(7)))] == [7]
    assert [user.id for user in find(UserFilter(phone=Phone("13800000006")))] == [7]
    assert len(find(UserFilter(name_prefix="张"))) == 50
    assert [user.user_name for user in find(UserFilter(name_prefix="张24"))] == ["张240", "张245"]
    assert len(find(UserFilter(standing=Standing.FROZEN))) == 25
    assert len(find(UserFilter(standing=Standing.FROZEN, name_prefix="张1"))) == 11
    assert find(UserFilter(user_id=UserId(7), standing=Standing.FROZEN)) == []
    assert find(UserFilter(name_prefix="%")) == []
    assert find(UserFilter(user_id=UserId(7)), after=7) == []


def test_users_are_found_by_what_their_state_comes_to_now(house: House) -> None:
    now = house.clock.time
    states = {
        Standing.ACTIVE: [UserState.active(), UserState.frozen(until=now, reason="over")],
        Standing.FROZEN: [UserState("冻结"), UserState.frozen(until=now + MOMENT, reason="x")],
        Standing.CLOSING: [UserState.closing(now + MOMENT)],
        Standing.CLOSED: [UserState.closed(), UserState.closing(now)],
        Standing.UNKNOWN: [UserState("异常"), UserState(""), UserState("注销中")],
    }
    expected: dict[Standing, list[UserId]] = {}
    for number, (each, state) in enumerate((each, state) for each, some in states.items() for state in some):
        user = house.register(f"138{number:08}")
        house.put_state(user, state)
        expected.setdefault(each, []).append(user.id)
    assert {each: [user.id for user in house.service.find_users(UserFilter(standing=each))] for each in Standing} == (
        expected
    )
    house.clock.move(MOMENT)
    found = [user.id for user in house.service.find_users(UserFilter(standing=Standing.ACTIVE))]
    assert found == [*expected[Standing.ACTIVE], expected[Standing.FROZEN][1]]


def test_an_operator_sees_the_live_sessions_of_every_kind(house: House) -> None:
    user = house.register_admin()
    house.register(OTHER_PHONE)
    house.login(OTHER_PHONE)
    granted, ended, admin = house.login(PHONE), house.login(PHONE), house.admin_login()
    house.service.logout(ended.principal)
    assert house.service.sessions_of(user.id) == [granted.session, admin.session]
