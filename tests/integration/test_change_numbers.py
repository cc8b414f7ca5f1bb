"""In whatever order the numbers of changes come, and whatever hides some: each is heard of within the bound, or nothing is
relied on."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from attrs import define, field

from menshen.adapters.remembering.epochs import LocalEpochs
from menshen.adapters.sql import change_channel
from menshen.adapters.sql.change_channel import SqlChannel
from menshen.adapters.sql.database import Database
from menshen.adapters.sql.tables import changes
from menshen.domain.errors import StoreUnavailable
from menshen.domain.users import UserId

from .patience import until
from .stores import migrated, opened

BOUND = 1.0
"""Seconds within which whatever was written counts."""


@define(eq=False)
class Numbered:
    """A channel on a database whose changes come with the numbers that a test gives them, user 1000 with number 1 and so on."""

    database: Database
    epochs: LocalEpochs = field(factory=LocalEpochs)
    channel: SqlChannel = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.channel = SqlChannel(self.database, self.epochs)

    def commit(self, *numbers: int) -> None:
        rows = [{"id": number, "user_id": number + 1000} for number in numbers]
        with self.database.writing() as connection:
            connection.execute(changes.insert(), rows)

    def commit_and_hear(self, *numbers: int) -> None:
        """Commit them, and wait until all of them are heard of. After the bound nothing may be relied on until then."""
        before = {number: self.epochs.of(UserId(number + 1000)) for number in numbers}
        self.commit(*numbers)
        began = time.monotonic()

        def are_heard() -> bool:
            is_relied_on = time.monotonic() - began > BOUND and self.channel.is_trusted()
            are_heard = all(self.epochs.of(UserId(number + 1000)) != old for number, old in before.items())
            assert are_heard or not is_relied_on
            return are_heard

        until(are_heard)

    def run(self, statement: str) -> None:
        with self.database.writing() as connection:
            connection.exec_driver_sql(statement)


@pytest.fixture
def numbered(tmp_path: Path) -> Iterator[Numbered]:
    url = f"sqlite:///{tmp_path}/numbered.sqlite3"
    migrated(url)
    with opened(url) as database:
        numbered = Numbered(database)
        yield numbered
        numbered.channel.close()


def test_what_comes_late_is_heard_of_though_nothing_had_come_before(numbered: Numbered) -> None:
    numbered.commit(4)
    until(numbered.channel.is_trusted)
    for number in (3, 1, 2):
        numbered.commit_and_hear(number)


def test_what_was_waited_for_is_still_waited_for_after_a_failure(
    monkeypatch: pytest.MonkeyPatch, numbered: Numbered
) -> None:
    numbered.commit(1)
    until(numbered.channel.is_trusted)
    numbered.commit_and_hear(3)
    numbered.commit_and_hear(20_000)

    def gone(self: Database, work: object) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as then:
        then.setattr(Database, "read", gone)
        until(lambda: not numbered.channel.is_trusted())
    until(numbered.channel.is_trusted)
    numbered.commit_and_hear(2)
    numbered.commit_and_hear(10_500)


def test_many_that_come_late_are_all_heard_of(numbered: Numbered) -> None:
    numbered.commit(1)
    until(numbered.channel.is_trusted)
    # Each third, as on a Galera node of three; then what the other nodes have, and a bulk change of everybody's.
    numbered.commit_and_hear(*range(4, 6000, 3))
    numbered.commit_and_hear(20_000)
    numbered.commit_and_hear(*range(2, 6000, 3))
    numbered.commit_and_hear(*range(6001, 20_000))


def test_what_comes_very_late_is_heard_of_within_the_bound(monkeypatch: pytest.MonkeyPatch, numbered: Numbered) -> None:
    monkeypatch.setattr(change_channel, "_YOUNG_SECONDS", 0.05)
    numbered.commit(1)
    until(numbered.channel.is_trusted)
    numbered.commit_and_hear(100)
    time.sleep(0.2)
    for number in range(40, 46):
        numbered.commit_and_hear(number)


def test_a_slow_database_is_not_relied_on_for_longer(monkeypatch: pytest.MonkeyPatch, numbered: Numbered) -> None:
    monkeypatch.setattr(change_channel, "_YOUNG_SECONDS", 0.05)
    usual = Database.read

    def slowly(self: Database, work: Any) -> Any:
        time.sleep(0.3)
        return usual(self, work)

    numbered.commit(1)
    until(numbered.channel.is_trusted)
    numbered.commit_and_hear(100)
    monkeypatch.setattr(Database, "read", slowly)
    for number in range(40, 44):
        numbered.commit_and_hear(number)


@pytest.mark.parametrize(
    "befalls", ["DELETE FROM x_change", "DELETE FROM x_change WHERE id > 2", "DROP TRIGGER tr_x_user_changed"]
)
def test_whatever_would_hide_changes_ends_the_trust(numbered: Numbered, befalls: str) -> None:
    numbered.commit(1, 2, 3)
    until(numbered.channel.is_trusted)
    numbered.commit_and_hear(4)
    before = numbered.epochs.of(UserId(5))
    numbered.run(befalls)
    assert until(lambda: not numbered.channel.is_trusted()) < BOUND
    if "TRIGGER" not in befalls:
        until(numbered.channel.is_trusted)
        assert numbered.epochs.of(UserId(5)) != before
        # An older copy of the database gives numbers again that were heard of.
        numbered.commit_and_hear(3 if "WHERE" in befalls else 1)


def test_without_a_thread_to_listen_nothing_is_relied_on(monkeypatch: pytest.MonkeyPatch, numbered: Numbered) -> None:
    def refuse(self: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refuse)
    assert not numbered.channel.is_trusted()
