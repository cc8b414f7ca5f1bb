"""What the guard may remember, and how it hears that something has changed."""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from attrs import evolve, frozen

from ..adapters.machine_epochs import MachineEpochs
from ..adapters.memory.store import MemoryUnitOfWork
from ..adapters.remembering.announcing import AnnouncingUnitOfWork
from ..adapters.remembering.epochs import Channel, Epochs, LocalEpochs, NobodyElse
from ..adapters.remembering.judgements import Patience, RememberedJudgements
from ..adapters.sql.change_channel import SqlChannel
from ..adapters.sql.database import Database
from ..adapters.sql.unit_of_work import SqlUnitOfWork
from ..domain.ports.outside import Clock
from ..domain.ports.stores import Store
from ..domain.use_cases.authentication import Authenticate
from .databases import place_of
from .settings import Settings

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a file there is taken only if it is our own


@frozen
class Remembering:
    """A store whose changes are announced, and what is remembered of it."""

    store: Store
    remembered: Callable[[Authenticate], RememberedJudgements] | None
    """None where each request reads: the setting says so, or nobody would tell of changes."""
    patience: Patience | None = None
    close: Callable[[], None] = lambda: None


def remembering(settings: Settings, store: Store, clock: Clock) -> Remembering:
    """What may be remembered of *store*, by the settings and by what there is to hear from.

    Its changes are announced in any case, for those processes that remember.
    """
    epochs, channel = _told_by(settings, store)
    if epochs is None or channel is None:
        return Remembering(store, None)
    announced = evolve(store, work=AnnouncingUnitOfWork(store.work, epochs))
    if not settings.remembered:
        return Remembering(announced, None)
    patience = Patience()

    def remembered(judge: Authenticate) -> RememberedJudgements:
        return RememberedJudgements(judge, epochs, channel, clock, settings.remembered, patience=patience)

    return Remembering(announced, remembered, patience, channel.close)


def _told_by(settings: Settings, store: Store) -> tuple[Epochs | None, Channel | None]:
    work = store.work
    if isinstance(work, MemoryUnitOfWork):
        return LocalEpochs(), NobodyElse()
    if not isinstance(work, SqlUnitOfWork):
        # Another package's store tells nobody.
        return None, None
    epochs = _machine_epochs(settings, work.database)
    return (None, None) if epochs is None else (epochs, SqlChannel(work.database, epochs, epochs.is_shared))


def _machine_epochs(settings: Settings, database: Database) -> MachineEpochs | None:
    """Those in a file beside an embedded database, else in the data folder or in shared memory; None if it cannot be had."""
    place = place_of(settings)
    if place is not None:
        epochs = MachineEpochs(place.file.with_name(f"{place.file.name}-epochs"), owner_of=place.file)
    else:
        # The processes with one data folder, and without any those of one user; the rest hear of each other like machines.
        name = sha256(database.engine.url.render_as_string(hide_password=True).encode()).hexdigest()[:16]
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
