"""How much work the hashes in a store take: found out at the first failed login, and kept up to date from then on.

Other programs write hashes too: an adoption, a menshen with other parameters, the application whose table was adopted.
So the store is read again and again, by calls whose password is refused: only they need to know.
"""

import logging
import time
from collections.abc import Callable
from math import inf
from threading import Lock

from attrs import define, field

from ..domain.errors import StoreUnavailable
from ..domain.passwords import HashLikeness
from ..domain.ports.reading import PasswordHashes
from ..domain.users import UserId
from .argon2_hasher import Argon2PasswordHasher
from .hash_work import Work, no_work
from .own_process import PerProcess

_log = logging.getLogger("menshen.hashes")

PAGE = 10_000
"""Users at a time."""

FRESH_SECONDS = 10.0
"""How long a result is used."""

SHARE = 100
"""Reading takes at most one part in so many of the time: if it is slow, the next one is later."""

SLICE_SECONDS = 1.0
"""How long one caller reads; the next one continues from there. Calls that arrive meanwhile wait as long."""

RETRY_SECONDS = 1.0
"""How long a store that could not be read is left alone."""

_FIRST = UserId(0)

_MOST_LIKENESSES = 40
"""How many likenesses go into one statement; if there are more kinds, each hash is read and compared here."""


@define(eq=False)
class StoredWork:
    """The work of the hashes in a store, all kinds together, as of at most 10 seconds ago. If reading them takes more
    than a tenth of a second, the age may be a hundred times as long as that takes."""

    users: PasswordHashes
    hasher: Argon2PasswordHasher
    now: Callable[[], float] = time.monotonic
    _known: "PerProcess[_Known]" = field(init=False)
    """A lock that another thread holds is not released in a forked process."""

    def __attrs_post_init__(self) -> None:
        self._known = PerProcess(lambda: _Known(self.users, self.hasher, self.now))

    def with_met(self, met: Work) -> Work:
        """Enough of each computation for any hash in the store, for one that takes *met*, and for a new one."""
        return self._known().with_met(met)


@define(eq=False)
class _Look:
    """A walk through all users, with its position."""

    after: UserId = _FIRST
    work: Work = field(factory=no_work)
    likenesses: set[HashLikeness] = field(factory=set)
    seconds: float = 0.0


@define(eq=False)
class _Known:
    """What one process knows."""

    users: PasswordHashes
    hasher: Argon2PasswordHasher
    now: Callable[[], float]
    _found: Work = field(factory=no_work)
    """Found by the last complete walk."""
    _met_before: Work = field(factory=no_work)
    """Met before the current walk began: it finds them as well, or they are gone."""
    _met: Work = field(factory=no_work)
    """Met since then: the current walk may have missed them."""
    _look: _Look | None = None
    _due_at: float = -inf
    _lock: Lock = field(factory=Lock)
    _looking: Lock = field(factory=Lock)

    def with_met(self, met: Work) -> Work:
        with self._lock:
            self._met |= met
        if self.now() >= self._due_at:
            self._go_on()
        with self._lock:
            begun = no_work() if self._look is None else self._look.work
            return self.hasher.own_work | self._found | self._met_before | self._met | begun

    def _go_on(self) -> None:
        if not self._looking.acquire(timeout=SLICE_SECONDS):
            return
        try:
            # Another thread may have done it meanwhile.
            if self.now() >= self._due_at:
                self._walk()
        except StoreUnavailable:
            self._due_at = self.now() + RETRY_SECONDS
            _log.warning("the kinds of the stored hashes could not be looked at; the next try is in a second")
        finally:
            self._looking.release()

    def _walk(self) -> None:
        begin = self.now()
        with self._lock:
            if self._look is None:
                self._look = _Look()
                self._met_before, self._met = self._met_before | self._met, no_work()
            look = self._look
        is_over = False
        while not is_over and self.now() - begin < SLICE_SECONDS:
            is_over = self._read_page(look)
        look.seconds += self.now() - begin
        if is_over:
            with self._lock:
                self._found, self._met_before, self._look = look.work, no_work(), None
                self._due_at = self.now() + max(FRESH_SECONDS, SHARE * look.seconds)

    def _read_page(self, look: _Look) -> bool:
        """Whether it was the last one."""
        page = self.users.password_hashes(after=look.after, limit=PAGE, unlike=look.likenesses)
        for stored in page.hashes:
            if any(likeness.fits(stored) for likeness in look.likenesses):
                continue
            found = self.hasher.work_of(stored)
            with self._lock:
                look.work |= found
            likeness = self.hasher.likeness_of(stored)
            if likeness is not None and len(look.likenesses) < _MOST_LIKENESSES:
                look.likenesses.add(likeness)
        if page.last is None:
            return True
        look.after = page.last
        return False
