"""Nodes whose store is another package's hear of each other by a Redis."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TypeVar

import pytest
from attrs import evolve, frozen

from menshen.adapters.memory.fakes import FakeClock
from menshen.adapters.memory.store import MemoryStore
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.reading import WouldWait
from menshen.domain.ports.stores import Store
from menshen.domain.ports.writing import Transaction, UnitOfWork
from menshen.domain.presences import Principal
from menshen.domain.sessions import SessionOver
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword
from menshen.entrypoints import services as services_module
from menshen.entrypoints.remembering import channel_exposures, remembering
from menshen.entrypoints.services import open_adapters, open_service
from menshen.entrypoints.settings import SettingInvalid, Settings
from menshen.entrypoints.stores import memory_store, sql_store
from menshen.entrypoints.wiring import Service, wire

from .patience import acknowledged, until
from .redis_servers import RedisProcess
from .stores import opened

BOUND = 1.0
"""Seconds within which whatever was acknowledged counts."""

T = TypeVar("T")

CREDENTIALS = PhoneAndPassword("13800138000", "a good password")


@frozen
class Foreign:
    """The unit of work of a store of which nobody knows whether it tells of changes."""

    inner: UnitOfWork

    def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
        return self.inner.transact(work, is_vital=is_vital)


def foreign(store: Store) -> Store:
    return evolve(store, work=Foreign(store.work))


@pytest.fixture
def services(redis: RedisProcess, tmp_path: Path) -> Iterator[list[Service]]:
    """Two nodes with one store of another package."""
    with ExitStack() as stack:
        services = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            database = stack.enter_context(opened(f"sqlite:///{tmp_path}/accounts.sqlite3"))
            settings = Settings(
                data_dir=tmp_path / name,
                database_url="foreign://accounts",
                redis_url=redis.url,
                argon2_memory_kib=8 * 1024,
                argon2_time_cost=1,
            )
            service = wire(settings, open_adapters(settings, b"k" * 32, foreign(sql_store(database))))
            stack.callback(service.close)
            services.append(service)
        yield services


def remembered(service: Service, token: str) -> Principal:
    """Ask until it is known without reading."""

    def is_known() -> bool:
        service.authenticate(token)
        assert service.without_waiting is not None
        with service.without_waiting():
            try:
                service.authenticate(token)
            except WouldWait:
                return False
        return True

    until(is_known)
    return service.authenticate(token)


def is_over(service: Service, token: str) -> bool:
    try:
        service.authenticate(token)
    except SessionOver:
        return True
    return False


def test_nodes_with_the_store_of_another_package_remember_and_hear_of_each_other(services: list[Service]) -> None:
    one, other = services
    one.register_user(phone=CREDENTIALS.phone, password=CREDENTIALS.password)
    for _ in range(5):
        token = one.login(CREDENTIALS).access_token
        remembered(other, token)
        one.logout(remembered(one, token))
        assert is_over(one, token)
        assert until(partial(is_over, other, token)) < BOUND


def test_without_the_redis_nothing_is_acknowledged_and_nothing_served_from_memory(
    redis: RedisProcess, services: list[Service]
) -> None:
    one, other = services
    one.register_user(phone=CREDENTIALS.phone, password=CREDENTIALS.password)
    token = one.login(CREDENTIALS).access_token
    remembered(other, token)
    principal = remembered(one, token)
    redis.pause()
    try:
        with pytest.raises(StoreUnavailable):
            one.logout(principal)
        assert until(lambda: is_over(other, token)) < BOUND
    finally:
        redis.resume()
    until(acknowledged(lambda: remembered(other, one.login(CREDENTIALS).access_token)))


def test_where_its_package_is_not_installed_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "menshen.adapters.redis.channel", None)
    settings = Settings(data_dir=tmp_path, database_url="foreign://accounts", redis_url="redis://:s3cret@127.0.0.1:1")
    with opened(f"sqlite:///{tmp_path}/accounts.sqlite3") as database:
        store = foreign(sql_store(database))
        with pytest.raises(SettingInvalid, match=r"MENSHEN_REDIS_URL.*menshen\[redis\]") as refusal:
            remembering(settings, store, FakeClock())
        assert "s3cret" not in str(refusal.value)
        # Without the setting each request reads, as a store that tells nobody wants it.
        assert remembering(evolve(settings, redis_url=None), store, FakeClock()).remembered is None


@pytest.mark.parametrize(
    ("url", "lines"),
    [("redis://redis.example.com", 1), ("rediss://redis.example.com", 0), ("redis://127.0.0.1", 0), (None, 0)],
)
def test_a_redis_on_a_network_without_tls_is_told_of(url: str | None, lines: int) -> None:
    settings, store = Settings(redis_url=url), memory_store(MemoryStore())
    assert len(channel_exposures(settings, foreign(store))) == lines
    assert channel_exposures(settings, store) == []


def test_where_tls_is_required_nothing_goes_over_a_network_without(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    store = evolve(foreign(memory_store(MemoryStore())), close=lambda: closed.append(True))
    monkeypatch.setattr(services_module, "open_store", lambda *_, **__: store)
    settings = Settings(
        database_url="foreign://accounts", redis_url="redis://:s3cret@redis.example.com", secret_key=token_hex(32)
    )
    with pytest.raises(SettingInvalid, match=r"MENSHEN_REQUIRE_TLS: MENSHEN_REDIS_URL: without TLS") as refusal:
        open_service(evolve(settings, require_tls=True))
    assert "s3cret" not in str(refusal.value)
    assert closed == [True]
    told: list[str] = []
    open_service(settings, warn=told.append).close()
    assert [line for line in told if "REDIS" in line]
    assert "s3cret" not in str(told)
