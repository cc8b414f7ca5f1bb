"""Every refusal the service knows, on one page.

A refusal is an answer, not a fault: it says what happened and carries a ``reason``, a stable machine-readable code.
Reasons are public; one never changes its meaning.
"""

from typing import ClassVar


class Refusal(Exception):
    """The service declines. Never raised itself; each kind below names its reason."""

    reason: ClassVar[str]


# What was asked for cannot be taken as it is.


class PhoneInvalid(Refusal):
    """The text is not a mainland mobile number."""

    reason = "phone_invalid"


class UserNameInvalid(Refusal):
    """The user name is longer than 80 characters or holds control characters."""

    reason = "user_name_invalid"


class PasswordLengthInvalid(Refusal):
    """The password is shorter than *minimum* or longer than *maximum* characters; both lengths are allowed."""

    reason = "password_length"

    def __init__(self, minimum: int, maximum: int) -> None:
        super().__init__(f"a password has {minimum} to {maximum} characters")
        self.minimum = minimum
        self.maximum = maximum


class PasswordTextInvalid(Refusal):
    """The password holds what is no character (a lone surrogate) or NUL."""

    reason = "password_text"


class PasswordTooCommon(Refusal):
    """The password is among the most common ones, which are tried first (ASVS 6.2.4)."""

    reason = "password_common"


class PasswordHoldsIdentifier(Refusal):
    """The password holds the phone number or the user name, or is the service's name (ASVS 6.2.11)."""

    reason = "password_holds_identifier"


class PhoneTaken(Refusal):
    """Another user has this phone number."""

    reason = "phone_taken"


class ReferrerUnknown(Refusal):
    """The user named as the referrer does not exist."""

    reason = "referrer_unknown"


# Logging in.


class InvalidCredentials(Refusal):
    """No user has this phone number, or the password is another one; which of the two is never told (ASVS 6.3.8)."""

    reason = "invalid_credentials"


class LoginNotAllowed(Refusal):
    """The password is right, and the state of the user forbids to log in."""

    reason = "user_not_active"


# Showing a token.


class Unauthenticated(Refusal):
    """The request has not proved whose it is. Never raised itself."""


class TokenMissing(Unauthenticated):
    """No token came."""

    reason = "token_missing"


class TokenInvalid(Unauthenticated):
    """The token is malformed, not signed by us, not for us, or not valid yet."""

    reason = "token_invalid"


class TokenExpired(Unauthenticated):
    """The token is past its ``exp``."""

    reason = "token_expired"


class SessionUnknown(Unauthenticated):
    """The token is ours, but the store holds no such session of this user."""

    reason = "session_unknown"


class SessionExpired(Unauthenticated):
    """The session is past its end."""

    reason = "session_expired"


class SessionReplaced(Unauthenticated):
    """Another login took the place of this session (device policy)."""

    reason = "session_replaced"


class SessionLoggedOut(Unauthenticated):
    """The user logged out of this session."""

    reason = "session_logged_out"


class UserNotFound(Unauthenticated):
    """The token is ours, but its user no longer exists."""

    reason = "user_not_found"


class UserNotActive(Unauthenticated):
    """The state of the user is not active."""

    reason = "user_not_active"


# The service itself.


class Unavailable(Refusal):
    """The service cannot do it now; the same request may succeed after *retry_after* seconds. Never raised itself."""

    def __init__(self, what: str, retry_after: int = 1) -> None:
        super().__init__(what)
        self.retry_after = retry_after


class StoreUnavailable(Unavailable):
    """The store did not carry out the operation, or its outcome is unknown; asking again is safe."""

    reason = "store_unavailable"


class HasherBusy(Unavailable):
    """More passwords wait to be judged than can be judged in time (ASVS 15.2.2)."""

    reason = "busy"
