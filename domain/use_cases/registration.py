"""Registering a user."""

from collections.abc import Callable
from typing import TypeVar

from attrs import frozen

from ..actors import Actor
from ..audit import Action, event_of
from ..devices import NO_CLIENT, Client
from ..passwords import PasswordPolicy
from ..ports.outside import Clock, PasswordHasher
from ..ports.writing import Transaction, UnitOfWork
from ..users import MAX_USER_ID, NewUser, Phone, ReferrerUnknown, Standing, User, UserId, check_user_name
from .closing import erase
from .issuing import Granted, Opened
from .opening import Opening
from .recording import transact_or_record

T = TypeVar("T")


@frozen
class RegisterUser:
    """Register a user with a phone number and a password.

    Raises PhoneInvalid, UserNameInvalid, a refusal of the password policy, PhoneTaken, ReferrerUnknown, HasherBusy.
    """

    work: UnitOfWork
    hasher: PasswordHasher
    password_policy: PasswordPolicy
    clock: Clock

    def __call__(
        self,
        *,
        phone: str,
        password: str,
        user_name: str | None = None,
        invited_by: int | None = None,
        client: Client = NO_CLIENT,
        actor: Actor | None = None,
    ) -> User:
        user = self.prepare(phone=phone, password=password, user_name=user_name, invited_by=invited_by)
        return self.carry_out(lambda tx: self.add(tx, user, client, actor), client, actor)

    def prepare(self, *, phone: str, password: str, user_name: str | None, invited_by: int | None) -> NewUser:
        """The part that needs no store: the rules, and the hash."""
        number = Phone.parse(phone)
        check_user_name(user_name)
        self.password_policy.check(password, phone=number, user_name=user_name)
        if invited_by is not None and not 0 < invited_by <= MAX_USER_ID:
            raise ReferrerUnknown
        return NewUser(
            phone=number,
            password_hash=self.hasher.hash(password),
            registered_at=self.clock.now(),
            user_name=user_name,
            referrer_id=None if invited_by is None else UserId(invited_by),
        )

    def carry_out(self, work: Callable[[Transaction], T], client: Client, actor: Actor | None = None) -> T:
        """Do *work*, which adds a user, in one transaction. A refusal is recorded."""
        event = event_of(
            client, at=self.clock.now(), actor=actor or Actor.nobody(), action=Action.REGISTER, subject=None
        )
        return transact_or_record(self.work, event, work)

    def add(self, tx: Transaction, user: NewUser, client: Client, actor: Actor | None = None) -> User:
        """Store the user, and record it. A number is free again once the account that had it is closed."""
        now = self.clock.now()
        holder = tx.users.by_phone(user.phone)
        if holder is not None and holder.state.standing(now) is Standing.CLOSED:
            erase(tx, holder.id, now)
        added = tx.users.add(user)
        tx.audit.append(
            event_of(client, at=now, actor=actor or Actor.user(added.id), action=Action.REGISTER, subject=added.id)
        )
        return added


@frozen
class RegisterAndLogin:
    """Register and open the first session, as the contract says. Raises what RegisterUser raises, DeviceInvalid, and
    TooManyDevices if the device policy allows no device of this type."""

    register: RegisterUser
    opening: Opening

    def __call__(
        self,
        *,
        phone: str,
        password: str,
        user_name: str | None = None,
        invited_by: int | None = None,
        client: Client = NO_CLIENT,
    ) -> Granted:
        client.device.check()
        user = self.register.prepare(phone=phone, password=password, user_name=user_name, invited_by=invited_by)

        def both(tx: Transaction) -> Opened:
            added = self.register.add(tx, user, client)
            return self.opening(tx, added, client, self.register.clock.now())

        return self.opening.issuer.sign(self.register.carry_out(both, client))
