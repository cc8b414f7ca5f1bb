"""`make test` says at once what it lacks: the script itself, where there is nothing. What it says: unit/test_what_tests_need.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..unit.test_what_tests_need import NEEDS, SCRIPT


@pytest.fixture
def nothing(tmp_path: Path) -> dict[str, str]:
    """An environment with no program in its path, on which nothing can be installed."""
    return {**{name: text for name, text in os.environ.items() if name != "CI"}, "PATH": str(tmp_path)}


@pytest.mark.parametrize(("in_ci", "status"), [(False, 0), (True, 1)])
def test_it_is_told_before_anything_runs(tmp_path: Path, nothing: dict[str, str], in_ci: bool, status: int) -> None:
    """Without the programs, with a copy in which nothing can be installed."""
    copy = tmp_path / "checkout"
    (copy / ".ci").mkdir(parents=True)
    (copy / "requirements").mkdir()
    (copy / "requirements" / "dev.txt").write_text("")
    (copy / ".ci" / "apt-install").write_text("#!/bin/sh\nexit 1\n")
    (copy / ".ci" / "apt-install").chmod(0o755)
    text = SCRIPT.read_text(encoding="utf-8").replace('ELSEWHERE = ("/usr/sbin", "/sbin", ', "ELSEWHERE = (")
    script = copy / ".ci" / "system-packages"
    script.write_text(text.replace("/usr/lib/postgresql", str(tmp_path)), encoding="utf-8")
    environment = {**nothing, **({"CI": "true"} if in_ci else {})}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (status, len(NEEDS["PROGRAMS"])), done.stderr
    assert all(line.startswith("lacking: ") and "apt install" in line for line in lines)
