"""Answering in a time that reveals neither who is registered nor how the password is hashed (ASVS 6.3.8)."""

from attrs import frozen

from ..domain.ports.outside import Verdict
from .argon2_hasher import Argon2PasswordHasher, bytes_of
from .hash_work import spend
from .stored_work import StoredWork


@frozen
class EvenPasswordHasher:
    """PasswordHasher that does the same work for every password that does not match.

    That is the work of one hash of each sort in the store; what the user's hash does not need is done for nothing. The
    costliest sort alone would not do: how much of one sort takes as long as another depends on the machine and its
    load. A password that matches takes only the work of its hash.
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
