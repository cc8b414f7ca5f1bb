"""Behind nginx and haproxy that keep the admin routes to themselves by the beginning of the path."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from .databases import program_of
from .servers import START_SECONDS, Server, free_port, read_answer, serving

Proxy = Callable[[Path, int, int], AbstractContextManager[None]]

NGINX = """
daemon off; pid {folder}/pid; error_log stderr; worker_processes 1;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  merge_slashes off;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
    location /api/admin {{ return 403; }}
  }}
}}
"""

HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend front
  bind 127.0.0.1:{port}
  http-request deny if {{ path_beg /api/admin }}
  option forwardfor
  default_backend back
backend back
  server menshen 127.0.0.1:{upstream}
"""

UNREADABLE = '"address": "unreadable"'

SPELLINGS = ["//api/admin/login", "/api%2fadmin/login", "/api/%61dmin/login", "/%61pi/admin/login", "/api//admin/login"]


def _until(so: Callable[[], bool]) -> None:
    end = time.monotonic() + START_SECONDS
    while not so():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def nginx(folder: Path, port: int, upstream: int) -> Iterator[None]:
    (folder / "conf").write_text(NGINX.format(folder=folder, port=port, upstream=upstream))
    with _running("nginx", "-c", folder / "conf", "-p", folder, port=port):
        yield


@contextmanager
def haproxy(folder: Path, port: int, upstream: int) -> Iterator[None]:
    (folder / "conf").write_text(HAPROXY.format(port=port, upstream=upstream))
    with _running("haproxy", "-db", "-f", folder / "conf", port=port):
        yield


@contextmanager
def _running(name: str, *arguments: object, port: int) -> Iterator[None]:
    process = subprocess.Popen([program_of(name), *map(str, arguments)], stderr=subprocess.DEVNULL)
    try:
        _until(lambda: _listens(port))
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("behind") / "server", TRUSTED_PROXIES="127.0.0.1") as server:
        yield server


@pytest.mark.parametrize("proxy", [nginx, haproxy])
def test_no_spelling_of_a_path_passes_by_what_the_proxy_denies(accounts: Server, proxy: Proxy, tmp_path: Path) -> None:
    port = free_port()
    with proxy(tmp_path, port, accounts.port):
        assert _status(port, b"/api/admin/login") == 403
        assert _status(port, b"/api/user/login") == 400
        for spelling in SPELLINGS:
            assert _status(port, spelling.encode()) in {403, 404}, spelling
            # And past the proxy there is nothing of the kind either.
            assert _status(accounts.port, spelling.encode()) == 404, spelling


@pytest.mark.parametrize("proxy", [nginx, haproxy])
def test_a_caller_cannot_hide_behind_the_proxy(accounts: Server, proxy: Proxy, tmp_path: Path) -> None:
    port = free_port()
    before = accounts.log.count(UNREADABLE)
    with proxy(tmp_path, port, accounts.port):
        for written in (b"\xff", b"203.0.113.1\xe9", b"203.0.113.1, x"):
            with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as connection:
                # From 127.0.0.1 all are proxies of ours: what the caller wrote is looked at, and is no address.
                head = b"GET /api/user/user_info HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: " + written + b"\r\n\r\n"
                connection.sendall(head)
                assert read_answer(connection).status == 401
    _until(lambda: accounts.log.count(UNREADABLE) == before + 3)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _status(port: int, path: bytes) -> int:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as connection:
        connection.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        return read_answer(connection).status
