"""Proofs: that somebody has proved whose account it is, and by which authenticator."""

from collections.abc import Callable
from datetime import datetime

from attrs import field, frozen

from .errors import Refusal
from .ports.writing import Transaction
from .users import User, UserId


class InvalidCredentials(Refusal):
    """No user has this phone number, or the password is wrong; which of the two is never revealed (ASVS 6.3.8)."""

    reason = "invalid_credentials"


class ReauthenticationFailed(Refusal):
    """The password given to reauthenticate is wrong."""

    reason = "password_wrong"


class ReauthenticationNeeded(Refusal):
    """The user has to prove again who they are, by the password or by a recent login."""

    reason = "password_needed"


class ProofOutdated(Exception):
    """What was proved is no longer true: for example, the password was changed since it was checked. Check it again."""


@frozen(kw_only=True)
class Proof:
    """That somebody proved to be a user. It is made before the user is locked, and confirmed under the lock."""

    user_id: UserId
    authenticator: str
    """The authentication method reference (RFC 8176, 2): ``pwd``, ``sms``, ``otp``."""
    at: datetime
    still_holds: Callable[[Transaction, User], User] = field(repr=False)
    """Takes the locked user; returns the user to be stored. Raises ProofOutdated."""

    def confirm(self, tx: Transaction, locked: User) -> User:
        """The user to be stored, who is *locked*. Raises ProofOutdated, also if it is somebody else's proof."""
        if locked.id != self.user_id:
            raise ProofOutdated
        return self.still_holds(tx, locked)
