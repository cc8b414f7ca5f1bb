"""Why a token is accepted or not: every verdict, and what comes with it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from attrs import evolve

from menshen.domain.clocks import CLOCK_LEEWAY
from menshen.domain.errors import Unauthenticated
from menshen.domain.presences import Principal
from menshen.domain.sessions import EndReason, SessionEnd, SessionKind
from menshen.domain.use_cases.authentication import Authenticate
from menshen.domain.use_cases.explaining import Explanation
from menshen.domain.use_cases.issuing import Granted
from menshen.domain.users import User, UserState

from .cases import for_each
from .memory_house import OPERATOR, OTHER_PHONE, House, client_on


@pytest.fixture
def user(house: House) -> User:
    return house.register_admin()


def explain(house: House, granted: Granted) -> Explanation:
    return house.service.explain_token(granted.access_token)


def test_a_token_that_passes_is_valid_and_tells_all(house: House, user: User) -> None:
    granted = house.login(client=client_on("phone", "phone-1", "a phone"))
    assert explain(house, granted) == Explanation(
        verdict="valid",
        kind=SessionKind.USER,
        claims=house.codec.issued[granted.access_token],
        user=user.profile,
        session=granted.session,
    )


def test_an_admins_token_is_explained_as_one(house: House, user: User) -> None:
    granted = house.admin_login()
    explained = explain(house, granted)
    assert (explained.verdict, explained.kind, explained.user) == ("valid", SessionKind.ADMIN, user.profile)
    assert explained.session == granted.session


@for_each("token", ["", "a.b.c", "\ud800", "x" * 1_000_000])
def test_what_is_no_token_tells_nothing(token: str) -> None:
    house = House()
    house.register_admin()
    house.login()
    assert house.service.explain_token(token) == Explanation(verdict="token_invalid")


def end(reason: EndReason) -> Callable[[House, Granted], None]:
    def act(house: House, granted: Granted) -> None:
        house.sessions.end([granted.session.id], SessionEnd(house.clock.time, reason, granted.session.device, OPERATOR))

    return act


def outlive_token(house: House, granted: Granted) -> None:
    house.clock.move(granted.access_token_ttl)


def come_from_the_future(house: House, granted: Granted) -> None:
    house.clock.move(-CLOCK_LEEWAY - timedelta(seconds=1))


def outlive_session(house: House, granted: Granted) -> None:
    house.store.sessions[granted.session.id] = evolve(house.stored(granted), expires_at=house.clock.time)


def be_idle(house: House, granted: Granted) -> None:
    house.store.sessions[granted.session.id] = evolve(house.stored(granted), idle_ttl=timedelta(0))


def be_in_state(state: UserState) -> Callable[[House, Granted], None]:
    def act(house: House, granted: Granted) -> None:
        house.put_state(granted.user, state)

    return act


ABOUT_THE_SESSION: list[tuple[Callable[[House, Granted], None], str]] = [
    (outlive_token, "token_expired"),
    (come_from_the_future, "token_invalid"),
    (outlive_session, "session_expired"),
    (be_idle, "session_idle"),
    (be_in_state(UserState("冻结")), "user_not_active"),
    (be_in_state(UserState.closing(House().clock.time + timedelta(days=1))), "user_not_active"),
    (be_in_state(UserState("异常")), "user_not_active"),
    (end(EndReason.LOGGED_OUT), "session_logged_out"),
    (end(EndReason.REPLACED), "session_replaced"),
    (end(EndReason.KICKED), "session_kicked"),
    (end(EndReason.PASSWORD_CHANGED), "password_changed"),
    (end(EndReason.USER_FROZEN), "user_frozen"),
    (end(EndReason.USER_CLOSED), "user_closed"),
    (end(EndReason.REFRESH_REUSED), "refresh_token_reused"),
    (end(EndReason.UNKNOWN), "session_ended"),
]


@for_each("kind", [SessionKind.USER, SessionKind.ADMIN])
@for_each(("befalls", "verdict"), ABOUT_THE_SESSION)
def test_a_token_that_fails_a_check_tells_which_and_whose_it_is(
    befalls: Callable[[House, Granted], None], verdict: str, kind: SessionKind
) -> None:
    house = House()
    user = house.register_admin()
    granted = house.login() if kind is SessionKind.USER else house.admin_login()
    befalls(house, granted)
    explained = explain(house, granted)
    assert explained.verdict == verdict
    assert (explained.kind, explained.user, explained.session) == (
        kind,
        house.user(user).profile,
        house.stored(granted).overview,
    )
    assert explained.claims is not None


@for_each(("befalls", "verdict"), ABOUT_THE_SESSION)
def test_the_verdict_is_what_the_guard_says(befalls: Callable[[House, Granted], None], verdict: str) -> None:
    house = House()
    house.register_admin()
    granted = house.login()
    befalls(house, granted)
    with pytest.raises(Unauthenticated) as refused:
        house.authenticate(granted)
    assert explain(house, granted).verdict == refused.value.reason


def test_what_ended_a_session_is_told_with_when_and_by_whom(house: House, user: User) -> None:
    granted = house.login()
    house.service.operate.kick(user.id, session_id=granted.session.id, actor=OPERATOR)
    explained = explain(house, granted)
    assert explained.session is not None
    assert explained.session.end == SessionEnd(house.clock.time, EndReason.KICKED, None, OPERATOR)


def test_a_user_who_is_not_there_is_told_without_user_and_session(house: House, user: User) -> None:
    granted = house.login()
    house.forget(user)
    explained = explain(house, granted)
    assert (explained.verdict, explained.user, explained.session) == ("user_not_found", None, None)
    assert explained.claims == house.codec.issued[granted.access_token]


def test_a_session_that_is_not_there_is_told_without_it(house: House, user: User) -> None:
    granted = house.login()
    del house.store.sessions[granted.session.id]
    explained = explain(house, granted)
    assert (explained.verdict, explained.user, explained.session) == ("session_unknown", user.profile, None)


def test_a_session_of_somebody_else_or_of_another_kind_is_not_shown(house: House, user: User) -> None:
    granted = house.login()
    other = house.register(OTHER_PHONE)
    for change in ({"user_id": other.id}, {"kind": SessionKind.ADMIN}):
        house.store.sessions[granted.session.id] = evolve(house.stored(granted), **change)
        explained = explain(house, granted)
        assert (explained.verdict, explained.user, explained.session) == ("session_unknown", user.profile, None)


def test_who_is_no_admin_any_more_is_told(house: House, user: User) -> None:
    granted = house.admin_login()
    house.store.users[user.id] = evolve(user, is_admin=False)
    explained = explain(house, granted)
    assert (explained.verdict, explained.session) == ("not_an_admin", granted.session)


@for_each("kind", [SessionKind.USER, SessionKind.ADMIN])
def test_explaining_is_no_use_of_the_session(kind: SessionKind) -> None:
    house = House()
    house.register_admin()
    granted = house.login() if kind is SessionKind.USER else house.admin_login()
    house.clock.move(timedelta(minutes=10))
    before, events = dict(house.store.sessions), house.events
    assert explain(house, granted).verdict == "valid"
    assert house.store.sessions == before
    assert house.events == events


def test_an_explanation_shows_no_secret(house: House, user: User) -> None:
    granted = house.login()
    shown = repr(explain(house, granted))
    for secret in (granted.access_token, granted.refresh_token, user.password_hash):
        assert secret not in shown


def test_no_refusal_of_the_guard_goes_unexplained(house: House, user: User) -> None:
    guards = house.service.explain_token.guards
    assert [guard.realm.kind for guard in guards] == [SessionKind.USER, SessionKind.ADMIN]
    # With a guard that refuses everything, it gives that guard's reason.

    class Whim(Unauthenticated):
        reason = "a_whim"

    class Whimsical(Authenticate):
        def judge(self, token: str) -> Principal:
            raise Whim

    usual = guards[0]
    whimsical = Whimsical(usual.presences, usual.codec, usual.clock, usual.last_seen, usual.realm)
    granted = house.login()
    explained = evolve(house.service.explain_token, guards=(whimsical,))(granted.access_token)
    assert (explained.verdict, explained.session) == ("a_whim", granted.session)
