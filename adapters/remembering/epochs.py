"""The ports of ``word_of_changes`` in one process."""

from array import array
from collections.abc import Iterable
from math import inf
from secrets import randbits, token_bytes

from attrs import define, field

from ...domain.users import UserId
from ..word_of_changes import SLOTS


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
