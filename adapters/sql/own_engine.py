"""The engine of one process, and its handling of forks."""

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
"""How long a fork waits for the steps under way: none takes longer."""


@define(eq=False)
class OwnEngine:
    """An engine, with its current uses.

    *closes_at_fork*: no connection may be open when the process forks. With SQLite, the child would believe that it
    holds its parent's locks, and so would damage the file (https://sqlite.org/howtocorrupt.html, 2.6).
    """

    engine: Engine
    closes_at_fork: bool
    queue: Lock = field(factory=Lock, init=False)
    """Where threads queue to write, if only one can at a time."""
    _turn: Condition = field(factory=Condition, init=False)
    _users: int = field(default=0, init=False)
    _pid: int = field(factory=os.getpid, init=False)
    _open: set[int] = field(factory=set, init=False)
    """The open connections, by identity."""

    def __attrs_post_init__(self) -> None:
        if self.closes_at_fork:
            opened, gone = self._open.add, self._open.discard
            event.listen(self.engine, "connect", lambda connection, _: opened(id(connection)))
            event.listen(self.engine, "close", lambda connection, _: gone(id(connection)))
            event.listen(self.engine, "close_detached", lambda connection: gone(id(connection)))
            # Registering cannot be undone: what is registered must not keep an unused engine alive.
            before, after = WeakMethod(self._close_before_fork), WeakMethod(self._go_on)
            os.register_at_fork(before=lambda: _call(before), after_in_parent=lambda: _call(after))

    @contextmanager
    def connect(self, engine: Engine) -> Iterator[Connection]:
        """A connection of *engine*, which is this one or one with other options; no fork comes in between."""
        self.enter()
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            self.leave()

    def enter(self) -> None:
        """Let no fork come in between from now on, until ``leave``."""
        if self.closes_at_fork:
            with self._turn:
                self._users += 1

    def leave(self) -> None:
        if self.closes_at_fork:
            with self._turn:
                self._users -= 1
                self._turn.notify_all()

    @property
    def is_open(self) -> bool:
        """Whether there are open connections, in use or not."""
        return bool(self._open)

    def _close_before_fork(self) -> None:
        # A child inherits its parent's registrations. It must not touch that engine, and nobody releases its lock here.
        if self._pid != os.getpid():
            return
        # Held until the fork is over, so that no connection is opened meanwhile.
        self._turn.acquire()
        if self._turn.wait_for(lambda: self._users == 0, FORK_SECONDS):
            self.engine.dispose()

    def _go_on(self) -> None:
        if self._pid == os.getpid():
            self._turn.release()


def own_engine(make: Callable[[], Engine], *, closes_at_fork: bool) -> PerProcess[OwnEngine]:
    """An engine for each process forked from this one, made by *make*."""

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
