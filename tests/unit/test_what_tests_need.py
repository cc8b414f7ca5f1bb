"""`make test` says at once what it lacks."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci" / "system-packages"
NEEDS: dict[str, Any] = runpy.run_path(str(SCRIPT))

PINS = "attrs==25.1 \\\n    --hash=sha256:00\n    # via x\ncolorama==0.4 ; sys_platform == 'win32' \\\ndjango==5.2 ; x \\\ndjango==6.1 ; y\n"


@pytest.fixture
def nothing(tmp_path: Path) -> dict[str, str]:
    """An environment with no program in its path, on which nothing can be installed."""
    return {**{name: text for name, text in os.environ.items() if name != "CI"}, "PATH": str(tmp_path)}


def lacking_pins(**found: str) -> list[str]:
    return list(NEEDS["lacking_pins"](PINS, found.get))


def test_every_program_that_is_not_there_is_named() -> None:
    assert NEEDS["lacking_programs"](lambda program: program != "pgbouncer") == ["pgbouncer"]
    assert NEEDS["lacking_programs"](lambda program: False) == list(NEEDS["PROGRAMS"])


def test_a_package_that_is_not_as_pinned_is_told_in_one_line() -> None:
    assert lacking_pins(attrs="25.1", django="5.2") == []
    [line] = lacking_pins(attrs="24.0", django="6.1")
    assert line == "lacking: attrs 25.1, a Python package (have: 24.0): make clean, and again"
    [line] = lacking_pins(django="6.1")
    assert "(have: None)" in line
    [line] = lacking_pins(attrs="25.1", django="4.2")
    assert line.startswith("lacking: django 5.2 or 6.1")


def test_what_this_machine_has_is_as_pinned() -> None:
    pins = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    assert list(NEEDS["lacking_pins"](pins, NEEDS["installed_version"])) == []


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


def test_make_asks_before_it_runs_a_test() -> None:
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ntest:")[2].splitlines()
    assert lines[1] == "\t@.venv/bin/python .ci/system-packages"
