"""The contract of UserSearch, PasswordHashes and DueClosings."""

from datetime import timedelta

import pytest
from attrs import evolve

from ...domain.passwords import HashLikeness
from ...domain.ports.reading import HashPage, UserFilter
from ...domain.users import Phone, Standing, User, UserId, UserState
from .part import PartOfContract
from .steps import UserSteps
from .users import FIRST, LATER, NOBODY, another_user, new_user

HASHES = (
    *("pbkdf2_sha256$1000$salt$a", "pbkdf2_sha256$1000$salt$b", "pbkdf2xsha256$100$salt$a", "pbkdf2:sha1$1000$salt$a"),
    *("$2b$12$salt", "/100% \\'"),
)


class FindingUsersContract(PartOfContract):
    """How users are found. Subclasses give ``store``, which is empty."""

    def _names_found(self, users: UserSteps, prefix: str) -> list[str | None]:
        return [
            user.user_name for user in users.find(UserFilter(name_prefix=prefix), after=FIRST, limit=100, now=LATER)
        ]

    def test_all_are_found_by_id_a_page_at_a_time(self, users: UserSteps) -> None:
        added = [users.add(another_user()) for _ in range(5)]
        assert users.find(UserFilter(), after=FIRST, limit=100, now=LATER) == sorted(added, key=lambda user: user.id)
        found: list[User] = []
        for _ in range(4):
            page = users.find(UserFilter(), after=found[-1].id if found else FIRST, limit=2, now=LATER)
            assert len(page) <= 2
            found += page
        assert found == sorted(added, key=lambda user: user.id)
        assert users.find(UserFilter(), after=NOBODY, limit=100, now=LATER) == []

    def test_one_is_found_by_id_or_by_number(self, users: UserSteps) -> None:
        users.add(another_user())
        user = users.add(new_user())
        users.add(another_user())
        assert users.find(UserFilter(user_id=user.id), after=FIRST, limit=10, now=LATER) == [user]
        assert users.find(UserFilter(user_id=user.id), after=user.id, limit=10, now=LATER) == []
        assert users.find(UserFilter(user_id=NOBODY), after=FIRST, limit=10, now=LATER) == []
        assert users.find(UserFilter(phone=Phone("13800138000")), after=FIRST, limit=10, now=LATER) == [user]
        assert users.find(UserFilter(phone=Phone("13700137000")), after=FIRST, limit=10, now=LATER) == []

    @pytest.mark.parametrize(
        ("state", "before", "then"),
        [
            (UserState.active(), Standing.ACTIVE, Standing.ACTIVE),
            (UserState.frozen(until=LATER, reason="for a time"), Standing.FROZEN, Standing.ACTIVE),
            (UserState.frozen(until=None, reason="for good"), Standing.FROZEN, Standing.FROZEN),
            (UserState.closing(LATER), Standing.CLOSING, Standing.CLOSED),
            (UserState("注销中"), Standing.UNKNOWN, Standing.UNKNOWN),
            (UserState.closed(), Standing.CLOSED, Standing.CLOSED),
            (UserState("封号"), Standing.UNKNOWN, Standing.UNKNOWN),
            (UserState("", LATER), Standing.UNKNOWN, Standing.UNKNOWN),
        ],
    )
    def test_users_are_found_by_what_their_state_comes_to_now(
        self, users: UserSteps, state: UserState, before: Standing, then: Standing
    ) -> None:
        user = users.add(another_user(state=state))
        for now, expected in [(LATER - timedelta(microseconds=1), before), (LATER, then)]:
            assert user.state.standing(now) is expected
            found = {
                standing: users.find(UserFilter(standing=standing), after=FIRST, limit=10, now=now)
                for standing in Standing
            }
            assert found == {standing: [user] if standing is expected else [] for standing in Standing}

    @pytest.mark.parametrize(
        ("prefix", "found"),
        [
            ("Anna", ["Anna", "Anna "]),
            ("anna", ["anna"]),
            ("Anna ", ["Anna "]),
            ("Anna  ", []),
            ("A", ["Anna", "Anna ", "A%na", "A_na"]),
            ("A%", ["A%na"]),
            ("A_", ["A_na"]),
            ("%", []),
            ("_", []),
            ("nna", []),
            ("张", ["张三", "张三丰"]),
            ("张三", ["张三", "张三丰"]),
            ("三", []),
            ("𠮷", ["𠮷野家", "𠮷"]),
            ("𠮷野", ["𠮷野家"]),
            ("𠀋", []),
            ("吉", ["吉野家"]),
            ("é", ["é"]),
            ("e", ["e\N{COMBINING ACUTE ACCENT}"]),
            ("E", []),
            ("a\\", ["a\\b"]),
            ("a'", ["a'b"]),
            ("*", ["*?["]),
            (" ", [" Anna"]),
        ],
    )
    def test_a_name_prefix_is_compared_character_by_character(
        self, users: UserSteps, prefix: str, found: list[str | None]
    ) -> None:
        names = ["Anna", "anna", "Anna ", "A%na", "A_na", "张三", "张三丰", "𠮷野家", "𠮷", "吉野家"]
        names += ["é", "e\N{COMBINING ACUTE ACCENT}", "a\\b", "a'b", "*?[", " Anna"]
        for name in names:
            users.add(another_user(user_name=name))
        users.add(another_user(user_name=None))
        assert self._names_found(users, prefix) == found

    def test_an_empty_prefix_begins_every_name_and_none(self, users: UserSteps) -> None:
        for name in ["Anna", "", None]:
            users.add(another_user(user_name=name))
        assert self._names_found(users, "") == ["Anna", "", None]

    def test_users_that_are_found_match_everything_given(self, users: UserSteps) -> None:
        user = users.add(new_user(user_name="Anna"))
        users.add(another_user(user_name="Anna", state=UserState("封号")))
        users.add(another_user(user_name="Bert"))
        wanted = UserFilter(user_id=user.id, phone=user.phone, name_prefix="An", standing=Standing.ACTIVE)
        assert users.find(wanted, after=FIRST, limit=10, now=LATER) == [user]
        for other in [
            evolve(wanted, user_id=NOBODY),
            evolve(wanted, phone=Phone("13700137000")),
            evolve(wanted, name_prefix="B"),
            evolve(wanted, standing=Standing.FROZEN),
        ]:
            assert users.find(other, after=FIRST, limit=10, now=LATER) == []

    def test_pages_of_a_filter_leave_nobody_out(self, users: UserSteps) -> None:
        for number in range(7):
            users.add(another_user(user_name="Anna" if number % 2 else "Bert"))
        wanted = UserFilter(name_prefix="Bert")
        first = users.find(wanted, after=FIRST, limit=3, now=LATER)
        second = users.find(wanted, after=first[-1].id, limit=3, now=LATER)
        assert [len(first), len(second)] == [3, 1]
        assert [*first, *second] == users.find(wanted, after=FIRST, limit=10, now=LATER)

    @pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 100])
    def test_the_hashes_are_found_by_id_a_page_at_a_time(self, users: UserSteps, limit: int) -> None:
        added = [users.add(evolve(another_user(), password_hash=f"{number % 2} hash")) for number in range(5)]
        added.sort(key=lambda user: user.id)
        after: UserId | None = FIRST
        for begin in range(0, 5, limit):
            assert after is not None
            page = users.password_hashes(after=after, limit=limit, unlike=[])
            expected = added[begin : begin + limit]
            assert sorted(page.hashes) == sorted({user.password_hash for user in expected})
            assert page.last == (expected[-1].id if begin + limit < 5 else None)
            after = page.last
        assert after is None

    def test_after_the_last_user_there_are_no_hashes(self, users: UserSteps) -> None:
        users.add(another_user())
        assert users.password_hashes(after=NOBODY, limit=2, unlike=[]) == HashPage([], None)
        assert "a hash" not in repr(users.password_hashes(after=FIRST, limit=2, unlike=[]))

    @pytest.mark.parametrize(
        ("unlike", "left"),
        [
            ([], set(HASHES)),
            ([HashLikeness("pbkdf2_sha256$1000$")], set(HASHES) - {HASHES[0], HASHES[1]}),
            ([HashLikeness("pbkdf2", "$1000$")], set(HASHES) - {HASHES[0], HASHES[1], HASHES[3]}),
            ([HashLikeness("pbkdf2_sha256$1000$"), HashLikeness("pbkdf2:")], {HASHES[2], HASHES[4], HASHES[5]}),
            ([HashLikeness("%"), HashLikeness("_"), HashLikeness("", "100%")], set(HASHES) - {HASHES[5]}),
            (
                [HashLikeness("$2b$"), HashLikeness("salt"), HashLikeness("'"), HashLikeness("\\")],
                set(HASHES) - {HASHES[4]},
            ),
            ([HashLikeness(stored) for stored in HASHES], set()),
        ],
    )
    def test_hashes_like_those_that_are_known_are_left_out(
        self, users: UserSteps, unlike: list[HashLikeness], left: set[str]
    ) -> None:
        for stored in (*HASHES, ""):
            users.add(evolve(another_user(), password_hash=stored))
        page = users.password_hashes(after=FIRST, limit=100, unlike=unlike)
        assert (set(page.hashes), len(page.hashes)) == (left, len(left))
