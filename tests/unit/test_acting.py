"""What an admin does is checked again under the lock: an admin who lost the role meanwhile can do nothing any more."""

from collections.abc import Callable
from inspect import getmembers, getsource, isfunction
from typing import Any

import pytest
from attrs import evolve

from menshen.adapters.memory.store import MemoryUnitOfWork
from menshen.domain.actors import Actor
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.errors import Refusal
from menshen.domain.presences import Principal
from menshen.domain.realms import NotAnAdmin
from menshen.domain.sessions import SessionId, SessionKicked, SessionUnknown
from menshen.domain.use_cases import closing, operating
from menshen.domain.use_cases.acting import Caller
from menshen.domain.use_cases.closing import CloseAccount
from menshen.domain.use_cases.operating import Operate
from menshen.domain.users import User, UserId, UserNotActive, UserNotFound

from .cases import for_each
from .http_service import ADMIN_PHONE, HttpService, Route, envelope, routes_of, serve
from .memory_house import OPERATOR, OTHER_PHONE, House
from .test_http_admin_refusals import call, each_admin_route

Act = Callable[[House, UserId, SessionId, Caller], object]

ACTS: dict[str, Act] = {
    "freeze": lambda h, u, s, by: h.service.operate.freeze(u, reason="x", until=None, actor=by),
    "unfreeze": lambda h, u, s, by: h.service.operate.unfreeze(u, actor=by),
    "set_fee": lambda h, u, s, by: h.service.operate.set_fee(u, percentage=50, actor=by),
    "set_policy": lambda h, u, s, by: h.service.operate.set_policy(u, policy=DevicePolicy.single(), actor=by),
    "set_admin": lambda h, u, s, by: h.service.operate.set_admin(u, is_admin=True, actor=by),
    "kick": lambda h, u, s, by: h.service.operate.kick(u, session_id=s, actor=by),
    "close": lambda h, u, s, by: h.service.close_account.close(u, actor=by),
}

each_act = pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)

BEFALLS: dict[str, tuple[Callable[[House, User, Principal], object], type[Refusal]]] = {
    "demoted": (lambda h, a, by: h.service.operate.set_admin(a.id, is_admin=False, actor=OPERATOR), SessionKicked),
    "demoted in the table": (lambda h, a, by: h.store.users.update({a.id: evolve(a, is_admin=False)}), NotAnAdmin),
    "frozen": (
        lambda h, a, by: h.service.operate.freeze(a.id, reason="x", until=None, actor=OPERATOR),
        UserNotActive,
    ),
    "kicked": (lambda h, a, by: h.service.operate.kick(a.id, session_id=None, actor=OPERATOR), SessionKicked),
    "forgotten": (lambda h, a, by: h.store.sessions.pop(by.session.id), SessionUnknown),
    "deleted": (lambda h, a, by: h.forget(a), UserNotFound),
}


def before_the_next_transaction(monkeypatch: pytest.MonkeyPatch, befalls: Callable[[], object]) -> None:
    """Let *befalls* happen when the next transaction waits for its lock, after the checks before it."""
    transact: Any = MemoryUnitOfWork.transact

    def wait(work: MemoryUnitOfWork, job: Any, *, is_vital: bool = False) -> Any:
        monkeypatch.setattr(MemoryUnitOfWork, "transact", transact)
        befalls()
        return transact(work, job, is_vital=is_vital)

    monkeypatch.setattr(MemoryUnitOfWork, "transact", wait)


def test_the_acts_below_are_all_that_there_are() -> None:
    acts = {name for name, _ in getmembers(Operate, isfunction) if not name.startswith("_")}
    assert acts | {"close"} == set(ACTS)
    # None has its own transaction or lock: they all go through Acts.
    for source in (getsource(Operate), getsource(CloseAccount.close)):
        assert ".transact" not in source
        assert ".lock(" not in source
    assert "transact_or_record" not in vars(operating)
    assert "Acts(" in getsource(closing)


@each_act
@pytest.mark.parametrize(("befalls", "refusal"), BEFALLS.values(), ids=BEFALLS)
def test_an_act_that_waited_is_judged_again(
    monkeypatch: pytest.MonkeyPatch,
    house: House,
    act: Act,
    befalls: Callable[[House, User, Principal], object],
    refusal: type[Refusal],
) -> None:
    user, admin = house.register(), house.register_admin(OTHER_PHONE)
    login, by = house.login(), house.admin_login(OTHER_PHONE).principal
    before_the_next_transaction(monkeypatch, lambda: befalls(house, admin, by))
    with pytest.raises(refusal):
        act(house, user.id, login.session.id, by)
    assert house.user(user) == user
    house.authenticate(login)
    # The attempt is recorded.
    event = house.events[-1]
    assert (event.actor, event.subject, event.outcome) == (Actor.user(admin.id), user.id, refusal.reason)


@each_act
def test_an_admin_who_still_is_one_acts(house: House, act: Act) -> None:
    user, _ = house.register(), house.register_admin(OTHER_PHONE)
    login, by = house.login(), house.admin_login(OTHER_PHONE).principal
    if act is ACTS["unfreeze"]:
        house.freeze(user)
    act(house, user.id, login.session.id, by)
    assert (house.events[-1].actor, house.events[-1].outcome) == (by.actor, "done")


def test_an_admin_may_do_it_to_themselves_and_then_no_more(house: House) -> None:
    admin, by = house.register_admin(), house.admin_login().principal
    house.service.operate.set_admin(admin.id, is_admin=False, actor=by)
    with pytest.raises(SessionKicked):
        house.service.operate.set_admin(admin.id, is_admin=True, actor=by)
    assert not house.user(admin).is_admin


@for_each("act", ACTS.values(), ids=ACTS)
@for_each("actor", [Actor.user(UserId(2)), Actor.nobody(), Actor.service()])
def test_a_user_without_a_session_that_could_be_judged_does_nothing(act: Act, actor: Actor) -> None:
    house = House()
    user, _ = house.register(), house.register_admin(OTHER_PHONE)
    login = house.login()
    with pytest.raises(SessionUnknown):
        act(house, user.id, login.session.id, actor)
    assert house.user(user) == user
    house.authenticate(login)


def test_a_session_of_a_user_is_none_of_an_admin(house: House) -> None:
    user, _ = house.register(), house.register_admin(OTHER_PHONE)
    with pytest.raises(SessionUnknown):
        house.service.operate.set_fee(user.id, percentage=7, actor=house.login(OTHER_PHONE).principal)
    assert house.user(user) == user


# Over HTTP: all routes.


def target(http: HttpService) -> tuple[object, ...]:
    user = http.user()
    return user, [session for session in http.store.sessions.values() if session.user_id == user.id]


@each_admin_route
def test_no_route_lets_an_admin_act_who_was_demoted_meanwhile(monkeypatch: pytest.MonkeyPatch, route: Route) -> None:
    http = serve()
    http.registered()
    token, before = http.admin(), target(http)
    before_the_next_transaction(monkeypatch, lambda: http.change_user(ADMIN_PHONE, is_admin=False))
    result = call(http, route, token)
    assert target(http) == before
    if route.method not in {"GET", "HEAD"} and "{user_id:int}" in route.template:
        assert (result.status_code, envelope(result)["reason"]) == (401, "not_an_admin")


def test_there_are_acts_among_the_routes() -> None:
    assert len([route for route in routes_of(serve(), "/api/admin/users/") if route.method != "GET"]) >= 5
