"""What the guard has seen of sessions, written by a separate thread."""

import logging
from collections.abc import Callable
from datetime import datetime
from threading import Event, Lock, Thread

from attrs import define, field

from ..domain.errors import StoreUnavailable
from ..domain.ports.outside import Clock
from ..domain.ports.writing import Transaction, UnitOfWork
from ..domain.sessions import SessionEnd, SessionId
from .own_process import PerProcess

_log = logging.getLogger("menshen.last_seen")

INTERVAL_SECONDS = 1.0


@define(eq=False)
class BackgroundLastSeen:
    """LastSeen that collects what it is told and writes it once a second: uses in one transaction, ends in another.

    If the process dies, what was collected last is lost: a session then seems to have been used a little earlier, and
    an expiry is noted when the session is used again.
    """

    work: UnitOfWork
    clock: Clock
    interval_seconds: float = INTERVAL_SECONDS
    _notes: "PerProcess[_Notes]" = field(init=False)
    """A thread is not forked with its process, and what the parent has collected, the parent writes."""

    def __attrs_post_init__(self) -> None:
        self._notes = PerProcess(lambda: _Notes(self.work, self.clock, self.interval_seconds))

    def note(self, session_id: SessionId, at: datetime) -> None:
        self._notes().add(session_id, at)

    def note_end(self, session_id: SessionId, end: SessionEnd) -> None:
        self._notes().add_end(session_id, end)

    def close(self) -> None:
        """Write what is waiting, and stop."""
        self._notes().close()


@define(eq=False)
class _Notes:
    """What one process has collected, and the thread that writes it."""

    work: UnitOfWork
    clock: Clock
    interval_seconds: float
    _waiting: dict[SessionId, datetime] = field(factory=dict, init=False)
    _ends: dict[SessionId, SessionEnd] = field(factory=dict, init=False)
    _lock: Lock = field(factory=Lock, init=False)
    _thread: Thread | None = field(default=None, init=False)
    _closing: Event = field(factory=Event, init=False)

    def add(self, session_id: SessionId, at: datetime) -> None:
        with self._lock:
            self._waiting[session_id] = max(at, self._waiting.get(session_id, at))
            self._begin()

    def add_end(self, session_id: SessionId, end: SessionEnd) -> None:
        with self._lock:
            self._ends.setdefault(session_id, end)
            self._begin()

    def _begin(self) -> None:
        # Not before it is needed: most commands never need it.
        if self._thread is None:
            self._thread = Thread(target=self._run, name="menshen-last-seen", daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        self._write()

    def _run(self) -> None:
        while not self._closing.wait(self.interval_seconds):
            self._write()

    def _write(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            ends, self._ends = self._ends, {}
        if ends:
            self._try(lambda tx: _end(tx, ends), f"the ends of {len(ends)} sessions")
        if waiting:
            seen = list(waiting.items())
            what = f"the last-seen times of {len(waiting)} sessions"
            self._try(lambda tx: tx.sessions.see(seen, self.clock.now()), what)

    def _try(self, write: Callable[[Transaction], None], what: str) -> None:
        try:
            self.work.transact(write)
        except StoreUnavailable:
            _log.warning("%s were not written", what)
        except Exception:  # noqa: BLE001 - whatever it is, the next second is another try
            _log.exception("%s were not written", what)


def _end(tx: Transaction, ends: dict[SessionId, SessionEnd]) -> None:
    # In the order of the ids, so that two that do so at once do not deadlock.
    for session_id, end in sorted(ends.items()):
        tx.sessions.end([session_id], end)
