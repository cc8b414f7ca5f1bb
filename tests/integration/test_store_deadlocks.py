"""A transaction that a server undoes because of a conflict is repeated, and nobody notices."""

from datetime import UTC, datetime
from threading import Barrier
from typing import ClassVar

import pytest
from attrs import define, evolve
from sqlalchemy import Connection

from menshen.adapters.sql.database import Database
from menshen.adapters.sql.unit_of_work import MAX_REPEATS
from menshen.adapters.sql.user_writing import SqlUserWriter
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.stores import Store
from menshen.domain.ports.writing import Transaction
from menshen.domain.users import DEFAULT_FEE_PERCENTAGE, NewUser, Phone, UserId

from .racers import at_once
from .stores import emptied

PATIENCE_SECONDS = 30


def new_user(store: Store, phone: str) -> UserId:
    user = NewUser(phone=Phone(phone), password_hash="", registered_at=datetime(2026, 1, 1, tzinfo=UTC))
    return store.work.transact(lambda tx: tx.users.add(user)).id


def fee_of(store: Store, user_id: UserId) -> int:
    user = store.users.by_id(user_id)
    assert user is not None
    return user.fee_percentage


def raise_fee(tx: Transaction, user_id: UserId) -> None:
    user = tx.lock(user_id)
    assert user is not None
    tx.users.save(evolve(user, fee_percentage=user.fee_percentage + 1))


def connection_of(tx: Transaction) -> Connection:
    users = tx.users
    assert isinstance(users, SqlUserWriter)
    return users.step.connection


@define
class UndoneAtFirst:
    """Raises the fee of a user in a transaction that the server refuses so many *times*, by the statement *refusal*."""

    user: UserId
    refusal: str
    times: int
    tries: int = 0

    def __call__(self, tx: Transaction) -> None:
        self.tries += 1
        raise_fee(tx, self.user)
        if self.tries <= self.times:
            connection_of(tx).exec_driver_sql(self.refusal)


class Retries:
    """Subclasses give the fixture ``store``."""

    refusals: ClassVar[tuple[str, ...]]
    """Statements, each of which the server answers with an error after which the transaction may be done again."""

    def test_of_two_who_lock_two_users_in_opposite_order_both_succeed(self, store: Store) -> None:
        users = new_user(store, "13800138000"), new_user(store, "13900139000")
        both_have_one = Barrier(2)
        tries = [0, 0]

        def lock_both(number: int) -> None:
            def work(tx: Transaction) -> None:
                tries[number] += 1
                raise_fee(tx, users[number])
                if tries[number] == 1:
                    both_have_one.wait(PATIENCE_SECONDS)
                raise_fee(tx, users[1 - number])

            store.work.transact(work)

        at_once(2, lock_both)
        assert [fee_of(store, user) for user in users] == [DEFAULT_FEE_PERCENTAGE + 2] * 2
        assert sum(tries) > 2, "there was no deadlock"

    def test_what_is_undone_a_few_times_is_done_once_in_the_end(self, store: Store) -> None:
        for number, refusal in enumerate(self.refusals):
            user = new_user(store, f"1380013800{number}")
            work = UndoneAtFirst(user, refusal, times=3)
            store.work.transact(work)
            assert work.tries == 4
            assert fee_of(store, user) == DEFAULT_FEE_PERCENTAGE + 1

    def test_what_is_undone_every_time_is_given_up_and_not_done(self, store: Store) -> None:
        user = new_user(store, "13800138000")
        work = UndoneAtFirst(user, self.refusals[0], times=100)
        with pytest.raises(StoreUnavailable):
            store.work.transact(work)
        assert work.tries == 1 + MAX_REPEATS
        assert fee_of(store, user) == DEFAULT_FEE_PERCENTAGE


class TestPostgreSql(Retries):
    # Serialisation failure, deadlock, lock not available in time.
    refusals = tuple(
        f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$" for state in ("40001", "40P01", "55P03")
    )

    @pytest.fixture
    def store(self, postgresql_database: Database) -> Store:
        return emptied(postgresql_database)


class TestMariaDb(Retries):
    # Deadlock (also Galera's certification failure), lock not available in time.
    refusals = tuple(
        f"SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'met another'"
        for state, number in (("40001", 1213), ("HY000", 1205))
    )

    @pytest.fixture
    def store(self, mariadb_database: Database) -> Store:
        return emptied(mariadb_database)
