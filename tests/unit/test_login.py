"""Logging in by password, and logging out."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from attrs import define

from menshen.domain.admission import TooManyDevices
from menshen.domain.audit import Action
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.devices import NO_CLIENT, Client
from menshen.domain.passwords import HasherBusy
from menshen.domain.ports.outside import Verdict
from menshen.domain.proofs import InvalidCredentials
from menshen.domain.realms import AdminLoginNotAllowed
from menshen.domain.sessions import SessionKind, SessionLoggedOut, SessionReplaced
from menshen.domain.tokens import TokenExpired, TokenInvalid
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword
from menshen.domain.users import LoginNotAllowed, User, UserState
from menshen.entrypoints.settings import Settings

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
    with_parts,
)

MALFORMED = ["", "1380013800", "8513800138000", "13800138000\0", "' OR 1=1 --", "\ud800", "1" * 100_000]


def test_the_right_password_opens_a_session(house: House) -> None:
    user = house.register()
    granted = house.login()
    assert granted.user == user.profile
    assert granted.session.user_id == user.id
    assert house.service.authenticate(granted.access_token).session == granted.session


@for_each("spelling", ["+86 138-0013-8000", "１３８００１３８０００", "0086 13800138000"])
def test_login_takes_a_number_in_any_spelling(spelling: str) -> None:
    house = House()
    user = house.register()
    assert house.login(spelling).user == user.profile


@for_each("password", ["", PASSWORD + " ", " " + PASSWORD, PASSWORD.upper(), "\ud800", "x" * 1_000_000])
def test_another_password_opens_nothing(password: str) -> None:
    house = House()
    house.register()
    with pytest.raises(InvalidCredentials):
        house.login(password=password)
    assert not house.store.sessions


def test_login_does_not_say_which_was_wrong(house: House) -> None:
    frozen = house.register()
    house.freeze(frozen)
    house.register(OTHER_PHONE)
    told = set()
    for phone in (PHONE, OTHER_PHONE, "13700137000", "no number"):
        with pytest.raises(InvalidCredentials) as refusal:
            house.login(phone, WRONG_PASSWORD)
        told.add((type(refusal.value), refusal.value.args, refusal.value.reason, refusal.value.__cause__))
    assert len(told) == 1


def test_a_frozen_user_is_told_so_only_with_the_right_password(house: House) -> None:
    house.freeze(house.register())
    with pytest.raises(InvalidCredentials):
        house.login(password=WRONG_PASSWORD)
    with pytest.raises(LoginNotAllowed):
        house.login()
    assert not house.store.sessions


@for_each("registered", [True, False])
@for_each("frozen", [True, False])
@for_each("password", [PASSWORD, WRONG_PASSWORD, ""])
def test_each_login_judges_exactly_one_password(registered: bool, frozen: bool, password: str) -> None:
    house = House()
    if registered:
        user = house.register()
        if frozen:
            house.freeze(user)
    before = house.hasher.judged
    with suppress(InvalidCredentials, LoginNotAllowed):
        house.login(password=password)
    assert house.hasher.judged == before + 1


@for_each("phone", MALFORMED)
def test_no_password_is_judged_for_what_is_no_number(phone: str) -> None:
    house = House()
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


def test_token_and_session_are_over_at_whole_seconds() -> None:
    house = House(Settings(access_token_ttl=timedelta(minutes=15), session_ttl=timedelta(hours=1)))
    house.clock.time = datetime(2026, 1, 2, 3, 4, 5, 999999, tzinfo=UTC)
    house.register()
    granted = house.login()
    claims = house.codec.decode(granted.access_token)
    assert granted.session.started_at == house.clock.time
    assert claims.issued_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert claims.expires_at == datetime(2026, 1, 2, 3, 19, 5, tzinfo=UTC)
    assert granted.session.expires_at == datetime(2026, 1, 2, 4, 4, 5, tzinfo=UTC)
    assert granted.access_token_ttl == timedelta(minutes=15)
    house.clock.time = claims.expires_at - MOMENT
    house.authenticate(granted)
    house.clock.time = claims.expires_at
    with pytest.raises(TokenExpired):
        house.authenticate(granted)


def test_an_access_token_never_outlives_its_session() -> None:
    house = House(Settings(access_token_ttl=timedelta(days=7), session_ttl=timedelta(hours=1)))
    house.register()
    granted = house.login()
    claims = house.codec.decode(granted.access_token)
    assert claims.expires_at == granted.session.expires_at == house.clock.time + timedelta(hours=1)
    assert granted.access_token_ttl == timedelta(hours=1)


def test_a_login_to_be_remembered_lasts_longer() -> None:
    house = House(
        Settings(
            session_ttl=timedelta(days=1),
            session_idle_ttl=timedelta(hours=1),
            remember_session_ttl=timedelta(days=100),
            remember_session_idle_ttl=timedelta(days=10),
        )
    )
    house.register()
    short, long = house.login().session, house.login(client=Client(remember=True)).session
    assert (short.expires_at - house.clock.time, short.idle_ttl) == (timedelta(days=1), timedelta(hours=1))
    assert (long.expires_at - house.clock.time, long.idle_ttl) == (timedelta(days=100), timedelta(days=10))


def test_a_session_lasts_as_long_as_its_token_where_nothing_else_is_set() -> None:
    house = House(Settings(access_token_ttl=timedelta(days=90)))
    house.register()
    session = house.login().session
    assert (session.expires_at - house.clock.time, session.idle_ttl) == (timedelta(days=90), timedelta(days=90))


def test_what_login_grants_shows_no_secret(house: House) -> None:
    house.register()
    granted = house.login()
    shown = repr(granted) + str(granted)
    for secret in (granted.access_token, granted.refresh_token, house.user(granted.user).password_hash, PASSWORD):
        assert secret not in shown


def test_logins_live_side_by_side_by_default(house: House) -> None:
    house.register()
    for granted in [house.login(), house.login(), house.login()]:
        house.service.authenticate(granted.access_token)


def test_the_newest_login_ends_the_others_under_the_single_device_policy() -> None:
    house = House(Settings(multi_device_login=False))
    house.register()
    house.register(OTHER_PHONE)
    other = house.login(OTHER_PHONE)
    first, second = house.login(), house.login()
    with pytest.raises(SessionReplaced):
        house.authenticate(first)
    house.authenticate(second)
    house.authenticate(other)


def test_a_refused_login_ends_no_session_under_the_single_device_policy() -> None:
    house = House(Settings(multi_device_login=False))
    user = house.register()
    granted = house.login()
    with pytest.raises(InvalidCredentials):
        house.login(password=WRONG_PASSWORD)
    house.authenticate(granted)
    house.freeze(user)
    with pytest.raises(LoginNotAllowed):
        house.login()
    assert house.stored(granted).end is None


def test_the_policy_that_is_set_comes_before_the_switch() -> None:
    house = House(Settings(multi_device_login=False, device_policy=DevicePolicy.from_table({"total": 2})))
    user = house.register()
    first, second, third = house.login(), house.login(), house.login()
    assert first.session.id not in house.live(user)
    assert set(house.live(user)) == {second.session.id, third.session.id}


def test_the_policy_counts_devices_by_their_type() -> None:
    house = House.with_policy({"phone": 1, "pc": 1, "tablet+phone": 1, "total": 3})
    user = house.register()
    phone, computer = house.login(client=client_on("phone")), house.login(client=client_on("pc"))
    assert set(house.live(user)) == {phone.session.id, computer.session.id}
    tablet = house.login(client=client_on("tablet", name="a tablet"))
    assert set(house.live(user)) == {computer.session.id, tablet.session.id}
    with pytest.raises(SessionReplaced) as refused:
        house.authenticate(phone)
    assert (refused.value.ended_at, refused.value.by) == (house.clock.time, tablet.session.device)


def test_a_device_of_a_type_that_has_no_place_stays_out() -> None:
    house = House.with_policy({"web": 0})
    house.register()
    with pytest.raises(TooManyDevices) as refused:
        house.login(client=client_on("web"))
    assert refused.value.sessions == []


def test_a_user_may_have_a_separate_policy(house: House) -> None:
    user = house.register()
    house.service.operate.set_policy(user.id, policy=DevicePolicy.single(), actor=OPERATOR)
    house.register(OTHER_PHONE)
    for phone in (PHONE, PHONE, OTHER_PHONE, OTHER_PHONE):
        last = house.login(phone)
    assert len(house.live(user)) == 1
    assert len(house.live(last.user)) == 2


def test_the_same_device_replaces_itself_whatever_the_policy(house: House) -> None:
    user = house.register()
    elsewhere = house.login(client=client_on("phone", "another id"))
    first = house.login(client=client_on("phone", "its id"))
    second = house.login(client=client_on("phone", "its id"))
    assert set(house.live(user)) == {elsewhere.session.id, second.session.id}
    with pytest.raises(SessionReplaced):
        house.authenticate(first)


def test_where_newcomers_are_rejected_one_that_is_in_can_be_chosen_to_go() -> None:
    house = House.with_policy({"total": 2, "overflow": "reject_new"})
    user = house.register()
    first, second = house.login(), house.login()
    with pytest.raises(TooManyDevices) as refused:
        house.login()
    assert refused.value.sessions == [first.session, second.session]
    third = house.login(replacing=second.session.id)
    assert set(house.live(user)) == {first.session.id, third.session.id}


def test_one_who_is_still_refused_ends_no_session() -> None:
    house = House.with_policy({"phone": 1, "total": 2, "overflow": "reject_new"})
    user = house.register()
    phone, computer = house.login(client=client_on("phone")), house.login(client=client_on("pc"))
    with pytest.raises(TooManyDevices):
        house.login(client=client_on("phone"), replacing=computer.session.id)
    assert set(house.live(user)) == {phone.session.id, computer.session.id}


def test_nobody_elses_session_can_be_chosen_to_go(house: House) -> None:
    house.register()
    house.register(OTHER_PHONE)
    other = house.login(OTHER_PHONE)
    house.login(replacing=other.session.id)
    house.authenticate(other)


def test_neither_an_admin_session_nor_one_that_ended_can_be_chosen_to_go(house: House) -> None:
    user = house.register_admin()
    admin, ended = house.admin_login(), house.login()
    house.service.logout(ended.principal)
    was = house.stored(ended)
    house.login(replacing=admin.session.id)
    house.login(replacing=ended.session.id)
    assert admin.session.id in house.live(user)
    assert house.stored(ended) == was


def test_login_replaces_an_outdated_hash(house: House) -> None:
    user = house.register()
    house.put_hash(user, f"old:{PASSWORD}")
    house.login()
    assert house.hash_of(user) == f"fake:{PASSWORD}"
    house.login()


@for_each("stored", [f"fake:{PASSWORD}", "old:another password"])
def test_login_leaves_any_other_hash_alone(stored: str) -> None:
    house = House()
    user = house.register()
    house.put_hash(user, stored)
    with suppress(InvalidCredentials):
        house.login()
    assert house.hash_of(user) == stored


def test_two_logins_at_once_that_both_renew_the_hash_both_succeed(house: House) -> None:
    user = house.register()
    house.put_hash(user, f"old:{PASSWORD}")
    others = []
    hasher = MeddlingHasher(house, before=lambda: others.append(house.login()))
    granted = with_parts(house.service.login, hasher=hasher)(PhoneAndPassword(PHONE, PASSWORD))
    assert hasher.verdicts == [Verdict.MATCH_OUTDATED, Verdict.MATCH]
    assert house.hash_of(user) == f"fake:{PASSWORD}"
    assert set(house.live(user)) == {granted.session.id, *(other.session.id for other in others)}


@for_each("stored", [f"old:{PASSWORD}", f"fake:{PASSWORD}"])
def test_a_password_that_was_changed_since_it_was_judged_opens_nothing(stored: str) -> None:
    house = House()
    user = house.register()
    house.put_hash(user, stored)
    hasher = MeddlingHasher(house, after=lambda: house.put_hash(user, "fake:a newer password"))
    with pytest.raises(InvalidCredentials):
        with_parts(house.service.login, hasher=hasher)(PhoneAndPassword(PHONE, PASSWORD))
    assert house.hash_of(user) == "fake:a newer password"
    assert not house.store.sessions
    assert [event.outcome for event in house.events_of(Action.LOG_IN)] == ["invalid_credentials"]


def test_a_user_who_was_frozen_since_the_password_was_judged_stays_out(house: House) -> None:
    user = house.register()
    hasher = MeddlingHasher(house, after=lambda: house.freeze(user))
    with pytest.raises(LoginNotAllowed):
        with_parts(house.service.login, hasher=hasher)(PhoneAndPassword(PHONE, PASSWORD))


def test_a_user_who_was_deleted_since_the_password_was_judged_stays_out(house: House) -> None:
    user = house.register()

    def forget() -> None:
        house.store.users.pop(user.id, None)

    hasher = MeddlingHasher(house, after=forget)
    with pytest.raises(InvalidCredentials):
        with_parts(house.service.login, hasher=hasher)(PhoneAndPassword(PHONE, PASSWORD))
    assert hasher.verdicts == [Verdict.MATCH, Verdict.NO_MATCH]


def test_a_hash_that_changes_every_time_is_not_judged_endlessly(house: House) -> None:
    user = house.register()
    house.put_hash(user, f"old:{PASSWORD}")

    def flip() -> None:
        house.put_hash(user, f"{'fake' if house.hash_of(user).startswith('old') else 'old'}:{PASSWORD}")

    hasher = MeddlingHasher(house, after=flip)
    with pytest.raises(InvalidCredentials):
        with_parts(house.service.login, hasher=hasher)(PhoneAndPassword(PHONE, PASSWORD))
    assert len(hasher.verdicts) == 3
    assert not house.store.sessions
    assert [event.outcome for event in house.events_of(Action.LOG_IN)] == ["invalid_credentials"]


@define
class BusyHasher:
    """A hasher that has no turn to give."""

    def hash(self, password: str) -> str:
        raise HasherBusy("busy")

    def verify(self, password: str, password_hash: str | None) -> Verdict:
        raise HasherBusy("busy")


@for_each("phone", [PHONE, OTHER_PHONE])
def test_a_busy_hasher_is_told_for_known_and_unknown_numbers_alike(phone: str) -> None:
    house = House()
    house.register()
    with pytest.raises(HasherBusy):
        with_parts(house.service.login, hasher=BusyHasher())(PhoneAndPassword(phone, PASSWORD))
    assert not house.store.sessions
    assert not house.events_of(Action.LOG_IN)


def test_an_admin_gets_a_session_of_another_kind_and_a_short_token(house: House) -> None:
    house.register_admin()
    granted = house.admin_login()
    assert granted.session.kind is SessionKind.ADMIN
    assert granted.access_token_ttl == timedelta(minutes=15)
    assert house.service.authenticate_admin(granted.access_token).session == granted.session
    with pytest.raises(TokenInvalid):
        house.authenticate(granted)


def test_who_is_no_admin_is_told_so_only_with_the_right_password(house: House) -> None:
    house.register()
    with pytest.raises(InvalidCredentials):
        house.admin_login(password=WRONG_PASSWORD)
    with pytest.raises(AdminLoginNotAllowed):
        house.admin_login()
    assert not house.store.sessions


def test_who_is_no_admin_takes_no_closing_back(house: House) -> None:
    user = house.register()
    house.put_state(user, UserState.closing(house.clock.time + timedelta(days=7)))
    closing = house.user(user)
    with pytest.raises(AdminLoginNotAllowed):
        house.admin_login()
    assert house.user(user) == closing


def test_admin_sessions_know_neither_device_policy_nor_remember() -> None:
    house = House(Settings(multi_device_login=False))
    user = house.register_admin()
    house.service.operate.set_policy(user.id, policy=DevicePolicy.single(), actor=OPERATOR)
    sessions = [
        house.admin_login().session,
        house.admin_login(client=Client(remember=True)).session,
        house.login().session,
    ]
    assert set(house.live(user)) == {session.id for session in sessions}
    first, second, _ = sessions
    assert (first.expires_at, first.idle_ttl) == (second.expires_at, second.idle_ttl)


def test_logging_out_ends_this_session_and_no_other(house: House) -> None:
    house.register()
    granted, other = house.login(), house.login()
    house.clock.move(timedelta(minutes=1))
    house.service.logout(granted.principal)
    with pytest.raises(SessionLoggedOut) as refused:
        house.authenticate(granted)
    assert (refused.value.ended_at, refused.value.by) == (house.clock.time, None)
    house.authenticate(other)


def test_logging_out_twice_changes_nothing(house: House) -> None:
    house.register()
    granted = house.login()
    house.service.logout(granted.principal)
    ended, events = house.stored(granted), house.events
    house.clock.move(timedelta(minutes=1))
    house.service.logout(granted.principal)
    assert house.stored(granted) == ended
    assert house.events == events


def refused_login(house: House, user: User | None, phone: str, password: str, client: Client = NO_CLIENT) -> str:
    """Be refused at login; returns the new entry of the log."""
    before = len(house.events)
    with pytest.raises((InvalidCredentials, LoginNotAllowed, TooManyDevices)) as refused:
        house.login(phone, password, client)
    (recorded,) = house.events[before:]
    assert recorded.action is Action.LOG_IN
    assert recorded.at == house.clock.time
    assert recorded.subject == (None if user is None else user.id)
    assert (recorded.device, recorded.address) == (None if client is NO_CLIENT else client.device, client.address)
    assert recorded.session_id is None
    assert recorded.outcome == refused.value.reason
    assert password not in repr(recorded)
    return recorded.actor.text


def test_a_refused_login_is_recorded_with_its_reason_and_where_it_came_from() -> None:
    house = House.with_policy({"phone": 0})
    user = house.register()
    client = client_on("phone", "phone-1", "a phone", address="2001:db8::1")
    assert refused_login(house, user, PHONE, WRONG_PASSWORD, client) == "nobody"
    assert refused_login(house, None, OTHER_PHONE, PASSWORD, client) == "nobody"
    assert refused_login(house, user, PHONE, PASSWORD, client) == "nobody"
    house.freeze(user)
    assert refused_login(house, user, PHONE, PASSWORD) == "nobody"
    assert [event.outcome for event in house.events_of(Action.LOG_IN)] == [
        "invalid_credentials",
        "invalid_credentials",
        "too_many_devices",
        "user_not_active",
    ]


def test_a_refused_admin_login_is_recorded_as_one(house: House) -> None:
    user = house.register()
    with pytest.raises(AdminLoginNotAllowed):
        house.admin_login()
    (recorded,) = house.events_of(Action.ADMIN_LOG_IN)
    assert (recorded.outcome, recorded.subject) == ("not_an_admin", user.id)
