"""Writing users to the database."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from attrs import frozen
from sqlalchemy import (
    Connection,
    String,
    bindparam,
    column,
    delete,
    insert,
    inspect,
    select,
    table,
    update,
)
from sqlalchemy.exc import IntegrityError

from ...domain.ports.writing import NotLocked
from ...domain.users import (
    DEFAULT_FEE_PERCENTAGE,
    NO_MONEY,
    NewUser,
    Phone,
    PhoneTaken,
    ReferrerUnknown,
    User,
    UserId,
    UserState,
)
from .step import Step
from .tables import users
from .users import policy_from, user_by_id, user_by_phone, user_from

_OTHERS_PHONE = (
    select(users.c.id).where(users.c.phone == bindparam("phone"), users.c.id != bindparam("user_id")).limit(1)
)
_INSERT = insert(users).returning(users)
_SAVE = update(users).where(users.c.id == bindparam("user_id"))

_TOKEN = "token"
_ERASE_TOKEN = (
    update(table(users.name, column("id"), column(_TOKEN, String)))
    .where(column("id") == bindparam("user_id"))
    .values({_TOKEN: bindparam("empty")})
)

_NOBODY = UserId(0)

[_ONE_ACCOUNT_A_PHONE] = [index for index in users.indexes if index.unique]


def lock_user(step: Step, user_id: UserId) -> User | None:
    """Lock the row of the user until the transaction of *step* ends."""
    row = user_by_id(step.connection, user_id, is_to_be_locked=True)
    if row is None:
        return None
    step.locked[user_id] = row
    return user_from(row)


@frozen
class SqlUserWriter:
    """UserWriter on a relational database."""

    step: Step

    def by_phone(self, phone: Phone) -> User | None:
        return user_by_phone(self.step.connection, phone)

    def add(self, user: NewUser) -> User:
        connection = self.step.connection
        values = {
            "is_account": True,
            "phone": user.phone.digits,
            "canonical_phone": user.phone.digits,
            "account_balance": NO_MONEY,
            "fee_percentage": DEFAULT_FEE_PERCENTAGE,
            "password": user.password_hash,
            "registration_time": user.registered_at,
            "user_name": user.user_name,
            "mid": user.referrer_id,
            **_state_columns(user.state),
        }
        with self._phone_is_unique(user.phone):
            row = connection.execute(_INSERT, values).one()._mapping
        added = user_from(row)
        # Only now, so that neither the answer for a taken number nor its time reveals which users exist. Users are
        # never deleted, so a referrer who exists now will stay.
        if user.referrer_id is not None and not self._is_there(user.referrer_id, added.id):
            connection.execute(delete(users).where(users.c.id == added.id))
            raise ReferrerUnknown
        self.step.locked[added.id] = dict(row)
        return added

    def save(self, user: User) -> None:
        row = self.step.locked.get(user.id)
        if row is None:
            raise NotLocked
        digits = None if user.phone is None else user.phone.digits
        values = {
            "phone": digits,
            "canonical_phone": digits,
            "password": user.password_hash,
            "user_name": user.user_name,
            "openid": user.wechat_openid,
            "fee_percentage": user.fee_percentage,
            "is_admin": user.is_admin,
            "device_policy": None if user.device_policy is None else json.dumps(user.device_policy.to_table()),
            **_state_columns(user.state),
        }
        # Only what differs: in an adopted table, an existing text may be longer than any that we would write.
        values = {name: value for name, value in values.items() if value != row[name]}
        # A text that means this policy but is not spelled as we would write it stays as well.
        if user.device_policy == policy_from(row["device_policy"]):
            values.pop("device_policy", None)
        if not values:
            return
        connection = self.step.connection
        with self._phone_is_unique(user.phone, user.id):
            connection.execute(_SAVE, {"user_id": user.id, **values})
            if user.is_erased:
                _erase_token(connection, user.id)
        row.update(values)

    @contextmanager
    def _phone_is_unique(self, phone: Phone | None, user_id: UserId = _NOBODY) -> Iterator[None]:
        """Raises PhoneTaken if the constraint that failed is on the phone, and not another one."""
        connection, product = self.step.connection, self.step.product
        try:
            # A savepoint only where it is needed: a deadlock on MariaDB removes it, and rolling back to it would fail
            # with an error that hides the deadlock.
            with connection.begin_nested() if product.failure_ends_transaction else nullcontext():
                yield
        except IntegrityError as error:
            # An adopted table may have an index under any name that makes the numbers unique.
            is_taken = product.is_duplicate(error, _ONE_ACCOUNT_A_PHONE) or (
                phone is not None
                and connection.execute(_OTHERS_PHONE, {"phone": phone.digits, "user_id": user_id}).first() is not None
            )
            if not is_taken:
                raise
            raise PhoneTaken from None

    def _is_there(self, user_id: UserId, added: UserId) -> bool:
        """Whether there was such a user before *added*."""
        return user_id != added and user_by_id(self.step.connection, user_id) is not None


def _erase_token(connection: Connection, user_id: UserId) -> None:
    """Empty the tutorial's column for the last token that was issued. Only an adopted table has it."""
    for theirs in inspect(connection).get_columns(users.name):
        if theirs["name"] == _TOKEN:
            empty = "" if theirs["nullable"] is False else None
            connection.execute(_ERASE_TOKEN, {"user_id": user_id, "empty": empty})


def _state_columns(state: UserState) -> dict[str, Any]:
    return {"state": state.text, "state_until": state.until, "state_reason": state.reason}
