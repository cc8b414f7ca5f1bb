"""The composition root: the one page that knows both sides of every port."""

from collections.abc import Callable, Container, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from attrs import frozen

from ..adapters.memory.audit import MemoryAuditTrail, MemoryAuditWriter
from ..adapters.memory.sessions import MemorySessions, MemorySessionWriter
from ..adapters.memory.store import MemoryStore
from ..adapters.memory.users import MemoryUsers, MemoryUserWriter
from ..adapters.sql.audit import SqlAuditTrail, SqlAuditWriter
from ..adapters.sql.database import Database
from ..adapters.sql.session_writing import SqlSessionWriter
from ..adapters.sql.sessions import SqlSessions
from ..adapters.sql.step import Step
from ..adapters.sql.user_writing import SqlUserWriter
from ..adapters.sql.users import SqlUsers
from ..domain.errors import Unavailable
from ..domain.passwords import PasswordPolicy, contract_policy, strict_policy
from ..domain.ports.outside import (
    Clock,
    HostTokenCodec,
    LastSeen,
    PasswordHasher,
    RandomIds,
    RefreshTokenCodec,
    Seal,
    TokenCodec,
)
from ..domain.ports.reading import AuditTrail, DueClosings, PasswordHashes, Presences, Sessions, Users, UserSearch
from ..domain.ports.stores import Store
from ..domain.ports.writing import AuditPruning, AuditWriter, SessionSweep, SessionWriter, UserWriter
from ..domain.realms import Realm
from ..domain.use_cases.account import ChangePassword, EndSessions, ListSessions, RenameUser
from ..domain.use_cases.authentication import Authenticate, Authenticating
from ..domain.use_cases.authenticators.password import Password, PhoneAndPassword
from ..domain.use_cases.browsing import Browse
from ..domain.use_cases.closing import CloseAccount
from ..domain.use_cases.explaining import ExplainToken
from ..domain.use_cases.forwarding import IssueHostToken
from ..domain.use_cases.housekeeping import Prune, ReadAudit
from ..domain.use_cases.issuing import TokenIssuer
from ..domain.use_cases.kicking_everybody import KickEverybody
from ..domain.use_cases.logout import Logout
from ..domain.use_cases.lookup import FindUser
from ..domain.use_cases.opening import Authenticator, Opening, OpenSession
from ..domain.use_cases.operating import FindUsers, Operate, SessionsOf
from ..domain.use_cases.reauthentication import Reauthenticate
from ..domain.use_cases.refreshing import RefreshSession
from ..domain.use_cases.registration import RegisterAndLogin, RegisterUser
from ..domain.use_cases.resetting import SetPassword, SetPhone
from .readiness import Readiness
from .realms import admin_realm, user_realm
from .settings import Settings

SERVICE_NAME = "menshen"

P = TypeVar("P")


@frozen
class StoredPort:
    """The adapters for a port of the store: in memory, and on a database."""

    port: type
    memory: Callable[[MemoryStore], Any]
    sql: Callable[[Any], Any]


def _read(port: type[P], memory: Callable[[MemoryStore], P], sql: Callable[[Database], P]) -> StoredPort:
    return StoredPort(port, memory, sql)


def _written(port: type[P], memory: Callable[[MemoryStore], P], sql: Callable[[Step], P]) -> StoredPort:
    return StoredPort(port, memory, sql)


READERS = (
    _read(Users, MemoryUsers, SqlUsers),
    _read(UserSearch, MemoryUsers, SqlUsers),
    _read(PasswordHashes, MemoryUsers, SqlUsers),
    _read(DueClosings, MemoryUsers, SqlUsers),
    _read(Presences, MemorySessions, SqlSessions),
    _read(Sessions, MemorySessions, SqlSessions),
    _read(AuditTrail, MemoryAuditTrail, SqlAuditTrail),
)
WRITERS = (
    _written(UserWriter, MemoryUserWriter, SqlUserWriter),
    _written(SessionWriter, MemorySessionWriter, SqlSessionWriter),
    _written(SessionSweep, MemorySessionWriter, SqlSessionWriter),
    _written(AuditWriter, MemoryAuditWriter, SqlAuditWriter),
    _written(AuditPruning, MemoryAuditWriter, SqlAuditWriter),
)


@frozen(kw_only=True)
class Adapters:
    """One adapter for each port."""

    store: Store
    hasher: PasswordHasher
    codec: TokenCodec
    admin_codec: TokenCodec
    refresh_codec: RefreshTokenCodec
    host_codec: HostTokenCodec
    seal: Seal
    last_seen: LastSeen
    clock: Clock
    ids: RandomIds
    common_passwords: Container[str] = frozenset()
    remembered: Callable[[Authenticate], Authenticating] | None = None
    """Puts a memory before the guard of users."""
    without_waiting: Callable[[], AbstractContextManager[None]] | None = None
    """Within it, what the guard of users would have to read raises WouldWait; None if it always reads."""
    close: Callable[[], None] = lambda: None


@frozen(kw_only=True)
class Service:
    """The use cases, ready to be called by any transport."""

    register_user: RegisterUser
    register_and_login: RegisterAndLogin
    login: OpenSession
    refresh: RefreshSession
    logout: Logout
    authenticate: Authenticating
    change_password: ChangePassword
    rename_user: RenameUser
    close_account: CloseAccount
    list_sessions: ListSessions
    end_sessions: EndSessions
    kick_everybody: KickEverybody
    admin_login: OpenSession
    admin_refresh: RefreshSession
    authenticate_strictly: Authenticate
    """The guard of users that always reads."""
    authenticate_admin: Authenticate
    issue_host_token: IssueHostToken
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
    seal: Seal
    trouble: Callable[[], Unavailable | None]
    """Why the store takes no writes at the moment; None if it does."""
    close: Callable[[], None]
    is_embedded: bool
    without_waiting: Callable[[], AbstractContextManager[None]] | None


def wire(settings: Settings, adapters: Adapters) -> Service:
    """Connect use cases and adapters. Tests call it with their own adapters."""
    store, clock, hasher = adapters.store, adapters.clock, adapters.hasher
    policy = _password_policy(settings, adapters.common_passwords)
    users, admins = user_realm(settings), admin_realm(settings)
    opening = Opening(_issuer(users, adapters.codec, adapters))
    admin_opening = Opening(_issuer(admins, adapters.admin_codec, adapters))
    password = Password(store.users, hasher, clock)
    # A further way in for users is a line in the first; admins have their own.
    authenticators: Mapping[type, Authenticator[Any]] = {
        PhoneAndPassword: password,
    }
    admin_authenticators: Mapping[type, Authenticator[Any]] = {
        PhoneAndPassword: password,
    }
    reauthenticate = Reauthenticate(store[Presences], store.work, hasher, clock)
    strict = Authenticate(store[Presences], adapters.codec, clock, adapters.last_seen, users)
    authenticate_admin = Authenticate(store[Presences], adapters.admin_codec, clock, adapters.last_seen, admins)
    register_user = RegisterUser(store.work, hasher, policy, clock)
    find_user, find_users = FindUser(store.users), FindUsers(store[UserSearch], clock)
    sessions_of, read_audit = SessionsOf(store.users, store.sessions, clock), ReadAudit(store.audit)
    explain_token = ExplainToken((strict, authenticate_admin), store[Presences])
    return Service(
        register_user=register_user,
        register_and_login=RegisterAndLogin(register_user, opening),
        login=OpenSession(authenticators, store.work, opening, clock),
        refresh=RefreshSession(store.sessions, store.work, opening.issuer, clock),
        logout=Logout(store.work, clock),
        authenticate=strict if adapters.remembered is None else adapters.remembered(strict),
        change_password=ChangePassword(store.work, reauthenticate, hasher, policy, clock),
        rename_user=RenameUser(store.work, clock),
        close_account=CloseAccount(store.work, reauthenticate, clock, settings.account_closing_grace),
        list_sessions=ListSessions(store.sessions, clock),
        end_sessions=EndSessions(store.work, reauthenticate, clock, settings.end_sessions_by_password),
        kick_everybody=KickEverybody(store.work, reauthenticate, clock),
        admin_login=OpenSession(admin_authenticators, store.work, admin_opening, clock),
        admin_refresh=RefreshSession(store.sessions, store.work, admin_opening.issuer, clock),
        authenticate_strictly=strict,
        authenticate_admin=authenticate_admin,
        issue_host_token=IssueHostToken(adapters.host_codec, adapters.ids, clock),
        find_user=find_user,
        find_users=find_users,
        sessions_of=sessions_of,
        operate=Operate(store.work, clock, admins),
        set_phone=SetPhone(store.work, clock),
        set_password=SetPassword(store.users, store.work, hasher, policy, clock),
        explain_token=explain_token,
        read_audit=read_audit,
        browse=Browse(find_users, find_user, sessions_of, read_audit, explain_token, store.work, clock),
        prune=Prune(store[DueClosings], store.work, clock, settings.audit_retention, store.give_back),
        clock=clock,
        seal=adapters.seal,
        trouble=Readiness(store.ping),
        close=adapters.close,
        is_embedded=store.is_embedded,
        without_waiting=adapters.without_waiting,
    )


def _issuer(realm: Realm, codec: TokenCodec, adapters: Adapters) -> TokenIssuer:
    return TokenIssuer(realm=realm, codec=codec, refresh_codec=adapters.refresh_codec, ids=adapters.ids)


def _password_policy(settings: Settings, common: Container[str]) -> PasswordPolicy:
    if settings.password_policy == "strict":
        return strict_policy(common=common, service_name=SERVICE_NAME, minimum=settings.password_min_length)
    return contract_policy()
