"""A browser app on another origin, in a real Chromium: what a page of a listed origin may do, and one of another may not."""

import json
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from .databases import program_of
from .servers import PASSWORD, serving

PAGE = """<!doctype html><meta charset="utf-8"><pre id="found"></pre><script>
const api = "http://127.0.0.1:%(port)d";
const found = [];
async function ask(method, path, token, body) {
  const headers = {};
  if (token) headers.token = token;
  if (body) headers["Content-Type"] = "application/json";
  try {
    const answer = await fetch(api + path, {method, headers, body: body && JSON.stringify(body)});
    const read = answer.headers.get("content-length") && await answer.json();
    found.push([answer.status, read.reason || "done"]);
    return read;
  } catch (error) {
    found.push(["kept from it"]);
    return {};
  }
}
(async () => {
  const user = {phone: "13800138000", password: "%(password)s"};
  await ask("POST", "/api/user/register", null, user);
  const {token} = await ask("POST", "/api/user/login", null, user);
  await ask("GET", "/api/user/user_info", token);
  await ask("DELETE", "/api/user/sessions", token, {password: user.password});
  await ask("GET", "/api/user/user_info", "x");
  await ask("POST", "/api/user/login", null, {...user, password: "a wrong one"});
  await ask("GET", "/nothing");
  document.getElementById("found").textContent = JSON.stringify(found);
})();
</script>"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A folder of pages, and the port at which they are."""
    folder = tmp_path / "pages"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield folder, server.server_address[1]
        server.shutdown()


def dumped_by_chromium(url: str, profile: Path) -> str:
    """The document that the browser shows in the end, once nothing is under way any more."""
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command = [
        str(program_of("chromium")),
        *flags,
        f"--user-data-dir={profile}",
        "--virtual-time-budget=20000",
        "--dump-dom",
        url,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def shown_by_chromium(url: str, profile: Path) -> list[list[object]]:
    """What the page at *url* has found, once it is done."""
    shown = dumped_by_chromium(url, profile)
    match = re.search(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)
    assert match is not None, shown
    found: list[list[object]] = json.loads(unescape(match[1]))
    return found


def test_a_listed_origin_reads_every_answer_and_another_none(pages: tuple[Path, int], tmp_path: Path) -> None:
    folder, port = pages
    with serving(tmp_path / "server", CORS_ORIGINS=f"https://app.example.com, http://127.0.0.1:{port}") as server:
        text = PAGE % {"port": server.port, "password": PASSWORD}
        (folder / "index.html").write_text(text, encoding="utf-8")
        # The same page under another name is of another origin.
        kept_out = shown_by_chromium(f"http://localhost:{port}/", tmp_path / "another")
        found = shown_by_chromium(f"http://127.0.0.1:{port}/", tmp_path / "listed")
    assert kept_out == [["kept from it"]] * 7
    assert found == [
        [200, "done"],
        [200, "done"],
        [200, "done"],
        [200, "done"],
        [401, "token_invalid"],
        [403, "invalid_credentials"],
        [404, "not_found"],
    ]
