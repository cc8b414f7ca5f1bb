"""A store: its adapters for the ports, its health, and how to close it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from attrs import define, field, frozen

from .reading import AuditTrail, Sessions, Users
from .writing import UnitOfWork

P = TypeVar("P")
G = TypeVar("G")


@define
class Parts(Generic[G]):
    """The adapter for each port, made from *given* when it is first asked for."""

    makers: Mapping[type, Callable[[G], Any]]
    given: G
    _made: dict[Callable[[G], Any], Any] = field(factory=dict)

    def __call__(self, port: type) -> Any:
        """Raises KeyError for a port that the store does not know."""
        make = self.makers[port]
        if make not in self._made:
            self._made[make] = make(self.given)
        return self._made[make]


@frozen(kw_only=True)
class Store:
    """One store. Reading adapters are found by their port: ``store[Presences]``; those used most have names."""

    part: Callable[[type], Any] = field(repr=False)
    """The store's reader for a port."""

    work: UnitOfWork
    ping: Callable[[], None] = lambda: None
    """Raises StoreUnavailable if nothing can be written. It may write to find out, but keeps nothing new."""

    give_back: Callable[[], None] = lambda: None
    """Returns the space of deleted rows to the disk, in steps that hold nobody up. May raise StoreUnavailable."""

    close: Callable[[], None] = lambda: None

    weaknesses: Callable[[], Sequence[str]] = lambda: ()
    """A line for each way in which something acknowledged can be lost. May raise StoreUnavailable."""

    exposures: Sequence[str] = ()
    """A line for each way in which others on the network can read or change what is exchanged with the store."""

    is_embedded: bool = False
    """Whether it answers reads within this process, without waiting for anything."""

    def __getitem__(self, port: type[P]) -> P:
        found: P = self.part(port)
        return found

    @property
    def users(self) -> Users:
        return self[Users]

    @property
    def sessions(self) -> Sessions:
        return self[Sessions]

    @property
    def audit(self) -> AuditTrail:
        return self[AuditTrail]
