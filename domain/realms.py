"""Realms: populations of users, each with sessions that open nothing in another (RFC 8725, 3.9 and 3.12)."""

from datetime import timedelta

from attrs import frozen

from .admission import with_total
from .audit import Action
from .device_policy import DevicePolicy
from .errors import Refusal, Unauthenticated
from .sessions import Lifetimes, SessionKind
from .users import User


class NotAnAdmin(Unauthenticated):
    """The user of this admin session is no longer an admin."""

    reason = "not_an_admin"


class AdminLoginNotAllowed(Refusal):
    """The password is right, but the user is not an admin."""

    reason = "not_an_admin"


@frozen(kw_only=True)
class Realm:
    """Who may have sessions of one kind, for what audience, for how long, and on how many devices."""

    kind: SessionKind
    """What its sessions are called in the store."""
    audience: str
    """The ``aud`` of its access tokens (RFC 7519, 4.1.3)."""
    access_token_ttl: timedelta
    refresh_token_ttl: timedelta
    refresh_retry: timedelta
    """For how long a refresh token whose unused successor was issued gets that successor again."""
    lifetimes: Lifetimes
    remembered: Lifetimes
    """For sessions whose login asked to be remembered."""
    device_policy: DevicePolicy
    takes_own_policies: bool
    """Whether a user's own device policy applies to these sessions."""
    admins_only: bool
    """Whether its sessions are only for admins, who act on other users."""
    log_in: Action
    """The action that records a login."""
    is_vital: bool
    """Whether a login still works when the store is full: admins must log in to freeze somebody then."""

    def check_login(self, user: User) -> None:
        """Raises AdminLoginNotAllowed for a user who has proved who they are but does not belong here."""
        if not self._admits(user):
            raise AdminLoginNotAllowed

    def check_member(self, user: User) -> None:
        """Raises NotAnAdmin for a user who has a session of this realm but no longer belongs here."""
        if not self._admits(user):
            raise NotAnAdmin

    def policy_for(self, user: User) -> DevicePolicy:
        """The device policy of *user* here, which always limits the total."""
        own = user.device_policy if self.takes_own_policies else None
        return with_total(self.device_policy if own is None else own)

    def _admits(self, user: User) -> bool:
        return user.is_admin or not self.admins_only
