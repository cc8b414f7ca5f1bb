"""``menshen serve``."""

import socket
from functools import partial
from typing import Any

from ..settings import Settings
from ..wiring import SERVING_THREADS, database_url, open_service
from .output import DONE, Context


def serve(context: Context) -> int:
    """Serve until SIGTERM. Raises SettingInvalid, StoreUnavailable, OSError for what is wrong before it begins."""
    # The server's own packages are loaded here, so that the other commands start without them.
    from ..server import run

    settings = context.settings
    _check_address_is_free(settings)
    # Opened once before any worker: what is wrong is said here, in one line, and the schema is made once.
    open_service(settings, say=partial(print, flush=True)).close()
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    welcome = _WELCOME.format(url=f"http://{host}:{settings.port}", store=database_url(settings))
    print(welcome, flush=True)
    run(partial(_front, settings), host=settings.host, port=settings.port, workers=settings.workers)
    return DONE


def _front(settings: Settings) -> Any:
    """What each worker process serves."""
    from ..housekeeper import Housekeeper
    from ..http.app import create_app
    from ..log import start_logging, stop_logging
    from ..server import Front, end_with_parent

    end_with_parent()
    log = start_logging()
    service = open_service(settings)
    housekeeper = Housekeeper(service.prune)
    housekeeper.start()

    def close() -> None:
        housekeeper.stop()
        service.close()
        stop_logging(log)

    return Front(
        create_app(service, settings),
        threads=SERVING_THREADS,
        runs_inline=lambda scope: service.is_embedded and scope.method == "GET" and scope.path in _QUICK,
        at_exit=close,
    )


def _check_address_is_free(settings: Settings) -> None:
    """Raises OSError with a clear text where the server could not listen."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise OSError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}") from None


# What reads a row or two. Lists and searches may take longer, and are for the threads.
_QUICK = frozenset({"/api/user/user_info", "/healthz", "/readyz"})

_WELCOME = """\
menshen listens on {url}
accounts are in {store}

Try it:
  curl {url}/api/user/register -H 'Content-Type: application/json' -d '{{"phone": "13800138000", "password": "correct horse"}}'
  curl {url}/api/user/user_info -H 'token: TOKEN'
"""
