"""What a password must be.

A password is judged and hashed exactly as it came: never trimmed, folded or cut (ASVS 6.2.8). No rule says which
characters it must contain (SP 800-63B-4, 3.1.1.2).
"""

from collections.abc import Container

from attrs import field, frozen

from .errors import Refusal, Unavailable
from .users import Phone


class PasswordLengthInvalid(Refusal):
    """The password is shorter than *minimum* or longer than *maximum* characters; both lengths are allowed."""

    reason = "password_length"

    def __init__(self, minimum: int, maximum: int) -> None:
        super().__init__(f"a password has {minimum} to {maximum} characters")
        self.minimum = minimum
        self.maximum = maximum


class PasswordTextInvalid(Refusal):
    """The password contains NUL, or a lone surrogate, which is not a character."""

    reason = "password_text"


class PasswordTooCommon(Refusal):
    """The password is one of the most common ones, which are tried first (ASVS 6.2.4)."""

    reason = "password_common"


class PasswordHoldsIdentifier(Refusal):
    """The password contains the phone number or the user name, or is the service's name (ASVS 6.2.11)."""

    reason = "password_holds_identifier"


class HasherBusy(Unavailable):
    """More passwords are waiting to be checked than can be checked in time (ASVS 15.2.2)."""

    reason = "busy"


@frozen
class HashKind:
    """What kind of hash is stored, as reported to operators."""

    name: str
    can_log_in: bool = True
    """Whether somebody who has the password can log in."""
    is_weak: bool = False
    """Whether a stolen one is as good as the password. Then it is to be wrapped: hashed once more by a good kind."""


@frozen
class HashLikeness:
    """Stored hashes that begin with one text and contain another: usually made by one program in the same way."""

    start: str
    within: str = ""

    def fits(self, stored: str) -> bool:
        return stored.startswith(self.start) and self.within in stored


@frozen(kw_only=True)
class PasswordPolicy:
    """The rule a new password must meet. Lengths are in characters (Unicode code points), both ends allowed."""

    minimum: int
    maximum: int
    common: Container[str] = field(default=frozenset(), repr=False)
    refuses_identifiers: bool = False
    service_name: str = ""

    def check(self, password: str, *, phone: Phone, user_name: str | None) -> None:
        """Raises PasswordLengthInvalid, PasswordTextInvalid, PasswordTooCommon or PasswordHoldsIdentifier."""
        if not self.minimum <= len(password) <= self.maximum:
            raise PasswordLengthInvalid(self.minimum, self.maximum)
        if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in password):
            raise PasswordTextInvalid
        folded = password.casefold()
        if folded in self.common:
            raise PasswordTooCommon
        if self.refuses_identifiers and self._holds_identifier(folded, phone, user_name):
            raise PasswordHoldsIdentifier

    def _holds_identifier(self, folded: str, phone: Phone, user_name: str | None) -> bool:
        name = (user_name or "").casefold()
        is_telling = len(name) >= (_TELLING_CHARACTERS if _has_character_of_cjk(name) else _TELLING_LETTERS)
        return phone.digits in folded or (is_telling and name in folded) or folded == self.service_name.casefold()


_TELLING_LETTERS, _TELLING_CHARACTERS = 4, 2
"""How long a name must be to be looked for: "Li" and "Ann" occur in many words, 「张三」 only in names."""


def _has_character_of_cjk(text: str) -> bool:
    return any(
        "\u2e80" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7af" or character >= "\U00020000"
        for character in text
    )


CONTRACT_MINIMUM, CONTRACT_MAXIMUM = 6, 32
"""The lengths that the tutorial's clients know."""

STRICT_MINIMUM, STRICT_MAXIMUM = 8, 128
"""SP 800-63B-4 and ASVS 6.2.1, 6.2.9: at least 8, raised up to 15 by the operator; 64 or more allowed."""


def contract_policy() -> PasswordPolicy:
    """The default: the rule of the HTTP contract."""
    return PasswordPolicy(minimum=CONTRACT_MINIMUM, maximum=CONTRACT_MAXIMUM)


def strict_policy(*, common: Container[str], service_name: str, minimum: int = STRICT_MINIMUM) -> PasswordPolicy:
    """The rule to run in production. *common* contains the most common passwords, case-folded."""
    return PasswordPolicy(
        minimum=minimum,
        maximum=STRICT_MAXIMUM,
        common=common,
        refuses_identifiers=True,
        service_name=service_name,
    )
