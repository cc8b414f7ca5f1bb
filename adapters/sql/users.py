"""The users in the database."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from attrs import frozen
from sqlalchemy import ColumnElement, RowMapping, and_, bindparam, func, insert, not_, or_, select, update
from sqlalchemy.exc import IntegrityError

from ...domain.device_policy import DevicePolicy
from ...domain.errors import PhoneTaken, ReferrerUnknown
from ...domain.ports import UserFilter
from ...domain.users import NewUser, Phone, Standing, User, UserId, UserState
from .database import Connections
from .tables import users

_BY_ID = select(users).where(users.c.id == bindparam("user_id"))
_BY_ID_LOCKED = _BY_ID.with_for_update()
_BY_PHONE = select(users).where(users.c.phone == bindparam("phone"))


def user_from(row: RowMapping) -> User:
    """The user that a row of ``x_user`` tells of: the contract's names become ours here."""
    return User(
        id=UserId(row["id"]),
        phone=None if row["phone"] is None else Phone(row["phone"]),
        password_hash=row["password"],
        registered_at=row["registration_time"],
        user_name=row["user_name"],
        referrer_id=None if row["mid"] is None else UserId(row["mid"]),
        wechat_openid=row["openid"],
        account_balance=row["account_balance"],
        state=UserState(row["state"], row["state_until"], row["state_reason"]),
        fee_percentage=row["fee_percentage"],
        is_admin=row["is_admin"],
        device_policy=_policy_from(row["device_policy"]),
    )


@frozen
class SqlUserRepository:
    """UserRepository on a relational database."""

    connections: Connections

    def add(self, user: NewUser) -> User:
        with self.connections.writing() as connection:
            # Users are never deleted, so a referrer who is there now stays.
            if user.referrer_id is not None and not connection.execute(_BY_ID, {"user_id": user.referrer_id}).first():
                raise ReferrerUnknown
            values = {
                "phone": user.phone.digits,
                "password": user.password_hash,
                "registration_time": user.registered_at,
                "user_name": user.user_name,
                "mid": user.referrer_id,
                **_state_columns(user.state),
            }
            with _phone_is_unique():
                row = connection.execute(insert(users).returning(users), values).one()
            return user_from(row._mapping)

    def by_id(self, user_id: UserId) -> User | None:
        return self._one(_BY_ID, user_id=user_id)

    def by_phone(self, phone: Phone) -> User | None:
        return self._one(_BY_PHONE, phone=phone.digits)

    def locked(self, user_id: UserId) -> User | None:
        return self._one(_BY_ID_LOCKED, user_id=user_id)

    def save(self, user: User) -> None:
        values = {
            "phone": None if user.phone is None else user.phone.digits,
            "password": user.password_hash,
            "user_name": user.user_name,
            "openid": user.wechat_openid,
            "fee_percentage": user.fee_percentage,
            "is_admin": user.is_admin,
            "device_policy": None if user.device_policy is None else json.dumps(user.device_policy.to_table()),
            **_state_columns(user.state),
        }
        with self.connections.writing() as connection, _phone_is_unique():
            connection.execute(update(users).where(users.c.id == user.id), values)

    def find(self, wanted: UserFilter, *, after: UserId, limit: int, now: datetime) -> Sequence[User]:
        statement = select(users).where(users.c.id > after).order_by(users.c.id).limit(limit)
        if wanted.user_id is not None:
            statement = statement.where(users.c.id == wanted.user_id)
        if wanted.phone is not None:
            statement = statement.where(users.c.phone == wanted.phone.digits)
        if wanted.name_prefix is not None:
            # Not LIKE: its wildcards, and on SQLite its disregard of case, would find others too.
            prefix = wanted.name_prefix
            statement = statement.where(func.substr(func.coalesce(users.c.user_name, ""), 1, len(prefix)) == prefix)
        if wanted.standing is not None:
            statement = statement.where(_has_standing(wanted.standing, now))
        with self.connections.reading() as connection:
            return [user_from(row._mapping) for row in connection.execute(statement)]

    def due_to_close(self, now: datetime, limit: int) -> Sequence[UserId]:
        closing, closed = UserState.text_of(Standing.CLOSING), UserState.text_of(Standing.CLOSED)
        statement = (
            select(users.c.id)
            .where(
                or_(
                    and_(users.c.state == closing, users.c.state_until <= now),
                    and_(users.c.state == closed, users.c.phone.is_not(None)),
                )
            )
            .order_by(users.c.id)
            .limit(limit)
        )
        with self.connections.reading() as connection:
            return [UserId(user_id) for user_id in connection.scalars(statement)]

    def _one(self, statement: Any, **parameters: Any) -> User | None:
        with self.connections.reading() as connection:
            row = connection.execute(statement, parameters).first()
        return None if row is None else user_from(row._mapping)


def _policy_from(text: str | None) -> DevicePolicy | None:
    return None if text is None else DevicePolicy.from_table(json.loads(text))


def _has_standing(standing: Standing, now: datetime) -> ColumnElement[bool]:
    """What UserState.standing says, as a condition."""
    texts = {each: UserState.text_of(each) for each in Standing if each is not Standing.UNKNOWN}
    state = users.c.state
    is_over = and_(users.c.state_until.is_not(None), users.c.state_until <= now)
    conditions = {
        Standing.ACTIVE: or_(state == texts[Standing.ACTIVE], and_(state == texts[Standing.FROZEN], is_over)),
        Standing.FROZEN: and_(state == texts[Standing.FROZEN], not_(is_over)),
        Standing.CLOSING: and_(state == texts[Standing.CLOSING], not_(is_over)),
        Standing.CLOSED: or_(state == texts[Standing.CLOSED], and_(state == texts[Standing.CLOSING], is_over)),
        Standing.UNKNOWN: state.not_in(texts.values()),
    }
    return conditions[standing]


def _state_columns(state: UserState) -> dict[str, Any]:
    return {"state": state.text, "state_until": state.until, "state_reason": state.reason}


@contextmanager
def _phone_is_unique() -> Iterator[None]:
    """Raises PhoneTaken where the database says that a column is not unique: the phone is the only such that we write."""
    try:
        yield
    except IntegrityError as error:
        if getattr(error.orig, "sqlite_errorname", None) != "SQLITE_CONSTRAINT_UNIQUE":
            raise
        raise PhoneTaken from None
