"""What the products that are servers have in common."""

import time
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError

from .product import POOL_SECONDS

_IDLE_SECONDS = 5.0
"""A connection that nobody used for so long may be one to a server that has been restarted since."""

_HANGS_SECONDS = 1.0
"""A server that does not answer for so long will not take a new connection either."""


def pooled_engine(url: URL, connections: int, **more: Any) -> Engine:
    """An engine with at most *connections* to a server, of which none is used that has died in the pool."""
    engine = create_engine(
        url,
        # Parameters are phone numbers and hashes: they do not belong into the text of an error.
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        pool_use_lifo=True,
        **more,
    )

    def try_idle(connection: Any, record: Any, _proxy: object) -> None:
        if time.monotonic() - record.info.get("used_at", time.monotonic()) < _IDLE_SECONDS:
            return
        begin = time.monotonic()
        try:
            alive = engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error:
            if time.monotonic() - begin > _HANGS_SECONDS:
                raise
            alive = False
        if not alive:
            raise DisconnectionError("the server has gone away")

    def take_note(_connection: object, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    event.listen(engine, "checkout", try_idle)
    event.listen(engine, "checkin", take_note)
    return engine
