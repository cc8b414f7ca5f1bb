"""Nodes that hear of each other by a Redis: in time, or they rely on nothing, and nothing is acknowledged unsaid."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from secrets import token_hex
from statistics import quantiles
from threading import Event
from typing import TypeVar

import pytest
from attrs import define, evolve, field, frozen
from redis import Redis
from redis.exceptions import ResponseError

from menshen.adapters.memory.fakes import FakeClock
from menshen.adapters.memory.store import MemoryStore
from menshen.adapters.redis.channel import RedisChannel
from menshen.adapters.redis.publishing import PublishedEpochs
from menshen.adapters.redis.server import CHANNEL, RedisServer
from menshen.adapters.remembering.epochs import LocalEpochs
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.reading import WouldWait
from menshen.domain.ports.stores import Store
from menshen.domain.ports.writing import Transaction, UnitOfWork
from menshen.domain.presences import Principal
from menshen.domain.sessions import SessionOver
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword
from menshen.domain.users import UserId
from menshen.entrypoints import services as services_module
from menshen.entrypoints.remembering import channel_exposures, remembering
from menshen.entrypoints.services import open_adapters, open_service
from menshen.entrypoints.settings import SettingInvalid, Settings
from menshen.entrypoints.stores import memory_store, sql_store
from menshen.entrypoints.wiring import Service, wire

from .certificates import Authority
from .fake_databases import Caller, serving_nobody
from .patience import until
from .redis_servers import RedisProcess, redis_running
from .servers import free_port
from .stores import opened

BOUND = 1.0
"""Seconds within which whatever was acknowledged counts."""

T = TypeVar("T")

ROUNDS = 300
CREDENTIALS = PhoneAndPassword("13800138000", "a good password")
ONE, OTHER = UserId(1), UserId(2)

# As docs/stores.md has it.
RIGHTS = f"resetchannels &{CHANNEL} -@all +hello +ping +subscribe +publish"


@define(eq=False)
class Node:
    """What a node has: epochs that no other shares, and a way to hear and to speak."""

    url: str
    epochs: LocalEpochs = field(factory=LocalEpochs)
    channel: RedisChannel = field(init=False)
    published: PublishedEpochs = field(init=False)

    def __attrs_post_init__(self) -> None:
        server = RedisServer(self.url)
        self.channel, self.published = RedisChannel(server, self.epochs), PublishedEpochs(self.epochs, server)

    def is_anew(self, user_id: UserId = ONE) -> Callable[[], bool]:
        """Tells whether the user has another value than now."""
        before = self.epochs.of(user_id)
        return lambda: self.epochs.of(user_id) != before

    def close(self) -> None:
        self.channel.close()
        self.published.close()


@contextmanager
def nodes_at(*urls: str) -> Iterator[list[Node]]:
    with ExitStack() as stack:
        nodes = []
        for url in urls:
            nodes.append(Node(url))
            stack.callback(nodes[-1].close)
        yield nodes


def acknowledged(act: Callable[[], object]) -> Callable[[], bool]:
    """Tells whether the act is."""

    def is_acknowledged() -> bool:
        try:
            act()
        except StoreUnavailable:
            return False
        return True

    return is_acknowledged


@contextmanager
def overhearing(redis: RedisProcess) -> Iterator[Callable[[], bytes]]:
    """Tells what is published next."""
    with Redis.from_url(redis.url) as client, client.pubsub(ignore_subscribe_messages=True) as tap:
        tap.subscribe(CHANNEL)
        # The confirmation; only from here on something is heard.
        assert tap.get_message(timeout=5) is None

        def next_said() -> bytes:
            end = time.monotonic() + 5
            while (found := tap.get_message(timeout=1)) is None:
                assert time.monotonic() < end, "nothing is published"
            said = found["data"]
            assert isinstance(said, bytes)
            return said

        yield next_said


@pytest.fixture
def nodes(redis: RedisProcess) -> Iterator[list[Node]]:
    with nodes_at(redis.url, redis.url) as nodes:
        until(lambda: all(node.channel.is_trusted() for node in nodes))
        yield nodes


def test_word_comes_in_milliseconds(nodes: list[Node], record_property: Callable[[str, object], None]) -> None:
    took = []
    for _ in range(ROUNDS):
        is_anew = nodes[1].is_anew()
        nodes[0].published.change([ONE])
        took.append(until(is_anew))
    p99 = quantiles(took, n=100)[98]
    record_property("p99_seconds", p99)
    assert p99 < BOUND, took


def test_only_that_user_is_read_anew_and_of_too_many_everybody(nodes: list[Node]) -> None:
    def is_alone() -> bool:
        is_anew, is_other_anew = nodes[1].is_anew(), nodes[1].is_anew(OTHER)
        nodes[0].published.change([ONE])
        until(is_anew)
        return not is_other_anew()

    # Now and then it may begin anew to listen.
    until(is_alone)
    is_other_anew = nodes[1].is_anew(OTHER)
    nodes[0].published.change([UserId(number) for number in range(100, 2_000)])
    until(is_other_anew)


def test_everybody_is_heard_of_as_well(nodes: list[Node]) -> None:
    are_anew = [nodes[1].is_anew(user_id) for user_id in (ONE, OTHER)]
    nodes[0].published.change_all()
    until(lambda: all(is_anew() for is_anew in are_anew))


def test_what_nobody_here_understands_is_about_everybody(redis: RedisProcess, nodes: list[Node]) -> None:
    is_anew = nodes[0].is_anew()
    redis.asked("PUBLISH", CHANNEL, "something that a later version says")
    until(is_anew)


def test_a_connection_that_is_killed_is_made_anew_and_nobody_is_refused(redis: RedisProcess, nodes: list[Node]) -> None:
    nodes[0].published.change([ONE])
    are_anew = [node.is_anew(OTHER) for node in nodes]
    assert redis.asked("CLIENT", "KILL", "TYPE", "pubsub") == 2
    assert redis.asked("CLIENT", "KILL", "TYPE", "normal") >= 1
    # What was published meanwhile they have not heard.
    until(lambda: all(is_anew() for is_anew in are_anew))
    until(lambda: all(node.channel.is_trusted() for node in nodes))
    is_anew = nodes[1].is_anew()
    nodes[0].published.change([ONE])
    assert until(is_anew) < BOUND


def test_a_redis_without_memory_carries_word_all_the_same(redis: RedisProcess, nodes: list[Node]) -> None:
    redis.asked("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(ResponseError, match="maxmemory"):
            redis.asked("SET", "a", "b")
        for _ in range(20):
            is_anew = nodes[1].is_anew()
            nodes[0].published.change([ONE])
            assert until(is_anew) < BOUND
        # Even a node that comes only now.
        with nodes_at(redis.url) as [late]:
            until(late.channel.is_trusted)
    finally:
        redis.asked("CONFIG", "SET", "maxmemory", "0")


def test_what_cannot_be_said_is_not_acknowledged_and_is_said_later(redis: RedisProcess) -> None:
    redis.asked("ACL", "SETUSER", "mute", "on", ">word", *RIGHTS.split(), "-publish")
    with nodes_at(f"redis://mute:word@127.0.0.1:{redis.port}") as [mute], overhearing(redis) as next_said:
        is_anew = mute.is_anew()
        for user_id in (ONE, OTHER):
            # The others hear each other as before, and trust what they remember: no waiting would help.
            with pytest.raises(StoreUnavailable):
                mute.published.change([user_id])
        # On this machine it counts.
        assert is_anew()
        redis.asked("PUBLISH", CHANNEL, "0")
        redis.asked("ACL", "SETUSER", "mute", "+publish")
        assert next_said() == b"0"
        assert {*next_said().split()} == {b"1", b"2"}
        mute.published.change([ONE])
        assert next_said() == b"1"


def test_the_rights_that_the_docs_name_are_enough(redis: RedisProcess) -> None:
    docs = (Path(__file__).parents[2] / "docs" / "stores.md").read_text(encoding="utf-8")
    assert RIGHTS in docs
    redis.asked("ACL", "SETUSER", "menshen", "on", ">word", *RIGHTS.split())
    url = f"redis://menshen:word@127.0.0.1:{redis.port}"
    with nodes_at(url, url) as nodes:
        until(lambda: all(node.channel.is_trusted() for node in nodes))
        is_anew = nodes[1].is_anew()
        nodes[0].published.change([ONE])
        until(is_anew)


@pytest.mark.parametrize("is_silent", [True, False], ids=["paused", "stopped"])
def test_without_the_redis_a_change_fails_in_time_and_counts_afterwards(
    redis: RedisProcess, nodes: list[Node], is_silent: bool
) -> None:
    nodes[0].published.change([ONE])
    (redis.pause if is_silent else redis.stop)()
    try:
        begin = time.monotonic()
        with pytest.raises(StoreUnavailable):
            nodes[0].published.change([ONE])
        assert time.monotonic() - begin < BOUND
        until(lambda: not nodes[1].channel.is_trusted())
        is_anew = nodes[1].is_anew(OTHER)
    finally:
        (redis.resume if is_silent else redis.start)()
    until(nodes[1].channel.is_trusted)
    assert is_anew()
    until(acknowledged(lambda: nodes[0].published.change([ONE])))


def test_a_replica_is_neither_listened_to_nor_told(redis: RedisProcess, nodes: list[Node]) -> None:
    nodes[0].published.change([ONE])
    redis.asked("REPLICAOF", "127.0.0.1", "1")
    try:
        with pytest.raises(StoreUnavailable):
            nodes[0].published.change([ONE])
        redis.asked("CLIENT", "KILL", "TYPE", "pubsub")
        until(lambda: not any(node.channel.is_trusted() for node in nodes))
    finally:
        redis.asked("REPLICAOF", "NO", "ONE")
    until(acknowledged(lambda: nodes[0].published.change([ONE])))
    until(lambda: all(node.channel.is_trusted() for node in nodes))


def test_a_thread_that_is_held_up_ends_the_trust_in_time(redis: RedisProcess) -> None:
    is_free = Event()
    is_free.set()

    def is_shared() -> bool:
        return is_free.wait(30)

    channel = RedisChannel(RedisServer(redis.url), LocalEpochs(), is_shared)
    until(channel.is_trusted)
    is_free.clear()
    assert until(lambda: not channel.is_trusted()) < BOUND
    is_free.set()
    until(channel.is_trusted)
    channel.close()


def test_one_that_answers_byte_by_byte_holds_nobody_up() -> None:
    def drip(caller: Caller) -> None:
        for _ in range(50):
            caller.say(b"+")
            time.sleep(0.05)

    with serving_nobody(drip) as server, nodes_at(f"redis://127.0.0.1:{server.port}") as [node]:
        begin = time.monotonic()
        with pytest.raises(StoreUnavailable):
            node.published.change([ONE])
        assert time.monotonic() - begin < BOUND
        assert not node.channel.is_trusted()


def test_nobody_trusts_a_file_of_epochs_that_others_do_not_share(redis: RedisProcess) -> None:
    is_shared = [True]
    channel = RedisChannel(RedisServer(redis.url), LocalEpochs(), lambda: is_shared[0])
    until(channel.is_trusted)
    is_shared[0] = False
    assert until(lambda: not channel.is_trusted()) < BOUND
    is_shared[0] = True
    until(channel.is_trusted)
    channel.close()


_FORKS = """
import os, sys
from menshen.adapters.redis.channel import RedisChannel
from menshen.adapters.redis.publishing import PublishedEpochs
from menshen.adapters.redis.server import RedisServer
from menshen.adapters.remembering.epochs import LocalEpochs

server, epochs = RedisServer(sys.argv[1]), LocalEpochs()
channel, published = RedisChannel(server, epochs), PublishedEpochs(epochs, server)

def speak_once_trusted(user_id):
    while not channel.is_trusted():
        pass
    published.change([user_id])

speak_once_trusted(1)
child = os.fork()
if child == 0:
    channel.trusted_until = 0.0
    speak_once_trusted(2)
    os._exit(0)
os.waitpid(child, 0)
speak_once_trusted(3)
"""


def test_a_forked_process_speaks_and_hears_for_itself(redis: RedisProcess) -> None:
    with overhearing(redis) as next_said:
        subprocess.run([sys.executable, "-c", _FORKS, redis.url], check=True, timeout=60)
        assert [next_said() for _ in range(3)] == [b"1", b"2", b"3"]


def test_by_tls_only_the_redis_that_can_prove_its_name_is_trusted(tmp_path: Path) -> None:
    authority = Authority.new(tmp_path / "certificates")
    signed = authority.sign("localhost")
    files = f"--tls-cert-file {signed.certificate} --tls-key-file {signed.key} --tls-auth-clients no"
    with redis_running(RedisProcess(tmp_path / "redis", files.split())) as server:
        # The port for TLS comes beside the other.
        port = free_port()
        server.asked("CONFIG", "SET", "tls-port", str(port))
        known, unknown = (
            f"rediss://localhost:{port}?ssl_ca_certs={authority.root.certificate}",
            f"rediss://localhost:{port}",
        )
        with nodes_at(known, known, unknown, known.replace("localhost", "127.0.0.1")) as [one, other, *wary]:
            until(lambda: one.channel.is_trusted() and other.channel.is_trusted())
            is_anew = other.is_anew()
            one.published.change([ONE])
            until(is_anew)
            for node in wary:
                with pytest.raises(StoreUnavailable):
                    node.published.change([ONE])
                assert not node.channel.is_trusted()


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
