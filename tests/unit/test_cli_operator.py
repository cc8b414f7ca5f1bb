"""Which operator an act at the command line is recorded for: the one the system names, not one that a caller claims."""

import argparse
import os
import pwd
from types import SimpleNamespace

import pytest

from menshen.entrypoints.cli.output import Context
from menshen.entrypoints.settings import Settings

NAMES = {0: "root", 1000: "zhang", 1001: "two\nlines", 1002: "\udcff", 1003: "x" * 33}


@pytest.fixture(autouse=True)
def users_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def getpwuid(uid: int) -> SimpleNamespace:
        return SimpleNamespace(pw_name=NAMES[uid])

    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody\nelse \udcff")


@pytest.mark.parametrize(
    ("uid", "sudo_uid", "name"),
    [
        (0, "", "root"),
        (1000, "", "zhang"),
        (0, "1000", "zhang as root"),
        (0, "0", "root"),
        # Only in root's environment do these variables come from sudo.
        (1000, "0", "zhang"),
        (1000, "1001", "zhang"),
        # Not a name, or not the number of a user.
        (4711, "", "4711"),
        (1001, "", "1001"),
        (1002, "", "1002"),
        (1003, "", "1003"),
        (0, "4711", "4711 as root"),
        (0, "1000\n", "root"),
        (0, "-1", "root"),
        (0, "١", "root"),
        (0, "9" * 11, "root"),
        (0, "zhang", "root"),
    ],
)
def test_it_is_the_user_of_the_system(uid: int, sudo_uid: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: uid)
    context = Context(argparse.Namespace(), Settings(), sudo_uid)
    assert context.operator().text == f"operator:{name}"


def test_a_number_no_system_has_is_written_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_great(uid: int) -> object:
        raise OverflowError(uid)

    monkeypatch.setattr(pwd, "getpwuid", too_great)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert Context(argparse.Namespace(), Settings(), "9" * 10).operator().text == "operator:9999999999 as 0"
