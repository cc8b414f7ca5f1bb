"""On a full store, acts that take rights away still work, and additions do not."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import pytest
from attrs import evolve

from menshen.adapters.memory.store import MemoryUnitOfWork
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.writing import Transaction
from menshen.domain.presences import Principal
from menshen.domain.use_cases import kicking_everybody

from .memory_house import OPERATOR, OTHER_PHONE, PASSWORD, House, client_on

T = TypeVar("T")

HERE = client_on("pc", None, "the desk")


class People:
    """The users from before the store was full."""

    def __init__(self, house: House) -> None:
        self.house, self.service = house, house.service
        house.register()
        house.register_admin(OTHER_PHONE)
        self.user, self.other, self.admin = house.login(), house.login(), house.admin_login(OTHER_PHONE)

    def closing(self) -> "People":
        """The same, when the account of the user is due to be erased."""
        self.service.close_account.close(self.user.user.id, actor=OPERATOR)
        self.house.pass_by(timedelta(days=100))
        return self

    @property
    def by_admin(self) -> Principal:
        return self.admin.principal


Act = Callable[[People], object]

VITAL: dict[str, Act] = {
    "log out": lambda p: p.service.logout(p.user.principal),
    "end a session": lambda p: p.service.end_sessions(
        p.user.principal, session_id=p.other.session.id, password=None, client=HERE
    ),
    "end the others": lambda p: p.service.end_sessions.others(p.user.principal, password=None, client=HERE),
    "close one's account": lambda p: p.service.close_account(p.user.principal, password=PASSWORD, client=HERE),
    "an admin's login": lambda p: p.house.admin_login(OTHER_PHONE),
    "freeze": lambda p: p.service.operate.freeze(p.user.user.id, reason="x", until=None, actor=p.by_admin),
    "kick": lambda p: p.service.operate.kick(p.user.user.id, session_id=None, actor=p.by_admin),
    "kick everybody": lambda p: p.service.kick_everybody(caller=p.by_admin, password=PASSWORD),
    "take the admin role": lambda p: p.service.operate.set_admin(p.admin.user.id, is_admin=False, actor=OPERATOR),
}
ADDING: dict[str, Act] = {
    "register": lambda p: p.service.register_user(phone="13700137000", password=PASSWORD, actor=OPERATOR),
    "log in": lambda p: p.house.login(),
    "guess a password": lambda p: p.house.login(password="a wrong one"),
    "guess an admin's": lambda p: p.house.admin_login(OTHER_PHONE, "a wrong one"),
    "refresh": lambda p: p.service.refresh(p.user.refresh_token),
    "rename": lambda p: p.service.rename_user(p.user.principal, user_name="another", client=HERE),
    "change the password": lambda p: p.service.change_password(
        p.user.principal, old=PASSWORD, new="another good one", client=HERE
    ),
    "give the admin role": lambda p: p.service.operate.set_admin(p.user.user.id, is_admin=True, actor=OPERATOR),
    "look": lambda p: p.service.browse.user(p.user.user.id, caller=p.by_admin),
}


@pytest.fixture
def people(house: House) -> People:
    return People(house)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From then on the store has space only for vital acts."""
    transact = MemoryUnitOfWork.transact

    def refuses(self: MemoryUnitOfWork, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
        if not is_vital:
            raise StoreUnavailable("full")
        return transact(self, work, is_vital=is_vital)

    return lambda: monkeypatch.setattr(MemoryUnitOfWork, "transact", refuses)


@pytest.mark.parametrize("act", VITAL.values(), ids=VITAL)
def test_what_takes_rights_away_goes_on(
    people: People, full: Callable[[], None], act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kicking_everybody, "BATCH", 1)
    full()
    before = len(people.house.events)
    act(people)
    assert len(people.house.events) > before


@pytest.mark.parametrize("act", ADDING.values(), ids=ADDING)
def test_what_is_added_is_refused(people: People, full: Callable[[], None], act: Act) -> None:
    full()
    with pytest.raises(StoreUnavailable):
        act(people)


def test_what_is_old_goes(people: People, full: Callable[[], None]) -> None:
    people.closing()
    full()
    pruned = people.service.prune()
    assert pruned.sessions
    assert pruned.accounts == 1


def test_the_disk_gets_the_room_after_each_round(people: People) -> None:
    left: list[int] = []
    sessions = people.house.store.sessions
    prune = evolve(people.closing().service.prune, give_back=lambda: left.append(len(sessions)))
    prune()
    assert left == [0]


def test_what_was_pruned_is_told_also_where_its_room_cannot_be_given_back_now(people: People) -> None:
    def is_busy() -> None:
        raise StoreUnavailable("another is writing")

    assert evolve(people.closing().service.prune, give_back=is_busy)().accounts == 1
