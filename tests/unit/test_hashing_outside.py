"""No password is hashed or verified within a transaction, where it would hold up the user's other requests, or all."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import attrs
from attrs import define, field

from menshen.adapters.memory.fakes import FakePasswordHasher
from menshen.domain.devices import NO_CLIENT
from menshen.domain.ports.outside import Verdict
from menshen.domain.ports.writing import Transaction, UnitOfWork
from menshen.domain.proofs import InvalidCredentials, ReauthenticationFailed
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword
from menshen.domain.use_cases.issuing import Granted
from menshen.entrypoints.stores import memory_store

from .cases import for_each
from .memory_house import OPERATOR, OTHER_PHONE, PASSWORD, PHONE, WRONG_PASSWORD, House, with_parts

T = TypeVar("T")


@define
class Watch:
    """A unit of work and a hasher that record what was hashed within a transaction and what was not."""

    work: UnitOfWork
    hasher: FakePasswordHasher
    is_within: bool = False
    transactions: int = 0
    called: list[tuple[str, bool]] = field(factory=list)

    def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
        self.transactions += 1
        self.is_within = True
        try:
            return self.work.transact(work, is_vital=is_vital)
        finally:
            self.is_within = False

    def hash(self, password: str) -> str:
        self.called.append(("hash", self.is_within))
        return self.hasher.hash(password)

    def verify(self, password: str, password_hash: str | None) -> Verdict:
        self.called.append(("verify", self.is_within))
        return self.hasher.verify(password, password_hash)

    def over(self, use_case: Any) -> Any:
        """*use_case*, watched."""
        return with_parts(use_case, work=self, hasher=self)


def by_password(use_case: object) -> bool:
    """Whether there is a hasher in *use_case*, or in a part of it."""
    if isinstance(use_case, Mapping):
        return any(by_password(part) for part in use_case.values())
    if not type(use_case).__module__.startswith("menshen.domain.use_cases"):
        return False
    names = {each.name for each in attrs.fields(type(use_case))}  # type: ignore[arg-type]
    return "hasher" in names or any(by_password(getattr(use_case, name)) for name in names)


def outdate(house: House, granted: Granted) -> None:
    house.put_hash(granted.user, f"old:{PASSWORD}")


def old(house: House, granted: Granted) -> None:
    """Let the login be too long ago to count as proof."""
    house.clock.move(timedelta(minutes=11))


# What is called, with each password, by a user who is logged in, and is an admin.
JOURNEYS: dict[str, Callable[[Any, Granted, str], object]] = {
    "register_user": lambda use, _, password: use(phone=OTHER_PHONE, password=password),
    "register_and_login": lambda use, _, password: use(phone=OTHER_PHONE, password=password),
    "login": lambda use, _, password: use(PhoneAndPassword(PHONE, password)),
    "admin_login": lambda use, _, password: use(PhoneAndPassword(PHONE, password)),
    "change_password": lambda use, granted, password: use(
        granted.principal, old=password, new="a new password", client=NO_CLIENT
    ),
    "close_account": lambda use, granted, password: use(granted.principal, password=password, client=NO_CLIENT),
    "end_sessions": lambda use, granted, password: use.others(granted.principal, password=password, client=NO_CLIENT),
    "kick_everybody": lambda use, granted, password: use(caller=granted.principal, password=password),
    "set_password": lambda use, granted, password: use(granted.user.id, password=password, actor=OPERATOR),
}


@for_each("password", [PASSWORD, WRONG_PASSWORD])
@for_each("before", [lambda house, granted: None, outdate, old], ids=["as it is", "outdated", "old"])
@for_each("journey", JOURNEYS)
def test_nothing_is_hashed_within_a_transaction(
    journey: str, before: Callable[[House, Granted], None], password: str
) -> None:
    house = House()
    house.register_admin()
    granted = house.admin_login() if journey == "kick_everybody" else house.login()
    before(house, granted)
    watch = Watch(memory_store(house.store).work, house.hasher)
    try:
        JOURNEYS[journey](watch.over(getattr(house.service, journey)), granted, password)
    except (InvalidCredentials, ReauthenticationFailed):
        assert password == WRONG_PASSWORD
    assert watch.transactions >= 1
    assert watch.called or journey == "end_sessions", "a login a moment ago needs no password"
    assert [name for name, is_within in watch.called if is_within] == []


def test_every_use_case_that_takes_a_password_is_looked_at(house: House) -> None:
    service = house.service
    names = {each.name for each in attrs.fields(type(service))}
    found = {name for name in names if attrs.has(type(getattr(service, name))) and by_password(getattr(service, name))}
    assert found == JOURNEYS.keys()
