"""Objects that each process needs its own copy of. Not an adapter, but for adapters with connections, threads or locks.

A server such as uWSGI or ``gunicorn --preload`` imports an application once and forks its workers from that. Two
processes that share a connection get each other's answers, a lock that a thread held at the fork is never released, and
threads do not exist in the child at all.
"""

from collections.abc import Callable, Sequence
from os import getpid
from threading import Lock
from typing import Generic, TypeVar

from attrs import define, field

T = TypeVar("T")


@define(eq=False)
class PerProcess(Generic[T]):
    """Something of which every process makes its own, when it first asks.

    What an ancestor made is never touched again and never freed: closing a connection would end it for the ancestor as
    well. The process id is compared, since uWSGI forks without calling ``os.register_at_fork``.
    """

    make: Callable[[], T]
    _made: dict[int, T] = field(factory=dict, init=False)
    _locks: dict[int, Lock] = field(factory=dict, init=False, repr=False)

    def __call__(self) -> T:
        """This process' own."""
        pid = getpid()
        found = self._made.get(pid)
        return self._first(pid) if found is None else found

    def _first(self, pid: int) -> T:
        # Of several threads that ask first at the same time one makes it; a lock of the parent may be held for ever.
        with self._locks.setdefault(pid, Lock()):
            if pid not in self._made:
                self._made[pid] = self.make()
        return self._made[pid]

    @property
    def made(self) -> T | None:
        """This process' own, if it has asked for it."""
        return self._made.get(getpid())

    @property
    def inherited(self) -> Sequence[T]:
        """The objects of the ancestors."""
        pid = getpid()
        return [made for maker, made in self._made.items() if maker != pid]
