"""Whose request it is: every row of the guard's table, and which row comes first."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from attrs import evolve

from menshen.domain.errors import (
    SessionExpired,
    SessionLoggedOut,
    SessionReplaced,
    SessionUnknown,
    TokenExpired,
    TokenInvalid,
    Unauthenticated,
    UserNotActive,
    UserNotFound,
)
from menshen.domain.sessions import EndReason, Session, SessionEnd
from menshen.domain.users import User

from .memory_house import House


@pytest.fixture
def house() -> House:
    return House()


class Caller:
    """A user with a session and its token, and all that may befall them."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.user: User = house.register()
        granted = house.login()
        self.session: Session = granted.session
        self.token = granted.access_token

    def authenticate(self) -> None:
        self.house.service.authenticate(self.token)

    def forge_token(self) -> None:
        self.token = "not a token of ours"

    def outlive_token(self) -> None:
        self.house.clock.time = self.session.expires_at

    def outlive_session_alone(self) -> None:
        self._put(evolve(self._stored, expires_at=self.house.clock.time))

    def come_from_the_future(self) -> None:
        self.house.clock.time = self.session.started_at - timedelta(minutes=2)

    def be_forgotten(self) -> None:
        self.house.forget(self.user)

    def be_frozen(self) -> None:
        self.house.freeze(self.user)

    def lose_session(self) -> None:
        del self.house.store.sessions[self.session.id]

    def give_session_away(self) -> None:
        other = self.house.register("13900139000")
        self._put(evolve(self._stored, user_id=other.id))

    def be_replaced(self) -> None:
        self.house.sessions.end(self.session.id, SessionEnd(self.house.clock.time, EndReason.REPLACED))

    def log_out(self) -> None:
        self.house.service.logout(self.session)

    @property
    def _stored(self) -> Session:
        return self.house.store.sessions[self.session.id]

    def _put(self, session: Session) -> None:
        self.house.store.sessions[session.id] = session


Befalls = Callable[[Caller], None]

ROWS: list[tuple[Befalls, type[Unauthenticated]]] = [
    (Caller.forge_token, TokenInvalid),
    (Caller.outlive_token, TokenExpired),
    (Caller.come_from_the_future, TokenInvalid),
    (Caller.be_forgotten, UserNotFound),
    (Caller.be_frozen, UserNotActive),
    (Caller.lose_session, SessionUnknown),
    (Caller.give_session_away, SessionUnknown),
    (Caller.be_replaced, SessionReplaced),
    (Caller.log_out, SessionLoggedOut),
    (Caller.outlive_session_alone, SessionExpired),
]


def test_a_token_tells_user_and_session(house: House) -> None:
    caller = Caller(house)
    authenticated = house.service.authenticate(caller.token)
    assert authenticated.user == caller.user
    assert authenticated.session == caller.session


def test_user_and_session_are_read_anew_each_time(house: House) -> None:
    caller = Caller(house)
    caller.authenticate()
    house.put_hash(caller.user, "another hash")
    assert house.service.authenticate(caller.token).user.password_hash == "another hash"


@pytest.mark.parametrize(("befalls", "refusal"), ROWS)
def test_each_row_of_the_guard_refuses_at_once(house: House, befalls: Befalls, refusal: type[Unauthenticated]) -> None:
    caller = Caller(house)
    caller.authenticate()
    befalls(caller)
    with pytest.raises(refusal) as refused:
        caller.authenticate()
    assert type(refused.value) is refusal


@pytest.mark.parametrize(
    ("first", "later", "refusal"),
    [
        (Caller.forge_token, Caller.outlive_token, TokenInvalid),
        (Caller.forge_token, Caller.be_forgotten, TokenInvalid),
        (Caller.forge_token, Caller.be_frozen, TokenInvalid),
        (Caller.outlive_token, Caller.be_forgotten, TokenExpired),
        (Caller.outlive_token, Caller.be_frozen, TokenExpired),
        (Caller.outlive_token, Caller.log_out, TokenExpired),
        (Caller.outlive_token, Caller.lose_session, TokenExpired),
        (Caller.be_forgotten, Caller.log_out, UserNotFound),
        (Caller.be_forgotten, Caller.lose_session, UserNotFound),
        (Caller.be_frozen, Caller.lose_session, UserNotActive),
        (Caller.be_frozen, Caller.log_out, UserNotActive),
        (Caller.be_frozen, Caller.outlive_session_alone, UserNotActive),
        (Caller.give_session_away, Caller.log_out, SessionUnknown),
        (Caller.outlive_session_alone, Caller.log_out, SessionLoggedOut),
    ],
)
def test_of_two_things_wrong_the_earlier_row_is_told(
    house: House, first: Befalls, later: Befalls, refusal: type[Unauthenticated]
) -> None:
    caller = Caller(house)
    later(caller)
    first(caller)
    with pytest.raises(refusal):
        caller.authenticate()


def test_a_user_who_was_thawed_may_go_on(house: House) -> None:
    caller = Caller(house)
    caller.be_frozen()
    house.store.users[caller.user.id] = caller.user
    caller.authenticate()


@pytest.mark.parametrize("token", ["", " ", "a.b.c", "\0", "\ud800", "x" * 1_000_000])
def test_what_is_no_token_is_invalid(house: House, token: str) -> None:
    with pytest.raises(TokenInvalid):
        house.service.authenticate(token)
