"""Databases with many rows: made by the database itself, one batch for each statement, in realistic order.

Phone numbers and the ids of sessions are scattered as real ones are, so that no index is denser here than there.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from math import gcd
from typing import Any, cast

from attrs import frozen
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    String,
    Table,
    column,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy import cast as sql_cast

from menshen.adapters.sql.database import Database
from menshen.adapters.sql.tables import audit, sessions, users

DEVICE_TYPES = ("phone", "pc", "tablet")
"""Every user has a session on each."""

SPAN = timedelta(days=10)
"""The time from the first session to the last."""

ARGON2_HASH = "$argon2id$v=19$m=19456,t=2,p=1$" + "c" * 22 + "$" + "h" * 43

_DEVICE_ID = "0123456789abcdef" * 2

_BATCHES = 30
_LARGEST_BATCH = 200_000

# Multiples of a number, modulo a prime, come in no order, and none comes twice.
_PRIME, _STEP = 999_999_937, 486_187_739
_STEP_OF_USERS = 611_953


@frozen
class _Logins:
    """One batch: the users from *first* on, in no order, log in on one device."""

    device: int
    first: int
    size: int
    at: datetime


def phone_of(user_id: int) -> str:
    return str(13_000_000_000 + user_id * _STEP % _PRIME)


def session_id_of(user_id: int, device: int) -> str:
    """The id of the session on the device of that place in DEVICE_TYPES."""
    return hashlib.md5(f"{user_id}/{device}".encode(), usedforsecurity=False).hexdigest()[:22]


def fill_users(database: Database, count: int, now: datetime, password_hash: str = ARGON2_HASH) -> None:
    """The users 1 to *count*, all active."""
    for first, size in _batches(count):
        user_id = literal(first + 1) + _offset()
        phone = _text(literal(13_000_000_000, BigInteger) + sql_cast(user_id, BigInteger) * _STEP % _PRIME)
        values = {
            "id": user_id,
            "is_account": True,
            "phone": phone,
            "canonical_phone": phone,
            "user_name": literal("name ") + _text(user_id),
            "password": password_hash,
            "registration_time": now - SPAN,
            "account_balance": Decimal(0),
            "state": "正常",
            "fee_percentage": 4,
            "is_admin": False,
        }
        _insert(database, users, values, size)
    if database.engine.dialect.name == "postgresql":
        with database.writing() as connection:
            connection.execute(text("SELECT setval(pg_get_serial_sequence('x_user', 'id'), :last)"), {"last": count})


def fill_sessions(database: Database, users_count: int, now: datetime) -> None:
    """Live sessions for so many users, last used *now*."""
    for logins in _logins(users_count, now):
        user_id, session_id = _user_and_session(logins, users_count)
        values = {
            "id": session_id,
            "user_id": user_id,
            "kind": "user",
            "device_type": DEVICE_TYPES[logins.device],
            "device_id": _DEVICE_ID,
            "device_name": "iPhone",
            "address": "203.0.113.7",
            "user_agent": "an app/1.0 (iPhone; iOS 26)",
            "started_at": logins.at,
            "last_seen_at": now,
            "expires_at": logins.at + timedelta(days=30),
            "over_at": logins.at + timedelta(days=30),
            "idle_seconds": 14 * 86400,
            "refresh_digest": bytes(range(32)),
            "refresh_rotations": 0,
            "refresh_rotated_at": logins.at,
            "refresh_expires_at": logins.at + timedelta(days=30),
        }
        _insert(database, sessions, values, logins.size)


def fill_audit(database: Database, users_count: int, now: datetime) -> None:
    """An entry for the last login of each user."""
    for logins in _logins(users_count, now):
        if logins.device < len(DEVICE_TYPES) - 1:
            continue
        user_id, session_id = _user_and_session(logins, users_count)
        values = {
            "at": logins.at,
            "actor": literal("user:") + _text(user_id),
            "action": "log_in",
            "outcome": "done",
            "subject": user_id,
            "session_id": session_id,
            "device_type": DEVICE_TYPES[logins.device],
            "device_id": _DEVICE_ID,
            "device_name": "iPhone",
            "address": "203.0.113.7",
        }
        _insert(database, audit, values, logins.size)


def analyze(database: Database) -> None:
    """Update the planner's statistics, as servers do automatically a little later."""
    statements = {
        "sqlite": "ANALYZE",
        "postgresql": "VACUUM ANALYZE",
        "mariadb": "ANALYZE TABLE x_user, x_session, x_audit",
    }
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(statements[database.engine.dialect.name]).close()


def _batches(count: int) -> Iterator[tuple[int, int]]:
    """The first number of each batch, from 0, and its size."""
    most = min(-(-count // _BATCHES), _LARGEST_BATCH)
    for first in range(0, count, most):
        yield first, min(most, count - first)


def _logins(users_count: int, now: datetime) -> Iterator[_Logins]:
    for device in range(len(DEVICE_TYPES)):
        for first, size in _batches(users_count):
            gone = (device * users_count + first) / (len(DEVICE_TYPES) * users_count)
            yield _Logins(device, first, size, now - SPAN + SPAN * gone)


def _user_and_session(logins: _Logins, users_count: int) -> tuple[ColumnElement[int], ColumnElement[str]]:
    assert gcd(users_count, _STEP_OF_USERS) == 1
    number = sql_cast(literal(logins.first) + _offset(), BigInteger)
    user_id = literal(1) + number * _STEP_OF_USERS % users_count
    digest = func.md5(_text(user_id) + literal(f"/{logins.device}"), type_=String)
    return user_id, func.substr(digest, 1, 22, type_=String)


def _offset() -> ColumnElement[int]:
    return literal_column("digits.number", BigInteger)


def _text(number: ColumnElement[int]) -> ColumnElement[str]:
    return sql_cast(number, String(20))


def _insert(database: Database, table: Table, values: Mapping[str, Any], size: int) -> None:
    """*size* rows of *values*, in which ``_offset()`` is the number of the row, from 0."""
    digits = text(_numbers_below(size)).columns(column("number", BigInteger)).subquery("digits")
    columns = [
        value if isinstance(value, ColumnElement) else literal(value, table.c[name].type)
        for name, value in values.items()
    ]
    with database.writing() as connection:
        if connection.dialect.name == "sqlite":
            cast(sqlite3.Connection, connection.connection.driver_connection).create_function("md5", 1, _md5)
        connection.execute(insert(table).from_select(list(values), select(*columns).select_from(digits)))


def _numbers_below(size: int) -> str:
    """SQL that every database understands, in their order."""
    digit = " UNION ALL ".join(f"SELECT {each} AS digit" for each in range(10))
    places = range(len(str(size - 1)))
    number = " + ".join(f"{10**place} * place{place}.digit" for place in places)
    crossed = " CROSS JOIN ".join(f"({digit}) place{place}" for place in places)
    return f"SELECT {number} AS number FROM {crossed} WHERE {number} < {size} ORDER BY 1"


def _md5(given: str) -> str:
    return hashlib.md5(given.encode(), usedforsecurity=False).hexdigest()
