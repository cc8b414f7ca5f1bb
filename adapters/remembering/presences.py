"""Users with their sessions, as long as they are known to be unchanged."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from threading import local

from attrs import define, evolve, field, frozen

from ...domain.ports.outside import Clock, LastSeen
from ...domain.ports.reading import Presences, WouldWait
from ...domain.presences import Presence
from ...domain.sessions import SessionEnd, SessionId
from ...domain.users import UserId
from ..boot_clock import seconds
from .epochs import Channel, Epochs

MOST_SECONDS = 60.0
"""For how long an entry is served at most, whatever is known: the last use of a session that other processes have noted
may be later than remembered by that much."""


@frozen
class _Entry:
    user_id: UserId
    presence: Presence
    epoch: int
    until: float
    """On the clock of ``seconds``."""
    ends_at: datetime
    """When the session ends by itself, as far as is known here. From then on it is read: another process may know better."""


class Patience(local):
    """Whether the present thread waits for the store."""

    is_lost = False

    @contextmanager
    def without(self) -> Iterator[None]:
        """Nobody waits for the store meanwhile: what is not remembered raises WouldWait."""
        self.is_lost = True
        try:
            yield
        finally:
            self.is_lost = False


@define(eq=False)
class RememberedPresences:
    """Presences that asks *inner* again only when something may have changed.

    Only a user who may act and a session that is live are remembered, so a refusal is always read. At most *limit*
    sessions are remembered, those used last. It is used by many threads without a lock: each step is one call into C,
    and the epoch decides in the end.
    """

    inner: Presences
    epochs: Epochs
    channel: Channel
    clock: Clock
    limit: int
    seconds: Callable[[], float] = seconds
    patience: Patience = field(factory=Patience)
    _entries: OrderedDict[SessionId, _Entry] = field(factory=OrderedDict, init=False, repr=False)

    def by_session(self, user_id: UserId, session_id: SessionId) -> Presence | None:
        epoch = self._epoch(user_id)
        entry = self._entries.get(session_id)
        if (
            entry is not None
            and epoch is not None
            and entry.epoch == epoch
            and entry.user_id == user_id
            and self.channel.is_trusted()
            and self.seconds() < entry.until
            and self.clock.now() < entry.ends_at
        ):
            with suppress(KeyError):
                self._entries.move_to_end(session_id)
            return entry.presence
        if self.patience.is_lost:
            raise WouldWait
        # The epoch was taken before the row is read: if the row changes in between, so does the epoch.
        read_at = self.seconds()
        presence = self.inner.by_session(user_id, session_id)
        if epoch is None:
            self.forget(session_id)
            return presence
        self._remember(user_id, session_id, presence, epoch, read_at)
        return presence

    def seen(self, session_id: SessionId, at: datetime) -> None:
        """The session was used: it does not have to be noted again at the next request."""
        entry = self._entries.get(session_id)
        if entry is None or entry.presence.session is None or entry.presence.session.last_seen_at >= at:
            return
        session = evolve(entry.presence.session, last_seen_at=at)
        presence = evolve(entry.presence, session=session)
        ends_at = min(session.expires_at, session.idle_at)
        self._entries[session_id] = evolve(entry, presence=presence, ends_at=ends_at)

    def forget(self, session_id: SessionId) -> None:
        """Read the session the next time."""
        self._entries.pop(session_id, None)

    def _epoch(self, user_id: UserId) -> int | None:
        """None where it cannot be known: then each request reads."""
        try:
            return self.epochs.of(user_id)
        except OSError:
            return None

    def _remember(
        self, user_id: UserId, session_id: SessionId, presence: Presence | None, epoch: int, read_at: float
    ) -> None:
        now = self.clock.now()
        session = None if presence is None else presence.session
        if presence is None or session is None or not (presence.user.is_active(now) and session.is_live(now)):
            self.forget(session_id)
            return
        ends_at = min(session.expires_at, session.idle_at)
        self._entries[session_id] = _Entry(user_id, presence, epoch, read_at + MOST_SECONDS, ends_at)
        # Another thread may have removed the last one in between.
        with suppress(KeyError):
            while len(self._entries) > self.limit:
                self._entries.popitem(last=False)


@frozen
class RememberingLastSeen:
    """LastSeen that lets what is remembered know what *inner* is told."""

    inner: LastSeen
    presences: RememberedPresences

    def note(self, session_id: SessionId, at: datetime) -> None:
        self.presences.seen(session_id, at)
        self.inner.note(session_id, at)

    def note_end(self, session_id: SessionId, end: SessionEnd) -> None:
        self.presences.forget(session_id)
        self.inner.note_end(session_id, end)
