"""A store: its side of the ports, and how to ask after it and let go of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from attrs import define, field, frozen

from .reading import AuditTrail, Sessions, Users
from .writing import UnitOfWork

P = TypeVar("P")
G = TypeVar("G")


@define
class Parts(Generic[G]):
    """What meets each port, made of *given* when it is first asked for."""

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
    """One store. What reads it stands under its port: ``store[Presences]``; those asked for most have names."""

    part: Callable[[type], Any] = field(repr=False)
    """The store's reader for a port."""

    work: UnitOfWork
    ping: Callable[[], None] = lambda: None
    """Raises StoreUnavailable when nothing can be written; it may write for that, but keeps nothing new."""

    give_back: Callable[[], None] = lambda: None
    """Gives the room of what was removed back to the disk, in steps that hold nobody up. May raise StoreUnavailable."""

    close: Callable[[], None] = lambda: None

    weaknesses: Callable[[], Sequence[str]] = lambda: ()
    """A line for each way in which something acknowledged can be lost. May raise StoreUnavailable."""

    exposures: Sequence[str] = ()
    """A line for each way in which others can read or change, on the network, what is said to the store and what it answers."""

    is_embedded: bool = False
    """Whether it answers a read in this very process, without waiting for anything."""

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
