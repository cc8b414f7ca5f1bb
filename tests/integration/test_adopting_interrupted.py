"""A killed adoption continues where it was, and of two at once each row is adopted by one."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from menshen.adapters.argon2_hasher import Argon2PasswordHasher
from menshen.adapters.sql.adoption import taking, waiting
from menshen.adapters.sql.adoption.adopting import Adoption
from menshen.adapters.sql.adoption.states import StateDecisions

from .racers import at_once, ended
from .servers import clean_environment
from .tutorial_tables import (
    PRODUCTS,
    THEIRS,
    WEAK,
    ZONE,
    Tutorial,
    adopt,
    menshen_told,
    nasty_rows,
    new_tutorial,
    plain_rows,
)

_WRITING = ("ALTER", "CREATE", "UPDATE", "INSERT", "SELECT SETVAL", "DROP", "DELETE")

_SECONDS = 60
"""How long one run may take, however busy the machine is."""


def everything(tutorial: Tutorial) -> list[tuple[Any, ...]]:
    """What the rows have come to, to the last digit."""
    return tutorial.execute(
        "SELECT id, is_account, canonical_phone, phone, user_name, password, state, token, account_balance,"
        " CASE WHEN is_account THEN registration_time END FROM x_user ORDER BY id"
    )


# One process that has loaded everything, and has one thread: its children adopt, and kill themselves after so many
# statements that write. The exit code of each is a line.
_ADOPTER = """
import os, signal, sys
from itertools import count
from zoneinfo import ZoneInfo
from sqlalchemy import Engine, event
from menshen.adapters.argon2_hasher import Argon2PasswordHasher
from menshen.adapters.sql.adoption import taking
from menshen.adapters.sql.adoption.adopting import Adoption
from menshen.adapters.sql.adoption.states import StateDecisions

url, zone, batch, seconds, *writing = sys.argv[1:]
taking.BATCH = int(batch)

def child(statements):
    signal.alarm(int(seconds))
    left = count(statements - 1, -1)

    def kill(connection, cursor, statement, *more):
        if statement.lstrip().upper().startswith(tuple(writing)) and next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "after_cursor_execute", kill)
    code = 1
    try:
        rules = Argon2PasswordHasher(memory_kib=8, time_cost=1), StateDecisions()
        Adoption.open(url, ZoneInfo(zone), *rules).carry_out(lambda done, total: None)
        code = 0
    finally:
        os._exit(code)

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        child(int(line))
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@contextmanager
def adopter(tutorial: Tutorial, batch: int) -> Iterator[Callable[[int], bool]]:
    """Adopts in a process that is killed after so many statements that write; False where it had fewer to do."""
    with subprocess.Popen(
        [sys.executable, "-c", _ADOPTER, tutorial.url, ZONE, str(batch), str(_SECONDS), *_WRITING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environment({}),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def killed_after(statements: int) -> bool:
            stdin.write(f"{statements}\n")
            stdin.flush()
            code = int(stdout.readline())
            assert code in {0, -signal.SIGKILL}
            return code != 0

        try:
            yield killed_after
        finally:
            ended(process)


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_never_was(
    product: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "BATCH", 5)
    (tmp_path / "other").mkdir()
    tutorial = new_tutorial(product, tmp_path, request)
    undisturbed = new_tutorial(product, tmp_path / "other", request)
    rows = nasty_rows(product)
    for each in (tutorial, undisturbed):
        each.make()
        each.insert(rows)
        each.execute(*THEIRS)
    outcome = adopt(undisturbed, "--yes")

    kills = 0
    with adopter(tutorial, batch=5) as killed_after:
        # Where a change of the schema cannot be undone, each run goes on from the one before. Elsewhere a run has to get
        # further than the one before, or it ends in the same transaction. One transaction has two such statements at most.
        for statements in count(3, 0) if product == "mariadb" else count(2, 3):
            if not killed_after(statements):
                break
            kills += 1
            assert kills < 100
            # Until every row has been looked at, no other command takes the database for its own.
            code, _, err = menshen_told(tutorial, "migrate", "--check")
            if code == 2:
                assert "menshen adopt" in err
            else:
                accounts = tutorial.execute("SELECT count(*) FROM x_user WHERE is_account")
                assert accounts == [(outcome["taken"],)]

    assert kills >= 8
    # What was killed after the last row, before the weak hashes were wrapped, goes on there.
    assert adopt(tutorial, "--yes")["wrapped"] == outcome["wrapped"] == len(WEAK)
    for each in (tutorial, undisturbed):
        # Each wrapped hash has a salt of its own.
        each.execute("UPDATE x_user SET password = 'wrapped' WHERE password LIKE 'wrapped:%'")
    assert everything(tutorial) == everything(undisturbed)
    assert tutorial.rows() == undisturbed.rows()
    assert menshen_told(tutorial, "migrate", "--check")[0] == 0
    assert adopt(tutorial, "--yes")["to_be_taken"] == 0


@pytest.mark.parametrize("product", PRODUCTS)
def test_two_adoptions_at_once_take_each_row_once(
    product: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "BATCH", 50)
    tutorial = new_tutorial(product, tmp_path, request)
    tutorial.make()
    tutorial.insert(plain_rows(1000))

    def run(_number: int) -> int:
        adoption = Adoption.open(
            tutorial.url, ZoneInfo(ZONE), Argon2PasswordHasher(memory_kib=8, time_cost=1), StateDecisions()
        )
        try:
            return adoption.carry_out(lambda done, total: None).taken
        finally:
            adoption.close()

    taken = at_once(2, run)

    assert sum(taken) == 1000
    found = tutorial.execute("SELECT id, canonical_phone, registration_time FROM x_user WHERE is_account ORDER BY id")
    # Wall-clock minutes since 2015 in a zone eight hours ahead.
    assert [(user_id, digits, str(time)[:16]) for user_id, digits, time in found] == [
        (
            user_id,
            f"139{user_id:08}",
            f"201{4 + (user_id >= 480)}-{'01-01' if user_id >= 480 else '12-31'} {_clock(user_id)}",
        )
        for user_id in range(1, 1001)
    ]
    assert menshen_told(tutorial, "migrate", "--check")[0] == 0


def _clock(minutes: int) -> str:
    hours, minute = divmod(16 * 60 + minutes, 60)
    return f"{hours % 24:02}:{minute:02}"


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_table_that_stays_locked_is_not_waited_for_endlessly(
    product: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(waiting, "LOCK_SECONDS", 1.0)
    tutorial = new_tutorial(product, tmp_path, request)
    tutorial.make()
    tutorial.insert(plain_rows(3))
    before = tutorial.dump()
    _assert_refused_while_locked(tutorial, 1)
    assert tutorial.dump() == before
    assert adopt(tutorial, "--yes")["taken"] == 3


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_row_that_stays_locked_is_not_waited_for_endlessly(
    product: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(waiting, "LOCK_SECONDS", 1.0)
    tutorial = new_tutorial(product, tmp_path, request)
    tutorial.make()
    tutorial.insert(plain_rows(3))
    adopt(tutorial, "--yes")
    # Nothing is left to do to the table, but there is a row to take.
    tutorial.insert(plain_rows(1, first=4))
    _assert_refused_while_locked(tutorial, 4)
    assert adopt(tutorial, "--yes")["taken"] == 1


def _assert_refused_while_locked(tutorial: Tutorial, row: int) -> None:
    with tutorial.connected() as theirs:
        theirs.exec_driver_sql(f"UPDATE x_user SET user_name = 'new' WHERE id = {row}")
        code, _, err = menshen_told(tutorial, "adopt", "--yes")
        assert code == 1
        assert "something else keeps x_user from being changed" in err
        theirs.rollback()


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    peaks = []
    for number in (2_000, 17_000):
        tutorial = Tutorial("sqlite", f"sqlite:///{tmp_path}/{number}.sqlite3")
        tutorial.make()
        tutorial.insert(plain_rows(number))
        # Half of them are left, and listed.
        tutorial.execute("UPDATE x_user SET phone = 'none ' || id WHERE id % 2")
        peaks.append(_peak_of_adopting(tutorial))
    small, large = peaks
    # As many rows as the one has more would take more than that, if they were kept.
    assert large < 1.15 * small


_MEASURED = """
import sys
from pathlib import Path
from menshen.entrypoints.cli.main import main
assert main(["adopt", "--yes", "--json"]) == 0
[peak] = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(peak, file=sys.stderr)
"""


def _peak_of_adopting(tutorial: Tutorial) -> int:
    """KiB of memory that the command has at the most."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED],
        env=clean_environment({"MENSHEN_DATABASE_URL": tutorial.url, "MENSHEN_TIME_ZONE": ZONE}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
        timeout=4 * _SECONDS,
    )
    return int(done.stderr.splitlines()[-1])
