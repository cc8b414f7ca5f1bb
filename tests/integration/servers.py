"""Real servers for tests: each with its own process group and data folder, on a free loopback port."""

import http.client
import io
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch

from attrs import define, field, frozen

from menshen.entrypoints.cli.main import main

COMMAND: tuple[str, ...] = (str(Path(sys.executable).with_name("menshen")),)

QUICK_HASHES = {"MENSHEN_ARGON2_MEMORY_KIB": "8192", "MENSHEN_ARGON2_TIME_COST": "1"}

START_SECONDS = 60.0
"""How long a server may take to answer; the machine may be busy with other things."""

ANSWER_SECONDS = 60.0

IDLE_SECONDS = 5.0

PASSWORD = "correct horse"

ENVELOPE = {"code", "data", "msg", "time"}


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """*settings* and what any program needs; nothing that the caller of the tests has set for menshen."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "HOME", "LANG", "TZ", "TMPDIR"} or name.startswith("COVERAGE_")
    }
    return {**kept, **settings}


def free_port() -> int:
    """A loopback port below those that the system gives to outgoing connections, so that none of these takes it."""
    for _ in range(200):
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no loopback port is free")


@frozen
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found

    @property
    def reason(self) -> str | None:
        found: str | None = self.json.get("reason")
        return found

    @property
    def token(self) -> str:
        assert self.status == 200, self.body
        token = self.json["token"]
        assert isinstance(token, str)
        return token

    @property
    def refresh_token(self) -> str:
        assert self.status == 200, self.body
        token = self.json["data"]["refresh_token"]
        assert isinstance(token, str)
        return token

    @property
    def session_id(self) -> str:
        assert self.status == 200, self.body
        session_id = self.json["data"]["session_id"]
        assert isinstance(session_id, str)
        return session_id


@define(eq=False)
class Client:
    """A caller that keeps its connection, as apps do, but not one that the server closes soon for having been idle."""

    port: int
    seconds: float = ANSWER_SECONDS
    _connection: http.client.HTTPConnection | None = field(init=False, default=None)
    _used_at: float = field(init=False, default=0.0)

    def request(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, headers: Mapping[str, str] = {}
    ) -> Answer:
        sent = dict(headers)
        if token is not None:
            sent["token"] = token
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        if time.monotonic() - self._used_at > IDLE_SECONDS:
            self.close()
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.seconds)
        try:
            self._connection.request(method, path, None if body is None else json.dumps(body), sent)
            response = self._connection.getresponse()
            answer = Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        except BaseException:
            self.close()
            raise
        self._used_at = time.monotonic()
        return answer

    def register(self, phone: str, password: str = PASSWORD, **members: Any) -> Answer:
        return self.request("POST", "/api/user/register", {"phone": phone, "password": password, **members})

    def login(self, phone: str, password: str = PASSWORD, **members: Any) -> Answer:
        return self.request("POST", "/api/user/login", {"phone": phone, "password": password, **members})

    def refresh(self, refresh_token: str) -> Answer:
        return self.request("POST", "/api/user/token/refresh", {"refresh_token": refresh_token})

    def sessions(self, token: str) -> list[dict[str, Any]]:
        answer = self.request("GET", "/api/user/sessions", token=token)
        assert answer.status == 200, answer.body
        found = answer.json["data"]["sessions"]
        assert isinstance(found, list)
        return found

    def user_info(self, token: str) -> Answer:
        return self.request("GET", "/api/user/user_info", token=token)

    def change_password(self, token: str, old: str, new: str) -> Answer:
        return self.request("POST", "/api/user/password", {"old_password": old, "new_password": new}, token=token)

    def logout(self, token: str) -> Answer:
        return self.request("POST", "/api/user/logout", token=token)

    @property
    def local_port(self) -> int:
        assert self._connection is not None
        port: int = self._connection.sock.getsockname()[1]
        return port

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


@define(eq=False)
class Server:
    """``menshen serve`` in a process group of its own."""

    folder: Path
    settings: Mapping[str, str] = field(factory=dict)
    command: Sequence[str] = COMMAND
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def database(self) -> Path:
        return self.data_dir / "menshen.sqlite3"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        assert self._process is not None
        return self._process.poll()

    @property
    def out(self) -> str:
        """What it has written to stdout, over all its starts."""
        return (self.folder / "stdout").read_text(errors="replace")

    @property
    def log(self) -> str:
        """What it has written to stderr, over all its starts."""
        return (self.folder / "stderr").read_text(errors="replace")

    @property
    def workers(self) -> list[int]:
        """The processes that serve: the children of the one that was started."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    @property
    def environment(self) -> dict[str, str]:
        return clean_environment(
            {
                "MENSHEN_DATA_DIR": str(self.data_dir),
                "MENSHEN_PORT": str(self.port),
                **QUICK_HASHES,
                **self.settings,
            }
        )

    def client(self, seconds: float = ANSWER_SECONDS) -> Client:
        return Client(self.port, seconds)

    def menshen(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """One command on the data of this server, whether it runs or not.

        It runs in the process of the tests: starting another takes most of a second, and ``process`` does that.
        """
        out, err, typed = io.StringIO(), io.StringIO(), io.TextIOWrapper(io.BytesIO(stdin.encode()))
        with redirect_stdout(out), redirect_stderr(err), patch("sys.stdin", typed):
            try:
                code = main(arguments, self.environment)
            except SystemExit as wrong_usage:
                code = int(wrong_usage.code or 0)
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def process(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """The same, as a process of its own."""
        return subprocess.run(
            [*self.command, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment,
            timeout=60,
            check=False,
        )

    def told(self, *arguments: str, stdin: str = "") -> Any:
        """What a command that succeeds tells programs: strict JSON, and nothing on stderr."""
        done = self.menshen(*arguments, "--json", stdin=stdin)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return strict_json(done.stdout)

    def rows(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """The rows of a table of the database."""
        with closing(sqlite3.connect(self.database, timeout=30)) as connection, connection:
            return connection.execute(statement, parameters).fetchall()

    def client_of(self, worker: int) -> Client:
        """A caller whose connection is held by that worker process, for as long as it keeps it."""
        for _ in range(200):
            client = self.client()
            assert client.request("GET", "/healthz").status == 200
            if _holds(worker, client.local_port, self.port):
                return client
            client.close()
        raise AssertionError("no connection comes to this worker")

    def start(self) -> None:
        """Start and wait until it is ready. A port that somebody takes meanwhile is not the server's fault."""
        chosen = self.port
        for _ in range(5):
            self.port = chosen or free_port()
            self.spawn()
            if self._answers():
                return
            if chosen or "cannot listen" not in self.log:
                break
        raise AssertionError(f"the server does not answer, exit code {self.returncode}:\n{self.log}")

    def spawn(self) -> None:
        """Start without waiting."""
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "stdout").open("ab") as out, (self.folder / "stderr").open("ab") as err:
            self._process = subprocess.Popen(
                [*self.command, "serve"],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.returncode is None:
            with suppress(OSError, http.client.HTTPException), Client(self.port, 5) as client:
                if client.request("GET", "/readyz").status == 200 and self._listeners() >= self._worker_count:
                    return True
            time.sleep(0.02)
        return False

    @property
    def _worker_count(self) -> int:
        return int(self.settings.get("MENSHEN_WORKERS", "1"))

    def _listeners(self) -> int:
        """How many sockets listen on the port: each worker has one, once it has started."""
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(fields[1].endswith(f":{self.port:04X}") and fields[3] == "0A" for fields in lines)

    def terminate(self) -> None:
        """SIGTERM to the process that was started, as a supervisor sends it."""
        os.kill(self.pid, signal.SIGTERM)

    def wait(self, seconds: float = 30.0) -> int:
        """Its exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL to all its processes at once."""
        assert self._process is not None
        # Its group is its own (start_new_session), and lives at least as long as the process is not waited for.
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)
        self._until_nobody_listens()

    def stop(self) -> None:
        """End it in any case; nothing of it is left."""
        if self._process is None or self._process.returncode is not None:
            return
        self.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()

    def _until_nobody_listens(self) -> None:
        # The kernel reaps orphaned workers a moment after their parent.
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with suppress(OSError):
                    probe.bind(("127.0.0.1", self.port))
                    return
            time.sleep(0.01)


def _holds(pid: int, caller: int, port: int) -> bool:
    """Whether a process holds the server's end of the connection between two loopback ports."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}") and fields[2].endswith(f":{caller:04X}"):
            inodes.add(f"socket:[{fields[9]}]")
    held = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            held.add(str(handle.readlink()))
    return bool(inodes & held)


@contextmanager
def serving(folder: Path, command: Sequence[str] = COMMAND, **settings: str) -> Iterator[Server]:
    """A running server; *settings* without their prefix: ``WORKERS="2"``."""
    server = Server(folder, {f"MENSHEN_{name}": value for name, value in settings.items()}, command)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def menshen(
    *arguments: str, folder: Path, stdin: str = "", command: Sequence[str] = COMMAND, **settings: str
) -> subprocess.CompletedProcess[str]:
    """One command, run to its end."""
    environment = {f"MENSHEN_{name}": value for name, value in settings.items()}
    return menshen_in(environment, *arguments, folder=folder, stdin=stdin, command=command)


def menshen_in(
    environment: Mapping[str, str],
    *arguments: str,
    folder: Path,
    stdin: str = "",
    command: Sequence[str] = COMMAND,
) -> subprocess.CompletedProcess[str]:
    """The same, with *environment* as it is."""
    return subprocess.run(
        [*command, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=folder,
        env=clean_environment({**QUICK_HASHES, **environment}),
        timeout=60,
        check=False,
    )


def only_line(stderr: str) -> str:
    """The one line in which a command tells why it did nothing."""
    [line] = stderr.splitlines()
    assert line.startswith("menshen: ")
    return line


def strict_json(text: str) -> Any:
    """One JSON value on one line, without a constant that JSON does not know."""
    assert text.endswith("\n")
    assert text.count("\n") == 1
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is no JSON")


def assert_envelope(answer: Answer) -> None:
    """The answer is in the contract's one form, and says the same in its status as in its body."""
    found = answer.json
    assert found.keys() >= ENVELOPE, found
    assert found["code"] == answer.status
    assert answer.headers["content-type"].startswith("application/json")


class ConnectionEnded(Exception):
    """The server closed the connection before a whole answer had come."""


def read_answer(connection: socket.socket, *, has_body: bool = True) -> Answer:
    """The next answer on a raw connection, interim ones (1xx) left out. Raises ConnectionEnded, TimeoutError."""
    while True:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += _some(connection, 1)
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(first.split(" ")[1])
        if status >= 200:
            break
    body = b""
    length = int(headers.get("content-length", "0")) if has_body else 0
    while len(body) < length:
        body += _some(connection, length - len(body))
    return Answer(status, headers, body)


def _some(connection: socket.socket, length: int) -> bytes:
    try:
        found = connection.recv(length)
    except ConnectionError:
        raise ConnectionEnded from None
    if not found:
        raise ConnectionEnded
    return found
