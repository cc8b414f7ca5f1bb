"""Reading users from the database."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen
from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    bindparam,
    false,
    func,
    not_,
    or_,
    select,
)

from ...domain.device_policy import DevicePolicy
from ...domain.passwords import HashLikeness
from ...domain.ports.reading import HashPage, UserFilter
from ...domain.texts import is_plain
from ...domain.users import (
    DEFAULT_FEE_PERCENTAGE,
    NO_MONEY,
    Phone,
    Standing,
    User,
    UserId,
    UserState,
)
from .database import Database, check_answers
from .quick_select import QuickSelect
from .tables import users

_OF_ID = select(users).where(users.c.id == bindparam("user_id"), users.c.is_account)
_BY_ID, _BY_ID_LOCKED = QuickSelect(_OF_ID), QuickSelect(_OF_ID.with_for_update())
_BY_PHONE = QuickSelect(select(users).where(users.c.canonical_phone == bindparam("phone"), users.c.is_account))

_UNREADABLE = DevicePolicy.single()


def user_from(row: RowMapping | Mapping[str, Any]) -> User:
    """The user in a row of ``x_user``: the contract's names become ours here.

    A policy that this version cannot read, written by a newer version or a person, counts as the strictest one.

    In an adopted table any of the contract's columns may be NULL: then no password matches, or the user is not active.
    """
    phone, balance, fee = row["canonical_phone"], row["account_balance"], row["fee_percentage"]
    return User(
        id=UserId(row["id"]),
        phone=None if phone is None else Phone(phone),
        # SQLite stores whatever another program puts into a column; a value that is not text is not a hash.
        password_hash=row["password"] if isinstance(row["password"], str) else "",
        registered_at=row["registration_time"],
        user_name=row["user_name"],
        referrer_id=None if row["mid"] is None else UserId(row["mid"]),
        wechat_openid=row["openid"],
        account_balance=NO_MONEY if balance is None else balance,
        state=UserState(row["state"] or "", row["state_until"], row["state_reason"]),
        fee_percentage=DEFAULT_FEE_PERCENTAGE if fee is None else fee,
        is_admin=row["is_admin"],
        device_policy=policy_from(row["device_policy"]),
    )


def policy_from(text: str | None) -> DevicePolicy | None:
    if text is None:
        return None
    try:
        return DevicePolicy.from_table(json.loads(text))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return _UNREADABLE


def user_by_id(connection: Connection, user_id: UserId, *, is_to_be_locked: bool = False) -> dict[str, Any] | None:
    """The row of the user. Raises StoreUnavailable for the answer to another query."""
    row = (_BY_ID_LOCKED if is_to_be_locked else _BY_ID).first_on(connection, {"user_id": user_id})
    check_answers(connection, is_asked_for=row is None or row["id"] == user_id)
    return row


def user_by_phone(connection: Connection, phone: Phone) -> User | None:
    """Raises StoreUnavailable for the answer to another query."""
    row = _BY_PHONE.first_on(connection, {"phone": phone.digits})
    check_answers(connection, is_asked_for=row is None or row["canonical_phone"] == phone.digits)
    return None if row is None else user_from(row)


@frozen
class SqlUsers:
    """The ports that read users, on a relational database."""

    database: Database

    def by_id(self, user_id: UserId) -> User | None:
        row = self.database.read(lambda connection: user_by_id(connection, user_id))
        return None if row is None else user_from(row)

    def by_phone(self, phone: Phone) -> User | None:
        return self.database.read(lambda connection: user_by_phone(connection, phone))

    def find(self, wanted: UserFilter, *, after: UserId, limit: int, now: datetime) -> Sequence[User]:
        statement = select(users).where(users.c.id > after, users.c.is_account).order_by(users.c.id).limit(limit)
        if wanted.user_id is not None:
            statement = statement.where(users.c.id == wanted.user_id)
        if wanted.phone is not None:
            statement = statement.where(users.c.canonical_phone == wanted.phone.digits)
        if wanted.name_prefix is not None:
            # A database may refuse even to look for such a text, as PostgreSQL does for a NUL.
            if not is_plain(wanted.name_prefix, len(wanted.name_prefix)):
                return []
            # Not LIKE: its wildcards, and on SQLite its disregard of case, would find others too.
            prefix = wanted.name_prefix
            statement = statement.where(func.substr(func.coalesce(users.c.user_name, ""), 1, len(prefix)) == prefix)
        if wanted.standing is not None:
            statement = statement.where(_has_standing(wanted.standing, now))
        return self.database.read(lambda connection: [user_from(row._mapping) for row in connection.execute(statement)])

    def password_hashes(self, *, after: UserId, limit: int, unlike: Collection[HashLikeness]) -> HashPage:
        theirs = (users.c.id > after, users.c.is_account)
        # The last user of this page, and the first of the next one.
        ends = select(users.c.id).where(*theirs).order_by(users.c.id).offset(limit - 1).limit(2)
        found = self.database.read(lambda connection: connection.scalars(ends).all())
        last = UserId(found[0]) if len(found) == 2 else None
        statement = select(users.c.password).where(*theirs, users.c.password != "")
        if last is not None:
            statement = statement.where(users.c.id <= last)
        for likeness in unlike:
            fits = users.c.password.startswith(likeness.start, autoescape=True)
            if likeness.within:
                fits = and_(fits, users.c.password.contains(likeness.within, autoescape=True))
            statement = statement.where(not_(fits))
        hashes = self.database.read(lambda connection: connection.scalars(statement).all())
        return HashPage(list({each for each in hashes if isinstance(each, str)}), last)

    def due_to_close(self, now: datetime, limit: int) -> Sequence[UserId]:
        closing = UserState.text_of(Standing.CLOSING)
        statement = (
            select(users.c.id)
            .where(users.c.state == closing, users.c.state_until <= now, users.c.is_account)
            # Not the bare id: a planner would expect to find that many soon in a scan of all users by id.
            .order_by(users.c.id + 0)
            .limit(limit)
        )
        return [UserId(each) for each in self.database.read(lambda connection: connection.scalars(statement).all())]


def _has_standing(standing: Standing, now: datetime) -> ColumnElement[bool]:
    """UserState.standing as a condition."""
    texts = {each: UserState.text_of(each) for each in Standing if each is not Standing.UNKNOWN}
    state = users.c.state
    is_over = and_(users.c.state_until.is_not(None), users.c.state_until <= now)
    # Nearly everybody is active, so these are to be found by a scan by id, and not through an index, whatever a planner
    # estimates.
    walked = func.coalesce(state, "")
    conditions = {
        Standing.ACTIVE: or_(walked == texts[Standing.ACTIVE], and_(state == texts[Standing.FROZEN], is_over)),
        Standing.FROZEN: and_(state == texts[Standing.FROZEN], not_(is_over)),
        # COALESCE, since hardly any state has an end, and a planner would assume the same for these.
        Standing.CLOSING: and_(state == texts[Standing.CLOSING], func.coalesce(users.c.state_until > now, false())),
        Standing.CLOSED: or_(state == texts[Standing.CLOSED], and_(state == texts[Standing.CLOSING], is_over)),
        Standing.UNKNOWN: or_(
            state.is_(None),
            state.not_in(texts.values()),
            and_(state == texts[Standing.CLOSING], users.c.state_until.is_(None)),
        ),
    }
    return conditions[standing]
