"""Reading the rows that are no accounts, and making them accounts, some at a time."""

import json
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, tzinfo
from typing import Any

from sqlalchemy import (
    Boolean,
    Connection,
    Select,
    String,
    Text,
    bindparam,
    cast,
    column,
    func,
    literal,
    not_,
    null,
    select,
    table,
    update,
)

from ....domain.errors import StoreUnavailable
from ....domain.ports import StoredHashes
from ....domain.users import UserState
from ..database import Database
from ..tables import users
from .findings import AdoptionFindings
from .rows import ROW_COLUMNS, Left, Taken, divided, hash_kind, judged
from .states import StateDecisions
from .table import Shape

BATCH = 2000
"""How many rows one transaction takes: so few that a service which runs meanwhile hardly waits."""

# Columns without types: what is read is what the driver gives, and nothing that is there makes it fail.
_users = table("x_user", *(column(name) for name in ROW_COLUMNS))
_is_account = column("is_account", Boolean)
_canonical_phone = column("canonical_phone", String)
_WRITE_STATE = (
    update(users)
    .where(users.c.id == bindparam("row_id"))
    .values(state=bindparam("text"), state_reason=func.coalesce(bindparam("because"), users.c.state_reason))
)

_NEVER_WEAK = ("$argon2", "$2", "pbkdf2:", "scrypt:")
"""How nearly all hashes begin. Which of the others are weak is not for SQL to say."""


def counted(connection: Connection, shape: Shape, hashes: StoredHashes, states: StateDecisions) -> AdoptionFindings:
    """Findings with nothing but the numbers of rows."""
    rows = connection.scalar(select(func.count()).select_from(_users)) or 0
    accounts = 0
    if shape.has_accounts:
        accounts = connection.scalar(select(func.count()).select_from(_users).where(_is_account)) or 0
    return AdoptionFindings(hashes, states, rows=rows, accounts=accounts)


def weak_accounts(database: Database, hashes: StoredHashes) -> int:
    """How many accounts have a weak hash."""
    found, after = 0, 0
    while True:
        statement = (
            select(_users.c.id, _users.c.password)
            .where(_is_account, _users.c.id > after)
            .where(*(not_(_users.c.password.startswith(begin)) for begin in _NEVER_WEAK))
            .order_by(_users.c.id)
            .limit(BATCH)
        )
        with database.reading() as connection:
            rows = connection.execute(statement).all()
        if not rows:
            return found
        found += sum(hash_kind(stored, hashes).is_weak for _, stored in rows)
        after = rows[-1][0]


def some_rows(connection: Connection, shape: Shape, after: int | None, *, is_locking: bool = False) -> Sequence[Any]:
    """The next rows that are no accounts, by id."""
    columns = (_read_as(each, shape, connection.dialect.name) for each in ROW_COLUMNS)
    statement: Select[Any] = select(*columns).select_from(_users)
    if after is not None:
        statement = statement.where(_users.c.id > after)
    if shape.has_accounts:
        statement = statement.where(not_(_is_account))
    statement = statement.order_by(_users.c.id).limit(BATCH)
    return connection.execute(statement.with_for_update() if is_locking else statement).all()


def _read_as(name: str, shape: Shape, product: str) -> Any:
    if name not in shape.columns:
        # The state is added with this in every row.
        return (literal(UserState.active().text) if name == "state" else null()).label(name)
    if product == "postgresql" and name == "registration_time":
        # It has times that Python has none for, such as infinity.
        return cast(_users.c[name], Text).label(name)
    return _users.c[name]


def numbers_of(found: Sequence[Taken | Left]) -> set[str]:
    """The numbers of those who may be taken."""
    return {each.digits for each in found if isinstance(each, Taken) and each.digits is not None}


def kept_numbers_of(found: Sequence[Taken | Left]) -> set[str]:
    """The numbers of those who are left, and keep them."""
    return {each.digits for each in found if isinstance(each, Left) and each.digits is not None}


def holders(connection: Connection, numbers: Collection[str]) -> dict[str, int]:
    """Which rows have these numbers: accounts, and those that were left and keep theirs."""
    statement = select(_canonical_phone, _users.c.id).select_from(_users).where(_canonical_phone.in_(numbers))
    return {row[0]: row[1] for row in connection.execute(statement)}


def take_some(
    database: Database, shape: Shape, after: int | None, zone: tzinfo | None, states: StateDecisions
) -> tuple[Sequence[Any], list[Taken], list[Left]]:
    """Make accounts of the next rows in one transaction: the rows, and what became of them."""
    with database.attempt() as connection:
        # Locked, so that what is written is about the row that was read, whoever else writes.
        rows = some_rows(connection, shape, after, is_locking=True)
        found = [judged(row, zone_of(shape, zone), states) for row in rows]
        taken, left = divided(found, holders(connection, numbers_of(found)))
        if taken and _WRITERS[connection.dialect.name](connection, taken) != len(taken):
            raise StoreUnavailable("x_user lost rows while they were locked")
        _write_states(connection, taken)
    return rows, taken, left


def _write_states(connection: Connection, taken: Sequence[Taken]) -> None:
    changes = [
        {"row_id": each.id, "text": each.state.text, "because": each.state.reason}
        for each in taken
        if each.state.text is not None
    ]
    if changes:
        connection.execute(_WRITE_STATE, changes)


def zone_of(shape: Shape, zone: tzinfo | None) -> tzinfo | None:
    """The zone that registration times are read in."""
    return UTC if shape.has_moments else zone


def _take_on_sqlite(connection: Connection, taken: Sequence[Taken]) -> int:
    statement = (
        "UPDATE x_user SET is_account = 1, canonical_phone = ?, phone = COALESCE(?, phone), registration_time = ?"
        " WHERE id = ? AND NOT is_account"
    )
    rows = [
        (
            each.digits,
            each.digits,
            None if each.registered_at is None else each.registered_at.isoformat(" ", "microseconds"),
            each.id,
        )
        for each in taken
    ]
    return connection.exec_driver_sql(statement, rows).rowcount


def _take_on_postgresql(connection: Connection, taken: Sequence[Taken]) -> int:
    statement = (
        "UPDATE x_user SET is_account = true, canonical_phone = new.digits,"
        " phone = COALESCE(new.digits, x_user.phone), registration_time = new.at"
        " FROM unnest(%s::int[], %s::text[], %s::timestamp[]) AS new (id, digits, at)"
        " WHERE x_user.id = new.id AND NOT x_user.is_account"
    )
    columns = ([each.id for each in taken], [each.digits for each in taken], [each.registered_at for each in taken])
    return connection.exec_driver_sql(statement, columns).rowcount


def _take_on_mariadb(connection: Connection, taken: Sequence[Taken]) -> int:
    statement = (
        "UPDATE JSON_TABLE(%s, '$[*]' COLUMNS (id INT PATH '$[0]' ERROR ON ERROR,"
        " digits VARCHAR(11) PATH '$[1]' ERROR ON ERROR, at DATETIME(6) PATH '$[2]' ERROR ON ERROR)) AS new"
        " STRAIGHT_JOIN x_user ON x_user.id = new.id"
        " SET x_user.is_account = true, x_user.canonical_phone = new.digits,"
        " x_user.phone = COALESCE(new.digits, x_user.phone), x_user.registration_time = new.at"
        " WHERE NOT x_user.is_account"
    )
    rows = [
        (each.id, each.digits, None if each.registered_at is None else each.registered_at.isoformat(" "))
        for each in taken
    ]
    return connection.exec_driver_sql(statement, (json.dumps(rows),)).rowcount


_WRITERS: dict[str, Callable[[Connection, Sequence[Taken]], int]] = {
    "sqlite": _take_on_sqlite,
    "postgresql": _take_on_postgresql,
    "mariadb": _take_on_mariadb,
}
