"""Word of what was written without telling this machine: by another one, or by hand. Triggers write it into a table."""

import logging
from collections.abc import Callable, Iterable, Sequence
from threading import Event, Thread

from attrs import define, field
from sqlalchemy import Connection, Select, between, bindparam, func, or_, select

from ...domain.users import UserId
from ..boot_clock import seconds
from ..own_process import PerProcess
from ..word_of_changes import Told
from .changes import are_watched
from .database import Database
from .passed_over import KEPT_SECONDS, PassedOver, Range
from .quick_select import QuickSelect, first
from .tables import changes

_log = logging.getLogger("menshen.store")

INTERVAL_SECONDS = 0.02
TRUST_SECONDS = 0.9
"""For how long an answer of the database is relied on: what is written without our knowledge counts within a second."""

RETRY_SECONDS = 0.2
UNWATCHED_SECONDS = 30.0
"""How long to wait before asking again for triggers that are not there."""

_MANY = 5000
_LOOK_BACK = 10_000
"""How many numbers below the highest are looked at when it begins: their transactions may not have ended yet."""

_YOUNG_SECONDS = 5.0
_SELDOM_SECONDS = 0.4
"""Most that come late come soon, and are asked for each time; the others, and the triggers, as often as that."""


@define(eq=False)
class SqlChannel:
    """Channel that asks the changes table of *database* each 20 ms, in a thread that starts with the first question.

    *is_shared* tells whether *told* still are the epochs that other processes change.
    """

    database: Database
    told: Told
    is_shared: Callable[[], bool] = lambda: True
    interval_seconds: float = INTERVAL_SECONDS
    trusted_until: float = field(default=0.0, init=False)
    """A process inherits it from the one that forked it, like what is remembered; both are soon out of date."""
    _poller: "PerProcess[_Poller]" = field(init=False)
    """A thread is not forked with its process."""

    def __attrs_post_init__(self) -> None:
        self._poller = PerProcess(lambda: _started(_Poller(self)))

    def is_trusted(self) -> bool:
        self._poller()
        return seconds() < self.trusted_until

    def close(self) -> None:
        poller = self._poller.made
        if poller is not None:
            poller.close()


@define(eq=False)
class _Poller:
    """The thread of one process, and how far it has read."""

    channel: SqlChannel
    _is_begun: bool = False
    _high: int = 0
    """The highest number that was seen."""
    _passed_over: PassedOver = field(factory=PassedOver)
    """Lower ones that were not."""
    _all_asked: float = 0.0
    """When it was last asked for all of those and for the triggers, and not only for the young ones."""
    _closing: Event = field(factory=Event)
    _thread: Thread | None = None

    def start(self) -> None:
        thread = Thread(target=self._run, name="menshen-changes", daemon=True)
        thread.start()
        self._thread = thread

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
                self.channel.trusted_until, self._is_begun = 0.0, False
                pause = RETRY_SECONDS

    def _poll(self) -> float:
        """Work off what has come, and say how long to wait for the next."""
        asked = seconds()
        if not self.channel.is_shared():
            raise RuntimeError("the file of the epochs is another one")
        # After a longer pause, what was not read may have been pruned.
        if self._is_begun and asked < self.channel.trusted_until:
            self._work_off(asked)
        elif not self.channel.database.read(self._begin):
            return UNWATCHED_SECONDS
        else:
            self._all_asked = asked
        # What was committed before all was asked for is worked off; anything later is younger than this.
        self.channel.trusted_until = self._all_asked + TRUST_SECONDS
        return self.channel.interval_seconds

    def _begin(self, connection: Connection) -> bool:
        """Whether the triggers are there. What was remembered before is not known to be right."""
        if not are_watched(connection):
            return False
        high = connection.scalar(select(func.max(changes.c.id))) or 0
        low = max(0, high - _LOOK_BACK)
        known = select(changes.c.id).where(between(changes.c.id, low + 1, high)).order_by(changes.c.id)
        # What was waited for before a failure is still waited for.
        self._passed_over.forget_above(low)
        self._high = self._passed_over.note(list(connection.scalars(known)), low, seconds())
        self.channel.told.change_all()
        self._is_begun = True
        return True

    def _work_off(self, asked: float) -> None:
        is_all = asked - self._all_asked >= _SELDOM_SECONDS
        self._passed_over.forget(since_before=asked - KEPT_SECONDS)
        awaited = [each for each in self._passed_over.ranges if is_all or each.since >= asked - _YOUNG_SECONDS]
        if awaited or is_all:
            late = self.channel.database.read(lambda connection: _late(connection, awaited, is_all=is_all))
            self._tell(late)
            self._passed_over.came(number for number, _ in late)
        is_more = is_all or self._is_news()
        while is_more:
            found = self.channel.database.read(self._new)
            is_more = len(found) >= _MANY
            self._tell(found)
            self._high = self._passed_over.note([number for number, _ in found], self._high, asked)
        if is_all:
            self._all_asked = asked

    def _is_news(self) -> bool:
        """Whether the highest number is another one. Nearly always it is not, so it is the driver that is asked."""
        found = first(self.channel.database, _NEWEST, {"seen": self._high}, lambda _: True)
        return found is None or (found["newest"] or 0) != self._high

    def _tell(self, found: Iterable[tuple[int, int]]) -> None:
        self.channel.told.change({UserId(user_id) for _, user_id in found})

    def _new(self, connection: Connection) -> Sequence[tuple[int, int]]:
        """What has come above the highest, and that this one is still there."""
        statement = select(changes.c.id, changes.c.user_id).where(changes.c.id >= self._high)
        found = _pairs(connection, statement.order_by(changes.c.id).limit(_MANY + 1))
        if self._high == 0:
            return found
        if not found or found[0][0] != self._high:
            raise RuntimeError("the numbers of the changes went back: this is another database, or an older one")
        return found[1:]


_NEWEST = QuickSelect(select(func.max(changes.c.id).label("newest")).where(changes.c.id >= bindparam("seen")))


def _late(connection: Connection, awaited: Sequence[Range], *, is_all: bool) -> Sequence[tuple[int, int]]:
    if is_all and not are_watched(connection):
        raise RuntimeError("the triggers are gone")
    if not awaited:
        return []
    late = or_(*(between(changes.c.id, each.first, each.last) for each in awaited))
    return _pairs(connection, select(changes.c.id, changes.c.user_id).where(late))


def _pairs(connection: Connection, statement: Select[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    return [(row.id, row.user_id) for row in connection.execute(statement)]


def _started(poller: _Poller) -> _Poller:
    try:
        poller.start()
    except RuntimeError as error:
        # No more threads: nothing is heard, so nothing is relied on.
        _log.error("what others write is not heard of, so each request reads: %s", error)
    return poller
