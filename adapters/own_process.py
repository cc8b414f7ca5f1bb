"""What each process has of its own: not an adapter, but what adapters that hold connections, threads or locks are made with.

A server such as uWSGI or ``gunicorn --preload`` imports an application once and forks its workers from that. A connection that
two processes share gives the one the answers to the other's questions, a lock that a thread held at that moment is never
released, and a thread is not there at all.
"""

from collections.abc import Callable, Sequence
from os import getpid
from typing import Generic, TypeVar

from attrs import define, field

T = TypeVar("T")


@define(eq=False)
class PerProcess(Generic[T]):
    """Something of which every process makes one of its own, when it first asks.

    What an ancestor made is never touched again, and never thrown away: to close a connection would end it for the
    ancestor as well. Asking for the process, and not ``os.register_at_fork`` alone, since uWSGI forks without Python's
    knowledge.
    """

    make: Callable[[], T]
    _made: dict[int, T] = field(factory=dict, init=False)

    def __call__(self) -> T:
        """This process' own."""
        pid = getpid()
        found = self._made.get(pid)
        # setdefault: of several threads that come first at the same time, all get the same one.
        return self._made.setdefault(pid, self.make()) if found is None else found

    @property
    def inherited(self) -> Sequence[T]:
        """Those of the ancestors."""
        pid = getpid()
        return [made for maker, made in self._made.items() if maker != pid]
