"""Finding a user, for operators."""

from attrs import frozen

from ..ports.reading import Users
from ..users import MAX_USER_ID, Phone, PhoneInvalid, User, UserId


@frozen
class FindUser:
    """The user with *identifier*, which is a phone number in any spelling or an id; None if there is none."""

    users: Users

    def __call__(self, identifier: str) -> User | None:
        try:
            return self.users.by_phone(Phone.parse(identifier))
        except PhoneInvalid:
            pass
        if not (identifier.isascii() and identifier.isdigit() and len(identifier) <= 10):
            return None
        user_id = int(identifier)
        return self.by_id(UserId(user_id)) if 0 < user_id <= MAX_USER_ID else None

    def by_id(self, user_id: UserId) -> User | None:
        return self.users.by_id(user_id)
