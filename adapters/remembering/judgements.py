"""Who was let in, as long as that is known to be unchanged."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from secrets import token_bytes
from threading import local
from typing import Any, Self

from attrs import define, field, frozen

from ...domain.ports.outside import Clock
from ...domain.ports.reading import WouldWait
from ...domain.presences import Principal
from ...domain.sessions import SessionExpired, SessionIdle
from ...domain.tokens import TokenExpired
from ...domain.use_cases.authentication import Authenticate
from ...domain.users import UserId
from ..boot_clock import seconds
from ..word_of_changes import SLOTS, Channel, Epochs

MOST_SECONDS = 60.0
"""For how long a judgement holds at most, whatever is done to the date."""

RAN_OUT = (TokenExpired, SessionExpired, SessionIdle)
"""The refusals that a clock which is put back would take back."""


@frozen
class _Kept:
    """A judgement, under which epoch the row was read, and when it holds: by the clock of ``seconds`` and by the date."""

    principal: Principal
    slot: int
    epoch: int
    until: float
    not_before: float
    not_after: float


class Patience(local):
    """Whether the present thread waits for the store."""

    is_lost = False

    def without(self) -> Self:
        """``with patience.without():`` nobody waits for the store: what is not remembered raises WouldWait."""
        return self

    def __enter__(self) -> None:
        self.is_lost = True

    def __exit__(self, *_: object) -> None:
        self.is_lost = False


@define(eq=False)
class RememberedJudgements:
    """Authenticate that judges a token anew only when something may have changed.

    Only who was let in is remembered, so a refusal is always read. A judgement holds while the user's epoch is the same,
    the channel is trusted, and the clock has passed none of its moments. At most *limit* are remembered, those used last,
    by a digest of the token under a key that only this process has. It is used by many threads without a lock: each step
    is one call into C, and the epoch decides in the end.
    """

    judge: Authenticate
    epochs: Epochs
    channel: Channel
    clock: Clock
    limit: int
    seconds: Callable[[], float] = seconds
    patience: Patience = field(factory=Patience)
    _kept: OrderedDict[bytes, _Kept] = field(factory=OrderedDict, init=False, repr=False)
    # Each is one call into C for each request. The digest is copied, as to begin with the key takes longer than the rest.
    _begun: Callable[[], Any] = field(
        factory=lambda: blake2b(key=token_bytes(32), digest_size=16).copy, init=False, repr=False
    )
    _find: Callable[[bytes], _Kept | None] = field(init=False, repr=False)
    _use: Callable[[bytes], None] = field(init=False, repr=False)
    _date: Callable[[], float] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._find, self._use, self._date = self._kept.get, self._kept.move_to_end, self.clock.timestamp

    def __call__(self, token: str) -> Principal:
        """Raises what Authenticate raises, and WouldWait without patience."""
        digest = self._begun()
        try:
            digest.update(token.encode())
        except UnicodeEncodeError:
            # Not one of ours, but the codec decides how to refuse it.
            return self.judge(token)
        name = digest.digest()
        kept = self._find(name)
        if kept is None:
            return self._judge(name, token)
        now = self.seconds()
        if (
            self.epochs.values[kept.slot] != kept.epoch
            or now >= kept.until
            or (now >= self.channel.trusted_until and not self.channel.is_trusted())
            or not kept.not_before <= self._date() < kept.not_after
        ):
            return self._judge(name, token)
        try:  # noqa: SIM105 - suppress() costs a tenth of all this
            self._use(name)
        except KeyError:
            # Another thread has removed it; it holds all the same.
            pass
        return kept.principal

    def _judge(self, name: bytes, token: str) -> Principal:
        claims = self.judge.codec.decode(token)
        if self.patience.is_lost:
            raise WouldWait
        # The epoch is taken before the row is read: if the row changes in between, so does the epoch.
        epoch, read_at = self._epoch(claims.subject), self.seconds()
        try:
            found = self.judge.judgement(claims)
        except RAN_OUT:
            # Whoever still remembers it, another process or for another token, must not serve it should the clock be put
            # back (RL-11).
            with suppress(OSError):
                self.epochs.change([claims.subject])
            raise
        if epoch is not None:
            dates = found.since.timestamp(), found.until.timestamp()
            kept = _Kept(found.principal, claims.subject % SLOTS, epoch, read_at + MOST_SECONDS, *dates)
            self._keep(name, kept)
        return found.principal

    def _epoch(self, user_id: UserId) -> int | None:
        """None where it cannot be known: then each request reads."""
        try:
            return self.epochs.of(user_id)
        except OSError:
            return None

    def _keep(self, name: bytes, kept: _Kept) -> None:
        self._kept[name] = kept
        # Another thread may have removed the last one in between.
        with suppress(KeyError):
            while len(self._kept) > self.limit:
                self._kept.popitem(last=False)
