"""Which sessions of a user may live side by side."""

from collections.abc import Iterable

from attrs import frozen

from .sessions import Session, SessionId


@frozen
class DevicePolicy:
    """How many sessions a user may have. The store applies it under the user's lock, so no race can break it."""

    multi_device: bool = True

    @property
    def reads_live_sessions(self) -> bool:
        """Whether the decision depends on the live sessions at all; if not, the store need not read them."""
        return not self.multi_device


def decide(policy: DevicePolicy, live: Iterable[Session], newcomer: Session) -> frozenset[SessionId]:
    """Admit *newcomer* and say which of the *live* sessions of its user end for it. Never names the newcomer."""
    if policy.multi_device:
        return frozenset()
    return frozenset(session.id for session in live) - {newcomer.id}
