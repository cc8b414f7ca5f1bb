"""A copy that was made as the documentation says is whole; one that was made otherwise is found out at the start."""

import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from .servers import free_port, menshen, only_line, serving

PAGE = (Path(__file__).parents[2] / "docs" / "stores.md").read_text(encoding="utf-8")
[COMMAND] = re.findall(r"```sh\n(python3 -c .*VACUUM INTO.*)\n```", PAGE)


def test_the_command_of_the_page_makes_a_copy_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    phones = [f"138001380{number:02}" for number in range(20)]
    with serving(tmp_path / "server") as server, server.client() as client:
        for phone in phones:
            assert client.register(phone).status == 200
        command = COMMAND.replace("menshen-data/menshen.sqlite3", str(server.database)).replace(
            "python3", sys.executable
        )
        subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, timeout=60)
        # The service goes on.
        assert client.login(phones[0]).status == 200
    copy = tmp_path / "copy" / "data"
    copy.mkdir(parents=True)
    shutil.move(tmp_path / "backup.sqlite3", copy / "menshen.sqlite3")
    with serving(tmp_path / "copy") as restored, restored.client() as client:
        assert {client.login(phone).status for phone in phones} == {200}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with an account, on whose file nobody works."""
    found = tmp_path / "data"
    made = menshen("user", "create", "13800138000", folder=tmp_path, stdin="correct horse\n", DATA_DIR=str(found))
    assert made.returncode == 0, made.stderr
    with closing(sqlite3.connect(found / "menshen.sqlite3")) as connection, connection:
        # More than fits on a few pages.
        connection.executemany(
            "INSERT INTO x_audit (at, actor, action, outcome, times) VALUES (?, ?, 'rename', 'done', 1)",
            [("2026-01-01 00:00:00.000000", f"user:{number}") for number in range(3000)],
        )
    return found


def _refused(data: Path) -> str:
    done = menshen("serve", folder=data.parent, DATA_DIR=str(data), PORT=str(free_port()))
    assert (done.returncode, done.stdout) == (1, "")
    return only_line(done.stderr)


def test_a_torn_copy_is_refused_with_what_to_do(data: Path) -> None:
    file = data / "menshen.sqlite3"
    whole = file.read_bytes()
    # Pages in the middle are those of another moment, as in a copy that was made meanwhile.
    file.write_bytes(whole[:40960] + whole[4096:8192] * 8 + whole[40960 + 8 * 4096 :])
    assert "docs/stores.md says how to back it up" in _refused(data)


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough to look at" * 100, b"SQLite format 3\0" + b"\xff" * 8000]
)
def test_what_is_no_database_is_refused_with_what_to_do(data: Path, content: bytes) -> None:
    for each in data.glob("menshen.sqlite3-*"):
        each.unlink()
    (data / "menshen.sqlite3").write_bytes(content)
    assert "docs/stores.md says how to back it up" in _refused(data)
