"""The composition root: the one place that knows both sides of every port."""

import os
from collections.abc import Callable, Container, Mapping
from enum import Enum, auto
from secrets import token_bytes
from typing import Any

from attrs import frozen

from ..adapters.background_last_seen import BackgroundLastSeen
from ..adapters.bounded_hasher import BoundedPasswordHasher
from ..adapters.common_passwords import common_passwords
from ..adapters.even_hasher import EvenPasswordHasher
from ..adapters.jwt_codec import JwtTokenCodec
from ..adapters.random_ids import SystemRandomIds
from ..adapters.refresh_token_codec import HmacRefreshTokenCodec
from ..adapters.stored_work import StoredWork
from ..adapters.system_clock import SystemClock
from ..domain.errors import Unavailable
from ..domain.passwords import PasswordPolicy, contract_policy, strict_policy
from ..domain.ports import Clock, LastSeen, PasswordHasher, RandomIds, RefreshTokenCodec, Store, TokenCodec
from ..domain.realms import Realm
from ..domain.use_cases.account import ChangePassword, EndSessions, ListSessions, RenameUser
from ..domain.use_cases.authentication import Authenticate
from ..domain.use_cases.authenticators.password import Password, PhoneAndPassword
from ..domain.use_cases.browsing import Browse
from ..domain.use_cases.closing import CloseAccount
from ..domain.use_cases.explaining import ExplainToken
from ..domain.use_cases.housekeeping import Prune, ReadAudit
from ..domain.use_cases.issuing import TokenIssuer
from ..domain.use_cases.kicking import KickEverybody
from ..domain.use_cases.logout import Logout
from ..domain.use_cases.lookup import FindUser
from ..domain.use_cases.opening import Authenticator, Opening, OpenSession
from ..domain.use_cases.operating import FindUsers, Operate, SessionsOf
from ..domain.use_cases.reauthentication import Reauthenticate
from ..domain.use_cases.refreshing import RefreshSession
from ..domain.use_cases.registration import RegisterAndLogin, RegisterUser
from ..domain.use_cases.resetting import SetPassword, SetPhone
from .databases import SERVING_THREADS, place_of
from .places import exposures
from .readiness import Readiness
from .realms import admin_realm, user_realm
from .secret import find_secret, make_secret, secret_place
from .settings import PREFIX, SettingInvalid, Settings
from .stores import argon2_hasher, closed_on_failure, open_store

SERVICE_NAME = "menshen"

_WAITING_PASSWORDS = SERVING_THREADS // 2
"""How many of these may wait for the hasher; the others stay free for requests that need no hash."""


class WithoutSecret(Enum):
    """What is done where there is no secret yet."""

    MAKE = auto()
    GO_ON = auto()
    """It is not needed: neither is a token judged, nor one signed that anybody would get."""
    REFUSE = auto()


@frozen(kw_only=True)
class Adapters:
    """One adapter for each port."""

    store: Store
    hasher: PasswordHasher
    codec: TokenCodec
    admin_codec: TokenCodec
    refresh_codec: RefreshTokenCodec
    last_seen: LastSeen
    clock: Clock
    ids: RandomIds
    common_passwords: Container[str] = frozenset()
    close: Callable[[], None] = lambda: None


@frozen(kw_only=True)
class Service:
    """The use cases, ready to be called by any transport."""

    register_user: RegisterUser
    register_and_login: RegisterAndLogin
    login: OpenSession
    refresh: RefreshSession
    logout: Logout
    authenticate: Authenticate
    change_password: ChangePassword
    rename_user: RenameUser
    close_account: CloseAccount
    list_sessions: ListSessions
    end_sessions: EndSessions
    kick_everybody: KickEverybody
    admin_login: OpenSession
    admin_refresh: RefreshSession
    authenticate_admin: Authenticate
    find_user: FindUser
    find_users: FindUsers
    sessions_of: SessionsOf
    operate: Operate
    set_phone: SetPhone
    set_password: SetPassword
    explain_token: ExplainToken
    read_audit: ReadAudit
    browse: Browse
    prune: Prune
    clock: Clock
    trouble: Callable[[], Unavailable | None]
    """Why the store takes no writes at the moment, if it takes none."""
    close: Callable[[], None]
    is_embedded: bool


def wire(settings: Settings, adapters: Adapters) -> Service:
    """Tie use cases and adapters together. Tests call it with adapters of their own."""
    store, clock, hasher = adapters.store, adapters.clock, adapters.hasher
    policy = _password_policy(settings, adapters.common_passwords)
    users, admins = user_realm(settings), admin_realm(settings)
    opening = Opening(_issuer(users, adapters.codec, adapters))
    admin_opening = Opening(_issuer(admins, adapters.admin_codec, adapters))
    authenticators: Mapping[type, Authenticator[Any]] = {PhoneAndPassword: Password(store.users, hasher, clock)}
    reauthenticate = Reauthenticate(store.sessions, store.work, hasher, clock)
    authenticate = Authenticate(store.sessions, adapters.codec, clock, adapters.last_seen, users)
    authenticate_admin = Authenticate(store.sessions, adapters.admin_codec, clock, adapters.last_seen, admins)
    register_user = RegisterUser(store.work, hasher, policy, clock)
    find_user, find_users = FindUser(store.users), FindUsers(store.users, clock)
    sessions_of, read_audit = SessionsOf(store.users, store.sessions, clock), ReadAudit(store.audit)
    explain_token = ExplainToken((authenticate, authenticate_admin), store.sessions)
    return Service(
        register_user=register_user,
        register_and_login=RegisterAndLogin(register_user, opening),
        login=OpenSession(authenticators, store.work, opening, clock),
        refresh=RefreshSession(store.sessions, store.work, opening.issuer, clock),
        logout=Logout(store.work, clock),
        authenticate=authenticate,
        change_password=ChangePassword(store.work, reauthenticate, hasher, policy, clock),
        rename_user=RenameUser(store.work, clock),
        close_account=CloseAccount(store.work, reauthenticate, clock, settings.account_closing_grace),
        list_sessions=ListSessions(store.sessions, clock),
        end_sessions=EndSessions(store.work, reauthenticate, clock, settings.end_sessions_by_password),
        kick_everybody=KickEverybody(store.work, reauthenticate, clock),
        admin_login=OpenSession(authenticators, store.work, admin_opening, clock),
        admin_refresh=RefreshSession(store.sessions, store.work, admin_opening.issuer, clock),
        authenticate_admin=authenticate_admin,
        find_user=find_user,
        find_users=find_users,
        sessions_of=sessions_of,
        operate=Operate(store.work, clock, admins),
        set_phone=SetPhone(store.work, clock),
        set_password=SetPassword(store.users, store.work, hasher, policy, clock),
        explain_token=explain_token,
        read_audit=read_audit,
        browse=Browse(find_users, find_user, sessions_of, read_audit, explain_token, store.work, clock),
        prune=Prune(store.users, store.work, clock, settings.audit_retention, store.give_back),
        clock=clock,
        trouble=Readiness(store.ping),
        close=adapters.close,
        is_embedded=store.is_embedded,
    )


def open_service(
    settings: Settings,
    say: Callable[[str], None] = lambda line: None,
    *,
    warn: Callable[[str], None] | None = None,
    is_checked: bool = True,
    is_made: bool = True,
    without_secret: WithoutSecret = WithoutSecret.MAKE,
) -> Service:
    """The service on the store and with the secret that the settings name; what is not there yet is made, and *said*,
    unless *is_made* and *without_secret* have it otherwise.

    With *warn* the store is asked how it may lose what was acknowledged, and who can read what is said to it, which are
    warnings or, by the settings, refusals.
    Without *is_checked* the store is taken as it is, and may even be down. Raises SettingInvalid, StoreUnavailable.
    """
    secret = find_secret(settings)
    # The store first: where it cannot be opened, nothing shall have been made.
    store = open_store(settings, is_checked=is_checked, is_made=is_made, say=say)
    with closed_on_failure(store.close):
        if warn is not None:
            for line in store.exposures:
                warn(line)
            _check_durability(store, settings, warn)
        if secret is None:
            secret = _another_secret(settings, without_secret, say)
        if warn is not None:
            _warn_of_modes(settings, warn)
    return wire(settings, open_adapters(settings, secret, store))


def open_adapters(settings: Settings, secret: bytes, store: Store) -> Adapters:
    """The adapters for production."""
    argon2 = argon2_hasher(settings)
    hasher = EvenPasswordHasher(argon2, StoredWork(store.users, argon2))
    clock = SystemClock()
    last_seen = BackgroundLastSeen(store.work, clock)

    def close() -> None:
        last_seen.close()
        store.close()

    return Adapters(
        store=store,
        hasher=BoundedPasswordHasher(hasher, at_once=os.cpu_count() or 1, waiting=_WAITING_PASSWORDS),
        codec=JwtTokenCodec(secret=secret, issuer=settings.issuer, audience=settings.audience),
        admin_codec=JwtTokenCodec(secret=secret, issuer=settings.issuer, audience=settings.admin_audience),
        refresh_codec=HmacRefreshTokenCodec(secret),
        last_seen=last_seen,
        clock=clock,
        ids=SystemRandomIds(),
        common_passwords=common_passwords() if settings.password_policy == "strict" else frozenset(),
        close=close,
    )


def _another_secret(settings: Settings, without_secret: WithoutSecret, say: Callable[[str], None]) -> bytes:
    """Where there is none yet. Raises SettingInvalid."""
    place = secret_place(settings)
    if without_secret is WithoutSecret.REFUSE:
        raise SettingInvalid(f"{PREFIX}SECRET_KEY: there is no secret by which to judge a token, nor {place.file}")
    if without_secret is WithoutSecret.GO_ON:
        return token_bytes()
    place.make_folder(say)
    place.check()
    secret, path = make_secret(settings)
    say(f"made a secret for the tokens: {path}")
    return secret


def _warn_of_modes(settings: Settings, warn: Callable[[str], None]) -> None:
    """Of files that hold everything, and that every user of the machine can read or write."""
    place = place_of(settings)
    lines = [] if place is None else place.exposures()
    if settings.secret_key is None:
        lines += exposures(settings.secret_key_file or secret_place(settings).file)
    for line in lines:
        warn(line)


def _check_durability(store: Store, settings: Settings, warn: Callable[[str], None]) -> None:
    for line in store.weaknesses():
        if settings.require_durable:
            raise SettingInvalid(f"{PREFIX}REQUIRE_DURABLE: {line}")
        warn(line)


def _issuer(realm: Realm, codec: TokenCodec, adapters: Adapters) -> TokenIssuer:
    return TokenIssuer(realm=realm, codec=codec, refresh_codec=adapters.refresh_codec, ids=adapters.ids)


def _password_policy(settings: Settings, common: Container[str]) -> PasswordPolicy:
    if settings.password_policy == "strict":
        return strict_policy(common=common, service_name=SERVICE_NAME, minimum=settings.password_min_length)
    return contract_policy()
