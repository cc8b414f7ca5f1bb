"""The users in the database."""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Any

from attrs import field, frozen
from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    String,
    and_,
    bindparam,
    column,
    delete,
    false,
    func,
    insert,
    inspect,
    not_,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.exc import IntegrityError

from ...domain.device_policy import DevicePolicy
from ...domain.passwords import HashLikeness
from ...domain.ports import HashPage, UserFilter
from ...domain.texts import is_plain
from ...domain.users import (
    DEFAULT_FEE_PERCENTAGE,
    NO_MONEY,
    NewUser,
    Phone,
    PhoneTaken,
    ReferrerUnknown,
    Standing,
    User,
    UserId,
    UserState,
)
from .database import Connections, check_answers
from .tables import users

_BY_ID = select(users).where(users.c.id == bindparam("user_id"), users.c.is_account)
_BY_ID_LOCKED = _BY_ID.with_for_update()
_OTHERS_PHONE = (
    select(users.c.id).where(users.c.phone == bindparam("phone"), users.c.id != bindparam("user_id")).limit(1)
)
_BY_PHONE = select(users).where(users.c.canonical_phone == bindparam("phone"), users.c.is_account)

_INSERT = insert(users).returning(users)
_SAVE = update(users).where(users.c.id == bindparam("user_id"))

_TOKEN = "token"
_ERASE_TOKEN = (
    update(table(users.name, column("id"), column(_TOKEN, String)))
    .where(column("id") == bindparam("user_id"))
    .values({_TOKEN: bindparam("empty")})
)

_NOBODY = UserId(0)

_UNREADABLE = DevicePolicy.single()

[_ONE_ACCOUNT_A_PHONE] = [index for index in users.indexes if index.unique]


def user_from(row: RowMapping) -> User:
    """The user that a row of ``x_user`` tells of: the contract's names become ours here.

    A policy that this version cannot read, as a newer one or a hand may have written it, counts as the strictest there is.

    In an adopted table any of the contract's columns may be NULL: no password then matches, and no such state is active.
    """
    phone, balance, fee = row["canonical_phone"], row["account_balance"], row["fee_percentage"]
    return User(
        id=UserId(row["id"]),
        phone=None if phone is None else Phone(phone),
        # SQLite keeps whatever another program puts into a column; what is no text is no hash.
        password_hash=row["password"] if isinstance(row["password"], str) else "",
        registered_at=row["registration_time"],
        user_name=row["user_name"],
        referrer_id=None if row["mid"] is None else UserId(row["mid"]),
        wechat_openid=row["openid"],
        account_balance=NO_MONEY if balance is None else balance,
        state=UserState(row["state"] or "", row["state_until"], row["state_reason"]),
        fee_percentage=DEFAULT_FEE_PERCENTAGE if fee is None else fee,
        is_admin=row["is_admin"],
        device_policy=_policy_from(row["device_policy"]),
    )


@frozen
class SqlUserRepository:
    """UserRepository on a relational database."""

    connections: Connections
    _locked: dict[UserId, dict[str, Any]] = field(factory=dict, init=False, eq=False)
    """The rows that the transaction has locked, as they stand; nobody else can change them before it ends."""

    def add(self, user: NewUser) -> User:
        with self.connections.writing() as connection:
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
            with self._phone_is_unique(connection, user.phone):
                added = user_from(connection.execute(_INSERT, values).one()._mapping)
            # Only now, so that neither the answer for a taken number nor its time tells which users there are. Users are
            # never deleted, so a referrer who is there now stays.
            if user.referrer_id is not None and not self._is_there(connection, user.referrer_id, added.id):
                connection.execute(delete(users).where(users.c.id == added.id))
                raise ReferrerUnknown
            return added

    def by_id(self, user_id: UserId) -> User | None:
        row = self._one(_BY_ID, "id", user_id=user_id)
        return None if row is None else user_from(row)

    def by_phone(self, phone: Phone) -> User | None:
        row = self._one(_BY_PHONE, "canonical_phone", phone=phone.digits)
        return None if row is None else user_from(row)

    def locked(self, user_id: UserId) -> User | None:
        row = self._one(_BY_ID_LOCKED, "id", user_id=user_id)
        if row is None:
            return None
        self._locked[user_id] = dict(row)
        return user_from(row)

    def save(self, user: User) -> None:
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
        # Only what differs: in an adopted table a text that is there may be longer than any that we would write.
        row = self._locked.get(user.id)
        if row is not None:
            values = {name: value for name, value in values.items() if value != row[name]}
            # A text that we read as this policy, but would not write so, stays as well.
            if user.device_policy == _policy_from(row["device_policy"]):
                values.pop("device_policy", None)
        if not values:
            return
        with self.connections.writing() as connection, self._phone_is_unique(connection, user.phone, user.id):
            connection.execute(_SAVE, {"user_id": user.id, **values})
            if user.is_erased:
                _erase_token(connection, user.id)
        if row is not None:
            row.update(values)

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
        return self.connections.read(
            lambda connection: [user_from(row._mapping) for row in connection.execute(statement)]
        )

    def password_hashes(self, *, after: UserId, limit: int, unlike: Collection[HashLikeness]) -> HashPage:
        theirs = (users.c.id > after, users.c.is_account)
        # The last of this page, and the first of the next one.
        ends = select(users.c.id).where(*theirs).order_by(users.c.id).offset(limit - 1).limit(2)
        found = self.connections.read(lambda connection: connection.scalars(ends).all())
        last = UserId(found[0]) if len(found) == 2 else None
        statement = select(users.c.password).where(*theirs, users.c.password != "")
        if last is not None:
            statement = statement.where(users.c.id <= last)
        for likeness in unlike:
            fits = users.c.password.startswith(likeness.start, autoescape=True)
            if likeness.within:
                fits = and_(fits, users.c.password.contains(likeness.within, autoescape=True))
            statement = statement.where(not_(fits))
        hashes = self.connections.read(lambda connection: connection.scalars(statement).all())
        return HashPage(list({each for each in hashes if isinstance(each, str)}), last)

    def due_to_close(self, now: datetime, limit: int) -> Sequence[UserId]:
        closing = UserState.text_of(Standing.CLOSING)
        statement = (
            select(users.c.id)
            .where(users.c.state == closing, users.c.state_until <= now, users.c.is_account)
            # Not the bare id: a planner would hope to meet that many soon in a walk through all users by id.
            .order_by(users.c.id + 0)
            .limit(limit)
        )
        return [UserId(each) for each in self.connections.read(lambda connection: connection.scalars(statement).all())]

    @contextmanager
    def _phone_is_unique(
        self, connection: Connection, phone: Phone | None, user_id: UserId = _NOBODY
    ) -> Iterator[None]:
        """Raises PhoneTaken where it is the phone that another has, and not something else that is not taken."""
        try:
            # A savepoint only where it is needed: a deadlock on MariaDB takes it away, and going back to it would fail
            # with an error that hides the deadlock.
            with connection.begin_nested() if self.connections.product.failure_ends_transaction else nullcontext():
                yield
        except IntegrityError as error:
            # An adopted table may have an index of its own, under any name, that keeps the numbers apart.
            is_taken = self.connections.product.is_duplicate(error, _ONE_ACCOUNT_A_PHONE) or (
                phone is not None
                and connection.execute(_OTHERS_PHONE, {"phone": phone.digits, "user_id": user_id}).first() is not None
            )
            if not is_taken:
                raise
            raise PhoneTaken from None

    def _is_there(self, connection: Connection, user_id: UserId, added: UserId) -> bool:
        """Whether there was such a user before *added* was."""
        return user_id != added and connection.execute(_BY_ID, {"user_id": user_id}).first() is not None

    def _one(self, statement: Any, column: str, **parameter: Any) -> RowMapping | None:
        """The row that has that one *parameter* in *column*."""
        [asked] = parameter.values()

        def one(connection: Connection) -> RowMapping | None:
            row = connection.execute(statement, parameter).first()
            check_answers(connection, is_asked_for=row is None or row._mapping[column] == asked)
            return None if row is None else row._mapping

        return self.connections.read(one)


def _erase_token(connection: Connection, user_id: UserId) -> None:
    """Empty the column of the tutorial's table that holds the last token given out. Only an adopted table has it."""
    for theirs in inspect(connection).get_columns(users.name):
        if theirs["name"] == _TOKEN:
            empty = "" if theirs["nullable"] is False else None
            connection.execute(_ERASE_TOKEN, {"user_id": user_id, "empty": empty})


def _policy_from(text: str | None) -> DevicePolicy | None:
    if text is None:
        return None
    try:
        return DevicePolicy.from_table(json.loads(text))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return _UNREADABLE


def _has_standing(standing: Standing, now: datetime) -> ColumnElement[bool]:
    """What UserState.standing says, as a condition."""
    texts = {each: UserState.text_of(each) for each in Standing if each is not Standing.UNKNOWN}
    state = users.c.state
    is_over = and_(users.c.state_until.is_not(None), users.c.state_until <= now)
    # Nearly everybody is active, so this one is to be found by a walk by id: of no index, however a planner estimates.
    walked = func.coalesce(state, "")
    conditions = {
        Standing.ACTIVE: or_(walked == texts[Standing.ACTIVE], and_(state == texts[Standing.FROZEN], is_over)),
        Standing.FROZEN: and_(state == texts[Standing.FROZEN], not_(is_over)),
        # COALESCE, since nearly nobody's state has an end: a planner would take that for true of these, too.
        Standing.CLOSING: and_(state == texts[Standing.CLOSING], func.coalesce(users.c.state_until > now, false())),
        Standing.CLOSED: or_(state == texts[Standing.CLOSED], and_(state == texts[Standing.CLOSING], is_over)),
        Standing.UNKNOWN: or_(
            state.is_(None),
            state.not_in(texts.values()),
            and_(state == texts[Standing.CLOSING], users.c.state_until.is_(None)),
        ),
    }
    return conditions[standing]


def _state_columns(state: UserState) -> dict[str, Any]:
    return {"state": state.text, "state_until": state.until, "state_reason": state.reason}
