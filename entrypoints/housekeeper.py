"""Regular pruning, in a thread of the running service."""

import logging
from threading import Event, Thread

from attrs import define, field

from ..domain.clocks import ClockInDoubt
from ..domain.errors import StoreUnavailable
from ..domain.use_cases.housekeeping import Prune

_log = logging.getLogger("menshen.housekeeper")

INTERVAL_SECONDS = 600.0


@define(eq=False)
class Housekeeper:
    """Calls *prune* every ten minutes. Several processes may each have one without harm."""

    prune: Prune
    interval_seconds: float = INTERVAL_SECONDS
    _stopping: Event = field(factory=Event, init=False)
    _thread: Thread | None = field(init=False, default=None)

    def start(self) -> None:
        self._thread = Thread(target=self._run, name="menshen-housekeeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self.interval_seconds):
            try:
                pruned = self.prune(self._stopping.is_set)
            except ClockInDoubt as doubt:
                _log.error("did not prune: %s", doubt)
            except StoreUnavailable:
                _log.warning("could not prune; the next try is in %d seconds", self.interval_seconds)
            except Exception:  # noqa: BLE001 - whatever it is, the next round is another try
                _log.exception("could not prune; the next try is in %d seconds", self.interval_seconds)
            else:
                _log.info(
                    "pruned %d sessions, %d audit entries, %d accounts",
                    pruned.sessions,
                    pruned.audit_entries,
                    pruned.accounts,
                )
