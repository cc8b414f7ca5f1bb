"""The composition root: settings reach their targets."""

import os

import pytest
from attrs import evolve

from menshen.adapters.background_last_seen import BackgroundLastSeen
from menshen.adapters.bounded_hasher import BoundedPasswordHasher
from menshen.adapters.even_hasher import EvenPasswordHasher
from menshen.adapters.hmac_seal import HmacSeal
from menshen.adapters.host_token_codec import JwtHostTokenCodec
from menshen.adapters.jwt_codec import JwtTokenCodec
from menshen.adapters.refresh_token_codec import HmacRefreshTokenCodec
from menshen.adapters.remembering.announcing import AnnouncingUnitOfWork
from menshen.adapters.remembering.tokens import RememberedTokens
from menshen.domain.actors import Actor
from menshen.domain.passwords import PasswordHoldsIdentifier, PasswordLengthInvalid, PasswordTooCommon
from menshen.domain.ports.reading import PasswordHashes, Presences
from menshen.domain.tokens import TokenInvalid
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword
from menshen.entrypoints.services import open_adapters, open_service
from menshen.entrypoints.settings import SettingInvalid, Settings
from menshen.entrypoints.stores import open_store
from menshen.entrypoints.wiring import SERVICE_NAME, Adapters, wire

from .cases import for_each

SECRET = bytes(range(100, 132))
IN_MEMORY = Settings(
    database_url="memory://",
    secret_key="0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    argon2_memory_kib=8 * 1024,
    argon2_time_cost=1,
)


@pytest.fixture(scope="module")
def adapters() -> Adapters:
    return open_adapters(IN_MEMORY, SECRET, open_store(IN_MEMORY))


def test_a_service_in_memory_registers_logs_in_and_authenticates() -> None:
    service = open_service(IN_MEMORY)
    user = service.register_and_login(phone="13800138000", password="a good password").user
    granted = service.login(PhoneAndPassword("13800138000", "a good password"))
    assert service.authenticate(granted.access_token).user == granted.user == user
    found = service.find_user("1")
    assert found is not None
    assert found.profile == user
    assert service.trouble() is None
    service.close()


def test_two_services_in_memory_share_nothing() -> None:
    first, second = open_service(IN_MEMORY), open_service(IN_MEMORY)
    first.register_user(phone="13800138000", password="a good password")
    assert second.find_user("13800138000") is None


def test_a_secret_that_was_set_is_not_talked_about() -> None:
    said: list[str] = []
    open_service(IN_MEMORY, say=said.append)
    assert said == []


def test_a_secret_that_is_too_short_opens_nothing() -> None:
    with pytest.raises(SettingInvalid, match="MENSHEN_SECRET_KEY"):
        open_service(evolve(IN_MEMORY, secret_key="XPay"))


def test_secret_issuer_and_audiences_reach_the_codecs() -> None:
    settings = evolve(IN_MEMORY, issuer="an issuer", audience="an audience", admin_audience="admins")
    adapters = open_adapters(settings, SECRET, open_store(IN_MEMORY))
    for codec, audience in ((adapters.codec, "an audience"), (adapters.admin_codec, "admins")):
        assert isinstance(codec, RememberedTokens)
        codec = codec.codec
        assert isinstance(codec, JwtTokenCodec)
        assert (codec.secret, codec.issuer, codec.audience) == (SECRET, "an issuer", audience)
    assert adapters.refresh_codec == HmacRefreshTokenCodec(SECRET)
    assert adapters.host_codec == JwtHostTokenCodec(SECRET, "an issuer")
    assert adapters.seal == HmacSeal(SECRET)


def test_what_notes_the_last_use_writes_into_the_store(adapters: Adapters) -> None:
    assert isinstance(adapters.last_seen, BackgroundLastSeen)
    assert adapters.last_seen.work is adapters.store.work


@for_each(("remembered", "is_remembering"), [(0, False), (1, True)])
def test_the_guard_remembers_where_the_setting_says_so(remembered: int, is_remembering: bool) -> None:
    settings = evolve(IN_MEMORY, remembered=remembered)
    adapters = open_adapters(settings, SECRET, open_store(settings))
    assert (adapters.remembered is not None) is is_remembering
    # Those who remember are told in any case.
    assert isinstance(adapters.store.work, AnnouncingUnitOfWork)
    service = wire(settings, adapters)
    assert (service.authenticate != service.authenticate_strictly) is is_remembering
    for strict in (service.authenticate_strictly, service.authenticate_admin, *service.explain_token.guards):
        assert strict.presences is adapters.store[Presences]
    service.close()


def test_closing_the_service_closes_its_store() -> None:
    closed: list[str] = []
    store = evolve(open_store(IN_MEMORY), close=lambda: closed.append("the store"))
    wire(IN_MEMORY, open_adapters(IN_MEMORY, SECRET, store)).close()
    assert closed == ["the store"]


def test_the_hasher_is_bounded_and_even_and_has_the_parameters_that_were_set() -> None:
    settings = evolve(IN_MEMORY, argon2_memory_kib=9 * 1024, argon2_time_cost=3, argon2_parallelism=2)
    store = open_store(settings)
    hasher = open_adapters(settings, SECRET, store).hasher
    assert isinstance(hasher, BoundedPasswordHasher)
    assert hasher.at_once == (os.cpu_count() or 1)
    assert isinstance(hasher.inner, EvenPasswordHasher)
    assert hasher.inner.stored.users is store[PasswordHashes]
    assert "$m=9216,t=3,p=2$" in hasher.hash("a good password")


def test_the_service_of_production_refreshes_and_lets_an_admin_in() -> None:
    service = open_service(IN_MEMORY)
    granted = service.register_and_login(phone="13800138000", password="a good password")
    fresh = service.refresh(granted.refresh_token)
    assert service.authenticate(fresh.access_token).session.id == granted.session.id
    service.operate.set_admin(granted.user.id, is_admin=True, actor=Actor.operator("root"))
    admin = service.admin_login(PhoneAndPassword("13800138000", "a good password"))
    assert service.authenticate_admin(admin.access_token).user.id == granted.user.id
    with pytest.raises(TokenInvalid):
        service.authenticate(admin.access_token)
    with pytest.raises(TokenInvalid):
        service.authenticate_admin(fresh.access_token)
    service.close()


def test_the_strict_policy_knows_3000_common_passwords_the_service_and_its_minimum() -> None:
    settings = evolve(IN_MEMORY, password_policy="strict", password_min_length=10)
    adapters = open_adapters(settings, SECRET, open_store(settings))
    assert isinstance(adapters.common_passwords, frozenset)
    assert len(adapters.common_passwords) == 3000
    assert all(8 <= len(password) <= 128 for password in adapters.common_passwords)
    service = wire(settings, adapters)
    register = service.register_user
    assert service.change_password.password_policy == register.password_policy
    assert register.password_policy.service_name == SERVICE_NAME
    with pytest.raises(PasswordLengthInvalid) as refusal:
        register(phone="13800138000", password="ninechars")
    assert (refusal.value.minimum, refusal.value.maximum) == (10, 128)
    with pytest.raises(PasswordTooCommon):
        register(phone="13800138000", password="1234567890")
    with pytest.raises(PasswordHoldsIdentifier):
        register(phone="13800138000", password="my 13800138000")


@for_each(
    "url",
    [
        *("sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite+aiosqlite:///x", "sqlite:///file:x?uri=true"),
        *(
            "nonsense",
            "oracle://localhost/menshen",
            "postgresql+asyncpg://localhost/menshen",
            "mysql+mysqldb://localhost/x",
        ),
        "postgresql+psycopg://localhost:port/menshen",
    ],
)
def test_a_database_that_cannot_be_opened_is_a_bad_setting(url: str) -> None:
    with pytest.raises(SettingInvalid, match="MENSHEN_DATABASE_URL") as refusal:
        open_store(evolve(IN_MEMORY, database_url=url))
    assert "\n" not in str(refusal.value)
