"""The yardstick: a Falcon app whose only route does nothing, behind menshen's own front, on one process.

``python benchmarks/bare_falcon.py PORT``
"""

import sys
from typing import cast

import falcon

from menshen.entrypoints.databases import SERVING_THREADS
from menshen.entrypoints.front import Front, WsgiApp
from menshen.entrypoints.server import most_connections, run, take_stop_signals


class _Nothing:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.text = "nothing"


def _front() -> Front:
    app = falcon.App()
    app.add_route("/healthz", _Nothing())
    return Front(
        cast(WsgiApp, app),
        threads=SERVING_THREADS,
        runs_inline=lambda method, path: True,
        port=0,
        crowd=most_connections(),
        at_serving=take_stop_signals,
    )


if __name__ == "__main__":
    run(_front, host="127.0.0.1", port=int(sys.argv[1]), workers=1, keep_alive_seconds=75)
