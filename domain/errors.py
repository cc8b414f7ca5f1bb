"""The kinds of refusal; each noun's own refusals stand beside the noun.

A refusal is an answer, not a fault: it says what happened and carries a ``reason``, a stable machine-readable code.
Reasons are public; one never changes its meaning.
"""

from typing import ClassVar


class Refusal(Exception):
    """The service declines. Never raised itself; each kind below names its reason."""

    reason: ClassVar[str]


class Unauthenticated(Refusal):
    """The request has not proved who sent it. Never raised itself."""


class Unavailable(Refusal):
    """The service cannot do this now; the same request may succeed after *retry_after* seconds. Never raised itself."""

    def __init__(self, what: str, retry_after: int = 1) -> None:
        super().__init__(what)
        self.retry_after = retry_after


class StoreUnavailable(Unavailable):
    """The store did not carry out the operation, or its outcome is unknown; asking again is safe."""

    reason = "store_unavailable"
