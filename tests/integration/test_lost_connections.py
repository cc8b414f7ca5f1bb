"""A server that hangs, goes, or takes a connection away: what was begun is done once, or not at all, and in time."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Event

import pytest
from attrs import evolve
from sqlalchemy import Connection, event, text

from menshen.adapters.conformance.audit import new_event
from menshen.adapters.conformance.sessions import LOGGED_OUT, START, UNKNOWN, new_session, refreshing
from menshen.adapters.conformance.steps import Steps
from menshen.adapters.conformance.users import another_user
from menshen.adapters.sql.database import Database
from menshen.adapters.sql.products.product import ANSWER_SECONDS
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.reading import UserFilter
from menshen.domain.ports.stores import Store
from menshen.domain.ports.writing import Transaction
from menshen.domain.sessions import SessionKind
from menshen.domain.users import PhoneTaken, User, UserId
from menshen.entrypoints.stores import sql_store

from .databases import DatabaseServer
from .spellings import AT_THE_MOST, Outcome, Spelling, by_somebody_else, outcome_of
from .stores import connection_of, opened


@pytest.fixture(scope="module")
def url(machine: DatabaseServer) -> str:
    return machine.new_database()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with opened(url, connections=26) as found:
        yield found


@pytest.fixture
def store(database: Database) -> Store:
    return sql_store(database)


@pytest.fixture
def anna(store: Store) -> User:
    return Steps(store).users.add(another_user())


def _every_method(store: Store, anna: User) -> Mapping[str, Callable[[], object]]:
    """A call of each, which leaves the store such that it can be made again."""
    session = new_session(anna.id)
    return {
        "users.add": lambda: Steps(store).users.add(another_user()),
        "users.by_id": lambda: store.users.by_id(anna.id),
        "users.by_phone": lambda: anna.phone and store.users.by_phone(anna.phone),
        "users.locked": lambda: store.work.transact(lambda tx: tx.lock(anna.id)),
        "users.save": lambda: Steps(store).users.save(anna),
        "users.find": lambda: Steps(store).users.find(UserFilter(), after=anna.id, limit=1, now=START),
        "users.due_to_close": lambda: Steps(store).users.due_to_close(START, 1),
        "sessions.add": lambda: Steps(store).sessions.add(new_session(anna.id)),
        "sessions.live": lambda: store.sessions.live(anna.id, SessionKind.USER, START),
        "sessions.end": lambda: Steps(store).sessions.end([UNKNOWN], LOGGED_OUT),
        "sessions.by_id": lambda: store.sessions.by_id(UNKNOWN),
        "sessions.presence": lambda: Steps(store).sessions.presence(anna.id, UNKNOWN),
        "sessions.rotate": lambda: Steps(store).sessions.rotate(UNKNOWN, old=b"", new=refreshing()),
        "sessions.see": lambda: Steps(store).sessions.see([(session.id, START)], START),
        "sessions.erase_of": lambda: Steps(store).sessions.erase_of(anna.id),
        "sessions.prune": lambda: Steps(store).sessions.prune(START, 1),
        "audit.append": lambda: Steps(store).audit.append(new_event(anna.id)),
        "audit.count": lambda: Steps(store).audit.count(new_event(anna.id), timedelta(hours=1)),
        "audit.erase_details": lambda: Steps(store).audit.erase_details(anna.id, ["freeze"]),
        "audit.find": lambda: store.audit.find(subject=None, before=None, limit=1),
        "audit.prune": lambda: Steps(store).audit.prune(START, 1),
        "audit.earliest": lambda: Steps(store).audit.earliest(None),
        "audit.pruned_at": Steps(store).audit.pruned_at,
        "audit.note_pruned": lambda: Steps(store).audit.note_pruned(START),
        "ping": store.ping,
        "weaknesses": store.weaknesses,
    }


class TestAServerThatHangs:
    def test_every_method_is_refused_in_time_and_works_right_afterwards(
        self, machine: DatabaseServer, url: str, store: Store, database: Database, anna: User
    ) -> None:
        """On connections that were just used, and on those that are tried first, as they have been idle for long."""
        with opened(url, connections=3) as second:
            _seems_idle(second)
            every, idle = _every_method(store, anna), _every_method(sql_store(second), anna)
            calls = {**every, **{f"{name}, idle": idle[name] for name in ("users.by_id", "users.save", "ping")}}
            _warm(database, len(every))
            _warm(second, len(calls) - len(every))
            machine.pause()
            try:
                outcomes = _all_at_once(calls)
            finally:
                machine.resume()
            assert {name: type(outcome.error) for name, outcome in outcomes.items()} == dict.fromkeys(
                calls, StoreUnavailable
            )
            assert {name: each.seconds for name, each in outcomes.items() if each.seconds > AT_THE_MOST} == {}
            # An idle one, and then a new one: together no longer than an answer is waited for.
            slow = {name: each.seconds for name, each in outcomes.items() if name.endswith(", idle")}
            assert max(slow.values()) < ANSWER_SECONDS + 0.5, slow
            # No lock is held for long.
            assert {name: each.error for name, each in _all_at_once(calls).items() if each.error} == {}
            # A new connection to a server that hangs.
            for each in (database, second):
                each.engine.dispose()
            machine.pause()
            try:
                found = outcome_of(store.ping)
            finally:
                machine.resume()
            assert type(found.error) is StoreUnavailable
            assert found.seconds < AT_THE_MOST


class TestAServerThatIsRestarted:
    def test_after_an_idle_time_nobody_notices(self, machine: DatabaseServer, database: Database, store: Store) -> None:
        _seems_idle(database)
        anna = Steps(store).users.add(another_user())
        _warm(database, 3)
        machine.stop()
        machine.start()
        for name, call in _every_method(store, anna).items():
            assert outcome_of(call).error is None, name

    def test_who_asked_a_moment_ago_does_not_notice_either(
        self, machine: DatabaseServer, database: Database, store: Store, anna: User
    ) -> None:
        """What reads comes first, on connections that were good a moment ago."""
        for call in (
            lambda: store.users.by_id(anna.id),
            lambda: Steps(store).sessions.presence(anna.id, UNKNOWN),
            lambda: Steps(store).users.find(UserFilter(), after=UserId(0), limit=1, now=START),
            store.ping,
        ):
            _warm(database, 3)
            machine.stop()
            machine.start()
            assert outcome_of(call).error is None

    def test_what_was_under_way_fails_whole(
        self, machine: DatabaseServer, store: Store, spelling: Spelling, anna: User
    ) -> None:
        newcomer, has_begun = another_user(), Event()

        def work(tx: Transaction) -> None:
            tx.users.add(newcomer)
            has_begun.set()
            connection_of(tx).execute(text(f"SELECT {spelling.sleep.format(2)}"))

        with ThreadPoolExecutor() as pool:
            call: Future[Outcome] = pool.submit(outcome_of, lambda: store.work.transact(work))
            assert has_begun.wait(10)
            machine.stop()
            outcome = call.result(10)
        assert type(outcome.error) is StoreUnavailable
        assert outcome.seconds < AT_THE_MOST
        machine.start()
        store.work.transact(lambda tx: tx.lock(anna.id))
        assert store.users.by_phone(newcomer.phone) is None

    def test_a_transaction_of_the_moment_before_is_done_again(
        self, machine: DatabaseServer, store: Store, anna: User
    ) -> None:
        machine.stop()
        machine.start()
        Steps(store).users.save(evolve(anna, user_name="after the restart"))
        found = store.users.by_id(anna.id)
        assert found is not None
        assert found.user_name == "after the restart"


class TestALostConnection:
    def test_before_the_commit_the_work_is_done_again_and_counts_once(
        self, url: str, store: Store, spelling: Spelling, anna: User
    ) -> None:
        calls = 0

        def work(tx: Transaction) -> None:
            nonlocal calls
            calls += 1
            user = tx.lock(anna.id)
            assert user is not None
            tx.users.save(evolve(user, fee_percentage=user.fee_percentage + 1))
            if calls < 3:
                _kill(url, spelling, connection_of(tx))
            tx.audit.append(new_event(anna.id))

        store.work.transact(work)
        found = store.users.by_id(anna.id)
        assert calls == 3
        assert found is not None
        assert found.fee_percentage == anna.fee_percentage + 1
        assert len(store.audit.find(subject=anna.id, before=None, limit=10)) == 1

    def test_during_the_commit_nobody_knows_and_nothing_is_done_again(
        self, url: str, store: Store, database: Database, spelling: Spelling
    ) -> None:
        calls = 0
        newcomer = another_user()

        def work(tx: Transaction) -> None:
            nonlocal calls
            calls += 1
            tx.users.add(newcomer)

        def kill(connection: Connection) -> None:
            _kill(url, spelling, connection)

        event.listen(database.engine, "commit", kill)
        with pytest.raises(StoreUnavailable) as refused:
            store.work.transact(work)
        event.remove(database.engine, "commit", kill)
        assert (calls, type(refused.value)) == (1, StoreUnavailable)
        assert refused.value.retry_after >= 1
        # The caller does it again, and then it has been done once.
        store.work.transact(work)
        assert store.users.by_phone(newcomer.phone) is not None


class TestADeadlock:
    def test_both_are_done_in_the_end(self, store: Store) -> None:
        users = [Steps(store).users.add(another_user()) for _ in range(2)]
        meeting, calls = Barrier(2), [0, 0]

        def work(number: int, tx: Transaction) -> None:
            calls[number] += 1
            first, second = users if number == 0 else reversed(users)
            tx.lock(first.id)
            tx.users.save(evolve(first, state=evolve(first.state, reason=f"by {number}")))
            if calls[number] == 1:
                meeting.wait(10)
            tx.lock(second.id)
            tx.users.save(evolve(second, state=evolve(second.state, reason=f"by {number}")))
            tx.audit.append(new_event(users[number].id))

        _both(lambda number: store.work.transact(lambda tx: work(number, tx)))
        assert sorted(calls) == [1, 2]
        found = [store.users.by_id(user.id) for user in users]
        last = "by 0" if calls[0] == 2 else "by 1"
        assert [user and user.state.reason for user in found] == [last, last]
        assert [len(store.audit.find(subject=user.id, before=None, limit=9)) for user in users] == [1, 1]

    def test_two_who_wait_for_a_phone_that_is_given_up(
        self, url: str, database: Database, store: Store, spelling: Spelling
    ) -> None:
        """MariaDB gives both a share in the lock, over which they then meet."""
        newcomer, has_it, gives_up = another_user(), Event(), Event()
        _warm(database, 3)

        def take_and_give_up(tx: Transaction) -> None:
            tx.users.add(newcomer)
            has_it.set()
            assert gives_up.wait(10)
            raise KeyError

        with ThreadPoolExecutor() as pool:
            first = pool.submit(store.work.transact, take_and_give_up)
            assert has_it.wait(10)
            others = [pool.submit(store.work.transact, lambda tx: tx.users.add(newcomer)) for _ in range(2)]
            begin = time.monotonic()
            while by_somebody_else(url, spelling.waiting) != [2]:
                assert time.monotonic() - begin < 1.5
                time.sleep(0.02)
            gives_up.set()
            assert isinstance(first.exception(), KeyError)
            errors = [type(other.exception()) for other in others]
        assert sorted(errors, key=str) == sorted([type(None), PhoneTaken], key=str)


def _seems_idle(database: Database) -> None:
    """From now on each connection of the pool looks as if nobody had used it for long."""
    event.listen(database.engine, "checkin", lambda _, record: record.info.update(used_at=float("-inf")))


def _warm(database: Database, connections: int) -> None:
    """Put that many connections that work into the pool."""
    held = [database.engine.connect() for _ in range(connections)]
    for connection in held:
        connection.close()


def _all_at_once(calls: Mapping[str, Callable[[], object]]) -> dict[str, Outcome]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return dict(zip(calls, pool.map(outcome_of, calls.values()), strict=True))


def _both(call: Callable[[int], object]) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(call, range(2)))


def _kill(url: str, spelling: Spelling, connection: Connection) -> None:
    by_somebody_else(url, spelling.kill.format(connection.scalar(text(f"SELECT {spelling.my_id}"))))
