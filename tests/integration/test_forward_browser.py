"""A browser behind a proxy, in a real Chromium: sent to log in, known by its cookie, and back where it wanted to go."""

import json
import re
from html import unescape
from pathlib import Path

import pytest

from .forward_proxies import PROXIES, telling_app
from .servers import COMMAND, Server, free_port
from .test_browser_apps import dumped_by_chromium


# nginx is told of no port, since it listens on the usual one.
@pytest.mark.parametrize("name", ["caddy", "traefik"])
def test_a_browser_logs_in_and_comes_back_to_the_page_it_wanted(name: str, tmp_path: Path) -> None:
    (tmp_path / "proxy").mkdir()
    menshen = free_port()
    with telling_app() as app, PROXIES[name](tmp_path / "proxy", menshen, app) as port:
        settings = {
            "MENSHEN_COOKIE": "true",
            "MENSHEN_FORWARD_RULES": "open /login; user /orders/**",
            "MENSHEN_LOGIN_PAGE": "/login",
            "MENSHEN_RETURN_HOSTS": f"localhost:{port}",
            "MENSHEN_TRUSTED_PROXIES": "127.0.0.1",
        }
        server = Server(tmp_path / "server", settings, COMMAND, menshen)
        try:
            server.start()
            shown = dumped_by_chromium(f"http://localhost:{port}/orders/7?x=1", tmp_path / "profile")
        finally:
            server.stop()
    match = re.search(r"<pre[^>]*>(\{.*?)</pre>", shown, re.DOTALL)
    assert match is not None, shown
    told = json.loads(unescape(match[1]))
    assert (told["method"], told["target"]) == ("GET", "/orders/7?x=1")
    assert ["x-menshen-user", "1"] in [[key.lower(), value] for key, value in told["headers"]]
