"""`make test` says at once what it lacks."""

import runpy
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci" / "system-packages"
NEEDS: dict[str, Any] = runpy.run_path(str(SCRIPT))

PINS = "attrs==25.1 \\\n    --hash=sha256:00\n    # via x\ncolorama==0.4 ; sys_platform == 'win32' \\\ndjango==5.2 ; x \\\ndjango==6.1 ; y\n"


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


def test_make_asks_before_it_runs_a_test() -> None:
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ntest:")[2].splitlines()
    assert lines[1] == "\t@.venv/bin/python .ci/system-packages"
