"""The rows that an adoption has left out: their numbers cannot be registered, and one can be joined to an account."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from attrs import frozen
from sqlalchemy import Boolean, ColumnElement, Connection, bindparam, column, not_, select, table, update

from ....domain.actors import Actor
from ....domain.audit import Action, AuditEvent
from ....domain.ports.outside import Clock
from ....domain.users import NoSuchUser, PhoneInvalid, Standing, UserId, UserState
from ..audit import SqlAuditWriter
from ..database import Database
from ..step import Step
from ..types import Money
from .rows import Left, money_of, number_of
from .taking import holders
from .waiting import repeated

# Without types, except for what is written: values are read as the driver gives them, so none makes reading fail.
_NAMES = ("id", "phone", "canonical_phone", "user_name", "openid", "mid", "state")
_rows = table(
    "x_user", *(column(name) for name in _NAMES), column("is_account", Boolean), column("account_balance", Money)
)
_KEEP = update(_rows).where(_rows.c.id == bindparam("row_id")).values(canonical_phone=bindparam("digits"))

_TAKEN_OVER = ("user_name", "openid", "mid")
"""What an account gets from a row left out if it has no value itself."""

_MOST = Decimal(10) ** 16
"""The first amount that is too large for the column of the balance."""


class CannotJoin(Exception):
    """Why two rows cannot be joined, for the operator."""


@frozen
class Joined:
    """The result of joining an account and a row left out."""

    moved: Decimal
    balance: Decimal
    """The balance of the account afterwards."""


def keep_numbers(database: Database, left: Sequence[Left]) -> int:
    """Reserve the numbers of these rows that nobody has, so that they cannot be registered. Returns how many are new.

    The reservation of a row whose number somebody has changed since is released.
    """
    with database.attempt() as connection:
        kept = _kept(connection, [each.id for each in left])
        there = holders(connection, {each.digits for each in left if each.digits is not None})
        changes = []
        for each in left:
            # Of several rows, the first reserves it.
            is_free = each.digits is not None and there.setdefault(each.digits, each.id) == each.id
            digits = each.digits if is_free else None
            if kept.get(each.id, digits) != digits:
                changes.append({"row_id": each.id, "digits": digits})
        if changes:
            connection.execute(_KEEP, changes)
        return sum(change["digits"] is not None for change in changes)


def _kept(connection: Connection, ids: Sequence[int]) -> dict[int, str | None]:
    """The numbers that these rows reserve so far; locked, so that nobody makes them accounts meanwhile."""
    statement = (
        select(_rows.c.id, _rows.c.canonical_phone)
        .where(_rows.c.id.in_(ids), not_(_rows.c.is_account))
        .order_by(_rows.c.id)
        .with_for_update()
    )
    return {row.id: row.canonical_phone for row in connection.execute(statement)}


@frozen
class Joining:
    """Joins an account with a row left out, whose owner has registered again, perhaps with another number."""

    database: Database
    clock: Clock

    def __call__(self, user_id: UserId, left_id: int, *, actor: Actor, is_other_number: bool = False) -> Joined:
        """Give the account the row's balance, and its name, openid and referrer if the account has none.

        The row stays, without a balance, as closed. Raises NoSuchUser, CannotJoin, StoreUnavailable.
        """
        return repeated(lambda: self._once(user_id, left_id, actor, is_other_number=is_other_number))

    def _once(self, user_id: UserId, left_id: int, actor: Actor, *, is_other_number: bool) -> Joined:
        with self.database.attempt() as connection:
            account, left = _locked(connection, user_id, left_id)
            if account is None or not account.is_account:
                raise NoSuchUser
            _check(account, left, is_other_number=is_other_number)
            moved = _balance_of(left)
            balance = _balance_of(account) + moved
            if abs(balance) >= _MOST:
                raise CannotJoin(f"the two balances together are {balance}, for which there is no place")
            _move(connection, account, left, balance)
            detail = f"left row {left_id}, balance {moved}"
            event = AuditEvent(at=self.clock.now(), actor=actor, action=Action.JOIN, subject=user_id, detail=detail)
            SqlAuditWriter(Step(connection, self.database.product)).append(event)
            return Joined(moved, balance)


def _move(connection: Connection, account: Any, left: Any, balance: Decimal) -> None:
    lacking = [name for name in _TAKEN_OVER if not getattr(account, name) and getattr(left, name)]
    connection.execute(
        update(_rows)
        .where(_rows.c.id == account.id)
        .values(account_balance=balance, **{name: getattr(left, name) for name in lacking})
    )
    connection.execute(
        update(_rows)
        .where(_rows.c.id == left.id)
        .values(account_balance=Decimal(0), state=UserState.text_of(Standing.CLOSED), canonical_phone=None)
    )


def _locked(connection: Connection, user_id: int, left_id: int) -> tuple[Any, Any]:
    """Both rows, locked until the transaction ends; None for one that does not exist."""
    untyped: list[ColumnElement[Any]] = [column(each.name) for each in _rows.columns if each.name != "is_account"]
    statement = (
        select(*untyped, _rows.c.is_account)
        .select_from(_rows)
        .where(_rows.c.id.in_([user_id, left_id]))
        .order_by(_rows.c.id)
        .with_for_update()
    )
    found = {row.id: row for row in connection.execute(statement)}
    return found.get(user_id), found.get(left_id)


def _check(account: Any, left: Any, *, is_other_number: bool) -> None:
    """Raises CannotJoin."""
    if account.canonical_phone is None:
        raise CannotJoin("the account has no number: it is closed, or nobody logs in to it")
    if left is None:
        raise CannotJoin("there is no such row")
    if left.is_account:
        raise CannotJoin("the second is an account itself, and no row that was left")
    try:
        number = number_of(left.phone)
    except PhoneInvalid:
        number = None
    if number != account.canonical_phone and not is_other_number:
        raise CannotJoin("the two have not the same number; --other-number if you are sure that one person owns both")


def _balance_of(row: Any) -> Decimal:
    """Raises CannotJoin."""
    balance = money_of(row.account_balance)
    if balance is None:
        raise CannotJoin(f"the balance of row {row.id} cannot be read: mend it")
    return balance
