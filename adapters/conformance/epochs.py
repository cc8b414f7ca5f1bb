"""The contract of Epochs."""

from ...domain.users import UserId
from ..word_of_changes import SLOTS, Epochs


class EpochsContract:
    """Subclasses give the fixture ``epochs``, which nobody else changes meanwhile."""

    def test_a_change_is_one_of_those_users_alone(self, epochs: Epochs) -> None:
        epochs.change_all()
        users = [UserId(number) for number in (0, 1, 2, 77, SLOTS - 1)]
        before = {user: epochs.of(user) for user in users}
        epochs.change(users[1:3])
        assert {user for user in users if epochs.of(user) != before[user]} == set(users[1:3])

    def test_nobody_is_no_change(self, epochs: Epochs) -> None:
        before = [epochs.of(UserId(number)) for number in range(SLOTS)]
        epochs.change([])
        assert [epochs.of(UserId(number)) for number in range(SLOTS)] == before

    def test_users_whose_ids_differ_by_the_number_of_slots_share_one(self, epochs: Epochs) -> None:
        before = epochs.of(UserId(5))
        epochs.change([UserId(5 + SLOTS)])
        assert epochs.of(UserId(5)) != before
        assert epochs.of(UserId(5)) == epochs.of(UserId(5 + 7 * SLOTS))

    def test_what_stood_there_does_not_come_back(self, epochs: Epochs) -> None:
        seen = set()
        for _ in range(1000):
            epochs.change([UserId(9)])
            seen.add(epochs.of(UserId(9)))
        assert len(seen) == 1000

    def test_all_can_change_at_once(self, epochs: Epochs) -> None:
        before = [epochs.of(UserId(number)) for number in range(SLOTS)]
        epochs.change_all()
        assert not any(epochs.of(UserId(number)) == old for number, old in enumerate(before))

    def test_the_values_are_there_to_be_looked_at_once_one_has_been_asked_for(self, epochs: Epochs) -> None:
        epochs.change([UserId(3), UserId(SLOTS + 4)])
        assert [epochs.of(UserId(number)) for number in range(SLOTS)] == list(epochs.values)
