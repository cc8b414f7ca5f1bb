"""From a login until its end: how a session lives, every way in which it ends, and what its device is told."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from menshen.domain.actors import Actor
from menshen.domain.admission import TooManyDevices
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.devices import NO_CLIENT, Client, Device, DeviceType
from menshen.domain.presences import Presence
from menshen.domain.refresh_tokens import REUSE_GRACE
from menshen.domain.sessions import (
    LAST_SEEN_STEP,
    EndReason,
    PasswordWasChanged,
    Refreshing,
    RefreshTokenWasReused,
    Session,
    SessionEnd,
    SessionEnded,
    SessionExpired,
    SessionId,
    SessionIdle,
    SessionKicked,
    SessionKind,
    SessionLoggedOut,
    SessionOver,
    SessionReplaced,
    UserWasClosed,
    UserWasFrozen,
)
from menshen.domain.use_cases.issuing import Granted
from menshen.domain.users import UserId, UserState
from menshen.entrypoints.settings import Settings

from .cases import for_each
from .memory_house import MOMENT, OPERATOR, PASSWORD, SECOND, House, client_on, told_of

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=7)
IDLE = timedelta(days=2)
TABLET = Device(DeviceType.TABLET, "t-1", "a tablet")

REFUSAL_AFTER: dict[EndReason, type[SessionOver]] = {
    EndReason.LOGGED_OUT: SessionLoggedOut,
    EndReason.REPLACED: SessionReplaced,
    EndReason.KICKED: SessionKicked,
    EndReason.PASSWORD_CHANGED: PasswordWasChanged,
    EndReason.USER_FROZEN: UserWasFrozen,
    EndReason.USER_CLOSED: UserWasClosed,
    EndReason.REFRESH_REUSED: RefreshTokenWasReused,
    EndReason.EXPIRED: SessionExpired,
    EndReason.IDLE: SessionIdle,
    EndReason.UNKNOWN: SessionEnded,
}


def session(end: SessionEnd | None = None, *, seen: datetime = START, idle: timedelta = IDLE) -> Session:
    return Session(
        id=SessionId("s"),
        user_id=UserId(1),
        device=Device(),
        started_at=START,
        last_seen_at=seen,
        expires_at=END,
        idle_ttl=idle,
        refreshing=Refreshing(digest=b"the digest", rotations=0, rotated_at=START, expires_at=END),
        end=end,
    )


@for_each("now", [START, START + timedelta(days=1), END - MOMENT])
def test_a_session_lives_until_its_end(now: datetime) -> None:
    used = session(seen=now)
    assert used.is_live(now)
    used.check_live(now)


@for_each("now", [END, END + MOMENT, END + timedelta(days=365)])
def test_a_session_is_over_from_its_end_on(now: datetime) -> None:
    used = session(seen=END - MOMENT)
    assert not used.is_live(now)
    with pytest.raises(SessionExpired) as refused:
        used.check_live(now)
    assert (refused.value.ended_at, refused.value.by) == (END, None)


def test_a_session_that_nobody_used_is_over_when_it_was_idle_too_long() -> None:
    unused = session()
    assert unused.is_live(START + IDLE - MOMENT)
    unused.check_live(START + IDLE - MOMENT)
    for now in (START + IDLE, START + IDLE + MOMENT, END - MOMENT):
        assert not unused.is_live(now)
        with pytest.raises(SessionIdle) as refused:
            unused.check_live(now)
        assert (refused.value.ended_at, refused.value.by) == (START + IDLE, None)


def test_a_session_lives_on_from_its_last_use() -> None:
    used = session(seen=START + timedelta(days=1))
    assert used.idle_at == START + timedelta(days=1) + IDLE
    assert used.is_live(used.idle_at - MOMENT)
    assert not used.is_live(used.idle_at)


def test_of_both_ends_of_a_session_the_absolute_one_is_told() -> None:
    with pytest.raises(SessionExpired):
        session().check_live(END)


@for_each("reason", EndReason)
@for_each("now", [START, END - MOMENT, END, END + timedelta(days=365)])
def test_an_ended_session_always_tells_how_it_ended(reason: EndReason, now: datetime) -> None:
    ended = session(SessionEnd(START + SECOND, reason, by=TABLET))
    assert not ended.is_live(now)
    with pytest.raises(SessionOver) as refused:
        ended.check_live(now)
    assert type(refused.value) is REFUSAL_AFTER[reason]
    assert (refused.value.ended_at, refused.value.by) == (START + SECOND, TABLET)


def test_every_way_to_end_a_session_has_a_refusal_of_its_own() -> None:
    assert set(REFUSAL_AFTER) == set(EndReason)
    over = set(REFUSAL_AFTER.values())
    assert set(SessionOver.__subclasses__()) == over
    assert {kind.reason for kind in over} == {
        *("session_expired", "session_idle", "session_logged_out", "session_replaced", "session_kicked"),
        *("password_changed", "user_frozen", "user_closed", "refresh_token_reused", "session_ended"),
    }


def test_the_last_use_is_due_to_be_written_down_once_a_minute() -> None:
    assert timedelta(minutes=1) == LAST_SEEN_STEP
    assert not session().is_due_to_be_seen(START)
    assert not session().is_due_to_be_seen(START + LAST_SEEN_STEP - MOMENT)
    assert session().is_due_to_be_seen(START + LAST_SEEN_STEP)
    assert not session().is_due_to_be_seen(START - timedelta(days=1))


def test_a_session_shows_no_digest() -> None:
    assert "the digest" not in repr(session())


# How each end comes about.

TOLD_ON = client_on("pc", "pc-1", "an office computer")


class Stay:
    """Two sessions of a user, on a phone and on a computer, and all that ends the first one."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.user = house.register_admin()
        self.phone = house.login(client=client_on("phone", "phone-1", "a phone"))
        self.computer = house.login(client=TOLD_ON)
        house.clock.move(timedelta(hours=1))

    def log_out(self) -> None:
        self.house.service.logout(self.phone.principal)

    def log_out_from_the_list(self) -> None:
        self.house.service.end_sessions(
            self.phone.principal, session_id=self.phone.session.id, password=None, client=NO_CLIENT
        )

    def be_replaced(self) -> None:
        self.house.login(client=client_on("phone", "phone-1", "the same phone"))

    def be_chosen_to_go(self) -> None:
        self.house.login(client=client_on("tablet", "t-1", "a tablet"), replacing=self.phone.session.id)

    def be_kicked_from_the_computer(self) -> None:
        self.house.service.end_sessions(
            self.computer.principal,
            session_id=self.phone.session.id,
            password=PASSWORD,
            client=TOLD_ON,
        )

    def be_kicked_with_all_others(self) -> None:
        self.house.service.end_sessions.others(self.computer.principal, password=PASSWORD, client=TOLD_ON)

    def be_kicked_by_an_operator(self) -> None:
        self.house.service.operate.kick(self.user.id, session_id=self.phone.session.id, actor=OPERATOR)

    def have_the_password_changed(self) -> None:
        self.house.service.change_password(
            self.computer.principal, old=PASSWORD, new="a newer password", client=TOLD_ON
        )

    def be_frozen(self) -> None:
        self.house.service.operate.freeze(self.user.id, reason="x", until=None, actor=OPERATOR)

    def close_the_account(self) -> None:
        self.house.service.close_account(self.computer.principal, password=PASSWORD, client=TOLD_ON)

    def have_the_account_closed_by_an_operator(self) -> None:
        self.house.service.close_account.close(self.user.id, actor=OPERATOR)

    def show_a_refresh_token_twice(self) -> None:
        second = self.house.service.refresh(self.phone.refresh_token)
        # For longer than a moment.
        self.house.clock.move(REUSE_GRACE + MOMENT)
        self.house.service.refresh(second.refresh_token)
        with pytest.raises(RefreshTokenWasReused):
            self.house.service.refresh(self.phone.refresh_token)


SELF, SERVICE = Actor.user(UserId(1)), Actor.service()
COMPUTER = told_of(TOLD_ON.device)
SAME_PHONE = told_of(Device(DeviceType.PHONE, "phone-1", "the same phone"))

ENDS: list[tuple[Callable[[Stay], None], EndReason, Device | None, Actor]] = [
    (Stay.log_out, EndReason.LOGGED_OUT, None, SELF),
    (Stay.log_out_from_the_list, EndReason.LOGGED_OUT, None, SELF),
    (Stay.be_replaced, EndReason.REPLACED, SAME_PHONE, SELF),
    (Stay.be_chosen_to_go, EndReason.REPLACED, told_of(TABLET), SELF),
    (Stay.be_kicked_from_the_computer, EndReason.KICKED, COMPUTER, SELF),
    (Stay.be_kicked_with_all_others, EndReason.KICKED, COMPUTER, SELF),
    (Stay.be_kicked_by_an_operator, EndReason.KICKED, None, OPERATOR),
    (Stay.have_the_password_changed, EndReason.PASSWORD_CHANGED, COMPUTER, SELF),
    (Stay.be_frozen, EndReason.USER_FROZEN, None, OPERATOR),
    (Stay.close_the_account, EndReason.USER_CLOSED, COMPUTER, SELF),
    (Stay.have_the_account_closed_by_an_operator, EndReason.USER_CLOSED, None, OPERATOR),
    (Stay.show_a_refresh_token_twice, EndReason.REFRESH_REUSED, None, SERVICE),
]


def refused(house: House, granted: Granted) -> SessionOver:
    """What the guard says, after the user's state is reset if it ended the session."""
    house.put_state(granted.user, UserState.active())
    with pytest.raises(SessionOver) as refusal:
        house.authenticate(granted)
    return refusal.value


@for_each(("comes_about", "reason", "by", "actor"), ENDS)
def test_each_end_of_a_session_is_kept_and_told(
    comes_about: Callable[[Stay], None], reason: EndReason, by: Device | None, actor: Actor
) -> None:
    stay = Stay(House())
    comes_about(stay)
    house, now = stay.house, stay.house.clock.time
    assert house.stored(stay.phone).end == SessionEnd(now, reason, by, actor)
    told = refused(house, stay.phone)
    assert type(told) is REFUSAL_AFTER[reason]
    assert (told.ended_at, told.by) == (now, by)


def test_every_reason_comes_about() -> None:
    # Expiry is in test_running_out.py.
    assert {reason for _, reason, _, _ in ENDS} == set(EndReason) - {
        *(EndReason.EXPIRED, EndReason.IDLE, EndReason.UNKNOWN),
    }


@for_each(
    "comes_about",
    [
        Stay.log_out,
        Stay.be_replaced,
        Stay.be_chosen_to_go,
        Stay.be_kicked_with_all_others,
        Stay.be_kicked_by_an_operator,
        Stay.have_the_password_changed,
        Stay.show_a_refresh_token_twice,
    ],
)
def test_what_ends_one_session_leaves_the_one_it_came_from_alone(comes_about: Callable[[Stay], None]) -> None:
    stay = Stay(House())
    comes_about(stay)
    stay.house.authenticate(stay.computer)


@for_each("later", [Stay.log_out, Stay.be_replaced, Stay.be_kicked_with_all_others, Stay.have_the_password_changed])
@for_each(("first", "reason", "by", "actor"), ENDS)
def test_an_end_is_final(
    first: Callable[[Stay], None],
    reason: EndReason,
    by: Device | None,
    actor: Actor,
    later: Callable[[Stay], None],
) -> None:
    stay = Stay(House())
    first(stay)
    ended = stay.house.stored(stay.phone)
    stay.house.put_state(stay.user, UserState.active())
    stay.house.put_hash(stay.user, f"fake:{PASSWORD}")
    stay.house.clock.move(timedelta(minutes=1))
    # What ended the session on the computer as well is over now.
    stay.computer = stay.house.login(client=TOLD_ON)
    later(stay)
    assert stay.house.stored(stay.phone) == ended


def test_a_session_tells_its_idle_and_its_absolute_end_over_the_whole_service() -> None:
    house = House(
        Settings(
            access_token_ttl=timedelta(days=30),
            session_ttl=timedelta(days=10),
            session_idle_ttl=timedelta(days=3),
        )
    )
    user = house.register()
    unused, used = house.login(), house.login()
    begun = house.clock.time
    for _ in range(4):
        house.clock.move(timedelta(days=2))
        house.authenticate(used)
    assert house.live(user) == [used.session.id]
    with pytest.raises(SessionIdle) as idle:
        house.authenticate(unused)
    assert idle.value.ended_at == begun + timedelta(days=3)
    # The token ends with the session, so that the session's own end shows only where the token is from elsewhere.
    claims = house.codec.issued[used.access_token]
    assert claims.expires_at == begun + timedelta(days=10)
    house.codec.issued[used.access_token] = evolve(claims, expires_at=begun + timedelta(days=30))
    house.clock.time = begun + timedelta(days=10) - MOMENT
    house.authenticate(used)
    house.clock.time = begun + timedelta(days=10)
    with pytest.raises(SessionExpired) as expired:
        house.authenticate(used)
    assert expired.value.ended_at == begun + timedelta(days=10)


def test_a_presence_is_of_this_users_session_alone() -> None:
    house = House()
    user, other = house.register(), house.register("13900139000")
    granted = house.login()
    assert house.sessions.presence(user.id, granted.session.id) == Presence(user, house.stored(granted))
    assert house.sessions.presence(other.id, granted.session.id) == Presence(other, None)
    assert house.sessions.presence(UserId(3), granted.session.id) is None


def test_a_session_remembers_where_it_came_from() -> None:
    house = House()
    house.register()
    client = Client(device=TABLET, address="2001:db8::1", user_agent="curl/8")
    opened = house.login(client=client).session
    assert opened.kind is SessionKind.USER
    assert (opened.device, opened.address, opened.user_agent) == (TABLET, "2001:db8::1", "curl/8")
    assert opened.started_at == opened.last_seen_at == house.clock.time
    assert opened.end is None


# How many there may be.


@for_each(
    "policy", [None, DevicePolicy.from_table({"web": 1_000}), DevicePolicy.from_table({"phone": 1, "pc+tablet": 3})]
)
@for_each("own", [False, True])
def test_the_101st_login_ends_the_oldest_where_the_policy_sets_no_total(policy: DevicePolicy | None, own: bool) -> None:
    house = House(Settings(device_policy=None if own else policy))
    user = house.register()
    if own:
        house.service.operate.set_policy(user.id, policy=policy, actor=OPERATOR)
    opened = []
    for _ in range(100):
        opened.append(house.login().session.id)
        house.clock.move(SECOND)
    assert house.live(user) == opened
    newest = house.login().session
    assert house.live(user) == [*opened[1:], newest.id]
    oldest = house.store.sessions[opened[0]]
    assert oldest.end == SessionEnd(house.clock.time, EndReason.REPLACED, newest.device, Actor.user(user.id))


def test_the_101st_login_of_an_admin_ends_the_oldest_and_no_session_of_the_other_kind() -> None:
    house = House()
    user = house.register_admin()
    granted = house.login()
    opened = []
    for _ in range(101):
        opened.append(house.admin_login().session.id)
        house.clock.move(SECOND)
    assert house.live(user) == [granted.session.id, *opened[1:]]


def test_where_newcomers_are_rejected_the_101st_stays_out() -> None:
    house = House.with_policy({"phone": 1, "overflow": "reject_new"})
    user = house.register()
    opened = [house.login().session.id for _ in range(100)]
    with pytest.raises(TooManyDevices):
        house.login()
    assert set(house.live(user)) == set(opened)


def test_a_total_above_100_is_what_counts_where_it_is_set() -> None:
    house = House.with_policy({"total": 102})
    user = house.register()
    for _ in range(103):
        house.login()
    assert len(house.live(user)) == 102
