"""What applies to every authenticator."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve, fields, frozen

from menshen.domain.audit import Action
from menshen.domain.proofs import InvalidCredentials, ProofOutdated
from menshen.domain.sessions import SessionReplaced
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword
from menshen.domain.users import LoginNotAllowed, User

from .cases import for_each
from .memory_house import OTHER_PHONE, PASSWORD, PHONE, WRONG_PASSWORD, House, client_on

NOBODYS_PHONE = "13700137000"


@frozen
class Way:
    """How a test shows to one authenticator what is right or wrong for the user with a phone number."""

    right: Callable[[str], object]
    wrong: Callable[[str], object]
    outdate: Callable[[House, User], object]
    """Changes what a proof was given for."""


WAYS: dict[type, Way] = {
    PhoneAndPassword: Way(
        right=lambda phone: PhoneAndPassword(phone, PASSWORD),
        wrong=lambda phone: PhoneAndPassword(phone, WRONG_PASSWORD),
        outdate=lambda house, user: house.put_hash(user, "fake:a newer password"),
    ),
}
"""By the type of what is shown."""

each_way = for_each("kind", WAYS)


def test_every_authenticator_is_here() -> None:
    service = House().service
    assert service.login.authenticators.keys() | service.admin_login.authenticators.keys() == WAYS.keys()


@frozen
class Watched:
    """A port whose calls are recorded, without their arguments."""

    _port: Any
    _calls: list[str]

    def __getattr__(self, name: str) -> Any:
        self._calls.append(name)
        return getattr(self._port, name)


def judged(house: House, shown: object) -> tuple[list[str], InvalidCredentials]:
    """What is asked of the ports until *shown* is refused, and the refusal."""
    authenticator: Any = house.service.login.authenticators[type(shown)]
    calls: list[str] = []
    parts = {part.name: getattr(authenticator, part.name) for part in fields(type(authenticator))}
    ports = {name: part for name, part in parts.items() if type(part).__module__.startswith("menshen.adapters.")}
    assert ports
    watched = evolve(authenticator, **{name: Watched(port, calls) for name, port in ports.items()})
    with pytest.raises(InvalidCredentials) as refusal:
        watched.prove(shown, watched.claimed(shown))
    return calls, refusal.value


@each_way
def test_neither_the_refusal_nor_the_work_for_it_tells_who_is_registered(kind: type) -> None:
    house, way = House(), WAYS[kind]
    house.register()
    house.freeze(house.register(OTHER_PHONE))
    for_a_user = judged(house, way.wrong(PHONE))
    for shown in (way.wrong(OTHER_PHONE), way.wrong(NOBODYS_PHONE), way.right(NOBODYS_PHONE)):
        calls, refusal = judged(house, shown)
        assert calls == for_a_user[0]
        assert (refusal.args, refusal.__cause__) == (for_a_user[1].args, for_a_user[1].__cause__)


@each_way
def test_what_is_right_opens_a_session_and_is_recorded(kind: type) -> None:
    house = House()
    user = house.register()
    granted = house.service.login(WAYS[kind].right(PHONE))
    assert house.service.authenticate(granted.access_token).user == user.profile
    [event] = house.events_of(Action.LOG_IN)
    assert (event.subject, event.outcome, event.session_id) == (user.id, "done", granted.session.id)


@each_way
def test_what_is_wrong_is_recorded_under_whose_it_was_said_to_be(kind: type) -> None:
    house = House()
    user = house.register()
    for phone, subject in ((PHONE, user.id), (NOBODYS_PHONE, None)):
        with pytest.raises(InvalidCredentials):
            house.service.login(WAYS[kind].wrong(phone))
        event = house.events_of(Action.LOG_IN)[-1]
        assert (event.subject, event.outcome) == (subject, "invalid_credentials")
    assert not house.store.sessions


@each_way
def test_a_frozen_user_is_told_so_only_with_what_is_right(kind: type) -> None:
    house, way = House(), WAYS[kind]
    house.freeze(house.register())
    for shown, refusal in ((way.wrong(PHONE), InvalidCredentials), (way.right(PHONE), LoginNotAllowed)):
        with pytest.raises(refusal):
            house.service.login(shown)
        assert house.events_of(Action.LOG_IN)[-1].outcome == refusal.reason


@each_way
def test_the_device_policy_counts(kind: type) -> None:
    house = House.with_policy({"total": 1})
    house.register()
    first = house.login(client=client_on("pc"))
    house.service.login(WAYS[kind].right(PHONE), client=client_on("phone"))
    with pytest.raises(SessionReplaced):
        house.authenticate(first)


@each_way
def test_a_proof_is_outdated_once_that_is_changed_for_which_it_was_given(kind: type) -> None:
    house, way = House(), WAYS[kind]
    user = house.register()
    login = house.service.login
    proof = login.authenticators[kind].prove(way.right(PHONE), house.user(user))
    assert proof.user_id == user.id
    assert login.work.transact(lambda tx: proof.confirm(tx, house.user(user))) == house.user(user)
    way.outdate(house, user)
    with pytest.raises(ProofOutdated):
        login.work.transact(lambda tx: proof.confirm(tx, house.user(user)))
