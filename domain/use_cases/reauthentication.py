"""Proving again who one is, from within a session."""

from attrs import frozen

from ..audit import AuditEvent
from ..errors import Refusal
from ..ports.outside import Clock, PasswordHasher, Verdict
from ..ports.reading import Presences
from ..ports.writing import UnitOfWork
from ..presences import Principal
from ..proofs import Proof, ReauthenticationFailed, ReauthenticationNeeded
from ..users import UserNotFound
from .authenticators.password import proof_by_password
from .recording import record_refusal


@frozen
class Reauthenticate:
    """Check the password of a user who is already logged in (ASVS 7.5.1).

    Raises ReauthenticationNeeded if none was given, ReauthenticationFailed, HasherBusy, and what the guard raises.
    """

    presences: Presences
    work: UnitOfWork
    hasher: PasswordHasher
    clock: Clock

    def __call__(self, principal: Principal, password: str | None, event: AuditEvent) -> Proof:
        """The proof, to be confirmed under the lock. A wrong password is recorded as a refusal of *event*."""
        if password is None:
            raise ReauthenticationNeeded
        presence = self.presences.by_session(principal.user.id, principal.session.id)
        if presence is None:
            raise UserNotFound
        if self.hasher.verify(password, presence.user.password_hash) is not Verdict.NO_MATCH:
            return proof_by_password(presence.user, self.clock)
        try:
            # If the session has ended meanwhile, for example by a change of the password, that is the answer.
            presence.admit(principal.realm, self.clock.now())
            raise ReauthenticationFailed
        except Refusal as refusal:
            record_refusal(self.work, event, refusal)
            raise
