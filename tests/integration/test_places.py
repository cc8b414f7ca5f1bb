"""A place where the accounts cannot be is reported in one line: the path, the cause, what to do. Reading makes
nothing."""

import io
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest
from attrs import frozen

from menshen.entrypoints import places
from menshen.entrypoints.cli.main import main
from menshen.entrypoints.places import network_of
from menshen.entrypoints.services import open_service
from menshen.entrypoints.settings import Settings

from ..faults.machine import read_only_disk
from .databases import server_folder
from .servers import QUICK_HASHES, clean_environment, free_port, only_line

NOBODY = 65534

MAKING: Sequence[Sequence[str]] = [("serve",), ("migrate",), ("user", "create", "13800138000")]
ADOPTING = ("adopt", "--dry-run")
LOOKING: Sequence[Sequence[str]] = [
    ("user", "show", "1"),
    ("user", "find"),
    ("user", "freeze", "1", "--reason", "spam"),
    ("user", "wrap-hashes"),
    ("user", "join", "1", "2"),
    ("session", "list", "1"),
    ("session", "kick", "--everybody"),
    ("token", "explain"),
    ("audit",),
    ("prune",),
    ("migrate", "--check"),
    ("migrate", "--sql"),
    ADOPTING,
]


@frozen
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


def said(*arguments: str, **settings: str) -> Said:
    out, err, typed = io.StringIO(), io.StringIO(), io.TextIOWrapper(io.BytesIO(b"a good password\n"))
    named = {f"MENSHEN_{name}": value for name, value in settings.items()} | {"MENSHEN_PORT": str(free_port())}
    with redirect_stdout(out), redirect_stderr(err), patch("sys.stdin", typed):
        code = main(arguments, clean_environment({**QUICK_HASHES, **named}))
    return Said(code, out.getvalue(), err.getvalue())


def made(data: Path) -> Path:
    """The file of accounts that are there, with a user."""
    assert said("user", "create", "13800138000", DATA_DIR=str(data)).code == 0
    return data / "menshen.sqlite3"


@contextmanager
def as_nobody() -> Iterator[int]:
    """As a user who owns nothing. Root, who may do everything, becomes one; for anybody else *lost* is made
    inaccessible."""
    os.seteuid(NOBODY)
    try:
        yield NOBODY
    finally:
        os.seteuid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that everybody may look into, unlike those of pytest."""
    with server_folder() as found:
        found.chmod(0o755)
        yield found


class TestAPlaceThatCannotBeUsed:
    """Of each the line begins with the setting that names it."""

    def refused(self, code: int = 2, **settings: str) -> str:
        """The one line of each command that would make something."""
        [line] = {self.line(arguments, code, **settings) for arguments in MAKING}
        return line

    def line(self, arguments: Sequence[str], code: int, **settings: str) -> str:
        found = said(*arguments, **settings)
        assert (found.code, found.out) == (code, ""), (arguments, found)
        assert "Errno" not in found.err
        return only_line(found.err)

    def test_a_file_where_the_folder_should_be(self, tmp_path: Path) -> None:
        file = tmp_path / "data"
        file.write_text("")
        for data in (file, file / "below"):
            line = self.refused(DATA_DIR=str(data))
            assert line.startswith(f"menshen: MENSHEN_DATA_DIR: {data} cannot be ")
            assert f"{file} is no folder" in line

    def test_a_link_that_leads_nowhere(self, tmp_path: Path) -> None:
        link, data = tmp_path / "link", tmp_path / "data"
        link.symlink_to(tmp_path / "gone")
        said_of_the_folder = self.refused(DATA_DIR=str(link))
        assert said_of_the_folder.startswith(f"menshen: MENSHEN_DATA_DIR: {link} cannot be used: ")
        assert f"it is a link to {tmp_path / 'gone'}, which is not there" in said_of_the_folder
        data.mkdir()
        (data / "menshen.sqlite3").symlink_to(tmp_path / "gone")
        assert f"it is a link to {tmp_path / 'gone'}, which is not there" in self.refused(DATA_DIR=str(data))
        assert f"it is a link to {tmp_path / 'gone'}, which is not there" in self.line(ADOPTING, 2, DATA_DIR=str(data))
        assert not (tmp_path / "gone").exists()

    def test_a_folder_of_the_url_that_is_not_there(self, tmp_path: Path) -> None:
        line = self.refused(DATABASE_URL=f"sqlite:///{tmp_path}/no/accounts.sqlite3", DATA_DIR=str(tmp_path / "data"))
        assert line == f"menshen: MENSHEN_DATABASE_URL: {tmp_path}/no cannot be used: it is not there"
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_in_the_place_of_the_file(self, tmp_path: Path) -> None:
        place = {"DATABASE_URL": f"sqlite:///{tmp_path}", "DATA_DIR": str(tmp_path / "data")}
        line = self.refused(2, **place)
        assert line == self.line(ADOPTING, 2, **place)
        assert line == f"menshen: MENSHEN_DATABASE_URL: {tmp_path} cannot be used: it is a folder"

    def test_a_pipe_in_the_place_of_the_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        place = {"DATABASE_URL": f"sqlite:///{tmp_path}/pipe", "DATA_DIR": str(tmp_path / "data")}
        line = f"menshen: MENSHEN_DATABASE_URL: {tmp_path}/pipe cannot be used: it is no file"
        assert self.refused(2, **place) == self.line(ADOPTING, 2, **place) == line

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    def test_a_folder_of_another_user(self, folder: Path) -> None:
        data, below = folder / "data", folder / "data" / "below"
        data.mkdir(mode=0o755)
        for place in (data, below):
            with as_nobody():
                line = self.refused(DATA_DIR=str(place))
            assert line.startswith(f"menshen: MENSHEN_DATA_DIR: {place} cannot be ")
            assert f"{data} belongs to uid 0 (root), with mode 755, and this runs as uid {NOBODY} (" in line
            assert line.endswith(f": chown {NOBODY} {data}, or choose another place")
        data.chmod(0o700)
        with as_nobody():
            assert str(data) in self.refused(DATA_DIR=str(below))

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    def test_a_file_of_another_user(self, folder: Path) -> None:
        database = made(folder / "data")
        database.parent.chmod(0o777)
        with as_nobody():
            lines = {self.line(arguments, 2, DATA_DIR=str(database.parent)) for arguments in (*MAKING, *LOOKING)}
        [line] = lines
        assert f"{database} belongs to uid 0 (root), with mode 600, and this runs as uid {NOBODY} (" in line

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    def test_a_folder_in_which_one_may_not_look(self, folder: Path) -> None:
        database = made(folder / "data")
        with as_nobody():
            lines = {self.line(arguments, 2, DATA_DIR=str(database.parent)) for arguments in (*MAKING, *LOOKING)}
        assert {"no accounts" in line for line in lines} == {False}
        assert all(f"{database.parent} belongs to uid 0 (root), with mode 700" in line for line in lines)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    def test_a_dry_run_may_look_at_what_it_may_not_change(self, folder: Path) -> None:
        database = folder / "theirs.sqlite3"
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("CREATE TABLE theirs (id INTEGER)")
        database.chmod(0o644)
        with as_nobody():
            found = said(*ADOPTING, DATABASE_URL=f"sqlite:///{database}", DATA_DIR=str(folder / "data"))
        assert "belongs to" not in found.err
        assert "x_user" in only_line(found.err)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    def test_a_link_counts_where_it_leads(self, folder: Path) -> None:
        database = made(folder / "data")
        for path in (database.parent, *database.parent.iterdir()):
            os.chown(path, NOBODY, NOBODY)
        link = folder / "link"
        link.symlink_to(database)
        with as_nobody():
            assert said("user", "find", DATABASE_URL=f"sqlite:///{link}", DATA_DIR=str(folder / "data")).code == 0

    def test_a_disk_on_which_nothing_can_be_written(self, tmp_path: Path) -> None:
        def on_it(data: Path) -> str:
            with read_only_disk(tmp_path):
                return self.refused(DATA_DIR=str(data))

        for data in (tmp_path, tmp_path / "data"):
            # A thread of its own, as the disk is there for that thread.
            with ThreadPoolExecutor(1) as pool:
                line = pool.submit(on_it, data).result()
            assert line.startswith(f"menshen: MENSHEN_DATA_DIR: {data} cannot be ")
            assert "read-only" in line.lower()

    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        file = tmp_path / "menshen.sqlite3"
        file.write_text("phone,password\n" * 100)
        assert self.refused(1, DATA_DIR=str(tmp_path)).startswith(f"menshen: {file}: the database is damaged, or none")
        assert file.read_text() == "phone,password\n" * 100

    def test_a_database_of_a_newer_version(self, tmp_path: Path) -> None:
        database = made(tmp_path)
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE menshen_version SET version_num = '9000'")
        line = self.refused(DATA_DIR=str(tmp_path))
        assert line.startswith("menshen: MENSHEN_DATA_DIR: ")
        assert str(database) in line
        assert "has version 9000, which this menshen does not know" in line


class TestLooking:
    @pytest.mark.parametrize("arguments", LOOKING, ids=" ".join)
    def test_in_the_wrong_folder_makes_nothing(self, tmp_path: Path, arguments: Sequence[str]) -> None:
        for data in (tmp_path, tmp_path / "data"):
            found = said(*arguments, DATA_DIR=str(data))
            assert list(tmp_path.iterdir()) == []
            if arguments != ("migrate", "--sql"):
                assert found.code in {1, 2}
                assert "Errno" not in only_line(found.err)
        assert arguments[0] in {"adopt", "migrate"} or f"no accounts in {tmp_path / 'data'}" in found.err

    @pytest.mark.parametrize("arguments", LOOKING, ids=" ".join)
    def test_makes_no_secret(self, tmp_path: Path, arguments: Sequence[str]) -> None:
        database = made(tmp_path)
        found = said(*arguments, DATA_DIR=str(tmp_path))
        # SQLite's own files of a log stay where the last who reads may not write.
        assert {path.name.removesuffix("-shm").removesuffix("-wal") for path in tmp_path.iterdir()} <= {
            database.name,
            f"{database.name}-reserve",
            f"{database.name}-epochs",
        }
        if arguments == ("token", "explain"):
            assert (found.code, found.out) == (2, "")
            assert only_line(found.err).startswith("menshen: MENSHEN_SECRET_KEY: there is no secret")

    def test_leaves_older_tables_as_they_are(self, tmp_path: Path) -> None:
        database = made(tmp_path)
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE menshen_version SET version_num = '0003'")
        for arguments in LOOKING:
            if arguments[0] in {"adopt", "migrate"}:
                continue
            found = said(*arguments, DATA_DIR=str(tmp_path))
            assert (found.code, found.out) == (2, ""), arguments
            assert "run `menshen migrate`" in only_line(found.err)
        with closing(sqlite3.connect(database)) as connection:
            assert connection.execute("SELECT version_num FROM menshen_version").fetchall() == [("0003",)]

    @pytest.mark.parametrize("arguments", MAKING[1:], ids=" ".join)
    def test_what_makes_something_says_so(self, tmp_path: Path, arguments: Sequence[str]) -> None:
        data = tmp_path / "data"
        found = said(*arguments, DATA_DIR=str(data))
        assert found.code == 0
        assert found.err.splitlines() == [
            f"menshen: made the folder {data}",
            f"menshen: made the database {data / 'menshen.sqlite3'}",
        ]
        assert said("user", "find", DATA_DIR=str(data)).err == ""

    def test_leaves_a_database_of_others_as_it_is(self, tmp_path: Path) -> None:
        database = tmp_path / "theirs.sqlite3"
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("CREATE TABLE theirs (id INTEGER)")
        before = database.read_bytes()
        for arguments in LOOKING:
            said(*arguments, DATABASE_URL=f"sqlite:///{database}")
            assert database.read_bytes() == before, arguments
        assert list(tmp_path.iterdir()) == [database]


class TestFilesOfEverybody:
    @pytest.mark.parametrize(
        ("mode", "words"), [(0o604, "read"), (0o602, "written"), (0o606, "read and written"), (0o640, ""), (0o600, "")]
    )
    def test_serve_warns_of_them(self, folder: Path, mode: int, words: str) -> None:
        settings = Settings(data_dir=folder / "data")
        open_service(settings).close()
        settings.data_dir.chmod(0o755)
        files = [settings.data_dir / name for name in ("menshen.sqlite3", "secret.key")]
        for file in files:
            file.chmod(mode)
        expected = [f"{file} can be {words} by everybody on this machine: chmod o= {file}" for file in files]
        assert warnings(settings) == (expected if words else [])
        # Where nobody else gets into the folder, nobody gets at the files.
        settings.data_dir.chmod(0o700)
        assert warnings(settings) == []

    def test_also_of_a_secret_that_is_named(self, folder: Path) -> None:
        secret = folder / "named"
        secret.write_text("7b1f0c5e9a3d48e2b6c4f1a09d8e7c6b5a4f3e2d1c0b")
        secret.chmod(0o644)
        [line] = warnings(Settings(data_dir=folder / "data", secret_key_file=secret))
        assert line == f"{secret} can be read by everybody on this machine: chmod o= {secret}"


def warnings(settings: Settings) -> list[str]:
    lines: list[str] = []
    open_service(settings, warn=lines.append).close()
    return lines


MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/root rw
30 22 0:26 / /mnt rw,relatime shared:1 - tmpfs tmpfs rw
31 30 0:27 / /mnt/share rw,relatime shared:2 master:3 - {kind} server:/share rw
32 30 0:28 / /mnt/a\\040share rw,relatime - {kind} server:/other rw
33 30 0:29 / /mnt/twice rw,relatime - {kind} server:/other rw
34 33 254:1 / /mnt/twice rw,relatime - ext4 /dev/other rw
"""


class TestNetworks:
    @pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "9p", "fuse.sshfs"])
    def test_a_file_on_one_is_a_weakness(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
        told_of = mounted(kind, tmp_path, monkeypatch)
        assert told_of("/mnt/share/menshen/accounts.sqlite3") == kind
        assert told_of("/mnt/shared/accounts.sqlite3") is None
        assert told_of("/srv/accounts.sqlite3") is None
        assert told_of("/mnt/a share/accounts.sqlite3") == kind
        # Of two at one point the later one is seen.
        assert told_of("/mnt/twice/accounts.sqlite3") is None

    def test_a_disk_is_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert mounted("ext4", tmp_path, monkeypatch)("/mnt/share/accounts.sqlite3") is None
        monkeypatch.setattr(places, "_MOUNTS", tmp_path / "there is none")
        assert network_of(tmp_path) is None

    def test_serve_warns_of_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        mounts = tmp_path / "mounts"
        mounts.write_text(f"31 22 0:27 / {tmp_path} rw - nfs4 server:/share rw\n")
        monkeypatch.setattr(places, "_MOUNTS", mounts)
        [line] = warnings(Settings(data_dir=tmp_path / "data"))
        assert f"{tmp_path}/data/menshen.sqlite3 is on a network (nfs4)" in line


def mounted(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str | None]:
    """What is said of a path where that is mounted."""
    mounts = folder / "mounts"
    mounts.write_text(MOUNTS.format(kind=kind))
    monkeypatch.setattr(places, "_MOUNTS", mounts)
    return lambda path: network_of(Path(path))
