"""Every way in which nodes hear of each other does what its contract says, over servers that are paused and restarted."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from attrs import define, evolve, field

from menshen.adapters.conformance.channels import ChannelContract, ListeningChannelContract, Medium
from menshen.adapters.conformance.steps import Steps
from menshen.adapters.conformance.users import another_user
from menshen.adapters.machine_epochs import MachineEpochs
from menshen.adapters.redis.channel import RedisChannel
from menshen.adapters.redis.publishing import PublishedEpochs
from menshen.adapters.redis.server import RedisServer
from menshen.adapters.remembering.announcing import AnnouncingUnitOfWork
from menshen.adapters.remembering.epochs import LocalEpochs, NobodyElse
from menshen.adapters.sql.change_channel import SqlChannel
from menshen.adapters.sql.database import Database
from menshen.adapters.word_of_changes import Channel, Epochs, Told
from menshen.domain.ports.writing import Transaction, UnitOfWork
from menshen.domain.users import UserId
from menshen.entrypoints.stores import sql_store

from .databases import DatabaseServer
from .redis_servers import RedisProcess
from .stores import migrated, opened

USERS = [UserId(number) for number in (1, 2, 70_000)]


@define(eq=False)
class Teller:
    """A node that says what it changes."""

    epochs: Epochs
    channel: Channel
    announced: Told

    def write(self, user_id: UserId) -> None:
        self.announced.change([user_id])


@define(eq=False)
class DatabaseNode:
    """A node with a database, which tells of changes itself; this one says nothing to anybody."""

    database: Database
    epochs: Epochs = field(factory=LocalEpochs)
    channel: Channel = field(init=False)
    work: UnitOfWork = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.channel = SqlChannel(self.database, self.epochs)
        self.work = AnnouncingUnitOfWork(sql_store(self.database).work, self.epochs)

    def write(self, user_id: UserId) -> None:
        def change(tx: Transaction) -> None:
            user = tx.lock(user_id)
            assert user is not None
            tx.users.save(evolve(user, fee_percentage=(user.fee_percentage + 1) % 100))

        self.work.transact(change)


@contextmanager
def database_nodes(url: str) -> Iterator[Sequence[DatabaseNode]]:
    with ExitStack() as stack:
        nodes = [DatabaseNode(stack.enter_context(opened(url))) for _ in range(2)]
        yield nodes
        for node in nodes:
            node.channel.close()


def made_users(url: str) -> list[UserId]:
    with opened(url) as database:
        return [Steps(sql_store(database)).users.add(another_user()).id for _ in range(3)]


class TestWithinOneProcess(ChannelContract):
    @pytest.fixture
    def nodes(self) -> Sequence[Teller]:
        epochs = LocalEpochs()
        return [Teller(epochs, NobodyElse(), epochs) for _ in range(2)]

    @pytest.fixture
    def user_ids(self) -> Sequence[UserId]:
        return USERS


class TestOnOneMachine(ChannelContract):
    @pytest.fixture
    def nodes(self, tmp_path: Path) -> Sequence[Teller]:
        return [
            Teller(epochs, NobodyElse(), epochs) for epochs in (MachineEpochs(tmp_path / "epochs") for _ in range(2))
        ]

    @pytest.fixture
    def user_ids(self) -> Sequence[UserId]:
        return USERS


_HOLD = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX, 8, 120)
    print("held", flush=True)
    sys.stdin.read()
"""


@define(eq=False)
class SqliteFile:
    """A file whose locks another process can hold, all of them, as SQLite itself does while it recovers the file."""

    path: Path
    _holder: "subprocess.Popen[bytes] | None" = None

    def pause(self) -> None:
        shared = f"{self.path}-shm"
        self._holder = subprocess.Popen(
            [sys.executable, "-c", _HOLD, shared], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"held\n"

    def resume(self) -> None:
        assert self._holder is not None
        self._holder.communicate(b"", timeout=30)

    def stop(self) -> None:
        self.pause()

    def start(self) -> None:
        self.resume()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("channels") / "accounts.sqlite3"
    migrated(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="module")
def users_of_file(file: Path) -> Sequence[UserId]:
    return made_users(f"sqlite:///{file}")


class TestSqlite(ListeningChannelContract):
    @pytest.fixture
    def nodes(self, file: Path) -> Iterator[Sequence[DatabaseNode]]:
        with database_nodes(f"sqlite:///{file}") as nodes:
            yield nodes

    @pytest.fixture
    def user_ids(self, users_of_file: Sequence[UserId]) -> Sequence[UserId]:
        return users_of_file

    @pytest.fixture
    def medium(self, file: Path) -> Medium:
        return SqliteFile(file)


@pytest.fixture(scope="module")
def url(machine: DatabaseServer) -> str:
    return machine.new_database()


@pytest.fixture(scope="module")
def users_of_server(url: str) -> Sequence[UserId]:
    return made_users(url)


class TestDatabaseServer(ListeningChannelContract):
    @pytest.fixture
    def nodes(self, url: str) -> Iterator[Sequence[DatabaseNode]]:
        with database_nodes(url) as nodes:
            yield nodes

    @pytest.fixture
    def user_ids(self, users_of_server: Sequence[UserId]) -> Sequence[UserId]:
        return users_of_server

    @pytest.fixture
    def medium(self, machine: DatabaseServer) -> Medium:
        return machine


class TestRedis(ListeningChannelContract):
    @pytest.fixture
    def nodes(self, redis: RedisProcess) -> Iterator[Sequence[Teller]]:
        server = RedisServer(redis.url)
        with ExitStack() as stack:
            nodes = []
            for _ in range(2):
                epochs = LocalEpochs()
                channel, published = RedisChannel(server, epochs), PublishedEpochs(epochs, server)
                stack.callback(published.close)
                stack.callback(channel.close)
                nodes.append(Teller(epochs, channel, published))
            yield nodes

    @pytest.fixture
    def user_ids(self) -> Sequence[UserId]:
        return USERS

    @pytest.fixture
    def medium(self, redis: RedisProcess) -> Medium:
        return redis
