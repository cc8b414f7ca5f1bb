"""The two ports by which those who remember hear that something may have changed. Not an adapter, but for adapters."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from ..domain.users import UserId

SLOTS = 1 << 16
"""How many values there are. Users whose ids differ by a multiple of this share one, and are read anew for each other."""


class Told(Protocol):
    """Who is told that users have changed."""

    def change(self, users: Iterable[UserId]) -> None:
        """Replace the values of these users. Returns when every process sees it.

        May raise OSError, StoreUnavailable.
        """
        ...

    def change_all(self) -> None:
        """Replace the values of all users."""
        ...


class Epochs(Told, Protocol):
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
