"""Hashing weak hashes once more, so that they do not stay for years in accounts that nobody logs in to."""

from collections.abc import Callable

from attrs import evolve, frozen

from ..ports.outside import Clock, StoredHashes
from ..ports.reading import UserFilter, UserSearch
from ..ports.writing import Transaction, UnitOfWork
from ..users import User, UserId

PAGE = 100


@frozen
class WrapHashes:
    """Wrap the weak hash of each user in a good one. Users do not notice: passwords still match, and sessions continue.

    A hash that a login or a change of the password makes meanwhile is kept. If interrupted, the next call continues.
    """

    users: UserSearch
    work: UnitOfWork
    hashes: StoredHashes
    clock: Clock

    def __call__(self, tell: Callable[[int], None] = lambda done: None) -> int:
        """How many were wrapped. *told* is called with the number so far after each page."""
        done, after = 0, UserId(0)
        while page := self.users.find(UserFilter(), after=after, limit=PAGE, now=self.clock.now()):
            after = page[-1].id
            weak = [user for user in page if self.hashes.kind_of(user.password_hash).is_weak]
            # Outside of any transaction: it is slow.
            wrapped = self.hashes.wrap([user.password_hash for user in weak]) if weak else ()
            done += sum(self._put(user, text) for user, text in zip(weak, wrapped, strict=True) if text is not None)
            tell(done)
        return done

    def _put(self, user: User, wrapped: str) -> bool:
        """Whether the user still had the hash that was wrapped."""

        def put(tx: Transaction) -> bool:
            locked = tx.lock(user.id)
            if locked is None or locked.password_hash != user.password_hash:
                return False
            tx.users.save(evolve(locked, password_hash=wrapped))
            return True

        return self.work.transact(put)
