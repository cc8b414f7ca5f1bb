"""What the guard may remember, and how it hears that something has changed."""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from attrs import evolve, frozen

from ..adapters.machine_epochs import MachineEpochs
from ..adapters.memory.store import MemoryUnitOfWork
from ..adapters.remembering.announcing import AnnouncingUnitOfWork
from ..adapters.remembering.epochs import LocalEpochs, NobodyElse
from ..adapters.remembering.judgements import Patience, RememberedJudgements
from ..adapters.sql.change_channel import SqlChannel
from ..adapters.sql.products.network import is_loopback
from ..adapters.sql.unit_of_work import SqlUnitOfWork
from ..adapters.word_of_changes import Channel, Epochs, Told
from ..domain.ports.outside import Clock
from ..domain.ports.stores import Store
from ..domain.use_cases.authentication import Authenticate, Authenticating
from .databases import database_url, place_of
from .setting_values import without_password
from .settings import PREFIX, SettingInvalid, Settings

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a file there is taken only if it is our own


@frozen
class Remembering:
    """A store whose changes are announced, and what is remembered of it."""

    store: Store
    remembered: Callable[[Authenticate], Authenticating] | None
    """None where each request reads: the setting says so, or nobody would tell of changes."""
    patience: Patience | None = None
    close: Callable[[], None] = lambda: None


def remembering(settings: Settings, store: Store, clock: Clock) -> Remembering:
    """What may be remembered of *store*, by the settings and by what there is to hear from.

    Its changes are announced in any case, for those processes that remember. Raises SettingInvalid.
    """
    word = _word(settings, store)
    if word is None:
        return Remembering(store, None)
    announced = evolve(store, work=AnnouncingUnitOfWork(store.work, word.announced))
    if not settings.remembered:
        return Remembering(announced, None, close=word.close)
    patience = Patience()

    def remembered(judge: Authenticate) -> Authenticating:
        judgements = RememberedJudgements(
            judge, word.epochs, word.channel, clock, settings.remembered, patience=patience
        )
        # The method, not the object: most of the time that calling an object takes goes into finding this.
        return judgements.__call__

    return Remembering(announced, remembered, patience, word.close)


def channel_exposures(settings: Settings, store: Store) -> list[str]:
    """A line if others on the network can hold back what nodes tell each other of changes in *store*."""
    parts = urlsplit(settings.redis_url or "")
    if tells_itself(store) or parts.scheme != "redis" or is_loopback(parts.hostname or ""):
        return []
    return [f"{PREFIX}REDIS_URL: without TLS (rediss://), others on the network can hold back that a session has ended"]


def tells_itself(store: Store) -> bool:
    """Whether the store needs no Redis for its changes to be heard of."""
    return isinstance(store.work, MemoryUnitOfWork | SqlUnitOfWork)


@frozen
class _Word:
    """How processes hear that something has changed."""

    epochs: Epochs
    channel: Channel
    announced: Told
    """Whom everybody who writes tells."""
    close: Callable[[], None]


def _word(settings: Settings, store: Store) -> _Word | None:
    """None where nobody would tell of changes."""
    work = store.work
    if isinstance(work, MemoryUnitOfWork):
        local = LocalEpochs()
        return _Word(local, NobodyElse(), local, lambda: None)
    if isinstance(work, SqlUnitOfWork):
        epochs = _machine_epochs(settings, work.database.engine.url.render_as_string(hide_password=True))
        if epochs is None:
            return None
        channel = SqlChannel(work.database, epochs, epochs.is_shared)
        return _Word(epochs, channel, epochs, channel.close)
    # Another package's store tells nobody.
    return None if settings.redis_url is None else _word_by_redis(settings, settings.redis_url)


def _word_by_redis(settings: Settings, url: str) -> _Word:
    """Even a machine whose processes share no epochs has to tell the others. Raises SettingInvalid."""
    try:
        from ..adapters.redis.channel import RedisChannel
        from ..adapters.redis.publishing import PublishedEpochs
        from ..adapters.redis.server import RedisServer
    except ImportError:
        raise SettingInvalid(f"{PREFIX}REDIS_URL: its driver is not installed: pip install 'menshen[redis]'") from None
    server = RedisServer(url)
    found = _machine_epochs(settings, without_password(database_url(settings)))
    # Those of one process alone hear of the others on the machine like those elsewhere.
    epochs: Epochs = LocalEpochs() if found is None else found
    channel = RedisChannel(server, epochs, (lambda: True) if found is None else found.is_shared)
    published = PublishedEpochs(epochs, server)

    def close() -> None:
        channel.close()
        published.close()

    return _Word(epochs, channel, published, close)


def _machine_epochs(settings: Settings, store_url: str) -> MachineEpochs | None:
    """Those in a file beside an embedded database, else in the data folder or in shared memory; None if it cannot be had."""
    place = place_of(settings)
    if place is not None:
        epochs = MachineEpochs(place.file.with_name(f"{place.file.name}-epochs"), owner_of=place.file)
    else:
        # The processes with one data folder, and without any those of one user; the rest hear of each other like machines.
        name = sha256(store_url.encode()).hexdigest()[:16]
        data_dir = settings.data_dir
        epochs = (
            MachineEpochs(data_dir / f"menshen-{name}-epochs", owner_of=data_dir)
            if data_dir.is_dir()
            else MachineEpochs(SHARED_MEMORY / f"menshen-{os.geteuid()}-{name}-epochs")
        )
    try:
        epochs.change(())
    except OSError:
        return None
    return epochs
