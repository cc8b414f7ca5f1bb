"""Becoming a user."""

from attrs import frozen

from ..errors import ReferrerUnknown
from ..passwords import PasswordPolicy
from ..ports import Clock, PasswordHasher, UserRepository
from ..users import MAX_USER_ID, NewUser, Phone, User, UserId, check_user_name
from .login import Granted, OpenSession


@frozen
class RegisterUser:
    """Make a user of a phone number and a password.

    Raises PhoneInvalid, UserNameInvalid, a refusal of the password policy, PhoneTaken, ReferrerUnknown, HasherBusy.
    """

    users: UserRepository
    hasher: PasswordHasher
    password_policy: PasswordPolicy
    clock: Clock

    def __call__(
        self, *, phone: str, password: str, user_name: str | None = None, invited_by: int | None = None
    ) -> User:
        number = Phone.parse(phone)
        check_user_name(user_name)
        self.password_policy.check(password, phone=number, user_name=user_name)
        if invited_by is not None and not 0 < invited_by <= MAX_USER_ID:
            raise ReferrerUnknown
        return self.users.add(
            NewUser(
                phone=number,
                password_hash=self.hasher.hash(password),
                registered_at=self.clock.now(),
                user_name=user_name,
                referrer_id=None if invited_by is None else UserId(invited_by),
            )
        )


@frozen
class RegisterAndLogin:
    """Register, and open the first session at once, as the contract has it. Raises what RegisterUser raises."""

    register: RegisterUser
    open_session: OpenSession

    def __call__(
        self, *, phone: str, password: str, user_name: str | None = None, invited_by: int | None = None
    ) -> Granted:
        user = self.register(phone=phone, password=password, user_name=user_name, invited_by=invited_by)
        return self.open_session(user)
