"""Users: who has an account."""

import re
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NewType, Self

from attrs import field, frozen

from .device_policy import DevicePolicy
from .errors import Refusal, Unauthenticated
from .texts import TextInvalid, is_plain

UserId = NewType("UserId", int)

MAX_USER_ID = 2**31 - 1
"""The id is an INTEGER of the contract's table; no user has a greater one."""

MAX_USER_NAME_LENGTH = 80
MAX_FREEZE_REASON_LENGTH = 200

DEFAULT_FEE_PERCENTAGE = 4

NO_MONEY = Decimal("0.0000")

# Full-width forms, as Chinese keyboards type them, and the other blanks, hyphens and brackets of a pasted number.
_DIGITS = dict(zip("０１２３４５６７８９＋", "0123456789+", strict=True))
_BLANKS = dict.fromkeys("　\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}", " ")
_HYPHENS_AND_BRACKETS = dict.fromkeys("－‐‑‒–—−()（）", "-")
_TO_ASCII = str.maketrans({**_DIGITS, **_BLANKS, **_HYPHENS_AND_BRACKETS})
_MOBILE = re.compile(r"(?:(?:\+|00)?86[ -]*)?(1[ -]*[3-9](?:[ -]*[0-9]){9})", re.ASCII)

# What is left around a number that was filled in or copied: blanks, ends of lines, and the marks of direction, which
# nobody sees, that contacts put around it.
_AROUND = " \t\r\n\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}\N{ZERO WIDTH NO-BREAK SPACE}" + "".join(
    map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
)


class PhoneInvalid(Refusal):
    """The text is not a mainland mobile number."""

    reason = "phone_invalid"


class UserNameInvalid(Refusal):
    """The user name is longer than 80 characters or holds control characters."""

    reason = "user_name_invalid"


class PhoneTaken(Refusal):
    """Another user has this phone number."""

    reason = "phone_taken"


class ReferrerUnknown(Refusal):
    """The user named as the referrer does not exist."""

    reason = "referrer_unknown"


class LoginNotAllowed(Refusal):
    """The password is right, and the state of the user forbids to log in."""

    reason = "user_not_active"


class UserNotFound(Unauthenticated):
    """The token is ours, but its user no longer exists."""

    reason = "user_not_found"


class UserNotActive(Unauthenticated):
    """The state of the user is not active; *ended_at* is when that ended the session, if it did."""

    reason = "user_not_active"

    def __init__(self, ended_at: datetime | None = None) -> None:
        super().__init__()
        self.ended_at = ended_at


class NoSuchUser(Refusal):
    """There is no user of this id."""

    reason = "no_such_user"


class FreezeInvalid(Refusal):
    """A freeze ends in the future, and within ten years, or not at all."""

    reason = "freeze_invalid"


class StateConflict(Refusal):
    """The state of the user does not allow this change."""

    reason = "state_conflict"


class FeeInvalid(Refusal):
    """A fee percentage is a whole number from 0 to 100."""

    reason = "fee_invalid"


@frozen
class Phone:
    """A mainland mobile number in its one spelling, 11 ASCII digits."""

    digits: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Bring any of the contract's spellings to the one. Raises PhoneInvalid."""
        if len(text) > 64:
            raise PhoneInvalid
        plain = text.translate(_TO_ASCII).strip(_AROUND)
        match = _MOBILE.fullmatch(plain)
        if match is None:
            raise PhoneInvalid
        return cls(match[1].replace(" ", "").replace("-", ""))

    def __str__(self) -> str:
        return self.digits


class Standing(StrEnum):
    """What a user's state comes to at a moment, under its public name."""

    ACTIVE = "active"
    FROZEN = "frozen"
    CLOSING = "closing"
    CLOSED = "closed"
    UNKNOWN = "unknown"
    """The table holds what we never wrote: a text that we do not know, or a closing without its end. Not active."""


_TEXTS = {
    Standing.ACTIVE: "正常",
    Standing.FROZEN: "冻结",
    Standing.CLOSING: "注销中",
    Standing.CLOSED: "已注销",
}
_STANDINGS = {text: standing for standing, text in _TEXTS.items()}


@frozen
class UserState:
    """Whether a user may act: the text that the contract's table holds, and until when it holds, if it ends by itself.

    ``until`` (aware UTC) is the end of a timed freeze, or the moment at which a closing account is closed.
    """

    text: str = _TEXTS[Standing.ACTIVE]
    until: datetime | None = None
    reason: str | None = None

    @classmethod
    def active(cls) -> Self:
        return cls()

    @classmethod
    def frozen(cls, *, until: datetime | None, reason: str) -> Self:
        """Frozen until that moment, or for good. Raises TextInvalid for a reason that says nothing or cannot be shown."""
        if not reason.strip() or not is_plain(reason, MAX_FREEZE_REASON_LENGTH):
            raise TextInvalid
        return cls(_TEXTS[Standing.FROZEN], until, reason)

    @classmethod
    def closing(cls, until: datetime) -> Self:
        return cls(_TEXTS[Standing.CLOSING], until)

    @classmethod
    def closed(cls) -> Self:
        return cls(_TEXTS[Standing.CLOSED])

    @staticmethod
    def text_of(standing: Standing) -> str:
        """How the table spells a standing. Raises ValueError for one that has no spelling."""
        if standing not in _TEXTS:
            raise ValueError(standing)
        return _TEXTS[standing]

    def is_to_be_erased(self, now: datetime) -> bool:
        """Whether a closing has come due. We alone write its end; what another program calls closed is theirs to erase."""
        return self.text == _TEXTS[Standing.CLOSING] and self.until is not None and now >= self.until

    def standing(self, now: datetime) -> Standing:
        """The one place that says what a state means; every way in asks it."""
        standing = _STANDINGS.get(self.text, Standing.UNKNOWN)
        if self.until is None:
            # Another application wrote it, and let nobody take it back by logging in.
            return Standing.UNKNOWN if standing is Standing.CLOSING else standing
        if now >= self.until:
            if standing is Standing.FROZEN:
                return Standing.ACTIVE
            if standing is Standing.CLOSING:
                return Standing.CLOSED
        return standing


@frozen(kw_only=True)
class NewUser:
    """A user before the repository has given it an id."""

    phone: Phone
    password_hash: str = field(repr=False)
    registered_at: datetime
    user_name: str | None = None
    referrer_id: UserId | None = None
    state: UserState = UserState()


@frozen(kw_only=True)
class Profile:
    """What may be shown of a user, to themselves and to admins.

    ``registered_at`` is aware UTC, or None where nobody wrote it down. ``phone`` is None once the account is closed.
    """

    id: UserId
    phone: Phone | None
    registered_at: datetime | None
    user_name: str | None = None
    referrer_id: UserId | None = None
    wechat_openid: str | None = None
    account_balance: Decimal = NO_MONEY
    state: UserState = UserState()
    fee_percentage: int = DEFAULT_FEE_PERCENTAGE
    is_admin: bool = False
    device_policy: DevicePolicy | None = None
    """A device policy of this user's own; None for everybody's."""

    @property
    def is_erased(self) -> bool:
        """Whether nothing personal is left."""
        return self.phone is None and self.state == UserState.closed()

    def is_active(self, now: datetime) -> bool:
        return self.state.standing(now) is Standing.ACTIVE


@frozen(kw_only=True)
class User(Profile):
    """A user as the repository holds it."""

    password_hash: str = field(repr=False)

    @property
    def profile(self) -> Profile:
        """The user without what is secret."""
        return Profile(
            id=self.id,
            phone=self.phone,
            registered_at=self.registered_at,
            user_name=self.user_name,
            referrer_id=self.referrer_id,
            wechat_openid=self.wechat_openid,
            account_balance=self.account_balance,
            state=self.state,
            fee_percentage=self.fee_percentage,
            is_admin=self.is_admin,
            device_policy=self.device_policy,
        )


def check_user_name(name: str | None) -> None:
    """Raises UserNameInvalid unless *name* can be kept whole and shown as it is: it is stored unchanged or refused."""
    if not is_plain(name or "", MAX_USER_NAME_LENGTH):
        raise UserNameInvalid


def check_fee_percentage(percentage: int) -> None:
    """Raises FeeInvalid."""
    if not 0 <= percentage <= 100:
        raise FeeInvalid
