"""The refusals with a 401: what is wrong with a token or with its session."""

from .refused import Unauthenticated


class TokenMissing(Unauthenticated, reason="token_missing"):
    """The request had no token."""


class TokenInvalid(Unauthenticated, reason="token_invalid"):
    """The token is not one of this service's, or not for this route."""


class TokenExpired(Unauthenticated, reason="token_expired"):
    """The access token is past its end; a client with a refresh token sees this only if it cannot be renewed."""


class RefreshTokenInvalid(Unauthenticated, reason="refresh_token_invalid"):
    """The refresh token is not one of this service's, or not for this route."""


class RefreshTokenExpired(Unauthenticated, reason="refresh_token_expired"):
    """The refresh token was not used in time."""


class RefreshTokenWasReused(Unauthenticated, reason="refresh_token_reused"):
    """A refresh token was used long after it was replaced, which ended the session: somebody else may have it."""


class SessionUnknown(Unauthenticated, reason="session_unknown"):
    """There is no such session, or not any more."""


class SessionExpired(Unauthenticated, reason="session_expired"):
    """The session has lasted as long as a session may."""


class SessionIdle(Unauthenticated, reason="session_idle"):
    """The session was not used for too long."""


class SessionReplaced(Unauthenticated, reason="session_replaced"):
    """Another login took the place of this session."""


class SessionLoggedOut(Unauthenticated, reason="session_logged_out"):
    """The user logged out."""


class SessionKicked(Unauthenticated, reason="session_kicked"):
    """The user ended the session from another device, or an operator did."""


class SessionEnded(Unauthenticated, reason="session_ended"):
    """The session was ended in a way that has no reason of its own."""


class PasswordWasChanged(Unauthenticated, reason="password_changed"):
    """The password was changed from another device."""


class UserWasFrozen(Unauthenticated, reason="user_frozen"):
    """The user was frozen meanwhile, and is not any more."""


class UserWasClosed(Unauthenticated, reason="user_closed"):
    """The account was closed meanwhile, and that was taken back."""


class UserNotFound(Unauthenticated, reason="user_not_found"):
    """The user does not exist any more."""


class UserNotActive(Unauthenticated, reason="user_not_active"):
    """The user is frozen, or the account is closing."""


class NotAnAdmin(Unauthenticated, reason="not_an_admin"):
    """The user is not an admin any more."""
