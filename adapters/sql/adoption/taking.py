"""Reading the rows that are not accounts, and making them accounts, some at a time."""

from collections.abc import Collection, Sequence
from datetime import UTC, tzinfo
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Select,
    String,
    bindparam,
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
from ....domain.ports.outside import StoredHashes
from ....domain.users import UserState
from ..database import Database
from ..tables import users
from .findings import AdoptionFindings
from .rows import ROW_COLUMNS, Left, Taken, divided, hash_kind, judged
from .states import StateDecisions
from .table import Shape

BATCH = 2000
"""How many rows one transaction adopts: so few that a running service hardly waits."""

# Columns without types: values are read as the driver gives them, so none makes reading fail.
_users = table("x_user", *(column(name) for name in ROW_COLUMNS))
_is_account = column("is_account", Boolean)
_canonical_phone = column("canonical_phone", String)
_WRITE_STATE = (
    update(users)
    .where(users.c.id == bindparam("row_id"))
    .values(state=bindparam("text"), state_reason=func.coalesce(bindparam("because"), users.c.state_reason))
)

_NEVER_WEAK = ("$argon2", "$2", "pbkdf2:", "scrypt:")
"""The prefixes of nearly all good hashes. Which of the others are weak, SQL cannot tell."""


def counted(connection: Connection, shape: Shape, hashes: StoredHashes, states: StateDecisions) -> AdoptionFindings:
    """Findings that contain only the numbers of rows."""
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
    """The next rows that are not accounts, by id."""
    columns = (_read_as(each, shape) for each in ROW_COLUMNS)
    statement: Select[Any] = select(*columns).select_from(_users)
    if after is not None:
        statement = statement.where(_users.c.id > after)
    if shape.has_accounts:
        statement = statement.where(not_(_is_account))
    statement = statement.order_by(_users.c.id).limit(BATCH)
    return connection.execute(statement.with_for_update() if is_locking else statement).all()


def _read_as(name: str, shape: Shape) -> ColumnElement[Any]:
    if name in shape.columns:
        return shape.product.read_as(_users.c[name])
    # The column is added with this state in every row.
    return (literal(UserState.active().text) if name == "state" else null()).label(name)


def numbers_of(found: Sequence[Taken | Left]) -> set[str]:
    """The numbers of the rows that may be adopted."""
    return {each.digits for each in found if isinstance(each, Taken) and each.digits is not None}


def kept_numbers_of(found: Sequence[Taken | Left]) -> set[str]:
    """The numbers of the rows left out that reserve theirs."""
    return {each.digits for each in found if isinstance(each, Left) and each.digits is not None}


def holders(connection: Connection, numbers: Collection[str]) -> dict[str, int]:
    """Which rows have these numbers: accounts, and rows left out that reserve theirs."""
    statement = select(_canonical_phone, _users.c.id).select_from(_users).where(_canonical_phone.in_(numbers))
    return {row[0]: row[1] for row in connection.execute(statement)}


def take_some(
    database: Database, shape: Shape, after: int | None, zone: tzinfo | None, states: StateDecisions
) -> tuple[Sequence[Any], list[Taken], list[Left]]:
    """Make accounts of the next rows in one transaction. Returns the rows with their verdicts."""
    with database.attempt() as connection:
        # Locked, so that what is written matches the row that was read, whoever else writes.
        rows = some_rows(connection, shape, after, is_locking=True)
        found = [judged(row, zone_of(shape, zone), states) for row in rows]
        taken, left = divided(found, holders(connection, numbers_of(found)))
        if taken and shape.product.take(connection, taken) != len(taken):
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
    """The zone of the registration times."""
    return UTC if shape.has_moments else zone
