"""Where the driver of a database server is not installed, one line says what to install."""

import subprocess
import sys
from pathlib import Path

import pytest

from .servers import clean_environment, free_port, only_line

# What an environment without the extras is like: nothing of these packages can be found.
_WITHOUT_DRIVERS = """
import sys

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"psycopg", "psycopg_binary", "pymysql"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nowhere())
from menshen.entrypoints.cli.main import entry_point
entry_point()
"""


@pytest.mark.parametrize(
    ("url", "extra"),
    [
        ("postgresql+psycopg://me:s3cret@127.0.0.1:1/accounts", "menshen[postgresql]"),
        ("mysql+pymysql://me:s3cret@127.0.0.1:1/accounts", "menshen[mariadb]"),
    ],
)
def test_the_line_names_the_extra(tmp_path: Path, url: str, extra: str) -> None:
    done = _menshen(tmp_path, "serve", MENSHEN_DATABASE_URL=url)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"pip install '{extra}'" in only_line(done.stderr)
    assert "s3cret" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_embedded_database_needs_none(tmp_path: Path) -> None:
    done = _menshen(tmp_path, "migrate", MENSHEN_DATABASE_URL=f"sqlite:///{tmp_path}/accounts.sqlite3")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "accounts.sqlite3").exists()


def _menshen(folder: Path, command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", _WITHOUT_DRIVERS, command],
        capture_output=True,
        text=True,
        cwd=folder,
        env=clean_environment({"MENSHEN_PORT": str(free_port()), **environment}),
        timeout=60,
        check=False,
    )
