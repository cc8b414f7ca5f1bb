"""What the guard passes on about the caller, and when tokens are signed."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import attrs
import pytest
from attrs import evolve, frozen

from menshen.adapters.memory.fakes import FakeTokenCodec
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.devices import Device, DeviceType
from menshen.domain.presences import Principal
from menshen.domain.proofs import ProofOutdated
from menshen.domain.sessions import EndReason, Refreshing, Session, SessionEnd, SessionId, SessionKind, SessionOverview
from menshen.domain.tokens import AccessTokenClaims
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword, proof_by_password
from menshen.domain.use_cases.issuing import Granted
from menshen.domain.users import Phone, Profile, User, UserId, UserState

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


FULL = User(
    id=UserId(1),
    phone=Phone("13800138000"),
    password_hash="a hash",
    registered_at=datetime(2026, 1, 1, tzinfo=UTC),
    user_name="name",
    referrer_id=UserId(2),
    wechat_openid="openid",
    account_balance=Decimal("1.5000"),
    state=UserState.frozen(until=None, reason="a reason"),
    fee_percentage=7,
    is_admin=True,
    device_policy=DevicePolicy.single(),
)


def test_a_profile_and_an_overview_leave_out_nothing_but_what_is_secret() -> None:
    device = Device(DeviceType.PC, "an id", "a name")
    session = Session(
        id=SessionId("1"),
        user_id=UserId(1),
        kind=SessionKind.ADMIN,
        device=device,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        last_seen_at=datetime(2026, 1, 2, tzinfo=UTC),
        expires_at=datetime(2026, 1, 3, tzinfo=UTC),
        idle_ttl=timedelta(days=1),
        refreshing=Refreshing(
            digest=b"", rotations=0, rotated_at=datetime(2026, 1, 1, tzinfo=UTC), expires_at=datetime.max
        ),
        address="an address",
        user_agent="an agent",
        end=SessionEnd(datetime(2026, 1, 2, tzinfo=UTC), EndReason.KICKED),
    )
    shown: list[tuple[User | Session, Profile | SessionOverview, set[str]]] = [
        (FULL, FULL.profile, {"password_hash"}),
        (session, session.overview, {"refreshing"}),
    ]
    for whole, public, secret in shown:
        fields = {each.name: each for each in attrs.fields(type(whole))}
        for name in fields.keys() - secret:
            # Each value is another than that of the field that was forgotten.
            assert getattr(whole, name) != fields[name].default
            assert getattr(public, name) == getattr(whole, name)
        assert {each.name for each in attrs.fields(type(public))} == fields.keys() - secret


def test_what_is_secret_is_not_of_a_public_type() -> None:
    assert not issubclass(User, Profile)
    assert not issubclass(Session, SessionOverview)


def test_a_proof_of_one_user_is_none_of_another() -> None:
    house = House()
    anna, berta = house.register(), house.register(OTHER_PHONE)
    proof = proof_by_password(anna, house.clock)
    work = house.service.operate.work
    assert work.transact(lambda tx: proof.confirm(tx, anna)) == anna
    with pytest.raises(ProofOutdated):
        work.transact(lambda tx: proof.confirm(tx, evolve(berta, password_hash=anna.password_hash)))
