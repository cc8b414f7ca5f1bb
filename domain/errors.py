"""Every refusal the service knows, on one page.

A refusal is an answer, not a fault: it says what happened and carries a ``reason``, a stable machine-readable code.
Reasons are public; one never changes its meaning.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from .devices import Device
    from .sessions import Session


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


class DeviceInvalid(Refusal):
    """The device has an unknown type, or an id or a name that cannot be kept."""

    reason = "device_invalid"


class ReauthenticationFailed(Refusal):
    """The password that was to prove the user once more is another one."""

    reason = "password_wrong"


class ReauthenticationNeeded(Refusal):
    """The user has to prove once more who he is: by the password, or by a login of a moment ago."""

    reason = "password_needed"


# Logging in.


class InvalidCredentials(Refusal):
    """No user has this phone number, or the password is another one; which of the two is never told (ASVS 6.3.8)."""

    reason = "invalid_credentials"


class LoginNotAllowed(Refusal):
    """The password is right, and the state of the user forbids to log in."""

    reason = "user_not_active"


class TooManyDevices(Refusal):
    """The device policy has no place for this login; *sessions* are those that are in."""

    reason = "too_many_devices"

    def __init__(self, sessions: "list[Session]") -> None:
        super().__init__(f"{len(sessions)} sessions are in")
        self.sessions = sessions


class AdminLoginNotAllowed(Refusal):
    """The password is right, and the user is no admin."""

    reason = "not_an_admin"


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


class SessionOver(Unauthenticated):
    """The session has ended: when, and by which other device, if one did it. Never raised itself."""

    def __init__(self, *, ended_at: datetime, by: "Device | None" = None) -> None:
        super().__init__()
        self.ended_at = ended_at
        self.by = by


class SessionExpired(SessionOver):
    """The session is past its absolute end."""

    reason = "session_expired"


class SessionIdle(SessionOver):
    """The session was not used for too long."""

    reason = "session_idle"


class SessionReplaced(SessionOver):
    """Another login took the place of this session (device policy)."""

    reason = "session_replaced"


class SessionLoggedOut(SessionOver):
    """The user logged out of this session."""

    reason = "session_logged_out"


class SessionKicked(SessionOver):
    """The user, from another device, or an operator ended this session."""

    reason = "session_kicked"


class PasswordWasChanged(SessionOver):
    """The password was changed, which ends all other sessions."""

    reason = "password_changed"


class UserWasFrozen(SessionOver):
    """The user was frozen when this session was live; the freeze may be over by now, the session stays ended."""

    reason = "user_frozen"


class UserWasClosed(SessionOver):
    """The user closed the account when this session was live."""

    reason = "user_closed"


class RefreshTokenWasReused(SessionOver):
    """A refresh token of this session came that had been replaced long before: somebody else may have it."""

    reason = "refresh_token_reused"


class SessionEnded(SessionOver):
    """The session was ended for a reason that this version does not know, as a newer one may write it."""

    reason = "session_ended"


class RefreshTokenInvalid(Unauthenticated):
    """The refresh token is none of ours, or not of this kind of session."""

    reason = "refresh_token_invalid"


class RefreshTokenExpired(Unauthenticated):
    """The refresh token was not used in time."""

    reason = "refresh_token_expired"


class UserNotFound(Unauthenticated):
    """The token is ours, but its user no longer exists."""

    reason = "user_not_found"


class UserNotActive(Unauthenticated):
    """The state of the user is not active; *ended_at* is when that ended the session, if it did."""

    reason = "user_not_active"

    def __init__(self, ended_at: datetime | None = None) -> None:
        super().__init__()
        self.ended_at = ended_at


# What operators do.


class NotAnAdmin(Unauthenticated):
    """The user of this admin session is no admin any more."""

    reason = "not_an_admin"


class NoSuchUser(Refusal):
    """There is no user of this id."""

    reason = "no_such_user"


class NoSuchSession(Refusal):
    """The user has no such live session."""

    reason = "no_such_session"


class FreezeInvalid(Refusal):
    """A freeze ends in the future, and within ten years, or not at all."""

    reason = "freeze_invalid"


class StateConflict(Refusal):
    """The state of the user does not allow this change."""

    reason = "state_conflict"


class FeeInvalid(Refusal):
    """A fee percentage is a whole number from 0 to 100."""

    reason = "fee_invalid"


class TextInvalid(Refusal):
    """A text for people is empty, too long, or holds control characters."""

    reason = "text_invalid"


# The service itself.


class Unavailable(Refusal):
    """The service cannot do it now; the same request may succeed after *retry_after* seconds. Never raised itself."""

    def __init__(self, what: str, retry_after: int = 1) -> None:
        super().__init__(what)
        self.retry_after = retry_after


class StoreUnavailable(Unavailable):
    """The store did not carry out the operation, or its outcome is unknown; asking again is safe."""

    reason = "store_unavailable"


class ClockInDoubt(Refusal):
    """The clock says *clock*, and the store knows of nothing in the *days* days before *gap_ends*: it may have jumped.

    Nothing that is deleted by its age is deleted then.
    """

    reason = "clock_in_doubt"

    def __init__(self, now: datetime, gap_ends: datetime, step: timedelta) -> None:
        self.clock = now.isoformat(timespec="seconds")
        self.gap_ends = gap_ends.isoformat(timespec="seconds")
        self.days = step.days
        super().__init__(
            f"the clock says {self.clock}, and of the {self.days} days before {self.gap_ends} the store knows nothing:"
            " it may have jumped; where it is right, say so by `menshen prune --clock-is-right`"
        )


class HasherBusy(Unavailable):
    """More passwords wait to be judged than can be judged in time (ASVS 15.2.2)."""

    reason = "busy"
