"""Nodes that hear of each other by a Redis: in time, or they rely on nothing, and nothing is acknowledged unsaid."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles
from threading import Event
from typing import TypeVar

import pytest
from attrs import define, field
from redis import Redis
from redis.exceptions import ResponseError

from menshen.adapters.redis.channel import RedisChannel
from menshen.adapters.redis.publishing import PublishedEpochs
from menshen.adapters.redis.server import CHANNEL, RedisServer
from menshen.adapters.remembering.epochs import LocalEpochs
from menshen.domain.errors import StoreUnavailable
from menshen.domain.users import UserId

from .certificates import Authority
from .fake_databases import Caller, serving_nobody
from .patience import acknowledged, until
from .redis_servers import RedisProcess, redis_running
from .servers import free_port

BOUND = 1.0
"""Seconds within which whatever was acknowledged counts."""

T = TypeVar("T")

ROUNDS = 300
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
