"""The users in memory."""

from collections.abc import Collection, Sequence
from datetime import datetime

from attrs import evolve, frozen

from ...domain.passwords import HashLikeness
from ...domain.ports.reading import HashPage, UserFilter
from ...domain.users import NewUser, Phone, PhoneTaken, ReferrerUnknown, User, UserId
from .store import MemoryStore


@frozen
class MemoryUsers:
    """The ports that read users, over a MemoryStore."""

    store: MemoryStore

    def by_id(self, user_id: UserId) -> User | None:
        with self.store.step():
            return self.store.users.get(user_id)

    def by_phone(self, phone: Phone) -> User | None:
        with self.store.step():
            return _holder(self.store, phone)

    def find(self, wanted: UserFilter, *, after: UserId, limit: int, now: datetime) -> Sequence[User]:
        with self.store.step():
            found = [u for _, u in sorted(self.store.users.items()) if u.id > after and _fits(u, wanted, now)]
        return found[:limit]

    def password_hashes(self, *, after: UserId, limit: int, unlike: Collection[HashLikeness]) -> HashPage:
        with self.store.step():
            found = [user for _, user in sorted(self.store.users.items()) if user.id > after][: limit + 1]
        page = found[:limit]
        different = {user.password_hash for user in page} - {""}
        return HashPage(
            [stored for stored in different if not any(likeness.fits(stored) for likeness in unlike)],
            page[-1].id if len(found) > limit else None,
        )

    def due_to_close(self, now: datetime, limit: int) -> Sequence[UserId]:
        with self.store.step():
            due = [user.id for _, user in sorted(self.store.users.items()) if user.state.is_to_be_erased(now)]
        return due[:limit]


@frozen
class MemoryUserWriter:
    """UserWriter over a MemoryStore."""

    store: MemoryStore

    def by_phone(self, phone: Phone) -> User | None:
        return _holder(self.store, phone)

    def add(self, user: NewUser) -> User:
        with self.store.step():
            if _holder(self.store, user.phone) is not None:
                raise PhoneTaken
            if user.referrer_id is not None and user.referrer_id not in self.store.users:
                raise ReferrerUnknown
            added = User(
                id=UserId(len(self.store.users) + 1),
                phone=user.phone,
                password_hash=user.password_hash,
                registered_at=user.registered_at,
                user_name=user.user_name,
                referrer_id=user.referrer_id,
                state=user.state,
            )
            self.store.put(self.store.users, added.id, added)
            self.store.lock(added.id)
            return added

    def save(self, user: User) -> None:
        with self.store.step():
            self.store.check_locked(user.id)
            holder = None if user.phone is None else _holder(self.store, user.phone)
            if holder is not None and holder.id != user.id:
                raise PhoneTaken
            balance = self.store.users[user.id].account_balance
            self.store.put(self.store.users, user.id, evolve(user, account_balance=balance))


def _holder(store: MemoryStore, phone: Phone) -> User | None:
    return next((user for user in store.users.values() if user.phone == phone), None)


def _fits(user: User, wanted: UserFilter, now: datetime) -> bool:
    return (
        (wanted.user_id is None or user.id == wanted.user_id)
        and (wanted.phone is None or user.phone == wanted.phone)
        and (wanted.name_prefix is None or (user.user_name or "").startswith(wanted.name_prefix))
        and (wanted.standing is None or user.state.standing(now) is wanted.standing)
    )
