"""What the settings make of the two realms, and who is admitted where."""

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from menshen.domain.device_policy import DevicePolicy
from menshen.domain.realms import AdminLoginNotAllowed, NotAnAdmin
from menshen.domain.sessions import Lifetimes, SessionKind
from menshen.domain.users import Phone, User, UserId
from menshen.entrypoints.realms import admin_realm, user_realm
from menshen.entrypoints.settings import Settings

from .cases import for_each

POLICY = DevicePolicy.from_table({"phone": 1, "total": 3, "overflow": "reject_new"})
DEFAULTS = Settings()
USER = User(id=UserId(1), phone=Phone("13800138000"), password_hash="", registered_at=None)
ADMIN = evolve(USER, is_admin=True)


def both(settings: Settings) -> list[SessionKind]:
    return [user_realm(settings).kind, admin_realm(settings).kind]


def test_each_realm_has_sessions_and_an_audience_of_its_own() -> None:
    assert both(DEFAULTS) == [SessionKind.USER, SessionKind.ADMIN]
    settings = evolve(DEFAULTS, audience="users of mine", admin_audience="admins of mine")
    assert (user_realm(settings).audience, admin_realm(settings).audience) == ("users of mine", "admins of mine")


@for_each("user", [USER, ADMIN])
def test_everybody_is_a_user(user: User) -> None:
    user_realm(DEFAULTS).check_login(user)
    user_realm(DEFAULTS).check_member(user)


def test_admins_alone_are_admins() -> None:
    realm = admin_realm(DEFAULTS)
    realm.check_login(ADMIN)
    realm.check_member(ADMIN)
    with pytest.raises(AdminLoginNotAllowed):
        realm.check_login(USER)
    with pytest.raises(NotAnAdmin):
        realm.check_member(USER)


@pytest.mark.parametrize(
    ("settings", "policy"),
    [
        ({}, DevicePolicy()),
        ({"multi_device_login": True}, DevicePolicy()),
        ({"multi_device_login": False}, DevicePolicy.single()),
        ({"device_policy": DevicePolicy()}, DevicePolicy()),
        ({"device_policy": DevicePolicy.single()}, DevicePolicy.single()),
        ({"device_policy": POLICY}, POLICY),
        ({"device_policy": POLICY, "multi_device_login": True}, POLICY),
    ],
)
def test_the_device_policy_is_for_users(settings: dict[str, Any], policy: DevicePolicy) -> None:
    changed = evolve(DEFAULTS, **settings)
    assert user_realm(changed).device_policy == policy
    assert admin_realm(changed).device_policy == DevicePolicy()


def test_a_policy_of_a_users_own_comes_before_everybodys_but_not_for_admin_sessions() -> None:
    settings, own = evolve(DEFAULTS, device_policy=POLICY), DevicePolicy.from_table({"pc": 2, "total": 5})
    with_own = evolve(ADMIN, device_policy=own)
    assert user_realm(settings).policy_for(ADMIN) is POLICY
    assert user_realm(settings).policy_for(with_own) is own
    assert admin_realm(settings).policy_for(with_own) == admin_realm(settings).policy_for(ADMIN)


def test_the_lives_of_tokens_are_set_for_each_realm() -> None:
    settings = evolve(
        DEFAULTS,
        access_token_ttl=timedelta(minutes=15),
        refresh_token_ttl=timedelta(days=3),
        admin_access_token_ttl=timedelta(minutes=2),
    )
    users, admins = user_realm(settings), admin_realm(settings)
    assert (users.access_token_ttl, users.refresh_token_ttl) == (timedelta(minutes=15), timedelta(days=3))
    assert (admins.access_token_ttl, admins.refresh_token_ttl) == (timedelta(minutes=2), timedelta(hours=1))


def test_the_lives_of_sessions_are_set_for_users() -> None:
    realm = user_realm(
        evolve(
            DEFAULTS,
            session_ttl=timedelta(hours=2),
            session_idle_ttl=timedelta(hours=1),
            remember_session_ttl=timedelta(hours=4),
            remember_session_idle_ttl=timedelta(hours=3),
        )
    )
    assert realm.lifetimes == Lifetimes(absolute=timedelta(hours=2), idle=timedelta(hours=1))
    assert realm.remembered == Lifetimes(absolute=timedelta(hours=4), idle=timedelta(hours=3))


def test_to_be_remembered_is_never_the_shorter_life() -> None:
    realm = user_realm(evolve(DEFAULTS, access_token_ttl=timedelta(days=365)))
    assert realm.remembered == Lifetimes(absolute=timedelta(days=365), idle=timedelta(days=365))


@pytest.mark.parametrize(
    ("token_days", "session_days", "idle_days"), [(1, 30, 14), (7, 30, 14), (20, 30, 20), (90, 90, 90)]
)
def test_a_session_is_not_shorter_than_its_token_unless_that_was_set(
    token_days: int, session_days: int, idle_days: int
) -> None:
    realm = user_realm(evolve(DEFAULTS, access_token_ttl=timedelta(days=token_days)))
    assert realm.lifetimes == Lifetimes(absolute=timedelta(days=session_days), idle=timedelta(days=idle_days))


def test_an_admins_session_is_short_whatever_was_set_for_users() -> None:
    realm = admin_realm(evolve(DEFAULTS, session_ttl=timedelta(days=99), remember_session_ttl=timedelta(days=999)))
    assert realm.lifetimes == Lifetimes(absolute=timedelta(hours=12), idle=timedelta(hours=1))
    assert realm.remembered == realm.lifetimes
