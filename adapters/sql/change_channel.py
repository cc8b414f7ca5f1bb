"""Word of what was written without telling this machine: by another one, or by hand. Triggers write it into a table."""

import logging
import time
from collections.abc import Callable, Iterable
from threading import Event, Thread
from typing import Protocol

from attrs import define, field
from sqlalchemy import Connection, select

from ...domain.users import UserId
from ..own_process import PerProcess
from .changes import are_watched
from .database import Database
from .tables import changes

_log = logging.getLogger("menshen.store")

INTERVAL_SECONDS = 0.02
TRUST_SECONDS = 0.9
"""For how long an answer of the database is relied on: what is written without our knowledge counts within a second."""

RETRY_SECONDS = 0.2
UNWATCHED_SECONDS = 30.0
"""How long to wait before asking again for triggers that are not there."""

_MANY = 5000
_LOOK_BACK = 1000
_GAP_SECONDS = 3600.0
"""How long a number that was passed over may still come: its transaction had taken it and has not ended."""
_MOST_GAPS = 2000
_YOUNG_SECONDS, _OFTEN = 5.0, 20
"""Those younger than that are asked for each time, the others each twentieth."""


class Told(Protocol):
    """Whom the channel tells: the epochs of this machine."""

    def change(self, users: Iterable[UserId]) -> None: ...

    def change_all(self) -> None: ...


def seconds() -> float:
    """On the clock that also counts while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@define(eq=False)
class SqlChannel:
    """Channel that asks the changes table of *database* each 20 ms, in a thread that starts with the first question.

    *is_shared* tells whether *told* still are the epochs that other processes change.
    """

    database: Database
    told: Told
    is_shared: Callable[[], bool] = lambda: True
    interval_seconds: float = INTERVAL_SECONDS
    _poller: "PerProcess[_Poller]" = field(init=False)
    """A thread is not forked with its process."""

    def __attrs_post_init__(self) -> None:
        self._poller = PerProcess(lambda: _started(_Poller(self)))

    def is_trusted(self) -> bool:
        return seconds() < self._poller().trusted_until

    def close(self) -> None:
        poller = self._poller.made
        if poller is not None:
            poller.close()


@define(eq=False)
class _Poller:
    """The thread of one process, and how far it has read."""

    channel: SqlChannel
    trusted_until: float = 0.0
    _is_begun: bool = False
    _high: int = 0
    """The highest number that was seen."""
    _gaps: dict[int, float] = field(factory=dict)
    """Lower numbers that were not, and since when. No database gives numbers in the order of the commits."""
    _turn: int = 0
    _closing: Event = field(factory=Event)
    _thread: Thread | None = None

    def start(self) -> None:
        self._thread = Thread(target=self._run, name="menshen-changes", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        pause = 0.0
        while not self._closing.wait(pause):
            try:
                pause = self._poll()
            except Exception as error:  # noqa: BLE001 - whatever it is, nothing is relied on until it is over
                if self._is_begun:
                    _log.error("what others write is not heard of for now, so each request reads: %s", error)
                self.trusted_until, self._is_begun = 0.0, False
                pause = RETRY_SECONDS

    def _poll(self) -> float:
        """Work off what has come, and say how long to wait for the next."""
        asked = seconds()
        if not self.channel.is_shared():
            raise RuntimeError("the file of the epochs is another one")
        # After a longer pause, what was not read may have been pruned.
        if self._is_begun and asked < self.trusted_until:
            self._work_off(asked)
        elif not self.channel.database.read(self._begin):
            return UNWATCHED_SECONDS
        # What was committed before the question is worked off; anything later is younger than this.
        self.trusted_until = asked + TRUST_SECONDS
        return self.channel.interval_seconds

    def _begin(self, connection: Connection) -> bool:
        """Whether the triggers are there. What was remembered before is not known to be right."""
        if not are_watched(connection):
            return False
        newest = select(changes.c.id).order_by(changes.c.id.desc()).limit(_LOOK_BACK)
        known = set(connection.scalars(newest))
        self._high = max(known, default=0)
        self._gaps = dict.fromkeys(set(range(min(known, default=1), self._high)) - known, seconds())
        self.channel.told.change_all()
        self._is_begun = True
        return True

    def _work_off(self, now: float) -> None:
        is_more = True
        while is_more:
            found = self.channel.database.read(self._next)
            is_more = len(found) >= _MANY
            if not found:
                return
            self.channel.told.change({UserId(user_id) for _, user_id in found})
            for number, _ in found:
                if number > self._high:
                    self._gaps.update(dict.fromkeys(range(self._high + 1, number), now))
                    self._high = number
                else:
                    self._gaps.pop(number, None)
            self._gaps = dict(
                [(number, since) for number, since in self._gaps.items() if now - since < _GAP_SECONDS][-_MOST_GAPS:]
            )

    def _next(self, connection: Connection) -> list[tuple[int, int]]:
        columns = (changes.c.id, changes.c.user_id)
        statement = select(*columns).where(changes.c.id > self._high).order_by(changes.c.id).limit(_MANY)
        found = [(row.id, row.user_id) for row in connection.execute(statement)]
        self._turn += 1
        since = seconds() - _YOUNG_SECONDS
        # Most that come late come soon, and the others need not be asked for so often.
        awaited = [number for number, seen in self._gaps.items() if seen > since or self._turn % _OFTEN == 0]
        if awaited:
            late = select(*columns).where(changes.c.id.in_(awaited))
            found = [*((row.id, row.user_id) for row in connection.execute(late)), *found]
        return found


def _started(poller: _Poller) -> _Poller:
    poller.start()
    return poller
