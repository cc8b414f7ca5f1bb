"""The users in memory."""

from attrs import evolve, frozen

from ...domain.errors import PhoneTaken, ReferrerUnknown
from ...domain.users import NewUser, Phone, User, UserId
from .store import MemoryStore


@frozen
class MemoryUserRepository:
    """UserRepository over a MemoryStore."""

    store: MemoryStore

    def add(self, user: NewUser) -> User:
        with self.store.lock:
            if self.by_phone(user.phone) is not None:
                raise PhoneTaken
            if user.referrer_id is not None and user.referrer_id not in self.store.users:
                raise ReferrerUnknown
            user_id = UserId(len(self.store.users) + 1)
            added = User(
                id=user_id,
                phone=user.phone,
                password_hash=user.password_hash,
                registered_at=user.registered_at,
                user_name=user.user_name,
                referrer_id=user.referrer_id,
                state=user.state,
            )
            self.store.users[user_id] = added
            return added

    def by_id(self, user_id: UserId) -> User | None:
        with self.store.lock:
            return self.store.users.get(user_id)

    def by_phone(self, phone: Phone) -> User | None:
        with self.store.lock:
            return next((user for user in self.store.users.values() if user.phone == phone), None)

    def replace_password_hash(self, user_id: UserId, *, old: str, new: str) -> bool:
        with self.store.lock:
            user = self.store.users.get(user_id)
            if user is None or user.password_hash != old:
                return False
            self.store.users[user_id] = evolve(user, password_hash=new)
            return True
