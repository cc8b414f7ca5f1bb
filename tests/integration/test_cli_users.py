"""``menshen user ...``, as real processes, on the database of a server that runs at the same time."""

import os
import select
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from unicodedata import east_asian_width

import pytest
from attrs import define, field

from .servers import PASSWORD, Answer, Client, Server, menshen, only_line

_numbers = count()

MEMBERS = {
    *("id", "phone", "user_name", "state", "standing", "state_until", "state_reason", "registered_at", "referrer_id"),
    *("wechat_openid", "account_balance", "fee_percentage", "is_admin", "device_policy"),
}


@pytest.fixture
def phone() -> str:
    return f"137{next(_numbers):08}"


@pytest.fixture
def registered(client: Client, phone: str) -> Answer:
    return client.register(phone)


class TestCreate:
    def test_a_user_is_made_and_shown(self, tmp_path: Path) -> None:
        made = menshen(
            "user", "create", "138-0013-8000", "--name", "张三", "--json", folder=tmp_path, stdin="correct horse\n"
        )
        assert made.returncode == 0, made.stderr
        assert [line.split(" ")[2:4] for line in made.stderr.splitlines()] == [["the", "folder"], ["the", "database"]]
        assert (tmp_path / "menshen-data" / "menshen.sqlite3").exists()
        for_people = menshen("user", "show", "13800138000", folder=tmp_path)
        assert "user_name        张三\n" in for_people.stdout
        assert "argon2" not in for_people.stdout + made.stdout

    def test_every_spelling_of_the_number_and_the_id_name_the_user(self, server: Server, phone: str) -> None:
        made = server.told("user", "create", phone, "--name", "张三", stdin="correct horse\n")
        assert made.keys() == MEMBERS
        assert (made["phone"], made["user_name"], made["account_balance"]) == (phone, "张三", "0.0000")
        for name in (phone, f"+86{phone}", f"{phone[:3]}-{phone[3:7]} {phone[7:]}", str(made["id"])):
            assert server.told("user", "show", name) == made

    @pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\nwhat follows is not read\n"])
    def test_the_password_is_the_first_line_of_stdin(
        self, server: Server, client: Client, phone: str, ending: str
    ) -> None:
        assert server.menshen("user", "create", phone, stdin=f" correct horse 马 {ending}").returncode == 0
        assert client.login(phone, " correct horse 马 ").status == 200
        assert client.login(phone, "correct horse 马").status == 403

    def test_the_referrer_is_kept(self, server: Server, registered: Answer, client: Client) -> None:
        referrer = client.user_info(registered.token).json["data"]["id"]
        number = f"136{next(_numbers):08}"
        made = server.told("user", "create", number, "--invited-by", str(referrer), stdin=PASSWORD)
        assert made["referrer_id"] == referrer
        assert client.user_info(client.login(number).token).json["data"]["mid"] == referrer

    @pytest.mark.parametrize(
        ("arguments", "password", "reason"),
        [
            (["12345"], PASSWORD, "phone_invalid"),
            (["13600136000"], "short", "password_length"),
            (["13600136000"], "", "password_length"),
            (["13600136000"], "a\0bcdefgh", "password_text"),
            (["13600136000", "--name", "a\x1b[31m"], PASSWORD, "user_name_invalid"),
            (["13600136000", "--name", "a" * 81], PASSWORD, "user_name_invalid"),
            (["13600136000", "--invited-by", "2000000000"], PASSWORD, "referrer_unknown"),
            (["13600136000", "--invited-by", "9999999999"], PASSWORD, "referrer_unknown"),
        ],
    )
    def test_a_refusal_is_told_with_its_reason(
        self, server: Server, client: Client, arguments: list[str], password: str, reason: str
    ) -> None:
        refused(server, ["user", "create", *arguments], reason, stdin=f"{password}\n")
        assert client.login("13600136000", password).status in {400, 403}

    @pytest.mark.parametrize("referrer", ["-1", "1.0", "9" * 20, "somebody"])
    def test_a_referrer_that_is_no_id_is_wrong_usage(self, server: Server, phone: str, referrer: str) -> None:
        done = server.menshen("user", "create", phone, f"--invited-by={referrer}", stdin=PASSWORD)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--invited-by" in done.stderr

    def test_a_number_that_is_taken(self, server: Server, client: Client, registered: Answer, phone: str) -> None:
        refused(server, ["user", "create", phone], "phone_taken", stdin="another one\n")
        assert client.login(phone).status == 200

    def test_a_password_that_is_no_text_is_refused(self, server: Server, phone: str) -> None:
        done = subprocess.run(
            [*server.command, "user", "create", phone],
            input=b"\xff\xfe correct horse\n",
            capture_output=True,
            cwd=server.folder,
            env=server.environment,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        assert "password_text" in only_line(done.stderr.decode())


# The first terminal that the leader of a session opens is its controlling one, as at a login. A shell that put these tests
# into the background had them ignore interrupts, which is inherited.
_AT_A_TERMINAL = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.open(os.ttyname(0), os.O_RDWR)
os.execv(sys.argv[1], sys.argv[1:])
"""


@define
class Terminal:
    """A command at its own terminal, and somebody who types."""

    said: str = field(init=False, default="")
    arguments: bytes = field(init=False, default=b"")

    def run(self, server: Server, arguments: list[str], answers: dict[str, str]) -> int:
        """Type each answer when its question has come. Returns the exit code."""
        ours, theirs = os.openpty()
        with subprocess.Popen(
            [sys.executable, "-c", _AT_A_TERMINAL, *server.command, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=server.folder,
            env=server.environment,
            start_new_session=True,
        ) as process:
            try:
                for question, answer in answers.items():
                    self._read_until(ours, question)
                    self.arguments += Path(f"/proc/{process.pid}/cmdline").read_bytes()
                    # The command stops the echo before it asks; what is typed is for it.
                    os.write(ours, answer.encode())
                code = process.wait(30)
                while select.select([ours], [], [], 0)[0]:
                    self.said += os.read(ours, 65536).decode()
            finally:
                process.kill()
                os.close(theirs)
                os.close(ours)
        return code

    def _read_until(self, terminal: int, question: str) -> None:
        end = time.monotonic() + 30
        while not self.said.endswith(question):
            assert time.monotonic() < end, self.said
            if select.select([terminal], [], [], 0.1)[0]:
                self.said += os.read(terminal, 65536).decode()


class TestTheTerminal:
    def test_the_password_is_asked_for_twice_and_never_shown(self, server: Server, client: Client, phone: str) -> None:
        terminal = Terminal()
        answers = {"Password: ": "a horse 马\n", "Again: ": "a horse 马\n"}
        assert terminal.run(server, ["user", "create", phone], answers) == 0, terminal.said
        assert client.login(phone, "a horse 马").status == 200
        assert phone in terminal.said
        assert "horse" not in terminal.said
        # What ps shows to everybody on the machine.
        assert phone.encode() in terminal.arguments
        assert b"horse" not in terminal.arguments

    def test_two_different_passwords_make_nobody(self, server: Server, client: Client, phone: str) -> None:
        terminal = Terminal()
        answers = {"Password: ": "a horse with a hat\n", "Again: ": "a horse with a cat\n"}
        assert terminal.run(server, ["user", "create", phone], answers) == 2
        assert "menshen: the two passwords are not the same" in terminal.said
        assert "horse" not in terminal.said
        assert client.register(phone).status == 200

    def test_interrupting_it_makes_nobody(self, server: Server, client: Client, phone: str) -> None:
        terminal = Terminal()
        assert terminal.run(server, ["user", "create", phone], {"Password: ": "\x03"}) == 1
        assert "menshen: interrupted" in terminal.said
        assert "Traceback" not in terminal.said
        assert client.register(phone).status == 200

    def test_no_command_takes_a_password_as_an_argument(self, server: Server) -> None:
        done = server.menshen("user", "create", "13600136001", "correct horse")
        assert done.returncode == 2
        assert "password" not in server.menshen("user", "create", "--help").stdout.split("options:")[1]


class TestShow:
    @pytest.mark.parametrize("name", ["13600136999", "0", "-1", "99999999999999999999", "张三", ""])
    def test_a_user_who_is_not_there(self, server: Server, name: str) -> None:
        refused(server, ["user", "show", "--json", "--", name], "no_such_user")

    def test_it_reads_well_without_the_json(self, server: Server, registered: Answer, phone: str) -> None:
        shown = server.process("user", "show", phone)
        names = [line.split()[0] for line in shown.stdout.splitlines()]
        assert set(names) == MEMBERS
        values = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines() if len(line.split()) > 1)
        assert (values["phone"], values["state"], values["standing"]) == (phone, "正常", "active")

    def test_control_characters_of_a_foreign_writer_do_not_reach_the_terminal(
        self, server: Server, registered: Answer, phone: str
    ) -> None:
        name = "a\x1b[31mred\x07\r\n\x9b2J\x7f\N{RIGHT-TO-LEFT OVERRIDE}b"
        server.rows("UPDATE x_user SET user_name = ? WHERE phone = ?", name, phone)
        for arguments in (["show", phone], ["find", "--phone", phone]):
            shown = server.menshen("user", *arguments).stdout
            assert "a?[31mred???" in shown
            assert all(character.isprintable() or character == "\n" for character in shown)
        assert server.told("user", "show", phone)["user_name"] == name


class TestFind:
    @pytest.fixture(scope="class")
    @classmethod
    def ids(cls, server: Server) -> list[int]:
        found = []
        for name in ("欧阳娜娜", "欧阳修", "Ōta", "Anna_%", "anna", "A"):
            made = server.told("user", "create", f"135{next(_numbers):08}", "--name", name, stdin=PASSWORD)
            found.append(made["id"])
        return found

    def test_the_beginning_of_the_name_is_compared_as_it_is(self, server: Server, ids: list[int]) -> None:
        for prefix, found in {"欧阳": [0, 1], "A": [3, 5], "Anna_%": [3], "%": [], "_": [], "欧阳娜娜娜": []}.items():
            users = server.told("user", "find", "--name", prefix)
            assert [user["id"] for user in users] == [ids[number] for number in found], prefix
            assert all(user.keys() == MEMBERS for user in users)

    def test_pages_follow_each_other(self, server: Server, ids: list[int]) -> None:
        after, found = ids[0] - 1, []
        for _ in range(3):
            page = server.told("user", "find", "--after", str(after), "--limit", "2")
            assert len(page) == 2
            after = page[-1]["id"]
            found += [user["id"] for user in page]
        assert found == ids

    def test_the_columns_stand_below_each_other(self, server: Server, ids: list[int]) -> None:
        lines = server.menshen("user", "find", "--after", str(ids[0] - 1)).stdout.splitlines()
        header, *rows = [_cells(line) for line in lines]
        assert len(rows) == len(ids)
        assert [name for _, name in header] == ["id", "phone", "user_name", "standing", "registered_at", "is_admin"]
        columns = [column for column, _ in header]
        for row in rows:
            assert [column for column, _ in row] == columns, lines

    def test_the_state_and_the_phone_narrow_it(self, server: Server, registered: Answer, phone: str) -> None:
        assert [user["phone"] for user in server.told("user", "find", "--phone", f"+86 {phone}")] == [phone]
        assert server.told("user", "find", "--phone", phone, "--state", "frozen") == []
        server.told("user", "freeze", phone, "--reason", "x")
        assert [user["standing"] for user in server.told("user", "find", "--phone", phone, "--state", "frozen")] == [
            "frozen"
        ]

    def test_a_freeze_that_is_over_is_none(self, server: Server, registered: Answer, phone: str) -> None:
        server.told("user", "freeze", phone, "--reason", "x", "--for", "1h")
        server.rows("UPDATE x_user SET state_until = '2020-01-01 00:00:00.000000' WHERE phone = ?", phone)
        assert server.told("user", "find", "--phone", phone, "--state", "frozen") == []
        assert [user["phone"] for user in server.told("user", "find", "--phone", phone, "--state", "active")] == [phone]

    def test_nobody_is_a_header_without_rows(self, server: Server) -> None:
        found = server.menshen("user", "find", "--phone", "13600136998")
        assert (found.returncode, found.stdout.splitlines()[1:]) == (0, [])
        assert server.told("user", "find", "--phone", "13600136998") == []

    @pytest.mark.parametrize(
        "arguments", [["--phone", "12"], ["--state", "sleepy"], ["--limit", "many"], ["--after", "9" * 20]]
    )
    def test_wrong_usage(self, server: Server, arguments: list[str]) -> None:
        found = server.menshen("user", "find", *arguments)
        assert (found.returncode, found.stdout) == (2, "")
        assert arguments[0] in found.stderr


def _cells(line: str) -> list[tuple[int, str]]:
    """Each cell of a table with the column of the terminal in which it begins."""
    cells: list[tuple[int, str]] = []
    column = 0
    for part in line.split(" "):
        if part:
            cells.append((column, part))
        column += 1 + sum(2 if east_asian_width(character) in "WF" else 1 for character in part)
    # A time has a blank of its own.
    return [cell for number, cell in enumerate(cells) if not (":" in cell[1] and number == len(cells) - 2)]


def refused(server: Server, arguments: list[str], reason: str, *, stdin: str = "") -> None:
    """The command is refused: exit code 1, one line on stderr, nothing on stdout."""
    done = server.menshen(*arguments, stdin=stdin)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert only_line(done.stderr).startswith(f"menshen: {reason}: ")


class TestAStoreThatIsBusy:
    def test_a_change_is_refused_in_one_line_and_a_look_is_not(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        with closing(sqlite3.connect(server.database)) as other:
            other.execute("BEGIN IMMEDIATE")
            done = server.menshen("user", "fee", phone, "5")
            other.rollback()
        assert (done.returncode, done.stdout) == (1, "")
        assert "locked" in only_line(done.stderr)
        assert server.told("user", "show", phone)["fee_percentage"] == 4


@pytest.fixture(scope="module", autouse=True)
def _nothing_went_wrong(server: Server) -> Iterator[None]:
    yield
    assert "Traceback" not in server.log
