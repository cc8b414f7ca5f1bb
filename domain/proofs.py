"""Proofs: that somebody has shown who they are."""

from .errors import Refusal


class ReauthenticationFailed(Refusal):
    """The password that was to prove the user once more is another one."""

    reason = "password_wrong"


class ReauthenticationNeeded(Refusal):
    """The user has to prove once more who he is: by the password, or by a login of a moment ago."""

    reason = "password_needed"


class InvalidCredentials(Refusal):
    """No user has this phone number, or the password is another one; which of the two is never told (ASVS 6.3.8)."""

    reason = "invalid_credentials"
