"""Which store the settings open, without connecting; and how often a transaction is tried."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import define, evolve, field
from sqlalchemy import Connection, make_url

from menshen.adapters.memory.store import MemoryStore
from menshen.adapters.sql import unit_of_work
from menshen.adapters.sql.database import REPEAT_SECONDS, Database
from menshen.adapters.sql.failures import Full, Repeatable
from menshen.adapters.sql.unit_of_work import MAX_REPEATS, SqlUnitOfWork
from menshen.adapters.sql.users import SqlUsers
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.stores import Store
from menshen.domain.users import PhoneTaken
from menshen.entrypoints import stores
from menshen.entrypoints.databases import SERVING_THREADS, database_url, open_migrations
from menshen.entrypoints.settings import SettingInvalid, Settings
from menshen.entrypoints.stores import GROUP, memory_store, open_store

from .cases import for_each


class TestTheUrl:
    def test_memory_is_a_store_that_says_what_it_is(self) -> None:
        store = open_store(Settings(database_url="memory://"))
        assert store.is_embedded
        assert [line for line in store.weaknesses() if "forgets everything" in line]
        store.ping()
        store.close()

    def test_without_one_a_file_in_the_data_folder_is_meant(self) -> None:
        found = make_url(database_url(Settings(data_dir=Path("/a b/c%d?e"))))
        assert (found.drivername, found.database) == ("sqlite", "/a b/c%d?e/menshen.sqlite3")
        assert database_url(Settings(database_url="memory://")) == "memory://"

    @for_each(
        "url",
        [
            "postgresql+psycopg://me@host/accounts",
            "postgresql://me@host/accounts",
            "mysql+pymysql://me@host/accounts",
            "mariadb+pymysql://me@host/accounts",
            "mysql://me@host/accounts",
            "mysql+pymysql://me@host/accounts?ssl_verify_identity=false&ssl_cipher=DEFAULT",
        ],
    )
    def test_a_pool_on_a_server_has_the_size_that_was_set(self, url: str) -> None:
        store = open_store(Settings(database_url=url, database_connections=7), is_checked=False)
        assert _pool_of(store) == (7, 0)
        assert not store.is_embedded
        store.close()

    def test_a_pool_on_a_file_has_a_connection_for_each_thread(self, tmp_path: Path) -> None:
        path = tmp_path / "accounts.sqlite3"
        store = open_store(Settings(database_url=f"sqlite:///{path}", database_connections=1), is_checked=False)
        assert _pool_of(store) == (SERVING_THREADS + 3, 0)
        assert store.is_embedded
        store.close()
        assert not path.exists()

    @for_each(
        "url",
        [
            *("redis://host/0", "MEMORY://", "memory:///a", "memory", "postgres://host/accounts", ":", "://", " "),
            *("postgresql+psycopg2://host/accounts", "postgresql+asyncpg://host/accounts", "postgresql://host"),
            *("mysql+mysqldb://host/accounts", "mysql+pymysql://host", "mysql+pymysql://host/accounts?colour=red"),
            *("mysql+pymysql://me:a@b:c@host/accounts", "postgresql://me:a@b@host/accounts", "postgresql://host:x/a"),
            *("sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file:a?mode=memory", "sqlite://host/a.db"),
            *("sqlite:///a.db?mode=ro", "sqlite+aiosqlite:///a.db", "sqlite"),
        ],
    )
    def test_one_that_cannot_be_meant_is_refused_in_one_line(self, url: str) -> None:
        for attempt in (lambda: open_store(Settings(database_url=url)), lambda: _migrations(url)):
            with pytest.raises(SettingInvalid, match=r"^MENSHEN_DATABASE_URL: .+$") as refused:
                attempt()
            assert "\n" not in str(refused.value)
            assert not [part for part in ("a@b", "b:c", "b@host") if part in str(refused.value)]

    def test_memory_has_no_tables_to_migrate(self) -> None:
        with pytest.raises(SettingInvalid, match="no tables to migrate"):
            _migrations("memory://")


def an_opener(url: str, connections: int) -> Store:
    """What another package offers: it keeps things by their URL."""
    if "broken" in url:
        raise ValueError("it must not be broken")
    if "away" in url:
        raise StoreUnavailable("it is away")
    opened.append((url, connections))
    exposures = ("everybody can read it",) if "outside" in url else ()
    return evolve(memory_store(MemoryStore()), exposures=exposures, close=lambda: opened.append((url, 0)))


opened: list[tuple[str, int]] = []


class TestWhatOthersOffer:
    @pytest.fixture(autouse=True)
    def _offers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        opened.clear()
        offered = {
            "shelf": f"{__name__}:an_opener",
            "sqlite": f"{__name__}:an_opener",
            "memory": f"{__name__}:an_opener",
            "torn": f"{__name__}:nothing_of_this_name",
            "gone": "a_package_that_is_not_installed:opener",
        }
        found = EntryPoints(EntryPoint(name, value, GROUP) for name, value in offered.items())
        monkeypatch.setattr(stores, "entry_points", lambda group: found.select(group=group))

    def test_it_is_opened_with_the_url_and_the_number_of_connections(self) -> None:
        store = open_store(Settings(database_url="shelf+oak://a/b?c", database_connections=4))
        store.ping()
        assert opened == [("shelf+oak://a/b?c", 4)]

    def test_ours_are_ours(self, tmp_path: Path) -> None:
        open_store(Settings(database_url="memory://")).close()
        open_store(Settings(database_url=f"sqlite:///{tmp_path}/a.db"), is_checked=False).close()
        assert opened == []

    @for_each(
        ("url", "words"),
        [
            ("shelf://broken", "it must not be broken"),
            ("torn://a", "nothing_of_this_name"),
            ("gone://a", "a_package_that_is_not_installed"),
        ],
    )
    def test_one_that_cannot_be_opened_says_why(self, url: str, words: str) -> None:
        with pytest.raises(SettingInvalid, match=f"^MENSHEN_DATABASE_URL: .*{words}"):
            open_store(Settings(database_url=url))

    def test_one_that_is_away_is_not_a_bad_setting(self) -> None:
        with pytest.raises(StoreUnavailable):
            open_store(Settings(database_url="shelf://away"))

    def test_an_unknown_one_tells_which_there_are(self) -> None:
        with pytest.raises(SettingInvalid) as refused:
            open_store(Settings(database_url="drawer://a"))
        for scheme in ("memory", "sqlite", "postgresql", "mysql", "shelf"):
            assert scheme in str(refused.value)

    def test_one_that_others_can_read_is_closed_again_where_tls_is_required(self) -> None:
        open_store(Settings(database_url="shelf://inside", require_tls=True))
        with pytest.raises(SettingInvalid, match=r"^MENSHEN_REQUIRE_TLS: everybody can read it$"):
            open_store(Settings(database_url="shelf://outside", require_tls=True))
        assert opened == [("shelf://inside", 10), ("shelf://outside", 10), ("shelf://outside", 0)]

    def test_it_has_no_tables_of_ours(self) -> None:
        with pytest.raises(SettingInvalid, match="no tables to migrate"):
            _migrations("shelf://a")


@define
class BusyDatabase:
    """A database that undoes the first *failures* transactions; each takes *seconds*."""

    failures: int
    seconds: float = 0.0
    now: float = 0.0
    attempts: int = 0
    slept: list[float] = field(factory=list)
    error: Exception = field(factory=lambda: Repeatable("the store was busy"))
    given: int = 0
    product: None = None

    @contextmanager
    def attempt(self, *, is_vital: bool) -> Iterator[Connection]:
        self.attempts += 1
        self.now += self.seconds
        yield cast(Connection, None)
        if self.attempts <= self.failures:
            raise self.error from OSError("a deadlock")

    @property
    def reserve(self) -> "BusyDatabase":
        return self

    def give(self) -> bool:
        self.given += 1
        return True

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class TestRepeats:
    @pytest.fixture
    def busy(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., BusyDatabase]:
        def make(failures: int, seconds: float = 0.0, error: Exception | None = None) -> BusyDatabase:
            database = BusyDatabase(failures, seconds)
            if error is not None:
                database.error = error
            monkeypatch.setattr(unit_of_work, "time", database)
            return database

        return make

    @pytest.mark.parametrize("failures", range(MAX_REPEATS + 1))
    def test_what_succeeds_in_the_end_is_done(self, busy: Callable[..., BusyDatabase], failures: int) -> None:
        database, calls = busy(failures), []
        _transact(database, lambda tx: calls.append(tx))
        assert len(calls) == database.attempts == failures + 1

    @pytest.mark.parametrize("failures", [MAX_REPEATS + 1, 1000])
    def test_after_five_repeats_it_is_refused(self, busy: Callable[..., BusyDatabase], failures: int) -> None:
        database, calls = busy(failures), []
        with pytest.raises(StoreUnavailable) as refused:
            _transact(database, lambda tx: calls.append(tx))
        assert type(refused.value) is StoreUnavailable
        assert refused.value.retry_after >= 1
        assert isinstance(refused.value.__cause__, OSError)
        assert len(calls) == database.attempts == MAX_REPEATS + 1 == 6

    def test_transactions_that_collided_do_not_collide_again(self, busy: Callable[..., BusyDatabase]) -> None:
        waits = []
        for _ in range(20):
            database = busy(MAX_REPEATS)
            _transact(database, lambda tx: None)
            waits.append(database.slept)
        assert all(len(slept) == MAX_REPEATS for slept in waits)
        for repeat in range(MAX_REPEATS):
            column = [slept[repeat] for slept in waits]
            assert len(set(column)) > 10
            assert 0 <= min(column) <= max(column) <= 0.02 * 2 ** (repeat + 1)
        # Repeated failures wait longer each time, but not too long.
        assert max(slept[-1] for slept in waits) > max(slept[0] for slept in waits)
        assert max(sum(slept) for slept in waits) < REPEAT_SECONDS

    def test_no_try_begins_late(self, busy: Callable[..., BusyDatabase]) -> None:
        database = busy(1000, seconds=REPEAT_SECONDS + 0.01)
        with pytest.raises(StoreUnavailable):
            _transact(database, lambda tx: None)
        assert (database.attempts, database.slept) == (1, [])

    @pytest.mark.parametrize("is_vital", [True, False])
    def test_on_a_full_disk_the_reserve_is_given_for_what_is_vital_alone(
        self, busy: Callable[..., BusyDatabase], is_vital: bool
    ) -> None:
        database = busy(1, error=Full("the disk is full"))
        if is_vital:
            _transact(database, lambda tx: None, is_vital=True)
        else:
            with pytest.raises(StoreUnavailable):
                _transact(database, lambda tx: None)
        assert database.given == int(is_vital)

    def test_a_reserve_that_does_not_last_is_not_given_again_and_again(self, busy: Callable[..., BusyDatabase]) -> None:
        database = busy(1000, error=Full("the disk is full"))
        with pytest.raises(StoreUnavailable):
            _transact(database, lambda tx: None, is_vital=True)
        assert database.attempts == MAX_REPEATS + 1

    @pytest.mark.parametrize("error", [PhoneTaken(), StoreUnavailable("gone"), KeyError()])
    def test_another_error_is_final(self, busy: Callable[..., BusyDatabase], error: Exception) -> None:
        database = busy(0)

        def work(_: object) -> None:
            raise error

        with pytest.raises(type(error)):
            _transact(database, work)
        assert (database.attempts, database.slept) == (1, [])


def _transact(database: BusyDatabase, work: Callable[[Any], None], *, is_vital: bool = False) -> None:
    SqlUnitOfWork(cast(Database, database), {}).transact(work, is_vital=is_vital)


def _migrations(url: str) -> None:
    with open_migrations(Settings(database_url=url)):
        pass


def _pool_of(store: Store) -> tuple[int, int]:
    """How many connections it may have, and how many more for a moment."""
    users = store.users
    assert isinstance(users, SqlUsers)
    pool: Any = users.database.engine.pool
    return pool.size(), pool._max_overflow
