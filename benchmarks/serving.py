"""Starting the servers to measure, on loopback, and stopping them in any case."""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MENSHEN = [str(Path(sys.executable).with_name("menshen")), "serve"]
BARE_FALCON = [sys.executable, str(Path(__file__).with_name("bare_falcon.py"))]

START_SECONDS = 20
STOP_SECONDS = 15

PHONE, PASSWORD = "13800138000", "correct horse"


@contextmanager
def running(
    command: Sequence[str], port: int, environment: Mapping[str, str] | None = None, *, ready: str = "/healthz"
) -> Iterator[subprocess.Popen[bytes]]:
    """The server that *command* starts, once it answers on *port* at *ready*. It gets only the given environment."""
    server = subprocess.Popen(
        command, env=environment or {}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for_answer(server, port, ready)
        yield server
    finally:
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def menshen_environment(data_dir: str, port: int) -> dict[str, str]:
    return {"MENSHEN_DATA_DIR": data_dir, "MENSHEN_PORT": str(port)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def post(port: int, path: str, body: Mapping[str, str]) -> dict[str, Any]:
    """Send *body* as JSON. Raises RuntimeError for any answer but 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    if answer["code"] != 200:
        raise RuntimeError(f"{path}: {answer}")
    return answer


def register(port: int, phone: str = PHONE) -> str:
    """Register a user. Returns the token."""
    return str(post(port, "/api/user/register", {"phone": phone, "password": PASSWORD})["token"])


def _wait_for_answer(server: subprocess.Popen[bytes], port: int, ready: str) -> None:
    deadline = time.perf_counter() + START_SECONDS
    while time.perf_counter() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.request("GET", ready)
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.002)
        finally:
            connection.close()
        if server.poll() is not None:
            raise RuntimeError(f"{server.args!r} ended with {server.returncode}")
    raise RuntimeError(f"{server.args!r} did not answer")
