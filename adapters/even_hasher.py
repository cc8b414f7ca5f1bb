"""Time that does not tell who is registered, nor how the password is kept (ASVS 6.3.8)."""

from attrs import frozen

from ..domain.ports.outside import Verdict
from .argon2_hasher import Argon2PasswordHasher, bytes_of
from .hash_work import spend
from .stored_work import StoredWork


@frozen
class EvenPasswordHasher:
    """PasswordHasher that does the same work for every password that does not match.

    That is one of each sort that the store holds: what is not the hash's own is done for nobody. It is not the dearest sort
    alone, since it would depend on the machine and its load how much of one sort takes as long as another. To say that
    a password matches takes only what its hash takes.
    """

    inner: Argon2PasswordHasher
    stored: StoredWork

    def hash(self, password: str) -> str:
        return self.inner.hash(password)

    def verify(self, password: str, password_hash: str | None) -> Verdict:
        verdict = self.inner.verify(password, password_hash)
        if verdict is Verdict.NO_MATCH:
            own = self.inner.work_of(password_hash)
            spend(self.stored.with_met(own) - own, bytes_of(password))
        return verdict
