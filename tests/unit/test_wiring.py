"""The composition root: what was set reaches what is meant."""

import os
from datetime import timedelta

import pytest
from attrs import evolve

from menshen.adapters.argon2_hasher import Argon2PasswordHasher
from menshen.adapters.bounded_hasher import BoundedPasswordHasher
from menshen.adapters.jwt_codec import JwtTokenCodec
from menshen.adapters.memory.users import MemoryUserRepository
from menshen.adapters.random_ids import SystemRandomIds
from menshen.adapters.system_clock import SystemClock
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.errors import PasswordHoldsIdentifier, PasswordLengthInvalid, PasswordTooCommon
from menshen.domain.passwords import contract_policy
from menshen.entrypoints.settings import SettingInvalid, Settings
from menshen.entrypoints.wiring import SERVICE_NAME, Adapters, Service, open_adapters, open_service, open_store, wire

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


@pytest.fixture(scope="module")
def service(adapters: Adapters) -> Service:
    return wire(IN_MEMORY, adapters)


def test_a_service_in_memory_registers_logs_in_and_authenticates() -> None:
    service = open_service(IN_MEMORY)
    user = service.register_and_login(phone="13800138000", password="a good password").user
    granted = service.login(phone="13800138000", password="a good password")
    assert service.authenticate(granted.access_token).user == granted.user == user
    assert service.find_user("1") == user
    service.ping()
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


def test_the_adapters_are_those_for_production(adapters: Adapters) -> None:
    assert isinstance(adapters.users, MemoryUserRepository)
    assert isinstance(adapters.clock, SystemClock)
    assert isinstance(adapters.ids, SystemRandomIds)
    assert isinstance(adapters.codec, JwtTokenCodec)


def test_secret_issuer_and_audience_reach_the_codec() -> None:
    adapters = open_adapters(
        evolve(IN_MEMORY, issuer="an issuer", audience="an audience"), SECRET, open_store(IN_MEMORY)
    )
    assert isinstance(adapters.codec, JwtTokenCodec)
    assert (adapters.codec.secret, adapters.codec.issuer, adapters.codec.audience) == (
        SECRET,
        "an issuer",
        "an audience",
    )


def test_the_hasher_is_bounded_and_has_the_parameters_that_were_set() -> None:
    settings = evolve(IN_MEMORY, argon2_memory_kib=9 * 1024, argon2_time_cost=3, argon2_parallelism=2)
    hasher = open_adapters(settings, SECRET, open_store(settings)).hasher
    assert isinstance(hasher, BoundedPasswordHasher)
    assert hasher.at_once == (os.cpu_count() or 1)
    assert isinstance(hasher.inner, Argon2PasswordHasher)
    assert "$m=9216,t=3,p=2$" in hasher.hash("a good password")


def test_the_default_hasher_is_owasps() -> None:
    settings = Settings(database_url="memory://")
    assert (settings.argon2_memory_kib, settings.argon2_time_cost, settings.argon2_parallelism) == (19 * 1024, 2, 1)
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in open_adapters(settings, SECRET, open_store(settings)).hasher.hash(
        "a good password"
    )


@pytest.mark.parametrize("multi_device", [True, False])
def test_the_device_policy_reaches_every_login(adapters: Adapters, multi_device: bool) -> None:
    service = wire(evolve(IN_MEMORY, multi_device_login=multi_device), adapters)
    for use_case in (service.login, service.register_and_login):
        assert use_case.open_session.device_policy == DevicePolicy(multi_device=multi_device)


def test_the_life_of_a_token_reaches_every_login(adapters: Adapters) -> None:
    service = wire(evolve(IN_MEMORY, access_token_ttl=timedelta(minutes=15)), adapters)
    for use_case in (service.login, service.register_and_login):
        assert use_case.open_session.access_token_ttl == timedelta(minutes=15)


def test_the_contracts_password_policy_is_the_default(service: Service) -> None:
    assert service.register_user.password_policy == contract_policy()


def test_the_strict_policy_knows_3000_common_passwords_the_service_and_its_minimum() -> None:
    settings = evolve(IN_MEMORY, password_policy="strict", password_min_length=10)
    adapters = open_adapters(settings, SECRET, open_store(settings))
    assert isinstance(adapters.common_passwords, frozenset)
    assert len(adapters.common_passwords) == 3000
    assert all(8 <= len(password) <= 128 for password in adapters.common_passwords)
    register = wire(settings, adapters).register_user
    assert register.password_policy.service_name == SERVICE_NAME
    with pytest.raises(PasswordLengthInvalid) as refusal:
        register(phone="13800138000", password="ninechars")
    assert (refusal.value.minimum, refusal.value.maximum) == (10, 128)
    with pytest.raises(PasswordTooCommon):
        register(phone="13800138000", password="1234567890")
    with pytest.raises(PasswordHoldsIdentifier):
        register(phone="13800138000", password="my 13800138000")


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///", "sqlite:///:memory:", "postgresql://localhost/menshen", "mysql://localhost/menshen"],
)
def test_a_database_that_cannot_be_opened_is_a_bad_setting(url: str) -> None:
    with pytest.raises(SettingInvalid, match="MENSHEN_DATABASE_URL") as refusal:
        open_store(evolve(IN_MEMORY, database_url=url))
    assert "\n" not in str(refusal.value)
