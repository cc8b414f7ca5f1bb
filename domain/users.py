"""Users: who has an account."""

import re
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import NewType, Self

from attrs import field, frozen

from .device_policy import DevicePolicy
from .errors import Refusal, Unauthenticated
from .texts import TextInvalid, is_plain

UserId = NewType("UserId", int)

MAX_USER_ID = 2**31 - 1
"""The id is an INTEGER in the contract's table; no user has a greater one."""

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

# What surrounds a number that was filled in or copied: blanks, line ends, and the invisible direction marks that
# address books add.
_AROUND = " \t\r\n\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}\N{ZERO WIDTH NO-BREAK SPACE}" + "".join(
    map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
)


class PhoneInvalid(Refusal):
    """The text is not a mainland mobile number."""

    reason = "phone_invalid"


class UserNameInvalid(Refusal):
    """The user name is longer than 80 characters or contains control characters."""

    reason = "user_name_invalid"


class PhoneTaken(Refusal):
    """Another user has this phone number."""

    reason = "phone_taken"


class ReferrerUnknown(Refusal):
    """The user named as the referrer does not exist."""

    reason = "referrer_unknown"


class LoginNotAllowed(Refusal):
    """The password is right, but the user's state does not allow a login."""

    reason = "user_not_active"


class UserNotFound(Unauthenticated):
    """The token is ours, but its user no longer exists."""

    reason = "user_not_found"


class UserNotActive(Unauthenticated):
    """The user is not active; *ended_at* is when this ended the session, if it did."""

    reason = "user_not_active"

    def __init__(self, ended_at: datetime | None = None) -> None:
        super().__init__()
        self.ended_at = ended_at


class NoSuchUser(Refusal):
    """There is no user with this id."""

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
    """A mainland mobile number in its canonical spelling, 11 ASCII digits."""

    digits: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse any of the contract's spellings. Raises PhoneInvalid."""
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
    """What a user's state means at a given moment, under its public name."""

    ACTIVE = "active"
    FROZEN = "frozen"
    CLOSING = "closing"
    CLOSED = "closed"
    UNKNOWN = "unknown"
    """The table has a text that menshen did not write, or a closing without its end. Not active."""


_TEXTS = {
    Standing.ACTIVE: "正常",
    Standing.FROZEN: "冻结",
    Standing.CLOSING: "注销中",
    Standing.CLOSED: "已注销",
}
_STANDINGS = {text: standing for standing, text in _TEXTS.items()}


@frozen
class UserState:
    """Whether a user may act: the text in the contract's table, and until when it applies, if it has an end.

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
        """The text for a standing in the table. Raises ValueError for one that has none."""
        if standing not in _TEXTS:
            raise ValueError(standing)
        return _TEXTS[standing]

    def is_to_be_erased(self, now: datetime) -> bool:
        """Whether a closing is due. Only menshen writes its end; other programs erase what they closed."""
        return self.text == _TEXTS[Standing.CLOSING] and self.until is not None and now >= self.until

    def standing(self, now: datetime) -> Standing:
        """The one place that says what a state means; every login and every guard asks it."""
        standing = _STANDINGS.get(self.text, Standing.UNKNOWN)
        if self.until is None:
            # Another application wrote it, which did not let a login cancel it.
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
class UserFacts:
    """What may be shown of a user, to themselves and to admins.

    ``registered_at`` is aware UTC, or None if it was not stored. ``phone`` is None once the account is closed.
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
    """This user's own device policy; None for the general one."""

    @property
    def is_erased(self) -> bool:
        """Whether nothing personal is left."""
        return self.phone is None and self.state == UserState.closed()

    def is_active(self, now: datetime) -> bool:
        return self.state.standing(now) is Standing.ACTIVE


@frozen(kw_only=True)
class Profile(UserFacts):
    """A user without secrets, for responders. A User is not a subtype, so a type-checker finds leaks."""


@frozen(kw_only=True)
class User(UserFacts):
    """A user as the repository keeps it."""

    password_hash: str = field(repr=False)

    # Made once for each, since what is remembered is shown at every request.
    @cached_property
    def profile(self) -> Profile:
        """The user without secrets."""
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
    """Raises UserNameInvalid unless *name* can be stored unchanged and shown as it is."""
    if not is_plain(name or "", MAX_USER_NAME_LENGTH):
        raise UserNameInvalid


def check_fee_percentage(percentage: int) -> None:
    """Raises FeeInvalid."""
    if not 0 <= percentage <= 100:
        raise FeeInvalid
