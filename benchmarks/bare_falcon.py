"""The yardstick: a Falcon app whose only route does nothing, on one process.

``python benchmarks/bare_falcon.py inline PORT``  behind menshen's own front, on its event loop (as user_info runs)
``python benchmarks/bare_falcon.py thread PORT``  behind menshen's own front, handed to a thread and back
``python benchmarks/bare_falcon.py wsgi PORT``    under granian's own WSGI interface
"""

import multiprocessing
import sys
from collections.abc import Callable
from typing import Any, cast

import falcon
from granian import Granian
from granian.constants import HTTPModes, Interfaces

from menshen.entrypoints.databases import SERVING_THREADS
from menshen.entrypoints.front import Front, WsgiApp
from menshen.entrypoints.server import most_connections, run, take_stop_signals


class _Nothing:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.text = "nothing"


def _app() -> WsgiApp:
    app = falcon.App()
    app.add_route("/healthz", _Nothing())
    return cast(WsgiApp, app)


def _front(*, inline: bool) -> Front:
    return Front(
        _app(),
        threads=SERVING_THREADS,
        runs_inline=lambda method, path: inline,
        port=0,
        crowd=most_connections(),
        at_serving=take_stop_signals,
    )


def _run_wsgi(port: int) -> None:
    multiprocessing.set_start_method("fork", force=True)
    Granian(
        "bare",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        blocking_threads=SERVING_THREADS,
        log_enabled=False,
    ).serve(target_loader=cast(Callable[..., Any], _app), wrap_loader=False)


if __name__ == "__main__":
    kind, port = sys.argv[1], int(sys.argv[2])
    if kind == "wsgi":
        _run_wsgi(port)
    else:
        run(lambda: _front(inline=kind == "inline"), host="127.0.0.1", port=port, workers=1, keep_alive_seconds=75)
