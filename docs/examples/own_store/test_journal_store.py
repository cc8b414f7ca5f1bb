"""The store keeps menshen's contracts, and its journal what was acknowledged."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from journal_store import open_store

from menshen.adapters.conformance.reopening import ReopenedStoreContract
from menshen.adapters.conformance.steps import Steps
from menshen.adapters.conformance.stores import StoreContract
from menshen.adapters.conformance.users import another_user
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.stores import Store
from menshen.domain.users import UserId


def opened(folder: Path) -> Store:
    return open_store(f"journal://{folder}/accounts", 10)


class TestJournalStore(StoreContract):
    keeps_readers_waiting = True

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with closing(opened(tmp_path)) as store:
            yield store


class TestReopenedJournalStore(ReopenedStoreContract):
    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Iterator[Callable[[], Store]]:
        stores: list[Store] = []

        def reopen() -> Store:
            if stores:
                stores.pop().close()
            stores.append(opened(tmp_path))
            return stores[-1]

        yield reopen
        stores.pop().close()


def _add_until_killed(folder: Path, acknowledged: int) -> None:
    store = opened(folder)
    for _ in range(10_000):
        os.write(acknowledged, b"%d\n" % Steps(store).users.add(another_user()).id)


def test_what_was_acknowledged_outlives_sigkill(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    forking = multiprocessing.get_context("fork")
    process = forking.Process(target=_add_until_killed, args=(tmp_path, writing), daemon=True)
    process.start()
    os.close(writing)
    with open(reading, encoding="ascii") as acknowledged:
        ids = [UserId(int(acknowledged.readline())) for _ in range(100)]
        os.kill(process.pid or 0, signal.SIGKILL)
        ids += [UserId(int(line)) for line in acknowledged]
    process.join()
    with closing(opened(tmp_path)) as store:
        assert all(store.users.by_id(user_id) for user_id in ids)


@pytest.mark.parametrize("cut", [1, 2, 10, 100])
def test_a_last_line_that_was_cut_short_was_never_acknowledged(tmp_path: Path, cut: int) -> None:
    with closing(opened(tmp_path)) as store:
        first, second = Steps(store).users.add(another_user()), Steps(store).users.add(another_user())
    journal = tmp_path / "accounts" / "journal"
    os.truncate(journal, journal.stat().st_size - cut)
    with closing(opened(tmp_path)) as store:
        assert store.users.by_id(first.id) == first
        # Without its line break alone, the line says all it had to say.
        assert store.users.by_id(second.id) == (second if cut == 1 else None)


def test_a_line_that_was_damaged_later_is_not_passed_over(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as store:
        for _ in range(3):
            Steps(store).users.add(another_user())
    journal = tmp_path / "accounts" / "journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], lines[2].replace(b"1", b"2"), *lines[3:]]))
    with pytest.raises(StoreUnavailable, match="line 3"):
        opened(tmp_path)


def test_one_at_a_time_has_the_store(tmp_path: Path) -> None:
    with closing(opened(tmp_path)), pytest.raises(StoreUnavailable, match="another process"):
        opened(tmp_path)
    opened(tmp_path).close()


@pytest.mark.parametrize("url", ["journal://", "journal://accounts", "journal:accounts"])
def test_a_url_without_a_folder_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="journal:///FOLDER"):
        open_store(url, 10)
