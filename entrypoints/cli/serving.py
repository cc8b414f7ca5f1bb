"""``menshen serve``."""

import socket
from functools import partial
from typing import Any

from ...domain.errors import StoreUnavailable
from ..databases import SERVING_THREADS, database_url
from ..services import open_service
from ..setting_values import without_password
from ..settings import SettingInvalid, Settings
from .output import DONE, REFUSED, Context, note


def serve(context: Context) -> int:
    """Serve until SIGTERM. Raises SettingInvalid, StoreUnavailable, OSError for errors before it begins."""
    # The server's own packages are loaded here, so that the other commands start without them.
    from ..server import run

    settings = context.settings
    _check_address_is_free(settings)
    # Opened once before any worker: errors are reported here, in one line, and the schema is made once.
    open_service(settings, say=partial(print, flush=True), warn=lambda line: note(f"warning: {line}")).close()
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    welcome = _WELCOME.format(url=f"http://{host}:{settings.port}", store=without_password(database_url(settings)))
    print(welcome, flush=True)
    run(
        partial(_front, settings),
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        keep_alive_seconds=settings.keep_alive.total_seconds(),
    )
    return DONE


def _front(settings: Settings) -> Any:
    """The application that each worker process serves."""
    from ..front import Front
    from ..housekeeper import Housekeeper
    from ..http.app import create_app
    from ..http.forward_auth import FOR_NGINX, FOR_OTHERS
    from ..http.shortcut import create_shortcut
    from ..http.users import USER_INFO
    from ..log import start_logging, stop_logging
    from ..server import end_with_parent, most_connections, take_stop_signals

    end_with_parent()
    log = start_logging()
    try:
        service = open_service(settings, is_checked=False)
    except (SettingInvalid, StoreUnavailable, OSError) as error:
        note(f"a worker cannot start: {error}")
        raise SystemExit(REFUSED) from None
    housekeeper = Housekeeper(service.prune)
    housekeeper.start()

    def close() -> None:
        housekeeper.stop()
        service.close()
        stop_logging(log)

    # It reads a row or two. Lists and searches may take longer, and are for the threads.
    is_quick = service.is_embedded or service.without_waiting is not None
    quick = _WITHOUT_STORE | {USER_INFO} if is_quick else _WITHOUT_STORE
    # The guard of admins always reads.
    if service.is_embedded or (is_quick and not (settings.forward_rules and settings.forward_rules.has_admins)):
        quick |= {FOR_NGINX, FOR_OTHERS}
    return Front(
        create_app(service, settings, is_alone=True),
        threads=SERVING_THREADS,
        port=settings.port,
        crowd=most_connections() // 2,
        runs_inline=lambda method, path: method in {"GET", "HEAD"} and path in quick,
        shortcut=create_shortcut(service, settings) if is_quick else (lambda scope: None),
        without_waiting=None if service.is_embedded else service.without_waiting,
        at_serving=take_stop_signals,
        at_exit=close,
    )


def _check_address_is_free(settings: Settings) -> None:
    """Raises OSError with a clear text if the server could not listen."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise OSError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}") from None


_WITHOUT_STORE = frozenset({"/healthz"})

_WELCOME = """\
menshen listens on {url}
accounts are in {store}

Try it:
  curl {url}/api/user/register -H 'Content-Type: application/json' -d '{{"phone": "13800138000", "password": "correct horse"}}'
  curl {url}/api/user/user_info -H 'token: TOKEN'
"""
