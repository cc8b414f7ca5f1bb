"""What the guard passes on about the caller, and when tokens are signed."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import attrs
from attrs import frozen

from menshen.adapters.memory.fakes import FakeTokenCodec
from menshen.domain.presences import Principal
from menshen.domain.sessions import SessionOverview
from menshen.domain.tokens import AccessTokenClaims
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword
from menshen.domain.use_cases.issuing import Granted
from menshen.domain.users import Profile

from .cases import for_each
from .memory_house import OTHER_PHONE, PASSWORD, PHONE, House, with_parts


def within(value: object, path: str = "principal") -> Iterator[tuple[str, object]]:
    """Everything that can be reached from *value*, with the way to it."""
    yield path, value
    if attrs.has(type(value)):
        for name in dir(value):
            if not name.startswith("_") and not callable(getattr(value, name)):
                yield from within(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from within(each, f"{path}[]")


def test_a_principal_holds_no_secret_and_leads_to_none() -> None:
    house = House()
    user = house.register()
    granted = house.login()
    principal = house.service.authenticate(granted.access_token)
    assert type(principal.user) is Profile
    assert type(principal.session) is SessionOverview
    secrets = {user.password_hash, granted.access_token, granted.refresh_token, house.stored(granted).refreshing.digest}
    reached = dict(within(principal))
    assert len(reached) > 30
    for path, value in reached.items():
        assert not isinstance(value, bytes), path
        assert not any(value == secret for secret in secrets), path
        assert path.rpartition(".")[2] not in {"password_hash", "refreshing"}, path


@frozen
class SigningOutside(FakeTokenCodec):
    """Signs only while no transaction is open."""

    house: House = attrs.field(kw_only=True)

    def encode(self, claims: AccessTokenClaims) -> str:
        assert self.house.store._depth == 0, "signed within a transaction"
        assert claims.session_id in self.house.store.sessions
        return super().encode(claims)


WAYS: dict[str, Callable[[House, Granted, SigningOutside], Granted]] = {
    "login": lambda house, _, codec: with_parts(house.service.login, codec=codec)(PhoneAndPassword(PHONE, PASSWORD)),
    "registration": lambda house, _, codec: with_parts(house.service.register_and_login, codec=codec)(
        phone=OTHER_PHONE, password=PASSWORD
    ),
    "refresh": lambda house, granted, codec: with_parts(house.service.refresh, codec=codec)(granted.refresh_token),
}


@for_each("way", WAYS)
def test_tokens_are_signed_once_their_session_is_kept(way: str) -> None:
    house = House()
    house.register()
    granted = house.login()
    house.clock.move(timedelta(minutes=1))
    codec = SigningOutside(house=house)
    again = WAYS[way](house, granted, codec)
    assert codec.decode(again.access_token).session_id == again.session.id


def test_a_principal_is_named_in_the_log_by_the_users_id() -> None:
    house = House()
    house.register()
    principal: Principal = house.login().principal
    assert principal.actor.text == f"user:{principal.user.id}"
