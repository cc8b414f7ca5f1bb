"""Hashing weak hashes once more, so that no account that nobody logs in to keeps one for years."""

from collections.abc import Callable

from attrs import evolve, frozen

from ..ports.outside import Clock, StoredHashes
from ..ports.reading import UserFilter, UserSearch
from ..ports.writing import Transaction, UnitOfWork
from ..users import User, UserId

PAGE = 100


@frozen
class WrapHashes:
    """Wrap the weak hash of each user in a good one. Nobody notices: the passwords match as before, and sessions go on.

    Who logs in meanwhile, or gets another password, keeps what that makes. Ended at any moment, the next call goes on.
    """

    users: UserSearch
    work: UnitOfWork
    hashes: StoredHashes
    clock: Clock

    def __call__(self, tell: Callable[[int], None] = lambda done: None) -> int:
        """How many were wrapped; as many as there are by now are *told* after each page."""
        done, after = 0, UserId(0)
        while page := self.users.find(UserFilter(), after=after, limit=PAGE, now=self.clock.now()):
            after = page[-1].id
            weak = [user for user in page if self.hashes.kind_of(user.password_hash).is_weak]
            # Outside of any transaction: it takes its time.
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
