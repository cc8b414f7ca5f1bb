"""The composition root: the one place that knows both sides of every port."""

import os
from collections.abc import Callable, Container
from pathlib import Path

from attrs import frozen

from ..adapters.argon2_hasher import Argon2PasswordHasher
from ..adapters.bounded_hasher import BoundedPasswordHasher
from ..adapters.common_passwords import common_passwords
from ..adapters.jwt_codec import JwtTokenCodec
from ..adapters.memory.sessions import MemorySessionRepository
from ..adapters.memory.store import MemoryStore
from ..adapters.memory.users import MemoryUserRepository
from ..adapters.random_ids import SystemRandomIds
from ..adapters.sql.database import ForeignSchema, open_database, sqlite_url
from ..adapters.sql.sessions import SqlSessionRepository
from ..adapters.sql.users import SqlUserRepository
from ..adapters.system_clock import SystemClock
from ..domain.device_policy import DevicePolicy
from ..domain.passwords import PasswordPolicy, contract_policy, strict_policy
from ..domain.ports import Clock, PasswordHasher, RandomIds, SessionRepository, TokenCodec, UserRepository
from ..domain.use_cases.authentication import Authenticate
from ..domain.use_cases.login import Login, Logout, OpenSession
from ..domain.use_cases.lookup import FindUser
from ..domain.use_cases.registration import RegisterAndLogin, RegisterUser
from .secret import find_secret, make_secret
from .settings import MEMORY_URL, SettingInvalid, Settings

SERVICE_NAME = "menshen"

SERVING_THREADS = 64
"""How many requests a process works on at a time; most of them wait, for the disk or for their turn to hash."""

_WAITING_PASSWORDS = SERVING_THREADS // 2
"""How many of these may wait for the hasher; the others stay free for requests that need no hash."""


@frozen(kw_only=True)
class Store:
    """One kind of store: its side of the storage ports, and how to ask after it and let go of it."""

    users: UserRepository
    sessions: SessionRepository
    ping: Callable[[], None] = lambda: None
    close: Callable[[], None] = lambda: None


@frozen(kw_only=True)
class Adapters:
    """One adapter for each port, and what a store offers beside its ports."""

    users: UserRepository
    sessions: SessionRepository
    hasher: PasswordHasher
    codec: TokenCodec
    clock: Clock
    ids: RandomIds
    common_passwords: Container[str] = frozenset()
    ping: Callable[[], None] = lambda: None
    close: Callable[[], None] = lambda: None
    is_embedded: bool = True
    """Whether the store answers a read in this very process, so that an event loop may wait for it."""


@frozen(kw_only=True)
class Service:
    """The use cases, ready to be called by any transport."""

    register_user: RegisterUser
    register_and_login: RegisterAndLogin
    login: Login
    logout: Logout
    authenticate: Authenticate
    find_user: FindUser
    clock: Clock
    ping: Callable[[], None]
    close: Callable[[], None]
    is_embedded: bool


def wire(settings: Settings, adapters: Adapters) -> Service:
    """Tie use cases and adapters together. Tests call it with adapters of their own."""
    open_session = OpenSession(
        sessions=adapters.sessions,
        codec=adapters.codec,
        clock=adapters.clock,
        ids=adapters.ids,
        device_policy=DevicePolicy(multi_device=settings.multi_device_login),
        access_token_ttl=settings.access_token_ttl,
    )
    register_user = RegisterUser(
        users=adapters.users,
        hasher=adapters.hasher,
        password_policy=_password_policy(settings, adapters.common_passwords),
        clock=adapters.clock,
    )
    return Service(
        register_user=register_user,
        register_and_login=RegisterAndLogin(register_user, open_session),
        login=Login(adapters.users, adapters.hasher, open_session),
        logout=Logout(adapters.sessions, adapters.clock),
        authenticate=Authenticate(adapters.sessions, adapters.codec, adapters.clock),
        find_user=FindUser(adapters.users),
        clock=adapters.clock,
        ping=adapters.ping,
        close=adapters.close,
        is_embedded=adapters.is_embedded,
    )


def open_service(settings: Settings, say: Callable[[str], None] = lambda line: None) -> Service:
    """The service on the store and with the secret that the settings name; what is not there yet is made, and *said*.

    Raises SettingInvalid, StoreUnavailable, or OSError where the data folder cannot be made.
    """
    secret = find_secret(settings)
    # The store first: where it cannot be opened, nothing shall have been made.
    store = open_store(settings)
    if secret is None:
        make_data_dir(settings)
        secret, path = make_secret(settings)
        say(f"made a secret for the tokens: {path}")
    return wire(settings, open_adapters(settings, secret, store))


def open_adapters(settings: Settings, secret: bytes, store: Store) -> Adapters:
    """The adapters for production."""
    hasher = Argon2PasswordHasher(
        memory_kib=settings.argon2_memory_kib,
        time_cost=settings.argon2_time_cost,
        parallelism=settings.argon2_parallelism,
    )
    return Adapters(
        users=store.users,
        sessions=store.sessions,
        hasher=BoundedPasswordHasher(hasher, at_once=os.cpu_count() or 1, waiting=_WAITING_PASSWORDS),
        codec=JwtTokenCodec(secret=secret, issuer=settings.issuer, audience=settings.audience),
        clock=SystemClock(),
        ids=SystemRandomIds(),
        common_passwords=common_passwords() if settings.password_policy == "strict" else frozenset(),
        ping=store.ping,
        close=store.close,
    )


def make_data_dir(settings: Settings) -> Path:
    """The data folder, open to its owner alone if it had to be made."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return settings.data_dir


def database_url(settings: Settings) -> str:
    """Where the accounts are kept: what is set, or a file in the data folder."""
    return settings.database_url or sqlite_url(settings.data_dir / "menshen.sqlite3")


def open_store(settings: Settings) -> Store:
    """The store that the settings name. Raises SettingInvalid, StoreUnavailable, OSError."""
    if settings.database_url == MEMORY_URL:
        rows = MemoryStore()
        return Store(users=MemoryUserRepository(rows), sessions=MemorySessionRepository(rows))
    if settings.database_url is None:
        make_data_dir(settings)
    try:
        # One more than there are threads: the event loop of the server reads as well.
        database = open_database(database_url(settings), connections=SERVING_THREADS + 1)
        database.prepare()
    except (ValueError, ForeignSchema) as error:
        raise SettingInvalid(f"MENSHEN_DATABASE_URL: {error}") from None
    return Store(
        users=SqlUserRepository(database),
        sessions=SqlSessionRepository(database),
        ping=database.ping,
        close=database.close,
    )


def _password_policy(settings: Settings, common: Container[str]) -> PasswordPolicy:
    if settings.password_policy == "strict":
        return strict_policy(common=common, service_name=SERVICE_NAME, minimum=settings.password_min_length)
    return contract_policy()
