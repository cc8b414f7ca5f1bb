"""The contract of UserRepository."""

from datetime import UTC, datetime

import pytest

from menshen.domain.errors import PhoneTaken, ReferrerUnknown
from menshen.domain.ports import UserRepository
from menshen.domain.users import NewUser, Phone, UserId, UserState


def new_user(phone: str = "13800138000", *, referrer_id: UserId | None = None) -> NewUser:
    return NewUser(
        phone=Phone(phone),
        password_hash="a hash",
        registered_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        user_name="张三 𠮷 ",
        referrer_id=referrer_id,
    )


class UserRepositoryContract:
    """Subclasses give the fixture ``users``: an empty repository."""

    def test_what_was_added_comes_back_exactly(self, users: UserRepository) -> None:
        added = users.add(new_user())
        assert users.by_id(added.id) == users.by_phone(Phone("13800138000")) == added
        assert added.user_name == "张三 𠮷 "
        assert added.registered_at == datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
        assert str(added.account_balance) == "0.0000"
        assert added.state == UserState.ACTIVE
        assert added.fee_percentage == 4

    def test_a_phone_number_has_one_user(self, users: UserRepository) -> None:
        first = users.add(new_user())
        with pytest.raises(PhoneTaken):
            users.add(new_user())
        assert users.by_phone(Phone("13800138000")) == first

    def test_nobody_has_an_unknown_number_or_id(self, users: UserRepository) -> None:
        assert users.by_phone(Phone("13900139000")) is None
        assert users.by_id(UserId(1)) is None

    def test_a_referrer_must_exist(self, users: UserRepository) -> None:
        with pytest.raises(ReferrerUnknown):
            users.add(new_user(referrer_id=UserId(99)))
        assert users.by_phone(Phone("13800138000")) is None
        first = users.add(new_user())
        assert users.add(new_user("13900139000", referrer_id=first.id)).referrer_id == first.id

    def test_a_password_hash_is_replaced_only_where_the_old_one_still_stands(self, users: UserRepository) -> None:
        user = users.add(new_user())
        assert users.replace_password_hash(user.id, old="a hash", new="a newer hash")
        assert not users.replace_password_hash(user.id, old="a hash", new="a late hash")
        found = users.by_id(user.id)
        assert found is not None
        assert found.password_hash == "a newer hash"
