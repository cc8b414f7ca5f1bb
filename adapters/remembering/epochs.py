"""What tells a reader that something it remembers may have changed: the two ports of remembering, and the simplest of each."""

from array import array
from collections.abc import Iterable, Sequence
from math import inf
from secrets import randbits, token_bytes
from typing import Protocol

from attrs import define, field

from ...domain.users import UserId

SLOTS = 1 << 16
"""How many values there are. Users whose ids differ by a multiple of this share one, and are read anew for each other."""


class Epochs(Protocol):
    """A value for each user, which every change of that user replaces by one that has never been there.

    A reader takes the value, then reads the row. As long as the value is still there, so is the row: whoever writes
    replaces the value after the commit and before the caller is told. All processes of a machine share the values.
    """

    @property
    def values(self) -> Sequence[int]:
        """The present values, a user's at the id modulo SLOTS, once one has been asked for. An attribute, as they are
        looked at for each request."""
        ...

    def of(self, user_id: UserId) -> int:
        """The present value."""
        ...

    def change(self, users: Iterable[UserId]) -> None:
        """Replace the values of these users. Returns when every process sees it."""
        ...

    def change_all(self) -> None:
        """Replace the values of all users."""
        ...


class Channel(Protocol):
    """Brings word of what was written without changing this machine's epochs: by another machine, or by hand."""

    @property
    def trusted_until(self) -> float:
        """Until when everybody may rely on their memory, on the clock of ``boot_clock``: word of everything that was
        written more than a second before has come. An attribute, as it is looked at for each request."""
        ...

    def is_trusted(self) -> bool:
        """Whether that is not over yet. The first who asks in a process makes it listen there."""
        ...

    def close(self) -> None: ...


@define(eq=False)
class LocalEpochs:
    """Epochs of one process alone."""

    values: "array[int]" = field(factory=lambda: array("Q", token_bytes(SLOTS * 8)), init=False, repr=False)

    def of(self, user_id: UserId) -> int:
        return self.values[user_id % SLOTS]

    def change(self, users: Iterable[UserId]) -> None:
        for user_id in users:
            # Random, so that nobody has to read and count first, and what stood there before does not come back.
            self.values[user_id % SLOTS] = randbits(64)

    def change_all(self) -> None:
        self.values[:] = array("Q", token_bytes(SLOTS * 8))


@define(eq=False)
class NobodyElse:
    """The channel of a store that nobody but this process writes to."""

    trusted_until: float = inf

    def is_trusted(self) -> bool:
        return True

    def close(self) -> None:
        return None
