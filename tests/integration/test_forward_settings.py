"""The rules for forward-auth in a file, and the key of a host, as an operator meets them."""

from pathlib import Path

import pytest

from menshen.entrypoints.environment import read_settings
from menshen.entrypoints.guarding.route_rules import parse_rules
from menshen.entrypoints.settings import SettingInvalid

from .servers import Server, menshen, only_line

FILE = "MENSHEN_FORWARD_RULES_FILE"


def test_the_rules_are_read_from_the_file(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text("# 规则\nopen /news\nuser /中文/**\n", encoding="utf-8")
    assert read_settings({FILE: str(rules)}).forward_rules == parse_rules("open /news; user /中文/**")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"open /news\n\nuser /a/../b\n", "line 3 ('user /a/../b')"),
        (b"open /**\nadmin /admin/**\n", "line 2 ('admin /admin/**'): it never counts, after 'open /**'"),
        (b"", "it has no rule"),
        (b"open /\xff", "utf-8"),
        (None, "cannot be read"),
    ],
)
def test_a_bad_line_is_an_error_at_the_start_that_names_it(tmp_path: Path, content: bytes | None, why: str) -> None:
    rules = tmp_path / "rules"
    if content is not None:
        rules.write_bytes(content)
    done = menshen("serve", folder=tmp_path, DATABASE_URL="memory://", FORWARD_RULES_FILE=str(rules))
    assert (done.returncode, done.stdout) == (2, "")
    line = only_line(done.stderr)
    assert f"{FILE}: {rules}: " in line or f"{FILE}: {rules} " in line
    assert why in line


def test_rules_in_a_variable_and_in_a_file_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="MENSHEN_FORWARD_RULES and MENSHEN_FORWARD_RULES_FILE are both set"):
        read_settings({"MENSHEN_FORWARD_RULES": "open /", FILE: str(tmp_path / "rules")})


def test_the_key_of_a_host_is_the_same_however_the_host_is_spelled_and_another_for_another(tmp_path: Path) -> None:
    settings = {"MENSHEN_SECRET_KEY": "kZ3vQ8mT1xW6rB4nY7cJ2hL5pD9sF0gA", "MENSHEN_DATABASE_URL": "memory://"}
    server = Server(tmp_path, settings, port=8000)
    keys = []
    for host in ("app.example.com", "App.Example.com:443", "other.example.com"):
        done = server.menshen("token", "key", "--host", host)
        assert (done.returncode, done.stderr) == (0, "")
        keys.append(done.stdout.strip())
    assert keys[0] == keys[1] != keys[2]
    for host in ("", "a b", "https://app.example.com"):
        done = server.menshen("token", "key", "--host", host)
        assert (done.returncode, done.stdout) == (2, "")


def test_without_a_secret_there_is_no_key(tmp_path: Path) -> None:
    server = Server(tmp_path, {"MENSHEN_DATABASE_URL": "memory://"}, port=8000)
    done = server.menshen("token", "key", "--host", "app.example.com")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no secret" in only_line(done.stderr)
