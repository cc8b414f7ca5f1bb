"""The command line in odd surroundings: it says in one line what is wrong, and never shows a traceback."""

import os
import subprocess
from pathlib import Path

import pytest

from .servers import PASSWORD, Client, Server, clean_environment, only_line, strict_json

PHONE = "13600000001"
CONTROLS = "a\x1b[31m\x7f\x9b\u202eb"


@pytest.fixture
def registered(server: Server, client: Client) -> Server:
    """A server on which PHONE is registered; the tests that share it do not mind who was first."""
    client.register(PHONE, user_name="张三")
    return server


def run(server: Server, line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A shell's line, with ``menshen`` standing for the command."""
    return subprocess.run(
        ["sh", "-c", line.replace("menshen", server.command[0], 1)],
        capture_output=True,
        cwd=server.folder,
        env=clean_environment({**server.environment, **environment}),
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("menshen user create 13600000002 <&-", 1),
        ("menshen user find --name \"$(printf '\\377')\"", 2),
        ("menshen user find > /dev/full", 1),
        (f"menshen user show {PHONE} > /dev/full", 1),
        (f"menshen user freeze {PHONE} --reason '' ", 1),
        (f"menshen user freeze {PHONE} --reason x --for 0s", 2),
        (f"menshen user freeze {PHONE} --reason x --until 9999-12-31T23:59:59-08:00", 2),
        (f"menshen user freeze {PHONE} --reason x --until 9999-12-31T23:59:59Z", 1),
    ],
)
def test_what_is_wrong_is_said(registered: Server, line: str, code: int) -> None:
    done = run(registered, line)
    told = done.stderr.decode()
    assert done.returncode == code, told
    assert "Traceback" not in told
    assert "Exception ignored" not in told
    assert told.splitlines()[-1].startswith("menshen"), told


def test_a_duration_is_refused_by_the_name_of_its_option(registered: Server) -> None:
    done = registered.menshen("user", "freeze", PHONE, "--reason", "x", "--for", "0s")
    assert "--for" in only_line(done.stderr)


def test_a_reader_that_leaves_early_is_no_fault(registered: Server) -> None:
    done = run(registered, "menshen audit | true")
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_a_terminal_without_chinese_shows_codes(registered: Server) -> None:
    done = run(registered, f"menshen user show {PHONE}", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert b"\\u5f20\\u4e09" in done.stdout


class TestWhatOthersWrote:
    """Another program has written into the database what we would have refused."""

    @pytest.fixture
    def spoilt(self, registered: Server, client: Client) -> Server:
        client.login(PHONE, PASSWORD)
        registered.rows("UPDATE x_session SET device_name = ?, device_id = ''", CONTROLS)
        registered.rows("UPDATE x_user SET user_name = ? WHERE phone = ?", CONTROLS, PHONE)
        return registered

    def test_json_has_it_without_a_character_that_a_terminal_obeys(self, spoilt: Server) -> None:
        for command in (["user", "show", PHONE], ["session", "list", PHONE]):
            done = spoilt.process(*command, "--json")
            assert done.returncode == 0, done.stderr
            assert all(character.isprintable() for character in done.stdout.rstrip("\n"))
            found = strict_json(done.stdout)
            record = found if isinstance(found, dict) else found[0]
            assert CONTROLS in record.values()

    def test_such_a_user_can_still_be_kicked_and_frozen(self, spoilt: Server, client: Client) -> None:
        token = client.login(PHONE).token
        assert spoilt.told("session", "kick", PHONE, "--all")["ended"] >= 1
        assert client.user_info(token).reason == "session_kicked"
        spoilt.told("user", "freeze", PHONE, "--reason", "x")
        spoilt.told("user", "unfreeze", PHONE)


def test_the_whole_environment_may_be_empty(tmp_path: Path) -> None:
    done = subprocess.run(
        [os.fsencode(Server(tmp_path).command[0]), "settings", "--json"],
        capture_output=True,
        cwd=tmp_path,
        env={},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "MENSHEN_PORT" in strict_json(done.stdout.decode())
