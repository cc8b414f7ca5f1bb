"""Whose request it is: every row of the guard's table, their order, and that every way in checks the state."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from attrs import evolve, frozen

from menshen.domain.clocks import CLOCK_LEEWAY
from menshen.domain.errors import Refusal, StoreUnavailable, Unauthenticated
from menshen.domain.presences import Presence
from menshen.domain.realms import NotAnAdmin
from menshen.domain.sessions import (
    EndReason,
    Session,
    SessionEnd,
    SessionExpired,
    SessionId,
    SessionIdle,
    SessionKind,
    SessionLoggedOut,
    SessionReplaced,
    SessionUnknown,
)
from menshen.domain.tokens import TokenExpired, TokenInvalid
from menshen.domain.users import (
    LoginNotAllowed,
    PhoneTaken,
    Standing,
    User,
    UserId,
    UserNotActive,
    UserNotFound,
    UserState,
)

from .cases import for_each
from .memory_house import OPERATOR, OTHER_PHONE, PASSWORD, PHONE, House


class Caller:
    """A user with a session and its token, and everything that may happen to them."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.user: User = house.register()
        granted = house.login()
        self.principal = granted.principal
        self.session: Session = house.stored(granted)
        self.token = granted.access_token

    def authenticate(self) -> None:
        self.house.service.authenticate(self.token)

    def forge_token(self) -> None:
        self.token = "not a token of ours"

    def outlive_token(self) -> None:
        self.house.clock.time = self.house.codec.issued[self.token].expires_at

    def outlive_session_alone(self) -> None:
        self._put(evolve(self._stored, expires_at=self.house.clock.time))

    def be_idle_too_long(self) -> None:
        self._put(evolve(self._stored, last_seen_at=self.house.clock.time - self.session.idle_ttl))

    def be_here_as_an_admin(self) -> None:
        self._put(evolve(self._stored, kind=SessionKind.ADMIN))

    def come_from_the_future(self) -> None:
        self.house.clock.time = self.session.started_at - CLOCK_LEEWAY - timedelta(seconds=1)

    def be_forgotten(self) -> None:
        self.house.forget(self.user)

    def be_frozen(self) -> None:
        self.house.freeze(self.user)

    def lose_session(self) -> None:
        del self.house.store.sessions[self.session.id]

    def give_session_away(self) -> None:
        other = self.house.register(OTHER_PHONE)
        self._put(evolve(self._stored, user_id=other.id))

    def be_replaced(self) -> None:
        self.house.sessions.end([self.session.id], SessionEnd(self.house.clock.time, EndReason.REPLACED))

    def log_out(self) -> None:
        self.house.service.logout(self.principal)

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
    (Caller.be_idle_too_long, SessionIdle),
    (Caller.be_here_as_an_admin, SessionUnknown),
]


def test_a_token_tells_user_and_session(house: House) -> None:
    caller = Caller(house)
    authenticated = house.service.authenticate(caller.token)
    assert authenticated.user == caller.user.profile
    assert authenticated.session == caller.session.overview


def test_user_and_session_are_read_anew_each_time(house: House) -> None:
    caller = Caller(house)
    caller.authenticate()
    house.store.users[caller.user.id] = evolve(house.user(caller.user), user_name="another")
    assert house.service.authenticate(caller.token).user.user_name == "another"


@for_each(("befalls", "refusal"), ROWS)
def test_each_row_of_the_guard_refuses_at_once(befalls: Befalls, refusal: type[Unauthenticated]) -> None:
    house = House()
    caller = Caller(house)
    caller.authenticate()
    befalls(caller)
    with pytest.raises(refusal) as refused:
        caller.authenticate()
    assert type(refused.value) is refusal


@for_each(
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
        (Caller.be_idle_too_long, Caller.log_out, SessionLoggedOut),
        (Caller.be_idle_too_long, Caller.outlive_session_alone, SessionExpired),
    ],
)
def test_of_two_things_wrong_the_earlier_row_is_told(
    first: Befalls, later: Befalls, refusal: type[Unauthenticated]
) -> None:
    house = House()
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


@for_each("token", ["", " ", "a.b.c", "\0", "\ud800", "x" * 1_000_000])
def test_what_is_no_token_is_invalid(token: str) -> None:
    house = House()
    with pytest.raises(TokenInvalid):
        house.service.authenticate(token)


# The admin guard.


def test_a_token_of_one_kind_opens_nothing_of_the_other(house: House) -> None:
    house.register_admin()
    user, admin = house.login(), house.admin_login()
    assert house.service.authenticate(user.access_token).session.kind is SessionKind.USER
    assert house.service.authenticate_admin(admin.access_token).session.kind is SessionKind.ADMIN
    with pytest.raises(TokenInvalid):
        house.service.authenticate(admin.access_token)
    with pytest.raises(TokenInvalid):
        house.service.authenticate_admin(user.access_token)


def test_a_session_of_one_kind_opens_nothing_of_the_other_whatever_the_token_says(house: House) -> None:
    house.register_admin()
    user, admin = house.login(), house.admin_login()
    claims = house.codec.issued[user.access_token]
    forged = house.admin_codec.encode(claims)
    with pytest.raises(SessionUnknown):
        house.service.authenticate_admin(forged)
    forged = house.codec.encode(house.admin_codec.issued[admin.access_token])
    with pytest.raises(SessionUnknown):
        house.service.authenticate(forged)


def test_who_is_no_admin_any_more_opens_nothing(house: House) -> None:
    user = house.register_admin()
    granted = house.admin_login()
    house.store.users[user.id] = evolve(house.user(user), is_admin=False)
    with pytest.raises(NotAnAdmin):
        house.service.authenticate_admin(granted.access_token)


# The last use.


@for_each("kind", [SessionKind.USER, SessionKind.ADMIN])
def test_the_last_use_is_written_at_most_once_a_minute_a_session(kind: SessionKind) -> None:
    house = House()
    house.register_admin()
    guard = house.service.authenticate_strictly if kind is SessionKind.USER else house.service.authenticate_admin
    granted = house.login() if kind is SessionKind.USER else house.admin_login()
    written: list[datetime] = []

    class CountingLastSeen:
        def note(self, session_id: str, at: datetime) -> None:
            assert session_id == granted.session.id
            written.append(at)
            house.sessions.see([(granted.session.id, at)], at)

        def note_end(self, session_id: str, end: SessionEnd) -> None:
            raise AssertionError("it has not run out")

    guard = evolve(guard, last_seen=CountingLastSeen())
    begun = house.clock.time
    for _ in range(600):
        guard(granted.access_token)
        house.clock.move(timedelta(seconds=1))
    assert written == [begun + timedelta(minutes=minute) for minute in range(1, 10)]


def test_a_session_that_is_used_does_not_become_idle(house: House) -> None:
    house.register()
    granted = house.login()
    idle = granted.session.idle_ttl
    house.clock.move(timedelta(days=1))
    house.authenticate(granted)
    assert house.stored(granted).idle_at == house.clock.time + idle


def test_a_refused_request_is_no_use_of_the_session(house: House) -> None:
    caller = Caller(house)
    house.clock.move(timedelta(hours=1))
    caller.be_frozen()
    with pytest.raises(UserNotActive):
        caller.authenticate()
    assert house.stored(caller.session).last_seen_at == caller.session.last_seen_at


def test_an_idle_end_is_final_even_for_a_use_from_before_it(house: House) -> None:
    house.register()
    granted, used = house.login(), house.login()
    noted = house.clock.time + timedelta(days=1)
    seen = [(granted.session.id, noted), (used.session.id, noted)]
    house.clock.time = granted.session.idle_at
    house.sessions.see(seen, house.clock.time)
    assert house.stored(granted).overview == granted.session
    with pytest.raises((SessionIdle, TokenExpired)):
        house.authenticate(granted)
    # A moment before, the same counts.
    house.sessions.see(seen[1:], house.clock.time - timedelta(microseconds=1))
    assert house.stored(used).last_seen_at == noted


def test_who_may_not_act_is_told_when_that_ended_the_session(house: House) -> None:
    user = house.register()
    ended, stays = house.login(), house.login()
    house.service.logout(ended.principal)
    ended_at = house.clock.time
    house.clock.move(timedelta(hours=1))
    house.freeze(user)
    for granted, at in ((ended, ended_at), (stays, None)):
        with pytest.raises(UserNotActive) as refused:
            house.authenticate(granted)
        assert refused.value.ended_at == at
    house.store.sessions.clear()
    with pytest.raises(UserNotActive) as refused:
        house.authenticate(stays)
    assert refused.value.ended_at is None


# Every way in checks the state.


class Ways:
    """An admin with sessions of both kinds, whose state then changes, and all the ways in."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.user = house.register_admin()
        self.session = house.login()
        self.admin_session = house.admin_login()

    def register(self) -> None:
        self.house.service.register_and_login(phone=PHONE, password=PASSWORD)

    def register_for_an_operator(self) -> None:
        self.house.service.register_user(phone=PHONE, password=PASSWORD, actor=OPERATOR)

    def login(self) -> None:
        self.house.login()

    def admin_login(self) -> None:
        self.house.admin_login()

    def refresh(self) -> None:
        self.house.service.refresh(self.session.refresh_token)

    def admin_refresh(self) -> None:
        self.house.service.admin_refresh(self.admin_session.refresh_token)

    def guard(self) -> None:
        self.house.service.authenticate(self.session.access_token)

    def admin_guard(self) -> None:
        self.house.service.authenticate_admin(self.admin_session.access_token)


WAYS: list[Callable[[Ways], None]] = [
    *(Ways.register, Ways.register_for_an_operator, Ways.login, Ways.admin_login),
    *(Ways.refresh, Ways.admin_refresh, Ways.guard, Ways.admin_guard),
]
T, L, N = PhoneTaken, LoginNotAllowed, UserNotActive
SOON = timedelta(minutes=10)

# What each way in says: taken, no login, not active; None where the way is open.
STATES: dict[str, tuple[Callable[[datetime], UserState], Standing, list[type[Refusal] | None]]] = {
    "active": (lambda now: UserState.active(), Standing.ACTIVE, [T, T, None, None, None, None, None, None]),
    "frozen for good": (
        lambda now: UserState.frozen(until=None, reason="x"),
        Standing.FROZEN,
        [T, T, L, L, N, N, N, N],
    ),
    "frozen by the tutorial": (lambda now: UserState("冻结"), Standing.FROZEN, [T, T, L, L, N, N, N, N]),
    "frozen for a while": (
        lambda now: UserState.frozen(until=now + SOON, reason="x"),
        Standing.FROZEN,
        [T, T, L, L, N, N, N, N],
    ),
    "frozen until now": (
        lambda now: UserState.frozen(until=now, reason="x"),
        Standing.ACTIVE,
        [T, T, None, None, None, None, None, None],
    ),
    # Logging in cancels a closing, and nothing else does.
    "closing": (lambda now: UserState.closing(now + SOON), Standing.CLOSING, [T, T, None, None, N, N, N, N]),
    # The number is free again.
    "closed by now": (lambda now: UserState.closing(now), Standing.CLOSED, [None, None, L, L, N, N, N, N]),
    # Another program wrote it: login is refused, and it is not ours to erase.
    "closed": (lambda now: UserState.closed(), Standing.CLOSED, [T, T, L, L, N, N, N, N]),
    "unknown": (lambda now: UserState("异常"), Standing.UNKNOWN, [T, T, L, L, N, N, N, N]),
    "closing by the tutorial": (lambda now: UserState("注销中"), Standing.UNKNOWN, [T, T, L, L, N, N, N, N]),
    "empty": (lambda now: UserState(""), Standing.UNKNOWN, [T, T, L, L, N, N, N, N]),
    "almost active": (lambda now: UserState("正常 "), Standing.UNKNOWN, [T, T, L, L, N, N, N, N]),
}


@for_each("way", WAYS)
@for_each("name", STATES)
def test_every_way_in_asks_the_state(name: str, way: Callable[[Ways], None]) -> None:
    house = House()
    ways = Ways(house)
    house.clock.move(timedelta(minutes=1))
    state_at, standing, says = STATES[name]
    house.put_state(ways.user, state_at(house.clock.time))
    assert house.user(ways.user).state.standing(house.clock.time) is standing
    refusal = says[WAYS.index(way)]
    if refusal is None:
        way(ways)
        return
    with pytest.raises(refusal) as refused:
        way(ways)
    assert type(refused.value) is refusal


def test_every_standing_has_been_asked() -> None:
    assert {standing for _, standing, _ in STATES.values()} == set(Standing)


@for_each("way", WAYS[2:])
def test_a_timed_freeze_ends_for_every_way_in(way: Callable[[Ways], None]) -> None:
    house = House()
    ways = Ways(house)
    house.put_state(ways.user, UserState.frozen(until=house.clock.time + SOON, reason="x"))
    with pytest.raises((LoginNotAllowed, UserNotActive)):
        way(ways)
    house.clock.move(SOON)
    way(ways)


@frozen
class Confused:
    """Sessions that return the presence of *answered* for every query."""

    answered: Presence

    def by_session(self, user_id: UserId, session_id: SessionId) -> Presence:
        return self.answered


@for_each("asked", ["another user's", "another session's", "another user's session"])
def test_a_store_that_answers_what_was_not_asked_opens_nobody_elses_account(asked: str) -> None:
    house = House()
    anna, berta = house.register(), house.register(OTHER_PHONE)
    mine, second, hers = house.login(), house.login(), house.login(OTHER_PHONE)
    answers = {
        "another user's": Presence(berta, house.stored(hers)),
        "another session's": Presence(anna, house.stored(second)),
        "another user's session": Presence(anna, house.stored(hers)),
    }
    authenticate = evolve(house.service.authenticate_strictly, presences=Confused(answers[asked]))
    with pytest.raises(StoreUnavailable):
        authenticate(mine.access_token)
