"""What operators do for users who cannot get in: another number, another password. Not over HTTP (requirement NX-19)."""

from datetime import datetime

from attrs import evolve, frozen

from ..actors import Actor
from ..audit import Action
from ..passwords import PasswordPolicy
from ..ports.outside import Clock, PasswordHasher
from ..ports.reading import Users
from ..ports.writing import Transaction, UnitOfWork
from ..sessions import EndReason, SessionEnd
from ..users import NoSuchUser, Phone, Profile, StateConflict, User, UserId
from .acting import Acts
from .browsing import masked
from .ending import all_settled, end_sessions


@frozen
class SetPhone:
    """Give the account another number, which is used to log in from then on. The sessions continue.

    Raises PhoneInvalid, PhoneTaken, NoSuchUser, StateConflict for an account that has been erased.
    """

    work: UnitOfWork
    clock: Clock

    def __call__(self, user_id: UserId, *, phone: str, actor: Actor) -> Profile:
        number = Phone.parse(phone)

        def change(tx: Transaction, user: User, now: datetime) -> User:
            if user.is_erased:
                raise StateConflict
            changed = evolve(user, phone=number)
            tx.users.save(changed)
            return changed

        acts = Acts(self.work, self.clock)
        detail = f"to {masked(number)}"
        is_change = User.__ne__
        return acts(
            user_id, change, action=Action.CHANGE_PHONE, caller=actor, detail=detail, is_change=is_change
        ).profile


@frozen
class SetPassword:
    """Give the account another password, and end all its sessions (ASVS 7.4.3).

    Raises a refusal of the password policy, HasherBusy, NoSuchUser, StateConflict for an account that has been erased.
    """

    users: Users
    work: UnitOfWork
    hasher: PasswordHasher
    password_policy: PasswordPolicy
    clock: Clock

    def __call__(self, user_id: UserId, *, password: str, actor: Actor) -> Profile:
        user = self.users.by_id(user_id)
        if user is None:
            raise NoSuchUser
        if user.phone is not None:
            self.password_policy.check(password, phone=user.phone, user_name=user.user_name)
        password_hash = self.hasher.hash(password)

        def change(tx: Transaction, user: User, now: datetime) -> User:
            if user.is_erased:
                raise StateConflict
            changed = evolve(user, password_hash=password_hash)
            tx.users.save(changed)
            end = SessionEnd(at=now, reason=EndReason.PASSWORD_CHANGED)
            end_sessions(tx, all_settled(tx, user.id, now), end, actor=actor)
            return changed

        return Acts(self.work, self.clock)(user_id, change, action=Action.CHANGE_PASSWORD, caller=actor).profile
