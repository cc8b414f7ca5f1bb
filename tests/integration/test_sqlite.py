"""What the contracts cannot say of SQLite: locks, damage, exact columns."""

import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from attrs import evolve
from sqlalchemy import event, text

from menshen.adapters.conformance.audit import new_event
from menshen.adapters.conformance.sessions import new_session
from menshen.adapters.conformance.steps import Steps
from menshen.adapters.conformance.users import new_user
from menshen.adapters.sql.database import Database, open_database
from menshen.adapters.sql.migrating import migrate, statements
from menshen.adapters.sql.products.product import WAIT_SECONDS
from menshen.adapters.sql.schema import Schema
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.reading import HashPage
from menshen.domain.ports.writing import Transaction
from menshen.domain.sessions import EndReason, SessionEnd, SessionId
from menshen.domain.users import Phone, PhoneTaken, UserId
from menshen.entrypoints.stores import sql_store

from .servers import clean_environment

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def opened(path: Path, connections: int = 4) -> Database:
    return open_database(f"sqlite:///{path}", connections=connections)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accounts.sqlite3"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = opened(path)
    migrate(database)
    yield database
    database.close()


class TestTheSchema:
    def test_the_file_is_made_at_the_first_use_for_its_owner_alone(self, path: Path) -> None:
        database = opened(path)
        assert Schema(database).is_behind()
        assert statements(database)
        assert list(path.parent.iterdir()) == []
        migrate(database)
        Steps(sql_store(database)).users.add(new_user())
        assert len(list(path.parent.iterdir())) == 4
        assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}
        database.close()

    def test_the_phone_is_unique_in_the_database_itself(self, database: Database, path: Path) -> None:
        Steps(sql_store(database)).users.add(new_user())
        with pytest.raises(sqlite3.IntegrityError, match=r"UNIQUE constraint failed: x_user\.canonical_phone"):
            _run(path, "INSERT INTO x_user (canonical_phone, password, state) VALUES ('13800138000', '', '')")


class TestWhatIsInForce:
    @pytest.mark.parametrize(("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)])
    def test_on_every_connection(self, database: Database, pragma: str, value: object) -> None:
        held = [database.engine.connect() for _ in range(4)]
        try:
            for connection in held:
                assert connection.execute(text(f"PRAGMA {pragma}")).scalar() == value
        finally:
            for connection in held:
                connection.close()

    def test_a_block_that_fails_leaves_nothing(self, database: Database) -> None:
        def fail() -> None:
            with database.writing() as connection:
                connection.execute(text("INSERT INTO x_user (phone, password, state) VALUES ('1', '', '')"))
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        with database.reading() as connection:
            assert connection.execute(text("SELECT count(*) FROM x_user")).scalar() == 0

    def test_ids_are_never_used_again(self, database: Database, path: Path) -> None:
        users = Steps(sql_store(database)).users
        first = users.add(new_user())
        with pytest.raises(PhoneTaken):
            users.add(new_user())
        _run(path, "DELETE FROM x_user")
        assert users.add(new_user()).id > first.id


class TestTwoNodes:
    """Two databases on one file lock as two processes do: nothing in this process makes one wait for the other."""

    @pytest.fixture
    def nodes(self, path: Path) -> Iterator[tuple[Database, Database]]:
        nodes = opened(path), opened(path)
        migrate(nodes[0])
        yield nodes
        for node in nodes:
            node.close()

    def test_none_loses_what_the_other_wrote(self, nodes: tuple[Database, Database]) -> None:
        user_id = Steps(sql_store(nodes[0])).users.add(new_user()).id

        def add_one(tx: Transaction) -> None:
            user = tx.lock(user_id)
            assert user is not None
            tx.users.save(evolve(user, fee_percentage=user.fee_percentage + 1))

        def add(number: int) -> None:
            for _ in range(10):
                sql_store(nodes[number % 2]).work.transact(add_one)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(add, range(4)))
        user = Steps(sql_store(nodes[1])).users.by_id(user_id)
        assert user is not None
        assert user.fee_percentage == 4 + 40

    def test_what_one_ended_is_over_for_the_other(self, nodes: tuple[Database, Database]) -> None:
        here, there = Steps(sql_store(nodes[0])).sessions, Steps(sql_store(nodes[1])).sessions
        session = new_session(Steps(sql_store(nodes[0])).users.add(new_user()).id)
        here.add(session)
        assert there.by_id(session.id) == session
        end = SessionEnd(NOW, EndReason.LOGGED_OUT)
        assert here.end([session.id], end) == 1
        assert there.by_id(session.id) == evolve(session, end=end)
        assert there.end([session.id], SessionEnd(NOW, EndReason.KICKED)) == 0


class TestMoney:
    @pytest.mark.parametrize(
        "kept",
        [
            "'9999999999999999.9999'",
            "'-9999999999999999.9999'",
            "'1234567890123456.7891'",
            "'0.0001'",
            "'0.1000'",
            "'0.0000'",
        ],
    )
    def test_every_digit_comes_back(self, database: Database, path: Path, kept: str) -> None:
        assert _balance(database, path, kept) == kept.strip("'")

    @pytest.mark.parametrize(
        ("kept", "read"),
        [("0", "0.0000"), ("7", "7.0000"), ("0.1", "0.1000"), ("19.9", "19.9000"), ("1234567.89", "1234567.8900")],
    )
    def test_numbers_that_another_program_wrote_are_read_as_they_look(
        self, database: Database, path: Path, kept: str, read: str
    ) -> None:
        assert _balance(database, path, kept) == read

    def test_a_column_declared_as_a_number_gives_int_and_float(self, path: Path) -> None:
        database = opened(path)
        migrate(database)
        # As a tutorial's table declares it: SQLite then keeps an int or a float, whatever was written.
        declared = _schema(path)["x_user"].replace("account_balance VARCHAR(22)", "account_balance NUMERIC(20, 4)")
        assert "NUMERIC" in declared
        _run(path, "DROP TABLE x_user", declared)
        assert _balance(database, path, "'12.50'") == "12.5000"
        connection = sqlite3.connect(path)
        assert connection.execute("SELECT typeof(account_balance) FROM x_user").fetchone() == ("real",)
        connection.close()
        _run(path, "UPDATE x_user SET account_balance = '12.00'")
        assert _balance_of_first(database) == "12.0000"
        database.close()


class TestPasswords:
    @pytest.mark.parametrize("value", [b"$argon2id$", b"", 12.5, None])
    def test_what_is_no_text_is_no_hash(self, database: Database, path: Path, value: object) -> None:
        users = Steps(sql_store(database)).users
        added = users.add(new_user())
        with sqlite3.connect(path) as connection:
            # A column of text would make a text of a number.
            connection.execute("ALTER TABLE x_user DROP COLUMN password")
            connection.execute("ALTER TABLE x_user ADD COLUMN password BLOB")
            connection.execute("UPDATE x_user SET password = ?", (value,))
        connection.close()
        assert users.by_id(added.id) == evolve(added, password_hash="")
        assert users.password_hashes(after=UserId(0), limit=10, unlike=[]) == HashPage([], None)


class TestALockedDatabase:
    @pytest.fixture
    def lock(self, database: Database, path: Path) -> Iterator[None]:
        """Another process writes, and does not finish."""
        holder = _python(_HOLD_LOCK, str(path))
        try:
            assert _line_from(holder) == "locked"
            yield
        finally:
            holder.communicate("enough\n", timeout=60)

    @pytest.mark.usefixtures("lock")
    def test_a_write_is_refused_in_time(self, database: Database) -> None:
        begin = time.monotonic()
        with pytest.raises(StoreUnavailable) as refused:
            Steps(sql_store(database)).users.add(new_user())
        assert time.monotonic() - begin < 2 * WAIT_SECONDS + 1
        assert type(refused.value) is StoreUnavailable
        assert refused.value.retry_after >= 1

    def test_reads_go_on_and_writes_too_when_it_is_over(self, path: Path, database: Database) -> None:
        user = Steps(sql_store(database)).users.add(new_user())
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert Steps(sql_store(database)).users.by_id(user.id) == user
        assert Steps(sql_store(database)).sessions.presence(user.id, SessionId("none")) is not None
        with pytest.raises(StoreUnavailable):
            database.ping()
        with pytest.raises(StoreUnavailable):
            Steps(sql_store(database)).sessions.add(new_session(user.id))
        with pytest.raises(StoreUnavailable):
            Steps(sql_store(database)).audit.append(new_event(user.id))
        other.close()
        session = new_session(user.id)
        Steps(sql_store(database)).sessions.add(session)
        assert Steps(sql_store(database)).sessions.end([session.id], SessionEnd(NOW, EndReason.LOGGED_OUT)) == 1

    @pytest.mark.usefixtures("lock")
    def test_work_is_not_begun_that_could_not_be_kept(self, database: Database) -> None:
        begun: list[Transaction] = []
        with pytest.raises(StoreUnavailable):
            sql_store(database).work.transact(begun.append)
        assert begun == []

    def test_writes_of_one_process_queue_for_a_bounded_time(self, database: Database) -> None:
        with database.writing():
            begin = time.monotonic()
            with pytest.raises(StoreUnavailable), database.writing():
                pass
        assert WAIT_SECONDS * 0.9 < time.monotonic() - begin < WAIT_SECONDS + 2


class TestADamagedDatabase:
    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write what is read-only; the pragma below stands for it")
    def test_a_read_only_file_is_told(self, database: Database, path: Path) -> None:
        user = Steps(sql_store(database)).users.add(new_user())
        database.close()
        path.chmod(0o400)
        with pytest.raises(StoreUnavailable):
            Steps(sql_store(database)).users.add(new_user("13900139000"))
        assert Steps(sql_store(database)).users.by_id(user.id) == user

    def test_a_database_that_only_reads_is_told(self, path: Path, database: Database) -> None:
        user = Steps(sql_store(database)).users.add(new_user())
        read_only = opened(path)
        event.listen(read_only.engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only = ON"))
        with pytest.raises(StoreUnavailable):
            Steps(sql_store(read_only)).users.add(new_user("13900139000"))
        assert Steps(sql_store(read_only)).users.by_id(user.id) == user
        read_only.close()

    def test_a_file_that_is_no_database_is_told(self, path: Path) -> None:
        path.write_bytes(b"this is no database, and long enough to be looked at as one. " * 100)
        database = opened(path)
        with pytest.raises(StoreUnavailable):
            migrate(database)
        with pytest.raises(StoreUnavailable):
            database.ping()
        database.close()

    def test_broken_pages_are_told(self, path: Path, database: Database) -> None:
        user = Steps(sql_store(database)).users.add(new_user())
        database.close()
        _run(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * (path.stat().st_size - 4096))
        with pytest.raises(StoreUnavailable):
            Steps(sql_store(database)).users.by_id(user.id)
        with pytest.raises(StoreUnavailable):
            Steps(sql_store(database)).users.add(new_user("13900139000"))

    def test_a_folder_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        database = opened(tmp_path / "none" / "accounts.sqlite3")
        with pytest.raises(StoreUnavailable):
            migrate(database)
        database.close()

    def test_the_cause_is_kept_for_the_log_and_not_in_the_text(self, tmp_path: Path) -> None:
        database = opened(tmp_path / "none" / "accounts.sqlite3")
        with pytest.raises(StoreUnavailable) as refused:
            database.ping()
        assert refused.value.__cause__ is not None
        assert "none" not in str(refused.value)
        database.close()


_HOLD_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
connection.close()
"""


def _python(script: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env=clean_environment({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _line_from(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _run(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        for statement in statements:
            connection.execute(statement)
    finally:
        connection.close()


def _schema(path: Path) -> dict[str, str]:
    connection = sqlite3.connect(path)
    try:
        return dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    finally:
        connection.close()


def _balance(database: Database, path: Path, kept: str) -> str:
    """What we read where *kept* stands in the column."""
    Steps(sql_store(database)).users.add(new_user())
    _run(path, f"UPDATE x_user SET account_balance = {kept}")
    return _balance_of_first(database)


def _balance_of_first(database: Database) -> str:
    user = Steps(sql_store(database)).users.by_phone(Phone("13800138000"))
    assert user is not None
    assert isinstance(user.account_balance, Decimal)
    return f"{user.account_balance:f}"
