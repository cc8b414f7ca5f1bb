"""Authentication by phone number and password."""

from attrs import evolve, field, frozen

from ...ports.outside import Clock, PasswordHasher, Verdict
from ...ports.reading import Users
from ...ports.writing import Transaction
from ...proofs import InvalidCredentials, Proof, ProofOutdated
from ...users import Phone, PhoneInvalid, User


@frozen
class PhoneAndPassword:
    """What is shown."""

    phone: str
    password: str = field(repr=False)


@frozen
class Password:
    """Authenticator by phone number and password.

    Exactly one password is judged for each well-formed number, whether anybody has it or not, so that neither the answer
    nor its time tells which numbers are registered. A hash that is outdated is renewed when the user is locked.
    """

    users: Users
    hasher: PasswordHasher
    clock: Clock

    def claimed(self, shown: PhoneAndPassword) -> User | None:
        try:
            return self.users.by_phone(Phone.parse(shown.phone))
        except PhoneInvalid:
            raise InvalidCredentials from None

    def prove(self, shown: PhoneAndPassword, user: User | None) -> Proof:
        """Raises InvalidCredentials, HasherBusy."""
        verdict = self.hasher.verify(shown.password, None if user is None else user.password_hash)
        if user is None or verdict is Verdict.NO_MATCH:
            raise InvalidCredentials
        renewed = self.hasher.hash(shown.password) if verdict is Verdict.MATCH_OUTDATED else user.password_hash
        return proof_by_password(user, self.clock, renewed=renewed)


def proof_by_password(user: User, clock: Clock, *, renewed: str | None = None) -> Proof:
    """The proof that the password of *user* was shown, which has been judged. *renewed* is the hash to be kept of it."""

    def still_holds(tx: Transaction, locked: User) -> User:
        if locked.password_hash != user.password_hash:
            raise ProofOutdated
        return locked if renewed is None else evolve(locked, password_hash=renewed)

    return Proof(user_id=user.id, authenticator="pwd", at=clock.now(), still_holds=still_holds)
