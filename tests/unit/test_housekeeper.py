"""The housekeeper: it prunes regularly, whatever the store does, until it is stopped."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import cast

import pytest
from attrs import define, field

from menshen.domain.clocks import ClockInDoubt
from menshen.domain.errors import StoreUnavailable
from menshen.domain.use_cases.housekeeping import Prune, Pruned
from menshen.entrypoints.housekeeper import INTERVAL_SECONDS, Housekeeper

from .http_service import PASSWORD, done, logged, serve
from .memory_house import House

SOON = 0.001
PATIENCE = 30.0


@define
class Rounds:
    """A fake Prune: counts its rounds, and lets a test wait for the last of those it is to count."""

    outcome: Callable[[int], Pruned]
    until: int
    count: int = 0
    reached: Event = field(factory=Event)

    def __call__(self, is_stopping: Callable[[], bool]) -> Pruned:
        self.count += 1
        if self.count >= self.until:
            self.reached.set()
        return self.outcome(self.count)


def nothing(_round: int) -> Pruned:
    return Pruned(sessions=0, audit_entries=0, accounts=0)


Start = Callable[..., tuple[Housekeeper, Rounds]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a housekeeper over Rounds, and see to it that it ends."""
    started: list[Housekeeper] = []

    def run(
        outcome: Callable[[int], Pruned] = nothing, *, until: int = 3, every: float = SOON
    ) -> tuple[Housekeeper, Rounds]:
        rounds = Rounds(outcome, until)
        housekeeper = Housekeeper(cast(Prune, rounds), every)
        housekeeper.start()
        started.append(housekeeper)
        return housekeeper, rounds

    yield run
    for housekeeper in started:
        housekeeper.stop()


def test_it_prunes_again_and_again(start: Start) -> None:
    _, rounds = start(until=5)
    assert rounds.reached.wait(PATIENCE)


def test_it_says_what_it_did_away_with(start: Start) -> None:
    with logged("menshen.housekeeper") as records:
        housekeeper, rounds = start(lambda number: Pruned(sessions=number, audit_entries=20, accounts=3), until=2)
        assert rounds.reached.wait(PATIENCE)
        housekeeper.stop()
    assert [record.getMessage() for record in records[:2]] == [
        "pruned 1 sessions, 20 audit entries, 3 accounts",
        "pruned 2 sessions, 20 audit entries, 3 accounts",
    ]
    assert {record.levelname for record in records} == {"INFO"}


def test_a_store_that_is_gone_is_logged_and_does_not_end_it(start: Start) -> None:
    def gone_at_first(number: int) -> Pruned:
        if number <= 2:
            raise StoreUnavailable("the password of db.internal is x")
        return nothing(number)

    with logged("menshen.housekeeper") as records:
        housekeeper, rounds = start(gone_at_first, until=4)
        assert rounds.reached.wait(PATIENCE)
        housekeeper.stop()
    assert [record.levelname for record in records[:3]] == ["WARNING", "WARNING", "INFO"]
    assert records[0].getMessage().startswith("could not prune")
    assert "db.internal" not in records[0].getMessage()


def test_a_clock_that_is_not_believed_is_told_with_what_to_do_about_it(start: Start) -> None:
    def doubtful_at_first(number: int) -> Pruned:
        if number <= 2:
            raise ClockInDoubt(datetime(2027, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC), timedelta(days=8))
        return nothing(number)

    with logged("menshen.housekeeper") as records:
        housekeeper, rounds = start(doubtful_at_first, until=4)
        assert rounds.reached.wait(PATIENCE)
        housekeeper.stop()
    assert [record.levelname for record in records[:3]] == ["ERROR", "ERROR", "INFO"]
    assert records[0].getMessage() == (
        "did not prune: the clock says 2027-01-01T00:00:00+00:00, and of the 8 days before 2026-12-31T00:00:00+00:00 the"
        " store knows nothing: it may have jumped; where it is right, say so by `menshen prune --clock-is-right`"
    )


def test_no_fault_ends_it_either(start: Start) -> None:
    def broken_at_first(number: int) -> Pruned:
        if number == 1:
            raise RuntimeError("nobody expected this")
        return nothing(number)

    with logged("menshen.housekeeper") as records:
        housekeeper, rounds = start(broken_at_first, until=3)
        assert rounds.reached.wait(PATIENCE)
        housekeeper.stop()
    assert [record.levelname for record in records[:2]] == ["ERROR", "INFO"]
    assert records[0].exc_info is not None


def test_a_round_learns_that_it_is_to_stop() -> None:
    asked: list[bool] = []
    under_way, go_on = Event(), Event()

    def asking(is_stopping: Callable[[], bool]) -> Pruned:
        asked.append(is_stopping())
        under_way.set()
        assert go_on.wait(PATIENCE)
        asked.append(is_stopping())
        return nothing(1)

    housekeeper = Housekeeper(cast(Prune, asking), SOON)
    housekeeper.start()
    assert under_way.wait(PATIENCE)
    housekeeper._stopping.set()
    go_on.set()
    housekeeper.stop()
    assert asked == [False, True]


def is_running(housekeeper: Housekeeper) -> bool:
    return housekeeper._thread is not None and housekeeper._thread.is_alive()


def test_one_that_never_began_can_be_stopped() -> None:
    housekeeper = Housekeeper(House().service.prune)
    housekeeper.stop()
    assert not is_running(housekeeper)


def test_stopping_ends_it(start: Start) -> None:
    housekeeper, rounds = start(until=1)
    assert rounds.reached.wait(PATIENCE)
    housekeeper.stop()
    assert not is_running(housekeeper)
    count = rounds.count
    housekeeper.stop()
    assert rounds.count == count


def test_stopping_does_not_wait_for_the_next_round(start: Start) -> None:
    housekeeper, rounds = start(every=3_600.0)
    housekeeper.stop()
    assert not is_running(housekeeper)
    assert rounds.count == 0


def test_stopping_waits_for_the_round_that_is_under_way(start: Start) -> None:
    under_way, go_on = Event(), Event()

    def slow(number: int) -> Pruned:
        under_way.set()
        assert go_on.wait(PATIENCE)
        return nothing(number)

    with logged("menshen.housekeeper") as records:
        housekeeper, _ = start(slow)
        assert under_way.wait(PATIENCE)
        stopping = threading.Thread(target=housekeeper.stop)
        stopping.start()
        assert stopping.is_alive()
        go_on.set()
        stopping.join(PATIENCE)
    assert not stopping.is_alive()
    assert len(records) == 1


def test_it_holds_up_no_process_that_ends(start: Start) -> None:
    housekeeper, _ = start(every=3_600.0)
    assert housekeeper._thread is not None
    assert housekeeper._thread.daemon


def test_it_works_every_ten_minutes_unless_told_otherwise() -> None:
    assert INTERVAL_SECONDS == 600
    assert Housekeeper(House().service.prune).interval_seconds == 600


def test_what_is_due_is_gone_after_a_round(start: Start) -> None:
    http = serve()
    token = http.registered()
    done(http.request("DELETE", "/api/user", {"password": PASSWORD}, token=token))
    http.clock.move(timedelta(days=7))
    with logged("menshen.housekeeper") as records:
        housekeeper, rounds = start(lambda _round: http.service.prune(), until=2)
        assert rounds.reached.wait(PATIENCE)
        housekeeper.stop()
    assert records[0].getMessage() == "pruned 0 sessions, 0 audit entries, 1 accounts"
    assert records[1].getMessage() == "pruned 0 sessions, 0 audit entries, 0 accounts"
    (user,) = http.store.users.values()
    assert user.phone is None
