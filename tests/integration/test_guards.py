"""The guard contract over the apps of docs/examples, each with menshen installed from its wheel, under each server."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import jwt
import pytest
from attrs import define, field, frozen
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from .guard_contract import GuardContract, Served, Tokens, ask
from .servers import QUICK_HASHES, START_SECONDS, Server, clean_environment, free_port, serving
from .wheels import ROOT, unpacked_wheel

EXAMPLES = ROOT / "docs" / "examples"
PROGRAMS = Path(sys.prefix) / "examples" / "bin"
PYTHON = PROGRAMS / "python"
SECRET = "kZ3vQ8mT1xW6rB4nY7cJ2hL5pD9sF0gA"


def listening(server: str, port: int, app: str) -> list[str]:
    """The command that serves an app of the folder it is started in."""
    here, python = f"127.0.0.1:{port}", str(PYTHON)
    granian = [python, "-m", "granian", "--host", "127.0.0.1", "--port", str(port), "--interface"]
    commands = {
        "run": ["sh", "run", str(port)],
        "uvicorn": [python, "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port), app],
        "hypercorn": [python, "-m", "hypercorn", "--bind", here, app],
        "granian asgi": [*granian, "asgi", app],
        "granian wsgi": [*granian, "wsgi", app],
        "gunicorn gthread": [python, "-m", "gunicorn", "--threads", "4", "--bind", here, app],
    }
    return commands[server]


@frozen
class Row:
    """An example under one server."""

    example: str
    server: str
    app: str = "app:app"
    particular: Mapping[str, int] = field(factory=dict)
    """Where its framework differs: of Served."""
    folder: Path | None = None
    """Where it is, if not among the examples."""

    def __str__(self) -> str:
        return f"{self.example} by {self.server}" + (" (ASGI)" if self.app != "app:app" else "")


# Litestar chooses the route, and the methods of a route, before any middleware.
LITESTAR = {"unknown": 404, "head": 405}

# The server of `run` is not there a second time.
TABLE = [
    *(Row("starlette", server) for server in ("run", "granian asgi", "hypercorn")),
    *(Row("fastapi", server) for server in ("run", "granian asgi", "hypercorn")),
    *(Row("litestar", server, particular=LITESTAR) for server in ("run", "granian asgi", "hypercorn")),
    *(Row("falcon_asgi", server) for server in ("run", "uvicorn", "hypercorn")),
    *(Row("falcon", server) for server in ("run", "gunicorn gthread")),
    *(Row("flask", server) for server in ("run", "granian wsgi")),
    *(Row("django", server) for server in ("run", "granian wsgi")),
    *(Row("django", server, "app:asgi_app") for server in ("uvicorn", "hypercorn", "granian asgi")),
]
# Streams, works after its answers, and talks by websocket.
LIVELY = [
    Row("guarded_app", server, "guarded_app:app", folder=Path(__file__).parent)
    for server in ("uvicorn", "granian asgi", "hypercorn")
]
ASGI = {"starlette", "fastapi", "litestar", "falcon_asgi"}


RUNNING = sorted(path.parent.name for path in EXAMPLES.glob("*/run"))


def test_every_example_that_can_be_run_is_in_the_table() -> None:
    assert {row.example for row in TABLE} == set(RUNNING)


@pytest.mark.parametrize("example", RUNNING)
def test_an_example_says_what_it_needs(example: str) -> None:
    needed = (EXAMPLES / example / "requirements.txt").read_text().split()
    assert needed[0] == ("menshen" if example.startswith("falcon") else f"menshen[{example}]")
    (line,) = [line for line in (EXAMPLES / example / "run").read_text().splitlines() if "exec " in line]
    server = line.partition("exec ")[2].split()[0]
    # granian comes with menshen.
    assert needed[1:] == ([] if server == "granian" else [server])
    assert (PROGRAMS / server).exists()


@define(eq=False)
class App:
    """An example that is served by a process group of its own."""

    row: Row
    environment: Mapping[str, str]
    folder: Path
    port: int = field(factory=free_port)
    _process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                listening(self.row.server, self.port, self.row.app),
                cwd=self.row.folder or EXAMPLES / self.row.example,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def log(self) -> Path:
        return self.folder / f"{self.row}.log"

    def wait(self) -> None:
        """Until it answers."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with suppress(OSError, http.client.HTTPException):
                if ask(self.port, "GET", "/news").status == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"{self.row} does not answer:\n{self.log.read_text()}")

    def stop(self) -> None:
        # Its group is its own. What it served is over, so it need not end gently.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)
        self._process.wait(30)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A ``menshen serve`` on the accounts of all the apps."""
    with serving(tmp_path_factory.mktemp("guards"), SECRET_KEY=SECRET) as server:
        yield server


@pytest.fixture(scope="module")
def tokens(service: Server) -> Tokens:
    with service.client() as client:
        good, kicked, frozen = (client.register(f"1380013800{number}").token for number in range(3))
        client.register("13800138003")
        service.told("user", "grant-admin", "13800138003")
        login = {"phone": "13800138003", "password": "correct horse"}
        admin = client.request("POST", "/api/admin/login", login).token
        service.told("session", "kick", "13800138001", "--all")
        # Its session is live, so that the state of the user is what counts.
        service.rows("UPDATE x_user SET state = '冻结' WHERE phone = '13800138002'")
    claims: dict[str, Any] = jwt.decode(good, options={"verify_signature": False})
    past = {**claims, "iat": claims["iat"] - 1_000_000, "exp": claims["iat"] - 10}
    return Tokens("13800138000", good, jwt.encode(past, SECRET, algorithm="HS256"), kicked, frozen, admin)


@pytest.fixture(scope="module")
def apps(service: Server, tokens: Tokens, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, App]]:
    """All of them at once: most of the time they take is that of their imports."""
    installed = unpacked_wheel(tmp_path_factory.mktemp("wheel"))
    environment = clean_environment(
        {
            **QUICK_HASHES,
            "MENSHEN_DATA_DIR": str(service.data_dir),
            "MENSHEN_SECRET_KEY": SECRET,
            "PATH": f"{PYTHON.parent}:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(installed),
        }
    )
    logs = tmp_path_factory.mktemp("logs")
    with ExitStack() as stack:
        started = {str(row): App(row, environment, logs) for row in [*TABLE, *LIVELY]}
        for app in started.values():
            app.start()
            stack.callback(app.stop)
        for app in started.values():
            app.wait()
        yield started


@pytest.fixture(scope="module", params=TABLE, ids=str)
def row(request: pytest.FixtureRequest) -> Row:
    found: Row = request.param
    return found


@pytest.fixture(scope="module")
def served(row: Row, apps: dict[str, App], service: Server, tokens: Tokens) -> Served:
    return Served(apps[str(row)].port, service.port, tokens, **row.particular)


class TestGuards(GuardContract):
    """Each row of the table."""


def test_a_websocket_is_refused_before_it_is_accepted(row: Row, served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(
            b"GET /orders HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        status = connection.makefile("rb").readline()
    # In WSGI there are none: it is a request without a token. Django has none, and says so by an error, which a server
    # answers with 500 or 403.
    expected = {b"401", b"403", b"404"} if row.example in ASGI else {b"401", b"403", b"500"}
    assert status.split()[1] in expected, status


# What does not work under middleware that is not pure (supertokens-python#343, #532).


@pytest.fixture(scope="module", params=LIVELY, ids=str)
def lively(request: pytest.FixtureRequest, apps: dict[str, App]) -> int:
    """The port of the app."""
    return apps[str(request.param)].port


def test_a_guarded_answer_streams(lively: int, tokens: Tokens) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", lively, timeout=30)
    try:
        connection.request("GET", "/stream", headers={"token": tokens.good})
        answer = connection.getresponse()
        assert (answer.status, answer.read(5)) == (200, b"first")
        assert ask(lively, "GET", "/news?go").status == 200
        assert answer.read() == b"second"
    finally:
        connection.close()


def test_what_comes_after_a_guarded_answer_is_done_and_sees_what_is_around_it(lively: int, tokens: Tokens) -> None:
    answer = json.loads(ask(lively, "GET", "/orders", [("token", tokens.good)]).body)
    # Both loops are there: that depends on the server.
    assert (answer["around"], answer["loop"]) in {("http", "uvloop"), ("http", "asyncio.unix_events")}
    end = time.monotonic() + 30
    while not (done := json.loads(ask(lively, "GET", "/news").body)["done"]):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert tokens.phone in done[0]


def test_a_websocket_with_a_good_token_is_accepted(lively: int, tokens: Tokens) -> None:
    url = f"ws://127.0.0.1:{lively}/ws"
    with connect(url, additional_headers={"token": tokens.good}, proxy=None) as websocket:
        said = websocket.recv(timeout=30)
    assert str(said).startswith("websocket of ")
    with pytest.raises(InvalidStatus) as refused, connect(url, proxy=None):
        pass
    assert refused.value.response.status_code in {401, 403}
