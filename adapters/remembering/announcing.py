"""Transactions whose effect on who may act is announced before the caller is told that they are done."""

import logging
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from attrs import define, evolve, field, frozen

from ...domain.ports.writing import SessionPage, SessionSweep, SessionWriter, Transaction, UnitOfWork
from ...domain.sessions import EndReason, SessionEnd, SessionId
from ...domain.users import UserId
from ..word_of_changes import Told

_log = logging.getLogger("menshen.store")

T = TypeVar("T")

BY_ITSELF = (EndReason.EXPIRED, EndReason.IDLE)
"""Ends that anybody can calculate: a session that has come to one is never served from memory."""


@frozen
class AnnouncingUnitOfWork:
    """UnitOfWork that changes the epochs of whomever a transaction has locked, whatever becomes of it.

    Even a commit whose outcome is unknown may have taken place. Where sessions end whose users are not locked, since those
    of everybody end, it changes all epochs. What is done but cannot be announced to all is StoreUnavailable.
    """

    inner: UnitOfWork
    epochs: Told

    def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
        touched = _Touched()

        def watched(tx: Transaction) -> T:
            touched.locked.append(tx.locked)
            return work(evolve(tx, part=_Watched(tx, touched)))

        try:
            return self.inner.transact(watched, is_vital=is_vital)
        finally:
            self._announce(touched)

    def _announce(self, touched: "_Touched") -> None:
        try:
            if touched.is_everybody:
                self.epochs.change_all()
            else:
                self.epochs.change({user_id for locked in touched.locked for user_id in locked})
        except OSError as error:
            # What is done is done, and must not seem to have failed. The others hear of it from the store.
            _log.error("a change is not announced to other processes: %s", error)


@define(eq=False)
class _Touched:
    """Whom the tries of one transaction have locked, and whether they may have touched anybody else."""

    locked: list[set[UserId]] = field(factory=list)
    is_everybody: bool = False


@frozen
class _Watched:
    """The parts of a transaction, with an eye on those that end sessions of users who are not locked."""

    tx: Transaction
    touched: _Touched

    def __call__(self, port: type) -> Any:
        found = self.tx.part(port)
        if port is SessionWriter or port is SessionSweep:
            return _WatchedSessions(found, self.tx, self.touched)
        return found


@frozen
class _WatchedSessions:
    """A writer of sessions that takes note of ends without a lock."""

    writer: Any
    tx: Transaction
    touched: _Touched

    def __getattr__(self, name: str) -> Any:
        return getattr(self.writer, name)

    def end(self, session_ids: Collection[SessionId], end: SessionEnd) -> int:
        if not self.tx.locked and end.reason not in BY_ITSELF:
            self.touched.is_everybody = True
        ended: int = self.writer.end(session_ids, end)
        return ended

    def unended(self, *, after: SessionId, limit: int) -> SessionPage:
        """Whoever goes through the sessions of everybody is about to end them, and locks at most themselves."""
        self.touched.is_everybody = True
        page: SessionPage = self.writer.unended(after=after, limit=limit)
        return page
