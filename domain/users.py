"""Users: who has an account."""

import re
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, NewType, Self
from unicodedata import category

from attrs import field, frozen

from .errors import PhoneInvalid, UserNameInvalid

UserId = NewType("UserId", int)

MAX_USER_ID = 2**31 - 1
"""The id is an INTEGER of the contract's table; no user has a greater one."""

MAX_USER_NAME_LENGTH = 80

DEFAULT_FEE_PERCENTAGE = 4

# Full-width forms, as Chinese keyboards type them, and the other blanks and hyphens that come with a pasted number.
_TO_ASCII = str.maketrans("０１２３４５６７８９＋－‐‑　\N{NO-BREAK SPACE}", "0123456789+---  ")
_MOBILE = re.compile(r"(?:(?:\+86|0086|86-)[ -]*)?(1[ -]*[3-9](?:[ -]*[0-9]){9})", re.ASCII)


@frozen
class Phone:
    """A mainland mobile number in its one spelling, 11 ASCII digits."""

    digits: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Bring any of the contract's spellings to the one. Raises PhoneInvalid."""
        if len(text) > 64:
            raise PhoneInvalid
        match = _MOBILE.fullmatch(text.translate(_TO_ASCII))
        if match is None:
            raise PhoneInvalid
        return cls(match[1].replace(" ", "").replace("-", ""))

    def __str__(self) -> str:
        return self.digits


@frozen
class UserState:
    """Whether a user may act, as the text that the contract's table holds; a text we do not know is not active."""

    text: str

    ACTIVE: ClassVar["UserState"]

    @property
    def is_active(self) -> bool:
        return self == UserState.ACTIVE


UserState.ACTIVE = UserState("正常")


@frozen(kw_only=True)
class NewUser:
    """A user before the repository has given it an id."""

    phone: Phone
    password_hash: str = field(repr=False)
    registered_at: datetime
    user_name: str | None = None
    referrer_id: UserId | None = None
    state: UserState = UserState.ACTIVE


@frozen(kw_only=True)
class User:
    """A user as the repository holds it. ``registered_at`` is aware UTC, or None where nobody wrote it down."""

    id: UserId
    phone: Phone
    password_hash: str = field(repr=False)
    registered_at: datetime | None
    user_name: str | None = None
    referrer_id: UserId | None = None
    wechat_openid: str | None = None
    account_balance: Decimal = Decimal("0.0000")
    state: UserState = UserState.ACTIVE
    fee_percentage: int = DEFAULT_FEE_PERCENTAGE


def check_user_name(name: str | None) -> None:
    """Raises UserNameInvalid unless *name* can be kept whole and shown as it is: it is stored unchanged or refused."""
    if name is None:
        return
    # Cc: control characters forge log lines and terminals; Cs: a lone surrogate is no character.
    if len(name) > MAX_USER_NAME_LENGTH or any(category(character) in {"Cc", "Cs"} for character in name):
        raise UserNameInvalid
