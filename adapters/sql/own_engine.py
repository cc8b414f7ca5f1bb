"""The engine of one process, and how it gets through a fork."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Lock
from weakref import WeakMethod

from attrs import define, field
from sqlalchemy import Connection, Engine, event

from ...domain.errors import StoreUnavailable
from ..own_process import PerProcess

_log = logging.getLogger("menshen.store")

FORK_SECONDS = 5.0
"""How long a fork waits for the steps that are under way: none takes longer."""


@define(eq=False)
class OwnEngine:
    """An engine, and who uses it just now.

    *closes_at_fork*: no connection may be open when the process forks. A child of SQLite's would take the locks of its
    parent for its own and hold none, and so would damage the file (https://sqlite.org/howtocorrupt.html, 2.6).
    """

    engine: Engine
    closes_at_fork: bool
    queue: Lock = field(factory=Lock, init=False)
    """Where threads queue that want to write, if only one can at a time."""
    _turn: Condition = field(factory=Condition, init=False)
    _users: int = field(default=0, init=False)
    _pid: int = field(factory=os.getpid, init=False)
    _open: set[int] = field(factory=set, init=False)
    """The connections that there are, by their identity."""

    def __attrs_post_init__(self) -> None:
        if self.closes_at_fork:
            opened, gone = self._open.add, self._open.discard
            event.listen(self.engine, "connect", lambda connection, _: opened(id(connection)))
            event.listen(self.engine, "close", lambda connection, _: gone(id(connection)))
            event.listen(self.engine, "close_detached", lambda connection: gone(id(connection)))
            # Registering is for good: what is registered must not keep alive what nobody has any more.
            before, after = WeakMethod(self._close_before_fork), WeakMethod(self._go_on)
            os.register_at_fork(before=lambda: _call(before), after_in_parent=lambda: _call(after))

    @contextmanager
    def connect(self, engine: Engine) -> Iterator[Connection]:
        """A connection of *engine*, which is this one or one with other options; no fork comes in between."""
        if not self.closes_at_fork:
            with engine.connect() as connection:
                yield connection
            return
        with self._turn:
            self._users += 1
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            with self._turn:
                self._users -= 1
                self._turn.notify_all()

    @property
    def is_open(self) -> bool:
        """Whether there are connections, used or not."""
        return bool(self._open)

    def _close_before_fork(self) -> None:
        # A child has what was registered by its parent, whose engine it must not touch, and whose lock nobody releases here.
        if self._pid != os.getpid():
            return
        # Held until the fork is over, so that nobody opens another one meanwhile.
        self._turn.acquire()
        if self._turn.wait_for(lambda: self._users == 0, FORK_SECONDS):
            self.engine.dispose()

    def _go_on(self) -> None:
        if self._pid == os.getpid():
            self._turn.release()


def own_engine(make: Callable[[], Engine], *, closes_at_fork: bool) -> PerProcess[OwnEngine]:
    """An engine for each process that comes of this one by a fork, made as *make* makes it."""

    def fresh() -> OwnEngine:
        if closes_at_fork and any(each.is_open for each in own.inherited):
            _log.error("this process was forked while it had the database open; open the accounts after the fork")
            raise StoreUnavailable("the database was open before the fork")
        return OwnEngine(make(), closes_at_fork)

    own = PerProcess(fresh)
    return own


def _call(method: "WeakMethod[Callable[[], None]]") -> None:
    found = method()
    if found is not None:
        found()
