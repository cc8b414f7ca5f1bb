"""An embedding app as loaded by servers that fork their workers after the import. It also forks itself.

``python forking_app.py USES.json`` sends requests with threads in the parent, forks in the middle of that, sends
requests in each child, and prints a summary of the answers. It is not part of the tests' package, as it runs in its own
process.
"""

import io
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import falcon

from menshen import Accounts

CHILDREN = 4
THREADS = 4
REQUESTS = 40
"""Of each thread."""

FORK_SECONDS = 30
"""In which a fork is over, however busy the machine is."""


class Orders:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = {"orders_of": req.context.user.phone.digits}


accounts = Accounts.from_environment()
app = falcon.App(middleware=[accounts.default_deny()])
app.add_route("/orders", Orders())
accounts.mount(app)


def ask(token: str) -> tuple[int, Any]:
    """The status and the body of one answer, without a server."""
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/orders",
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_TOKEN": token,
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
    }
    statuses: list[str] = []

    def start_response(status: str, _headers: object, _exc_info: object = None) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda _body: None

    body = b"".join(app(environ, start_response))
    return int(statuses[-1][:3]), json.loads(body)


# What an embedder may do at import, and what leaves connections that the workers inherit.
if "WARM_TOKEN" in os.environ:
    assert ask(os.environ["WARM_TOKEN"])[0] == 200


def _judged(token: str, phone: str) -> str:
    status, body = ask(token)
    if status != 200:
        return str(status)
    return "right" if body == {"orders_of": phone} else "wrong"


def _asked_by_threads(tokens: Mapping[str, str], after_start: Callable[[], None] = lambda: None) -> "Counter[str]":
    """What came of it where threads ask for the orders of all, in turn."""
    found: list[str] = []
    begin = Barrier(THREADS + 1)

    def work(first: int) -> None:
        each = list(tokens.items())
        begin.wait()
        for number in range(REQUESTS):
            phone, token = each[(first * 7 + number) % len(each)]
            found.append(_judged(token, phone))

    threads = [Thread(target=work, args=[number]) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    begin.wait()
    after_start()
    for thread in threads:
        thread.join()
    return Counter(found)


def _fork_from_a_thread() -> None:
    """Like a worker that starts a process while it serves."""

    def fork() -> None:
        if os.fork() == 0:
            os._exit(0)
        os.wait()

    thread = Thread(target=fork, daemon=True)
    thread.start()
    thread.join(FORK_SECONDS)
    assert not thread.is_alive(), "the fork of a fork hangs"


def main() -> None:
    tokens = json.loads(Path(sys.argv[1]).read_text())
    ends: list[int] = []

    def fork() -> None:
        for _ in range(CHILDREN):
            reading, writing = os.pipe()
            if os.fork() == 0:
                code = 1
                try:
                    found = _asked_by_threads(tokens)
                    _fork_from_a_thread()
                    os.write(writing, json.dumps(found).encode())
                    code = 0
                finally:
                    os._exit(code)
            os.close(writing)
            ends.append(reading)

    counts = _asked_by_threads(tokens, fork)
    for end in ends:
        with os.fdopen(end) as told:
            counts.update(json.loads(told.read() or '{"child died": 1}'))
        assert os.wait()[1] == 0
    # And the parent goes on.
    counts.update(_asked_by_threads(tokens))
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
