"""How ``menshen adopt`` speaks with people and programs, and what it asks before it changes anything."""

import csv
import io
import stat
from contextlib import redirect_stderr, redirect_stdout
from hashlib import md5, scrypt
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from menshen.adapters.sql.adoption import settling, taking, waiting
from menshen.entrypoints.cli import progress
from menshen.entrypoints.cli.main import main

from .servers import menshen, only_line, serving
from .tutorial_tables import LEFT, ZONE, Tutorial, adopt, menshen_told, nasty_rows, password_of, plain_rows, row


@pytest.fixture
def tutorial(tmp_path: Path) -> Tutorial:
    made = Tutorial("sqlite", f"sqlite:///{tmp_path}/tutorial.sqlite3")
    made.make()
    return made


class Terminal(io.StringIO):
    """Somebody who types, or reads."""

    def isatty(self) -> bool:
        return True


def answered(tutorial: Tutorial, answer: str, *arguments: str) -> tuple[int, str, str]:
    """The command on a terminal, where somebody answers."""
    out, err = Terminal(), Terminal()
    environment = {"MENSHEN_DATABASE_URL": tutorial.url, "MENSHEN_TIME_ZONE": ZONE}
    with redirect_stdout(out), redirect_stderr(err), patch("sys.stdin", Terminal(answer)):
        code = main(["adopt", *arguments], environment)
    return code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "maybe\n"])
def test_nothing_changes_unless_somebody_agrees(tutorial: Tutorial, answer: str) -> None:
    tutorial.insert(plain_rows(3))
    before = tutorial.dump()
    code, out, err = answered(tutorial, answer)
    assert code == 1
    assert "to_be_taken      3" in out
    assert err.endswith("menshen: nothing was changed\n")
    assert tutorial.dump() == before


@pytest.mark.parametrize("answer", ["y\n", "YES\n"])
def test_who_agrees_sees_the_report_and_how_it_goes_on(tutorial: Tutorial, answer: str) -> None:
    tutorial.insert(plain_rows(3))
    code, out, err = answered(tutorial, answer)
    assert code == 0
    assert "to_be_taken      3" in out
    assert out.endswith("adopted: 3 rows were taken, 0 were left as they are\n")
    assert "adopting [########################] 100%  3 of 3 rows" in err


def test_nobody_is_asked_where_nobody_can_answer(tutorial: Tutorial) -> None:
    code, out, err = menshen_told(tutorial, "adopt")
    assert (code, out) == (2, "")
    assert "--yes" in only_line(err)


def test_without_a_terminal_a_line_now_and_then_tells_how_far_it_is(
    tutorial: Tutorial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "BATCH", 1)
    seconds = count(0, 2)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    tutorial.insert(plain_rows(10))
    _, _, err = menshen_told(tutorial, "adopt", "--yes")
    lines = err.splitlines()
    assert len(lines) == 6
    assert lines[0] == "menshen: looking: 30%  3 of 10 rows  0/s  19 s left"
    assert lines[3].startswith("menshen: adopting: 30%  3 of 10 rows")


def test_a_dry_run_leaves_every_byte_of_the_file_alone(tutorial: Tutorial, tmp_path: Path) -> None:
    tutorial.insert(plain_rows(100))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    adopt(tutorial, "--dry-run")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    missing = Tutorial("sqlite", f"sqlite:///{tmp_path}/missing.sqlite3")
    for arguments in (["--dry-run"], ["--yes"]):
        code, _, err = menshen_told(missing, "adopt", *arguments)
        assert code == 2
        assert "missing.sqlite3" in only_line(err)
    assert list(tmp_path.iterdir()) == []


def test_a_store_without_tables_has_nothing_to_adopt() -> None:
    code, _, err = menshen_told(Tutorial("memory", "memory://"), "adopt", "--yes")
    assert code == 2
    assert "no tables" in only_line(err)


def test_a_url_that_cannot_be_meant_is_refused_before_anything_is_done(tutorial: Tutorial) -> None:
    code, _, err = menshen_told(Tutorial("sqlite", f"{tutorial.url}?mode=ro"), "adopt", "--yes")
    assert code == 2
    assert "MENSHEN_DATABASE_URL" in only_line(err)


def test_people_are_shown_the_beginning_of_a_long_list(tutorial: Tutorial) -> None:
    tutorial.insert(row(number, f"\x1b[31mnone {number}") for number in range(1, 31))
    code, out, _ = menshen_told(tutorial, "adopt", "--dry-run")
    assert code == 0
    assert out.count("phone_invalid") == 21
    assert "... and 10 more; --list FILE or --json has them all" in out
    # What stands in the table does not command the terminal.
    assert "\x1b" not in out


def test_what_cannot_log_in_is_marked(tutorial: Tutorial) -> None:
    tutorial.insert([row(1, "13800138001", state="禁用"), row(2, "13800138002", password="plain")])
    _, out, _ = menshen_told(tutorial, "adopt", "--dry-run")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "禁用 1 unknown to us: it stays, and cannot log in; --state TEXT=active or =frozen decides" in lines
    assert "正常 1" in lines
    assert "unknown 1 cannot log in: `menshen user password` gives a new password" in lines
    assert "pbkdf2 1" in lines


def test_what_looks_alike_is_shown_so_that_it_does_not(tutorial: Tutorial) -> None:
    states = ["正常", "正常 ", "正常\u200b", None, "", " ", "NULL", '"x"']
    tutorial.insert([row(number, f"138001380{number:02}", state=each) for number, each in enumerate(states, 1)])
    tutorial.insert([row(20, "\u202d1380013\u202c "), row(21, "12345 "), row(22, "12345")])
    _, out, _ = menshen_told(tutorial, "adopt", "--dry-run")
    blocks = [block.splitlines() for block in out.split("\n\n")]
    [shown] = [{line.split("  ")[0] for line in block[1:]} for block in blocks if block[0].startswith("state ")]
    assert shown == {"正常", '"正常 "', '"正常\\u200b"', "NULL", '""', '" "', '"NULL"', '"\\"x\\""'}
    [left] = [block[1:] for block in blocks if block[0].startswith("id ")]
    assert [line.split("  ")[1] for line in left] == ['"\\u202d1380013\\u202c "', '"12345 "', "12345"]


def test_a_state_is_decided_on_as_the_report_shows_it(tutorial: Tutorial) -> None:
    states = [None, "", "NULL", "封=禁\u200b", "已注销"]
    tutorial.insert([row(number, f"138001380{number:02}", state=each) for number, each in enumerate(states, 1)])
    decisions = ["NULL=active", "=frozen", '"NULL"=frozen', '"封=禁\\u200b"=active', "已注销=frozen"]
    arguments = [argument for each in decisions for argument in ("--state", each)]
    assert adopt(tutorial, "--yes", *arguments)["taken"] == 5
    assert tutorial.execute("SELECT state, state_reason FROM x_user ORDER BY id") == [
        ("正常", None),
        ("冻结", None),
        ("冻结", "NULL"),
        ("正常", None),
        ("冻结", "已注销"),
    ]


def test_a_decision_on_what_no_row_has_is_told_of(tutorial: Tutorial) -> None:
    tutorial.insert(plain_rows(1))
    code, _, err = menshen_told(tutorial, "adopt", "--dry-run", "--state", "封禁=frozen")
    assert (code, only_line(err)) == (0, "menshen: --state: no row is 封禁")


@pytest.mark.parametrize("decision", ["封禁", "封禁=", "封禁=banned", "封禁=closed", '"封禁=frozen', "封禁=unknown"])
def test_a_decision_for_what_is_no_standing_is_wrong_usage(tutorial: Tutorial, decision: str) -> None:
    tutorial.insert(plain_rows(1))
    before = tutorial.dump()
    code, _, err = menshen_told(tutorial, "adopt", "--yes", "--state", decision)
    assert code == 2
    assert "--state" in err
    assert tutorial.dump() == before


def test_a_table_that_says_nothing_of_states_is_reported_as_it_will_be(tutorial: Tutorial) -> None:
    tutorial.insert(plain_rows(2))
    tutorial.execute("ALTER TABLE x_user DROP COLUMN state")
    states = [{"state": "正常", "rows": 2, "is_known": True, "becomes": None}]
    assert adopt(tutorial, "--dry-run")["states"] == states
    assert adopt(tutorial, "--yes")["states"] == states


def test_what_was_adopted_before_somebody_decided_is_settled_by_the_next_run(
    tutorial: Tutorial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "BATCH", 2)
    states = ["正常", "封禁", "封禁", " 封禁", None, "停用", "封禁"]
    tutorial.insert([row(number, f"138001380{number:02}", state=each) for number, each in enumerate(states, 1)])
    adopt(tutorial, "--yes")
    # As an older menshen left them, and as another program writes them.
    tutorial.execute(
        "UPDATE x_user SET state = '正常 ' WHERE id = 1",
        "UPDATE x_user SET state_until = '2999-01-01 00:00:00' WHERE id = 7",
    )
    found = {each["state"]: (each["rows"], each["becomes"]) for each in adopt(tutorial, "--dry-run")["states"]}
    assert found == {"正常 ": (1, "正常"), "封禁": (2, None), " 封禁": (1, None), None: (1, None), "停用": (1, None)}
    code, out, _ = menshen_told(tutorial, "adopt", "--dry-run", "--state", "NULL=active")
    assert code == 0
    assert ["NULL", "1", "becomes", "正常"] in [line.split() for line in out.splitlines()]
    decisions = ("--state", "封禁=frozen", "--state", "NULL=active")
    assert adopt(tutorial, "--dry-run", *decisions)["to_be_settled"] == 5
    assert adopt(tutorial, "--yes", *decisions)["settled"] == 5
    assert tutorial.execute("SELECT state, state_reason FROM x_user ORDER BY id") == [
        ("正常", None),
        ("冻结", "封禁"),
        ("冻结", "封禁"),
        ("冻结", "封禁"),
        ("正常", None),
        ("停用", None),
        # One with an end is ours.
        ("封禁", None),
    ]
    before = tutorial.dump()
    assert adopt(tutorial, "--yes", *decisions)["to_be_settled"] == 0
    assert tutorial.dump() == before


def test_an_account_is_not_closed_by_what_another_program_writes(tutorial: Tutorial) -> None:
    tutorial.insert(plain_rows(1))
    adopt(tutorial, "--yes")
    tutorial.execute("UPDATE x_user SET state = '已注销 '")
    before = tutorial.dump()
    assert adopt(tutorial, "--yes")["to_be_settled"] == 0
    assert tutorial.dump() == before


def weak(password: str) -> str:
    return md5(password.encode()).hexdigest()


def test_weak_hashes_are_said_to_be_so_and_wrapped_at_once(tutorial: Tutorial) -> None:
    tutorial.insert([row(1, "13800138001", password=weak(password_of(1))), row(2, "12345", password=weak("x"))])
    code, out, _ = answered(tutorial, "y\n")
    assert code == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "to_be_wrapped 1" in lines
    assert "md5 2 weak: hashed once more at once" in lines
    assert "wrapped: 1 weak password hashes were hashed once more, by Argon2id" in lines
    [first, second] = [password for (password,) in tutorial.execute("SELECT password FROM x_user ORDER BY id")]
    assert first.startswith("wrapped:md5$argon2id$")
    # The row that is left is not touched.
    assert second == weak("x")


def test_weak_hashes_that_somebody_writes_later_are_wrapped_by_the_next_run_or_by_a_command(tutorial: Tutorial) -> None:
    tutorial.insert([row(1, "13800138001"), row(2, "13800138002", password=None)])
    adopt(tutorial, "--yes")
    tutorial.execute(f"UPDATE x_user SET password = '{weak('x')}' WHERE id = 1")
    assert adopt(tutorial, "--dry-run")["to_be_wrapped"] == 1
    outcome = adopt(tutorial, "--yes")
    assert (outcome["taken"], outcome["wrapped"]) == (0, 1)
    tutorial.execute(f"UPDATE x_user SET password = '{weak('y')}' WHERE id = 1")
    assert menshen_told(tutorial, "user", "wrap-hashes") == (0, "wrapped  1\n", "")
    assert menshen_told(tutorial, "user", "wrap-hashes", "--json") == (0, '{"wrapped": 0}\n', "")
    assert tutorial.execute("SELECT password LIKE 'wrapped:md5$argon2id$%' FROM x_user WHERE id = 1") == [(1,)]
    before = tutorial.dump()
    assert adopt(tutorial, "--yes")["to_be_wrapped"] == 0
    assert tutorial.dump() == before


def test_the_report_and_the_login_judge_by_the_same_bound(tutorial: Tutorial, tmp_path: Path) -> None:
    salt = "saltsaltsaltsalt"
    dear = (
        f"scrypt:131072:8:1${salt}$"
        + scrypt(password_of(1).encode(), salt=salt.encode(), n=131072, r=8, p=1, maxmem=2**28).hex()
    )
    too_dear = f"pbkdf2:sha256:2500000${salt}${'0' * 64}"
    tutorial.insert([row(1, "13800138001", password=dear), row(2, "13800138002", password=too_dear)])
    found = {each["hash"]: each["can_log_in"] for each in adopt(tutorial, "--yes")["hashes"]}
    assert found == {"scrypt": True, "too costly": False}
    with serving(tmp_path / "server", DATABASE_URL=tutorial.url) as server, server.client() as client:
        assert client.login("13800138001", password_of(1)).token
        assert client.login("13800138002", password_of(2)).reason == "invalid_credentials"


def test_the_whole_list_goes_into_a_file_of_its_maker_that_no_spreadsheet_runs(
    tutorial: Tutorial, tmp_path: Path
) -> None:
    tutorial.insert(nasty_rows("sqlite"))
    path = tmp_path / "left.csv"
    adopt(tutorial, "--dry-run", "--list", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(each["id"]) for each in rows] == [each["id"] for each in LEFT]
    phones = {int(each["id"]): each["phone"] for each in rows}
    assert phones[19] == "'=cmd|' /C calc'!A0"
    assert phones[6] == "'+8613800138002"
    assert phones[7] == "12345"
    assert rows[0] == {
        "id": "5",
        "phone": "13800138001",
        "why": "phone_taken",
        "holder": "1",
        "account_balance": "0.0000",
    }


def test_a_list_is_never_written_over_another_file(tutorial: Tutorial, tmp_path: Path) -> None:
    tutorial.insert(plain_rows(1))
    path = tmp_path / "there.csv"
    path.write_text("mine")
    before = tutorial.dump()
    code, _, err = menshen_told(tutorial, "adopt", "--yes", "--list", str(path))
    assert code == 1
    assert "there.csv" in only_line(err)
    assert path.read_text() == "mine"
    assert tutorial.dump() == before


def test_a_run_that_fails_leaves_no_list_that_would_be_in_the_way_of_the_next(
    tutorial: Tutorial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.1)
    tutorial.insert([row(1, "12345")])
    path = tmp_path / "left.csv"
    with tutorial.connected() as theirs:
        theirs.exec_driver_sql("UPDATE x_user SET user_name = 'new'")
        code, _, err = menshen_told(tutorial, "adopt", "--yes", "--list", str(path))
        assert code == 1
        assert "something else keeps x_user from being changed" in err
        assert not path.exists()
    adopt(tutorial, "--yes", "--list", str(path))
    assert path.read_text() == "id,phone,why,holder,account_balance\n1,12345,phone_invalid,,0.0000\n"


def test_a_run_that_nobody_agreed_to_leaves_no_list(tutorial: Tutorial, tmp_path: Path) -> None:
    tutorial.insert([row(1, "12345")])
    path = tmp_path / "left.csv"
    assert answered(tutorial, "n\n", "--list", str(path))[0] == 1
    assert not path.exists()


def test_a_table_that_is_refused_leaves_a_list_where_there_is_something_to_mend_in_it(
    tutorial: Tutorial, tmp_path: Path
) -> None:
    path = tmp_path / "left.csv"
    tutorial.execute("CREATE UNIQUE INDEX their_names ON x_user (user_name)")
    assert menshen_told(tutorial, "adopt", "--dry-run", "--list", str(path))[0] == 1
    assert not path.exists()
    tutorial.execute("DROP INDEX their_names", "CREATE UNIQUE INDEX their_phone ON x_user (phone)")
    tutorial.insert([row(1, "+86 13800138001"), row(2, "13800138001")])
    assert menshen_told(tutorial, "adopt", "--dry-run", "--list", str(path))[0] == 1
    assert path.read_text() == "id,phone,why,holder,account_balance\n2,13800138001,phone_taken,1,0.0000\n"


def test_a_zone_that_is_none_is_wrong_usage(tutorial: Tutorial) -> None:
    code, _, err = menshen_told(tutorial, "adopt", "--yes", "--time-zone", "Mars/Olympus")
    assert code == 2
    assert "--time-zone" in only_line(err)


def times(tutorial: Tutorial) -> list[str]:
    return [time for (time,) in tutorial.execute("SELECT registration_time FROM x_user ORDER BY id")]


def test_the_zone_of_the_command_goes_before_that_of_the_service(tutorial: Tutorial) -> None:
    tutorial.insert([row(1, "13800138001")])
    assert adopt(tutorial, "--yes", "--time-zone", "Europe/Berlin")["time_zone"] == "Europe/Berlin"
    assert times(tutorial) == ["2021-03-04 04:06:07.000000"]


def test_without_any_zone_the_times_are_the_machines(
    tutorial: Tutorial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # New York changed its clocks on 14 March 2021.
    tutorial.insert([row(1, "13800138001"), row(2, "13800138002", registration_time="2021-03-20 05:06:07")])
    monkeypatch.setenv("TZ", "America/New_York")
    done = menshen("adopt", "--yes", folder=tmp_path, DATABASE_URL=tutorial.url)
    assert done.returncode == 0, done.stderr
    assert "time_zone        America/New_York" in done.stdout
    assert times(tutorial) == ["2021-03-04 10:06:07.000000", "2021-03-20 09:06:07.000000"]


def test_a_time_that_the_clock_showed_twice_or_never_is_a_moment_all_the_same(tutorial: Tutorial) -> None:
    # Berlin put its clocks forward at 2 o'clock, to 3, and back at 3, to 2.
    tutorial.insert(
        [
            row(1, "13800138001", registration_time="2021-10-31 02:30:00"),
            row(2, "13800138002", registration_time="2021-03-28 02:30:00"),
        ]
    )
    assert adopt(tutorial, "--yes", "--time-zone", "Europe/Berlin")["taken"] == 2
    assert times(tutorial) == ["2021-10-31 00:30:00.000000", "2021-03-28 01:30:00.000000"]


def test_the_same_in_the_machines_zone(tutorial: Tutorial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tutorial.insert(
        [
            row(1, "13800138001", registration_time="2021-10-31 02:30:00"),
            row(2, "13800138002", registration_time="2021-03-28 02:30:00"),
        ]
    )
    monkeypatch.setenv("TZ", "Europe/Berlin")
    done = menshen("adopt", "--yes", folder=tmp_path, DATABASE_URL=tutorial.url)
    assert done.returncode == 0, done.stderr
    twice, never = times(tutorial)
    assert twice == "2021-10-31 00:30:00.000000"
    # Half past one, or half past three.
    assert never in {"2021-03-28 00:30:00.000000", "2021-03-28 01:30:00.000000"}


def test_the_file_is_in_wal_mode_afterwards(tutorial: Tutorial) -> None:
    tutorial.execute("PRAGMA journal_mode = DELETE")
    adopt(tutorial, "--dry-run")
    assert tutorial.execute("PRAGMA journal_mode") == [("delete",)]
    adopt(tutorial, "--yes")
    assert tutorial.execute("PRAGMA journal_mode") == [("wal",)]


def test_an_empty_table_is_adopted_too(tutorial: Tutorial) -> None:
    assert adopt(tutorial, "--yes")["taken"] == 0
    assert menshen_told(tutorial, "migrate", "--check")[0] == 0
