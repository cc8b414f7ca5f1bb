"""Whatever a step has to wait for, it is refused in time, and then it has changed nothing."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event

import pytest
from sqlalchemy import create_engine, make_url, text

from menshen.adapters.conformance.audit import new_event
from menshen.adapters.conformance.steps import Steps
from menshen.adapters.conformance.users import another_user
from menshen.adapters.sql.database import open_database
from menshen.adapters.sql.products.product import ANSWER_SECONDS, POOL_SECONDS, STATEMENT_SECONDS, WAIT_SECONDS
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.writing import Transaction
from menshen.entrypoints.readiness import HOLDS_SECONDS
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.stores import open_store, sql_store

from .databases import DatabaseServer
from .servers import Answer, Client, Server, assert_envelope, serving
from .spellings import AT_THE_MOST, Outcome, Spelling, by_somebody_else, outcome_of, shown
from .stores import connection_of, migrated, opened


class TestThePool:
    def test_it_is_as_large_as_was_set_and_refuses_in_time(self, machine: DatabaseServer, spelling: Spelling) -> None:
        url, size, callers = machine.new_database(), 3, 8
        migrated(url)
        store = open_store(Settings(database_url=url, database_connections=size))
        enough = Event()
        begin = time.monotonic()
        with ThreadPoolExecutor(callers) as pool:
            try:
                calls = [pool.submit(store.work.transact, lambda _: enough.wait(60)) for _ in range(callers)]
                while sum(call.done() for call in calls) < callers - size:
                    wait([call for call in calls if not call.done()], timeout=0.05)
                    assert time.monotonic() - begin < AT_THE_MOST
                assert time.monotonic() - begin > POOL_SECONDS * 0.9
                assert {type(call.exception()) for call in calls if call.done()} == {StoreUnavailable}
                assert by_somebody_else(url, spelling.connections) == [size]
            finally:
                enough.set()
            assert [call.exception() for call in calls].count(None) == size
        Steps(store).users.add(another_user())
        store.close()


class TestWaiting:
    @pytest.fixture(scope="class")
    @classmethod
    def outcomes(cls, machine: DatabaseServer, spelling: Spelling) -> dict[str, Outcome]:
        """What came of steps that all had to wait for something at the same time."""
        url = machine.new_database()
        engine = create_engine(url)
        with (
            opened(url) as database,
            engine.connect() as holder,
            engine.connect() as other,
            ThreadPoolExecutor() as pool,
        ):
            patient = open_database(url, connections=1, is_patient=True)
            store = sql_store(database)
            user = Steps(store).users.add(another_user())
            holder.execute(text("SELECT * FROM x_user WHERE id = :id FOR UPDATE"), {"id": user.id})
            other.execute(text(spelling.lock_table.format("x_audit")))

            def write(tx: Transaction) -> None:
                connection_of(tx).execute(text("UPDATE x_user SET fee_percentage = 7 WHERE id = :id"), {"id": user.id})

            steps: dict[str, Callable[[], object]] = {
                "to lock a row": lambda: store.work.transact(lambda tx: tx.lock(user.id)),
                "to write a row": lambda: store.work.transact(write),
                "to read a table": lambda: store.audit.find(subject=None, before=None, limit=1),
                "to write a table": lambda: Steps(store).audit.append(new_event(user.id)),
                "for the server": lambda: shown(database, [spelling.sleep.format(20)]),
                "patiently": lambda: shown(patient, [spelling.sleep.format(ANSWER_SECONDS + 0.3)]),
            }
            calls = {name: pool.submit(outcome_of, step) for name, step in steps.items()}
            found = {name: call.result() for name, call in calls.items()}
            for each in (holder, other):
                each.invalidate()
            assert store.users.by_id(user.id) == user
            assert store.audit.find(subject=user.id, before=None, limit=1) == []
            patient.close()
        engine.dispose()
        return found

    @pytest.mark.parametrize("what", ["to lock a row", "to write a row", "to read a table", "to write a table"])
    def test_for_a_lock_is_over_in_time(self, outcomes: dict[str, Outcome], what: str) -> None:
        _assert_refused(outcomes[what], WAIT_SECONDS)

    def test_for_a_statement_is_over_in_time(self, outcomes: dict[str, Outcome]) -> None:
        _assert_refused(outcomes["for the server"], STATEMENT_SECONDS)

    def test_a_migration_waits_as_long_as_it_takes(
        self, outcomes: dict[str, Outcome], machine: DatabaseServer, spelling: Spelling
    ) -> None:
        assert outcomes["patiently"].error is None
        assert outcomes["patiently"].seconds > ANSWER_SECONDS
        patient = open_database(machine.new_database(), connections=1, is_patient=True)
        assert shown(patient, list(spelling.patience)) == list(spelling.patience.values())
        patient.close()


class TestOverHttp:
    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, machine: DatabaseServer) -> str:
        made = machine.new_database()
        migrated(made)
        return made

    @pytest.fixture(scope="class")
    @classmethod
    def service(cls, url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
        with serving(tmp_path_factory.mktemp("limits") / "server", DATABASE_URL=url) as started:
            yield started

    @pytest.fixture
    def caller(self, service: Server) -> Iterator[Client]:
        with service.client() as connected:
            yield connected

    def test_a_locked_table_is_told_in_the_envelope(
        self, service: Server, caller: Client, url: str, spelling: Spelling
    ) -> None:
        token = caller.register("13800138000").token
        engine = create_engine(url)
        with engine.connect() as holder:
            holder.execute(text(spelling.lock_table.format("x_user")))
            _assert_unavailable(service, token)
            assert caller.request("GET", "/readyz").status == 200
            holder.invalidate()
        engine.dispose()
        assert caller.user_info(token).status == 200

    def test_the_database_goes_and_comes_back(self, service: Server, caller: Client, machine: DatabaseServer) -> None:
        token = caller.register("13800138001").token
        machine.stop()
        # The result of /readyz is used for a moment.
        time.sleep(HOLDS_SECONDS)
        try:
            for _ in range(2):
                assert caller.request("GET", "/healthz").json == {"status": "alive"}
                begin = time.monotonic()
                ready = caller.request("GET", "/readyz")
                assert time.monotonic() - begin < AT_THE_MOST
                assert (ready.status, ready.json) == (503, {"status": "unavailable"})
                assert int(ready.headers["retry-after"]) >= 1
                _assert_unavailable(service, token)
        finally:
            machine.start()
        begin = time.monotonic()
        while caller.request("GET", "/readyz").status != 200:
            assert time.monotonic() - begin < 10
            time.sleep(0.05)
        assert caller.user_info(token).status == 200
        assert caller.login("13800138001").status == 200


class TestWhatAnOperatorSetsForEverybody:
    """The last here, as what is set on MariaDB stays."""

    def test_it_does_not_undo_what_we_need(self, machine: DatabaseServer, product: str, spelling: Spelling) -> None:
        url, names = machine.new_database(), list(spelling.settings)
        with opened(url) as database:
            ours = shown(database, names)
        for statement in spelling.settings.values():
            if product == "mariadb":
                by_somebody_else(url, f"SET GLOBAL {statement}")
            else:
                name = make_url(url).database
                by_somebody_else(url, f"ALTER DATABASE {name} SET {statement}")
                by_somebody_else(url, f"ALTER ROLE menshen IN DATABASE {name} SET {statement}")
        theirs = by_somebody_else(url, f"SELECT {', '.join(names)}")
        assert [name for name, mine, other in zip(names, ours, theirs, strict=True) if mine == other] == []
        with opened(url) as database:
            assert shown(database, names) == ours
            store = sql_store(database)
            user = Steps(store).users.add(another_user(user_name="𠮷 "))
            assert store.users.by_id(user.id) == user


def _assert_refused(outcome: Outcome, limit: float) -> None:
    assert type(outcome.error) is StoreUnavailable
    assert limit * 0.9 < outcome.seconds < AT_THE_MOST


def _assert_unavailable(service: Server, token: str) -> None:
    """The answer comes in time and in the envelope, and nobody is let in."""
    calls: list[Callable[[Client], Answer]] = [
        lambda caller: caller.user_info(token),
        lambda caller: caller.login("13800138000"),
        lambda caller: caller.register("13800138002"),
    ]

    def ask(call: Callable[[Client], Answer]) -> None:
        with service.client() as caller:
            begin = time.monotonic()
            answer = call(caller)
            assert time.monotonic() - begin < AT_THE_MOST
        assert_envelope(answer)
        assert (answer.status, answer.reason) == (503, "store_unavailable")
        assert int(answer.headers["retry-after"]) >= 1

    with ThreadPoolExecutor(len(calls)) as pool:
        list(pool.map(ask, calls))
