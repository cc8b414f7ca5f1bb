"""Opening the service on the store and with the secret that the settings name."""

import os
from collections.abc import Callable
from enum import Enum, auto
from secrets import token_bytes

from ..adapters.background_last_seen import BackgroundLastSeen
from ..adapters.bounded_hasher import BoundedPasswordHasher
from ..adapters.common_passwords import common_passwords
from ..adapters.even_hasher import EvenPasswordHasher
from ..adapters.hmac_seal import HmacSeal
from ..adapters.host_token_codec import JwtHostTokenCodec
from ..adapters.jwt_codec import JwtTokenCodec
from ..adapters.random_ids import SystemRandomIds
from ..adapters.refresh_token_codec import HmacRefreshTokenCodec
from ..adapters.remembering.tokens import RememberedTokens
from ..adapters.stored_work import StoredWork
from ..adapters.system_clock import SystemClock
from ..domain.ports.outside import TokenCodec
from ..domain.ports.reading import PasswordHashes
from ..domain.ports.stores import Store
from ..domain.realms import Realm
from .databases import SERVING_THREADS, check_is_private, place_of
from .places import exposures
from .realms import admin_realm, user_realm
from .remembering import channel_exposures, remembering
from .secret import find_secret, make_secret, secret_place
from .settings import PREFIX, SettingInvalid, Settings
from .stores import argon2_hasher, closed_on_failure, open_store
from .wiring import Adapters, Service, wire

_WAITING_PASSWORDS = SERVING_THREADS // 2
"""How many of the threads may wait for the hasher; the others stay free for requests that need no hash."""


TOKENS_EACH = 10
"""How many verified tokens are remembered for each judgement: they take a quarter of its memory, and to verify one takes as
long as to read who it is."""


class WithoutSecret(Enum):
    """What to do if there is no secret yet."""

    MAKE = auto()
    GO_ON = auto()
    """The secret is not needed: no token is checked, and none is issued."""
    REFUSE = auto()


def open_service(
    settings: Settings,
    say: Callable[[str], None] = lambda line: None,
    *,
    warn: Callable[[str], None] | None = None,
    is_checked: bool = True,
    is_made: bool = True,
    without_secret: WithoutSecret = WithoutSecret.MAKE,
) -> Service:
    """The service on the store and with the secret that the settings name. What does not exist yet is made, and *said*,
    unless *is_made* and *without_secret* say otherwise.

    With *warn*, the store is checked for ways to lose acknowledged data and for readable traffic, which lead to
    warnings or, depending on the settings, refusals. Without *is_checked* the store is used as it is, and may even be
    down. Raises SettingInvalid, StoreUnavailable.
    """
    secret = find_secret(settings)
    # The store first: if it cannot be opened, nothing must have been made.
    store = open_store(settings, is_checked=is_checked, is_made=is_made, say=say)
    with closed_on_failure(store.close):
        overheard = channel_exposures(settings, store)
        check_is_private(settings, overheard)
        if warn is not None:
            for line in (*store.exposures, *overheard):
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
    hasher = EvenPasswordHasher(argon2, StoredWork(store[PasswordHashes], argon2))
    clock = SystemClock()
    kept = remembering(settings, store, clock)
    store = kept.store
    last_seen = BackgroundLastSeen(store.work, clock)

    def close() -> None:
        last_seen.close()
        kept.close()
        store.close()

    return Adapters(
        store=store,
        hasher=BoundedPasswordHasher(hasher, at_once=os.cpu_count() or 1, waiting=_WAITING_PASSWORDS),
        codec=_codec(settings, secret, user_realm(settings)),
        admin_codec=_codec(settings, secret, admin_realm(settings)),
        refresh_codec=HmacRefreshTokenCodec(secret),
        host_codec=JwtHostTokenCodec(secret, settings.issuer),
        seal=HmacSeal(secret),
        last_seen=last_seen,
        remembered=kept.remembered,
        without_waiting=None if kept.patience is None else kept.patience.without,
        clock=clock,
        ids=SystemRandomIds(),
        common_passwords=common_passwords() if settings.password_policy == "strict" else frozenset(),
        close=close,
    )


def _codec(settings: Settings, secret: bytes, realm: Realm) -> TokenCodec:
    codec = JwtTokenCodec(secret=secret, issuer=settings.issuer, audience=realm.audience)
    return RememberedTokens(codec, settings.remembered * TOKENS_EACH) if settings.remembered else codec


def _another_secret(settings: Settings, without_secret: WithoutSecret, say: Callable[[str], None]) -> bytes:
    """For when there is none yet. Raises SettingInvalid."""
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
    """Warns of files with all the data that every user of the machine can read or write."""
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
