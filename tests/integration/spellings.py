"""What the database products call the same things, for tests of what they do."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import frozen
from sqlalchemy import create_engine, text

from menshen.adapters.sql.database import Database

from .databases import QUICK_MARIADB, QUICK_POSTGRES, DatabaseServer, MariaDbServer, PostgresServer

AT_THE_MOST = 5.0
"""Seconds within which every answer has to come, whatever the database does."""


@frozen(kw_only=True)
class Spelling:
    """What one product calls things."""

    sleep: str
    my_id: str
    kill: str
    waiting: str
    """How many transactions wait for a lock."""

    connections: str
    """How many connections others have to this database."""

    lock_table: str
    settings: Mapping[str, str]
    """Global settings that would harm us, by the expression that shows each."""

    patience: Mapping[str, object]
    """The settings of a patient connection."""


SPELLINGS = {
    "postgresql": Spelling(
        sleep="pg_sleep({})",
        my_id="pg_backend_pid()",
        kill="SELECT pg_terminate_backend({}, 5000)",
        waiting="SELECT count(*) FROM pg_locks WHERE NOT granted",
        connections="SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        lock_table="LOCK TABLE {} IN ACCESS EXCLUSIVE MODE",
        settings={
            "current_setting('statement_timeout')": "statement_timeout = '60s'",
            "current_setting('lock_timeout')": "lock_timeout = '60s'",
            "current_setting('default_transaction_isolation')": "default_transaction_isolation = 'serializable'",
            "current_setting('timezone')": "timezone = 'Asia/Shanghai'",
            "current_setting('client_encoding')": "client_encoding = 'LATIN1'",
        },
        patience={"current_setting('statement_timeout')": "0", "current_setting('lock_timeout')": "0"},
    ),
    "mariadb": Spelling(
        sleep="SLEEP({})",
        my_id="CONNECTION_ID()",
        kill="KILL CONNECTION {}",
        waiting="SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
        connections="SELECT count(*) FROM information_schema.processlist"
        " WHERE db = DATABASE() AND id <> CONNECTION_ID()",
        lock_table="LOCK TABLES {} WRITE",
        settings={
            "@@max_statement_time": "max_statement_time = 60",
            "@@innodb_lock_wait_timeout": "innodb_lock_wait_timeout = 60",
            "@@tx_isolation": "tx_isolation = 'SERIALIZABLE'",
            "@@time_zone": "time_zone = '+08:00'",
            "@@sql_mode": "sql_mode = ''",
            "@@lc_messages": "lc_messages = 'ja_JP'",
        },
        patience={"@@max_statement_time": 0, "@@innodb_lock_wait_timeout": 86400},
    ),
}


def quick_server(product: str, folder: Path) -> DatabaseServer:
    """One in *folder*, not yet started, for tests in which no machine crashes."""
    if product == "postgresql":
        return PostgresServer(folder / "postgresql", QUICK_POSTGRES)
    return MariaDbServer(folder / "mariadb", QUICK_MARIADB)


def shown(database: Database, expressions: Sequence[str]) -> list[object]:
    """What the server makes of *expressions*, on a connection of ours."""
    with database.reading() as connection:
        return list(connection.execute(text(f"SELECT {', '.join(expressions)}")).one())


def by_somebody_else(url: str, statement: str) -> list[object]:
    """The first row of what the server answers to another program, whose statements take effect at once."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            found = connection.exec_driver_sql(statement)
            return list(found.one()) if found.returns_rows else []
    finally:
        engine.dispose()


@frozen
class Outcome:
    """What came of a call, and when."""

    error: BaseException | None
    seconds: float


def outcome_of(call: Callable[[], object]) -> Outcome:
    begin = time.monotonic()
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what came of it
        return Outcome(error, time.monotonic() - begin)
    return Outcome(None, time.monotonic() - begin)
