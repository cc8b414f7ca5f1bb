"""Workers that are forked after the app was imported never serve one user the data of another, on any store."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from attrs import frozen

from menshen.entrypoints.environment import read_settings
from menshen.entrypoints.services import open_service

from . import forking_app
from .servers import PASSWORD, QUICK_HASHES, START_SECONDS, Client, clean_environment, free_port
from .stores import migrated

USERS = 24
REQUESTS = 400
CALLERS = 8

PRELOADING = ("gunicorn", "--preload", "--workers=4", "--threads=4", "--bind=127.0.0.1:{port}", "forking_app:app")
UWSGI = (
    *("uwsgi", "--master", "--processes=4", "--enable-threads", "--need-app", "--die-on-term"),
    *("--http-socket=127.0.0.1:{port}", "--module=forking_app:app"),
)


@frozen
class Place:
    """A folder with the app, and the accounts it is to work with."""

    folder: Path
    environment: Mapping[str, str]
    tokens: Mapping[str, str]
    """By the phone of the user."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("forks")
    settings = {"MENSHEN_DATA_DIR": str(folder / "data"), **QUICK_HASHES}
    if request.param != "sqlite":
        url = request.getfixturevalue(request.param).new_database()
        migrated(url)
        settings["MENSHEN_DATABASE_URL"] = url
    service = open_service(read_settings(settings))
    phones = [f"138001380{number:02}" for number in range(USERS)]
    tokens = {phone: service.register_and_login(phone=phone, password=PASSWORD).access_token for phone in phones}
    service.close()
    shutil.copy(forking_app.__file__, folder)
    return Place(folder, clean_environment(settings), tokens)


def _asked(port: int, tokens: Mapping[str, str]) -> "Counter[str]":
    """What came of many requests by several callers, each time for the orders of another user."""

    def one(number: int) -> str:
        phone = list(tokens)[number % len(tokens)]
        with Client(port) as client:
            answer = client.request("GET", "/orders", token=tokens[phone])
        if answer.status != 200:
            return str(answer.status)
        return "right" if answer.json == {"orders_of": phone} else "wrong"

    with ThreadPoolExecutor(CALLERS) as callers:
        return Counter(callers.map(one, range(REQUESTS)))


@contextmanager
def _serving(place: Place, command: Sequence[str], *, is_warm: bool) -> Iterator[int]:
    """The port of the server that *command* starts; *is_warm*: the app has answered a request before it is forked."""
    port = free_port()
    program = [str(Path(sys.executable).with_name(command[0])), *(part.format(port=port) for part in command[1:])]
    warm = {"WARM_TOKEN": next(iter(place.tokens.values()))} if is_warm else {}
    log = place.folder / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            program,
            cwd=place.folder,
            env={**place.environment, **warm},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + START_SECONDS
        while not _answers(port):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        yield port
    finally:
        os.kill(server.pid, signal.SIGTERM)
        try:
            server.wait(30)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


def _answers(port: int) -> bool:
    with suppress(OSError), Client(port, 5) as client:
        return client.request("GET", "/orders").status == 401
    return False


def test_children_that_are_forked_while_threads_are_at_work_answer_right(place: Place) -> None:
    (place.folder / "uses.json").write_text(json.dumps(place.tokens))
    done = subprocess.run(
        [sys.executable, "forking_app.py", "uses.json"],
        cwd=place.folder,
        env={**place.environment, "WARM_TOKEN": next(iter(place.tokens.values()))},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    asked = (forking_app.CHILDREN + 2) * forking_app.THREADS * forking_app.REQUESTS
    assert json.loads(done.stdout.splitlines()[-1]) == {"right": asked}


@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("command", [PRELOADING, UWSGI], ids=lambda command: str(command[0]))
def test_a_server_that_forks_after_the_import_answers_right(
    place: Place, command: Sequence[str], is_warm: bool
) -> None:
    with _serving(place, command, is_warm=is_warm) as port:
        found = _asked(port, place.tokens)
    if is_warm and command is UWSGI and "MENSHEN_DATABASE_URL" not in place.environment:
        # Python is not told of the fork, so that SQLite could not be closed before it: no answer rather than a wrong one.
        assert found == {"503": REQUESTS}
        assert "this process was forked while it had the database open" in (place.folder / "log").read_text()
    else:
        assert found == {"right": REQUESTS}


_WHAT_IS_OPEN = """
import os
from menshen import Accounts

def opened():
    found = []
    for handle in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{handle}"))
        except FileNotFoundError:  # that of the listing
            pass
    # The epochs are no connection: processes share them.
    return {each for each in found if each.startswith("socket:") or ("sqlite3" in each and not each.endswith("-epochs"))}

before = opened()
accounts = Accounts.from_environment()
print("open:", sorted(opened() - before))
"""


def test_nothing_is_connected_once_the_accounts_are_open(place: Place) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WHAT_IS_OPEN],
        cwd=place.folder,
        env=dict(place.environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "open: []"
