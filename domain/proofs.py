"""Proofs: that somebody has shown whose account it is, and by what."""

from collections.abc import Callable
from datetime import datetime

from attrs import field, frozen

from .errors import Refusal
from .ports.writing import Transaction
from .users import User, UserId


class InvalidCredentials(Refusal):
    """No user has this phone number, or the password is another one; which of the two is never told (ASVS 6.3.8)."""

    reason = "invalid_credentials"


class ReauthenticationFailed(Refusal):
    """The password that was to prove the user once more is another one."""

    reason = "password_wrong"


class ReauthenticationNeeded(Refusal):
    """The user has to prove once more who they are: by the password, or by a login of a moment ago."""

    reason = "password_needed"


class ProofOutdated(Exception):
    """What was proved is not so any more: the password, say, was changed since it was judged. It is to be judged anew."""


@frozen(kw_only=True)
class Proof:
    """That somebody proved to be a user. It is judged before the user is locked, and confirmed under the lock."""

    user_id: UserId
    authenticator: str
    """By what, as an authentication method reference (RFC 8176, 2): ``pwd``, ``sms``, ``otp``."""
    at: datetime
    confirm: Callable[[Transaction, User], User] = field(repr=False)
    """Given the user, locked: the user as they are to be kept from now on. Raises ProofOutdated."""
