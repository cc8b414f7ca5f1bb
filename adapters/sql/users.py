"""The users in the database."""

from typing import Any

from attrs import frozen
from sqlalchemy import RowMapping, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from ...domain.errors import PhoneTaken, ReferrerUnknown
from ...domain.users import NewUser, Phone, User, UserId, UserState
from .database import Database
from .tables import users

_BY_ID = select(users).where(users.c.id == bindparam("user_id"))
_BY_PHONE = select(users).where(users.c.phone == bindparam("phone"))


def user_from(row: RowMapping) -> User:
    """The user that a row of ``x_user`` tells of: the contract's names become ours here."""
    return User(
        id=UserId(row["id"]),
        phone=Phone(row["phone"]),
        password_hash=row["password"],
        registered_at=row["registration_time"],
        user_name=row["user_name"],
        referrer_id=None if row["mid"] is None else UserId(row["mid"]),
        wechat_openid=row["openid"],
        account_balance=row["account_balance"],
        state=UserState(row["state"]),
        fee_percentage=row["fee_percentage"],
    )


@frozen
class SqlUserRepository:
    """UserRepository on a relational database."""

    database: Database

    def add(self, user: NewUser) -> User:
        with self.database.writing() as connection:
            # Users are never deleted, so a referrer who is there now stays.
            if user.referrer_id is not None and not connection.execute(_BY_ID, {"user_id": user.referrer_id}).first():
                raise ReferrerUnknown
            try:
                row = connection.execute(
                    insert(users).returning(users),
                    {
                        "phone": user.phone.digits,
                        "password": user.password_hash,
                        "registration_time": user.registered_at,
                        "user_name": user.user_name,
                        "mid": user.referrer_id,
                        "state": user.state.text,
                    },
                ).one()
            except IntegrityError as error:
                if not _is_unique_violation(error):
                    raise
                raise PhoneTaken from None
            return user_from(row._mapping)

    def by_id(self, user_id: UserId) -> User | None:
        return self._one(_BY_ID, user_id=user_id)

    def by_phone(self, phone: Phone) -> User | None:
        return self._one(_BY_PHONE, phone=phone.digits)

    def replace_password_hash(self, user_id: UserId, *, old: str, new: str) -> bool:
        statement = update(users).where(users.c.id == user_id, users.c.password == old).values(password=new)
        with self.database.writing() as connection:
            return connection.execute(statement).rowcount == 1

    def _one(self, statement: Any, **parameters: Any) -> User | None:
        with self.database.reading() as connection:
            row = connection.execute(statement, parameters).first()
        return None if row is None else user_from(row._mapping)


def _is_unique_violation(error: IntegrityError) -> bool:
    # The phone is the only unique column that we give a value.
    return getattr(error.orig, "sqlite_errorname", None) == "SQLITE_CONSTRAINT_UNIQUE"
