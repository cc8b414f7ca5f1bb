"""What the READMEs show is what happens: their commands, their example app, their paths."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

import pytest
from attrs import frozen

from menshen.entrypoints.environment import read_settings
from menshen.entrypoints.settings_text import shown

from .servers import QUICK_HASHES, START_SECONDS, Client, clean_environment, free_port, serving

ROOT = Path(__file__).parents[2]
READMES = ["README.md", "README.zh-CN.md"]
SHOWN_ADDRESS = "http://127.0.0.1:8000"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END_OF_OUTPUT = "\x1e"

# What differs from run to run.
_MASKS = [
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "TIME"),
    (re.compile(r"eyJ[\w.-]+"), "TOKEN"),
    (re.compile(r'"(session_id|refresh_token)":"[\w.-]+"'), r'"\1":"SECRET"'),
    (re.compile(r"^date: .*$", re.MULTILINE), "date: DATE"),
]

readme = pytest.mark.parametrize("name", READMES)


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    return [body for found, body in _BLOCK.findall(text_of(name)) if found == language]


@frozen
class Step:
    """A command, and what the README shows below it."""

    command: str
    output: str


def steps(name: str) -> list[Step]:
    """Every command of the tour. ``$`` begins one, a backslash at the end of a line goes on with it."""
    found = []
    for block in blocks(name, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            length = 1 + sum(1 for _ in takewhile(lambda line: line.endswith("\\"), lines))
            found.append(Step("\n".join(lines[:length]), "\n".join(lines[length:])))
    return found


def masked(text: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    for pattern, name in _MASKS:
        text = pattern.sub(name, text)
    return text


def outputs(commands: list[str], address: str) -> list[str]:
    """What *commands* print in one shell, one after the other, with the server at *address*."""
    script = "".join(f"{command}\nprintf '\\036'\n" for command in commands)
    shell = subprocess.run(
        ["sh", "-eu"],
        input=script.replace(SHOWN_ADDRESS, address),
        capture_output=True,
        encoding="utf-8",
        env=clean_environment({}),
        timeout=120,
        check=True,
    )
    return shell.stdout.split(_END_OF_OUTPUT)[:-1]


@readme
def test_the_tour_gives_the_answers_that_are_shown(name: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("curl is missing")
        pytest.skip("curl is missing")
    tour = steps(name)
    with serving(tmp_path / "server") as server:
        found = outputs([step.command for step in tour], server.url)
    assert [masked(step.output) for step in tour] == [masked(text) for text in found]
    assert sum(bool(step.output) for step in tour) >= 8


def test_both_readmes_show_the_same_code() -> None:
    for language in ["sh", "console", "python"]:
        assert blocks("README.md", language) == blocks("README.zh-CN.md", language)
        assert blocks("README.md", language)


def _guarded_by_middleware() -> str:
    return blocks("README.md", "python")[0]


def _guarded_one_by_one() -> str:
    """The app of the README, changed as the README says: without the middleware, the guard on the resource."""
    app, resource = blocks("README.md", "python")
    app, replaced = re.subn(r"class Orders:\n(?:    .*\n)+", lambda _match: resource, app)
    app, opened = re.subn(r"falcon\.App\(middleware=.*\)", "falcon.App()", app)
    assert (replaced, opened) == (1, 1)
    return app


@pytest.mark.parametrize("source", [_guarded_by_middleware, _guarded_one_by_one], ids=["middleware", "one by one"])
def test_the_own_app_runs_as_shown(source: Callable[[], str], tmp_path: Path) -> None:
    (tmp_path / "orders.py").write_text(source(), encoding="utf-8")
    with _granian(tmp_path) as port, Client(port) as client:
        assert client.request("GET", "/news").json == {"news": "open to everybody"}
        refused = client.request("GET", "/orders")
        assert (refused.status, refused.reason) == (401, "token_missing")

        client.register("13800138000")
        token = client.login("13800138000").token
        assert client.request("GET", "/orders", token=token).json == {"orders_of": "13800138000"}
        assert client.user_info(token).json["data"]["phone"] == "13800138000"

        assert client.logout(token).status == 200
        ended = client.request("GET", "/orders", token=token)
        assert (ended.status, ended.reason) == (401, "session_logged_out")


@contextmanager
def _granian(folder: Path) -> Iterator[int]:
    """The README's own line, on a free port."""
    (line,) = (line for block in blocks("README.md", "sh") for line in block.splitlines() if "granian" in line)
    port = free_port()
    command = [*shlex.split(line), "--port", str(port)]
    command[0] = str(Path(sys.executable).with_name(command[0]))
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_environment({"MENSHEN_DATA_DIR": str(folder / "data"), **QUICK_HASHES}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(port, server)
        yield port
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        with suppress(OSError), Client(port, 5) as client:
            client.request("GET", "/news")
            return
        time.sleep(0.05)
    raise AssertionError(f"the app does not answer, exit code {server.poll()}")


@readme
def test_every_path_of_the_tree_exists(name: str) -> None:
    (tree,) = (block for block in blocks(name, "text") if "domain/ports/" in block)
    lines = tree.splitlines()
    assert len(lines) == 13
    for line in lines:
        path, _, description = line.partition(" ")
        assert (ROOT / path).exists(), path
        folder = ROOT / path if path.endswith("/") else (ROOT / path).parent
        for part in re.findall(r"[a-z0-9_-]+(?:\.py|\.md|/)", description):
            assert (folder / part).exists(), f"{part} in {path}"


@readme
def test_every_link_and_every_path_in_the_text_exists(name: str) -> None:
    text = text_of(name)
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    paths = re.findall(r"`([a-z][\w./-]*/[\w./-]*)`", text)
    assert links
    assert paths
    for path in [*links, *paths]:
        assert (ROOT / path).exists(), path


@readme
def test_every_make_target_that_is_named_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))
    named = set(re.findall(r"^make ([a-z]+)$", "\n".join(blocks(name, "sh")), re.MULTILINE))
    named |= set(re.findall(r"`make ([a-z]+)`", text_of(name)))
    assert {"serve", "test"} <= named <= targets


@readme
def test_every_setting_that_is_named_exists(name: str) -> None:
    named = set(re.findall(r"MENSHEN_[A-Z0-9_]+", text_of(name)))
    assert named
    assert named <= shown(read_settings({})).keys()
