"""The contract of Users and UserWriter."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from threading import Barrier

import pytest
from attrs import evolve

from ...domain.device_policy import DevicePolicy
from ...domain.ports.reading import UserFilter
from ...domain.ports.writing import NotLocked, Transaction, UnitOfWork
from ...domain.users import MAX_USER_ID, NewUser, Phone, PhoneTaken, ReferrerUnknown, User, UserId, UserState
from .part import PartOfContract
from .steps import UserSteps

REGISTERED_AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
LATER = datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
NOBODY = UserId(MAX_USER_ID)
FIRST = UserId(0)
"""Every user has an id greater than this one."""

ACTIVE = UserState.active()

_numbers: Iterator[int] = count(1)


def new_user(
    phone: str = "13800138000",
    *,
    referrer_id: UserId | None = None,
    user_name: str | None = "张三 𠮷 ",
    state: UserState = ACTIVE,
) -> NewUser:
    return NewUser(
        phone=Phone(phone),
        password_hash="a hash",
        registered_at=REGISTERED_AT,
        user_name=user_name,
        referrer_id=referrer_id,
        state=state,
    )


def another_user(*, user_name: str | None = None, state: UserState = ACTIVE) -> NewUser:
    """A user whose number nobody has."""
    return new_user(f"139{next(_numbers):08}", user_name=user_name, state=state)


def save(work: UnitOfWork, user: User) -> None:
    """Keep *user* as it is now, in a transaction of its own."""

    def lock_and_save(tx: Transaction) -> None:
        assert tx.lock(user.id) is not None
        tx.users.save(user)

    work.transact(lock_and_save)


def erased(user: User) -> User:
    """*user* as a closed account is stored."""
    return evolve(user, phone=None, user_name=None, wechat_openid=None, password_hash="", state=UserState.closed())


class AddingUsersContract(PartOfContract):
    """Subclasses give ``store``, which is empty."""

    def test_an_added_user_comes_back_exactly(self, users: UserSteps) -> None:
        added = users.add(new_user())
        assert added == User(
            id=added.id,
            phone=Phone("13800138000"),
            password_hash="a hash",
            registered_at=REGISTERED_AT,
            user_name="张三 𠮷 ",
            referrer_id=None,
            wechat_openid=None,
            account_balance=Decimal("0.0000"),
            state=UserState.active(),
            fee_percentage=4,
            is_admin=False,
            device_policy=None,
        )
        assert users.by_id(added.id) == users.by_phone(Phone("13800138000")) == added
        assert str(added.account_balance) == "0.0000"
        assert added.registered_at is not None
        assert added.registered_at.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("state", [UserState.frozen(until=LATER, reason="欠费 𠮷 "), UserState("封号")])
    def test_a_user_can_be_added_in_any_state(self, users: UserSteps, state: UserState) -> None:
        added = users.add(new_user(state=state))
        assert added.state == state
        assert users.by_id(added.id) == added

    @pytest.mark.parametrize("user_name", [None, "", " ", "𠮷" * 80])
    def test_a_name_is_kept_as_it_is(self, users: UserSteps, user_name: str | None) -> None:
        added = users.add(new_user(user_name=user_name))
        found = users.by_id(added.id)
        assert found is not None
        assert found.user_name == added.user_name == user_name

    def test_every_user_has_an_id_of_its_own(self, users: UserSteps) -> None:
        added = [users.add(another_user()).id for _ in range(3)]
        with pytest.raises(ReferrerUnknown):
            users.add(new_user(referrer_id=NOBODY))
        added.append(users.add(another_user()).id)
        assert len(set(added)) == len(added)
        assert min(added) > FIRST

    def test_a_phone_number_has_one_user(self, users: UserSteps) -> None:
        first = users.add(new_user())
        with pytest.raises(PhoneTaken):
            users.add(new_user(user_name="another"))
        assert users.by_phone(Phone("13800138000")) == first
        assert users.find(UserFilter(), after=FIRST, limit=10, now=LATER) == [first]

    def test_of_many_who_take_one_number_at_once_one_gets_it(self, users: UserSteps) -> None:
        together = Barrier(8)

        def add(number: int) -> User | None:
            together.wait(timeout=30)
            try:
                return users.add(new_user(user_name=str(number)))
            except PhoneTaken:
                return None

        with ThreadPoolExecutor(8) as pool:
            added = [user for user in pool.map(add, range(8)) if user is not None]
        assert added == users.find(UserFilter(), after=FIRST, limit=10, now=LATER)
        assert len(added) == 1

    def test_nobody_has_an_unknown_number_or_id(self, users: UserSteps, work: UnitOfWork) -> None:
        assert users.by_phone(Phone("13900139000")) is None
        assert users.by_id(UserId(1)) is None
        assert work.transact(lambda tx: tx.lock(UserId(1))) is None

    def test_a_referrer_must_exist(self, users: UserSteps) -> None:
        with pytest.raises(ReferrerUnknown):
            users.add(new_user(referrer_id=NOBODY))
        assert users.by_phone(Phone("13800138000")) is None
        first = users.add(new_user())
        added = users.add(new_user("13900139000", referrer_id=first.id))
        assert added.referrer_id == first.id
        assert users.by_id(added.id) == added

    def test_nobody_is_their_own_referrer(self, users: UserSteps) -> None:
        """An id that is guessed in advance is nobody's when the user is added."""
        last = users.add(another_user()).id
        for ahead in range(1, 6):
            with pytest.raises(ReferrerUnknown):
                users.add(new_user(referrer_id=UserId(last + ahead)))
        assert users.by_phone(Phone("13800138000")) is None

    @pytest.mark.parametrize("referrer", [NOBODY, FIRST])
    def test_a_taken_number_reveals_nothing_about_a_referrer(self, users: UserSteps, referrer: UserId) -> None:
        first = users.add(new_user())
        for referrer_id in (referrer, first.id, None):
            with pytest.raises(PhoneTaken):
                users.add(new_user(referrer_id=referrer_id))
        assert users.find(UserFilter(), after=FIRST, limit=10, now=LATER) == [first]

    def test_a_user_is_locked_as_it_stands(self, users: UserSteps, work: UnitOfWork) -> None:
        user, _ = users.add(another_user()), users.add(another_user())
        assert work.transact(lambda tx: tx.lock(user.id)) == user


class SavingUsersContract(PartOfContract):
    """How users are changed. Subclasses give ``store``, which is empty."""

    @pytest.fixture
    def user(self, users: UserSteps) -> User:
        return users.add(new_user())

    def test_whoever_is_neither_locked_nor_added_by_the_transaction_is_not_saved(
        self, users: UserSteps, work: UnitOfWork
    ) -> None:
        user, other = users.add(another_user()), users.add(another_user())

        def save(tx: Transaction) -> None:
            tx.lock(other.id)
            with pytest.raises(NotLocked):
                tx.users.save(evolve(user, is_admin=True))
            added = tx.users.add(another_user())
            tx.users.save(evolve(added, fee_percentage=7))

        work.transact(save)
        # A lock ends with its transaction.
        work.transact(lambda tx: tx.lock(user.id))
        with pytest.raises(NotLocked):
            work.transact(lambda tx: tx.users.save(evolve(user, is_admin=True)))
        assert users.by_id(user.id) == user

    @pytest.mark.parametrize(
        "change",
        [
            lambda user: user,
            lambda user: evolve(user, password_hash="a newer hash"),
            lambda user: evolve(user, user_name=None),
            lambda user: evolve(user, user_name="李四"),
            lambda user: evolve(user, phone=Phone("13900139000")),
            lambda user: evolve(user, wechat_openid="oX-an_open.id"),
            lambda user: evolve(user, fee_percentage=0),
            lambda user: evolve(user, fee_percentage=100),
            lambda user: evolve(user, is_admin=True),
            erased,
        ],
    )
    def test_what_was_saved_comes_back_exactly(
        self, users: UserSteps, work: UnitOfWork, user: User, change: Callable[[User], User]
    ) -> None:
        other = users.add(another_user())
        changed = change(user)
        save(work, changed)
        assert users.by_id(user.id) == changed
        assert users.by_id(other.id) == other
        if changed.phone is not None:
            assert users.by_phone(changed.phone) == changed

    def test_of_several_saves_in_one_transaction_the_last_counts(
        self, users: UserSteps, work: UnitOfWork, user: User
    ) -> None:
        def there_and_back(tx: Transaction) -> None:
            assert tx.lock(user.id) == user
            for _ in range(2):
                tx.users.save(evolve(user, user_name="李四", fee_percentage=50))
                tx.users.save(user)

        work.transact(there_and_back)
        assert users.by_id(user.id) == user

    def test_what_was_refused_with_a_number_can_be_saved_without_it(
        self, users: UserSteps, work: UnitOfWork, user: User
    ) -> None:
        other, changed = users.add(another_user()), evolve(user, user_name="李四", fee_percentage=50)

        def work_on(tx: Transaction) -> None:
            assert tx.lock(user.id) == user
            with pytest.raises(PhoneTaken):
                tx.users.save(evolve(changed, phone=other.phone))
            tx.users.save(changed)

        work.transact(work_on)
        assert users.by_id(user.id) == changed

    def test_a_balance_is_not_saved(self, users: UserSteps, work: UnitOfWork, user: User) -> None:
        save(work, evolve(user, account_balance=Decimal("9.9999")))
        assert users.by_id(user.id) == user

    def test_a_user_is_not_saved_with_the_number_of_another(
        self, users: UserSteps, work: UnitOfWork, user: User
    ) -> None:
        other = users.add(another_user())
        with pytest.raises(PhoneTaken):
            save(work, evolve(user, phone=other.phone))
        assert users.by_id(user.id) == user

    @pytest.mark.parametrize(
        "state",
        [
            UserState.active(),
            UserState.frozen(until=None, reason="x"),
            UserState.frozen(until=LATER, reason="欠费 𠮷, 'quoted' % _ "),
            UserState.frozen(until=None, reason="字" * 200),
            UserState.closing(LATER),
            UserState.closed(),
            UserState("封号"),
            UserState("", LATER, "of somebody else's making"),
        ],
    )
    def test_a_state_comes_back_exactly_with_its_end_and_its_reason(
        self, users: UserSteps, work: UnitOfWork, user: User, state: UserState
    ) -> None:
        save(work, evolve(user, state=state))
        found = users.by_id(user.id)
        assert found is not None
        assert found.state == state
        assert found.state.until is None or found.state.until.utcoffset() == timedelta(0)
        save(work, user)
        assert users.by_id(user.id) == user

    @pytest.mark.parametrize(
        "policy",
        [
            DevicePolicy(),
            DevicePolicy.single(),
            DevicePolicy.from_table({"phone": 1, "tablet+pc": 2, "mini_program": 0, "total": 3}),
            DevicePolicy.from_table({"total": 1_000, "phone": 5, "overflow": "evict_idle"}),
            DevicePolicy.from_table({"overflow": "reject_new"}),
        ],
    )
    def test_a_device_policy_comes_back_exactly_and_can_be_taken_away(
        self, users: UserSteps, work: UnitOfWork, user: User, policy: DevicePolicy
    ) -> None:
        save(work, evolve(user, device_policy=policy))
        found = users.by_id(user.id)
        assert found is not None
        assert found.device_policy == policy
        save(work, user)
        assert users.by_id(user.id) == user

    def test_a_number_that_was_given_up_is_free(self, users: UserSteps, work: UnitOfWork, user: User) -> None:
        save(work, erased(user))
        assert users.by_phone(Phone("13800138000")) is None
        newer = users.add(new_user())
        assert newer.id != user.id
        assert users.by_phone(Phone("13800138000")) == newer
        assert users.by_id(user.id) == erased(user)

    def test_many_users_may_have_no_number(self, users: UserSteps, work: UnitOfWork, user: User) -> None:
        closed = [user, users.add(another_user()), users.add(another_user())]
        for each in closed:
            save(work, erased(each))
        assert [users.by_id(each.id) for each in closed] == [erased(each) for each in closed]

    def test_a_closed_user_can_still_be_a_referrer(self, users: UserSteps, work: UnitOfWork, user: User) -> None:
        save(work, erased(user))
        assert users.add(new_user(referrer_id=user.id)).referrer_id == user.id

    def test_closings_that_have_come_due_are_found_until_they_are_done(
        self, users: UserSteps, work: UnitOfWork, user: User
    ) -> None:
        save(work, evolve(user, state=UserState.closing(LATER)))
        assert users.due_to_close(LATER - timedelta(microseconds=1), 10) == []
        assert users.due_to_close(LATER, 10) == [user.id]
        assert users.due_to_close(LATER + timedelta(days=1), 10) == [user.id]
        save(work, erased(user))
        assert users.due_to_close(LATER, 10) == []

    @pytest.mark.parametrize(
        "state",
        [
            UserState.active(),
            UserState("注销中"),
            UserState.frozen(until=REGISTERED_AT, reason="over by then"),
            UserState.frozen(until=None, reason="for good"),
            UserState("封号", REGISTERED_AT),
        ],
    )
    def test_nobody_else_is_due_to_close(
        self, users: UserSteps, work: UnitOfWork, user: User, state: UserState
    ) -> None:
        save(work, evolve(user, state=state))
        assert users.due_to_close(LATER, 10) == []

    @pytest.mark.parametrize("until", [None, REGISTERED_AT])
    def test_what_another_program_has_closed_is_not_due(
        self, users: UserSteps, work: UnitOfWork, user: User, until: datetime | None
    ) -> None:
        save(work, evolve(user, state=evolve(UserState.closed(), until=until)))
        assert users.due_to_close(LATER, 10) == []

    def test_no_more_closings_are_found_than_were_asked_for(self, users: UserSteps) -> None:
        due = sorted(users.add(another_user(state=UserState.closing(REGISTERED_AT))).id for _ in range(5))
        assert users.due_to_close(LATER, 2) == due[:2]
        assert users.due_to_close(LATER, 5) == users.due_to_close(LATER, 100) == due
