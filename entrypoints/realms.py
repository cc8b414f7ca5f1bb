"""The realms of the service, from the settings."""

from datetime import timedelta

from ..domain.audit import Action
from ..domain.device_policy import DevicePolicy
from ..domain.realms import Realm
from ..domain.sessions import Lifetimes, SessionKind
from .settings import Settings

_SESSION_TTL = timedelta(days=30)
_SESSION_IDLE_TTL = timedelta(days=14)

_ADMIN_LIFETIMES = Lifetimes(absolute=timedelta(hours=12), idle=timedelta(hours=1))
_ADMIN_REFRESH_TOKEN_TTL = timedelta(hours=1)


def user_realm(settings: Settings) -> Realm:
    """Everybody, in their own apps."""
    lifetimes = Lifetimes(
        absolute=settings.session_ttl or max(_SESSION_TTL, settings.access_token_ttl),
        idle=settings.session_idle_ttl or max(_SESSION_IDLE_TTL, settings.access_token_ttl),
    )
    return Realm(
        kind=SessionKind.USER,
        audience=settings.audience,
        access_token_ttl=settings.access_token_ttl,
        refresh_token_ttl=settings.refresh_token_ttl,
        refresh_retry=settings.refresh_retry,
        lifetimes=lifetimes,
        # Longer, never shorter.
        remembered=Lifetimes(
            absolute=max(settings.remember_session_ttl, lifetimes.absolute),
            idle=max(settings.remember_session_idle_ttl, lifetimes.idle),
        ),
        device_policy=_device_policy(settings),
        takes_own_policies=True,
        admins_only=False,
        log_in=Action.LOG_IN,
        is_vital=False,
    )


def admin_realm(settings: Settings) -> Realm:
    """Admins, who log in often and stay briefly; ``remember`` and device policies do not apply to them."""
    return Realm(
        kind=SessionKind.ADMIN,
        audience=settings.admin_audience,
        access_token_ttl=settings.admin_access_token_ttl,
        refresh_token_ttl=_ADMIN_REFRESH_TOKEN_TTL,
        refresh_retry=settings.refresh_retry,
        lifetimes=_ADMIN_LIFETIMES,
        remembered=_ADMIN_LIFETIMES,
        device_policy=DevicePolicy(),
        takes_own_policies=False,
        admins_only=True,
        log_in=Action.ADMIN_LOG_IN,
        is_vital=True,
    )


def _device_policy(settings: Settings) -> DevicePolicy:
    if settings.device_policy is not None:
        return settings.device_policy
    return DevicePolicy() if settings.multi_device_login else DevicePolicy.single()
