"""What the server products have in common."""

import time
from typing import Any

from attrs import frozen
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError

from .product import ANSWER_SECONDS, CONNECT_SECONDS, POOL_SECONDS
from .reserve import NoReserve, Reserve

_IDLE_SECONDS = 5.0
"""After this time without use, the server of a connection may have been restarted."""

MAX_AGE_SECONDS = 300
"""An older connection is replaced: the name may lead to another server by now."""

_PING_SECONDS = ANSWER_SECONDS - CONNECT_SECONDS
"""How long to wait for a sign of life on such a connection, so that there is time for a new one."""


@frozen
class DatabaseServer:
    """The common part of a product that runs on a server, which looks after its own disk and files."""

    is_embedded: bool = False
    has_one_writer: bool = False

    def reserve(self, url: URL) -> Reserve:
        return NoReserve()

    def is_full(self, error: DBAPIError) -> bool:
        return False

    def give_back(self, connection: Connection) -> bool:
        # The server does this itself.
        return False

    def is_there(self, url: URL) -> bool:
        return True

    def is_damaged(self, error: DBAPIError) -> bool:
        return False

    def damage(self, connection: Connection) -> str | None:
        return None


def pooled_engine(url: URL, connections: int, **more: Any) -> Engine:
    """An engine with at most *connections* to a server. A connection that has died in the pool is not used.

    The driver's connections have an attribute ``seconds``: how long they wait for an answer.
    """
    engine = create_engine(
        url,
        # Parameters are phone numbers and hashes, which do not belong in the text of an error.
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        pool_use_lifo=True,
        pool_recycle=MAX_AGE_SECONDS,
        **more,
    )

    def try_idle(connection: Any, record: Any, _proxy: object) -> None:
        if time.monotonic() - record.info.get("used_at", time.monotonic()) < _IDLE_SECONDS:
            return
        usual, connection.seconds = connection.seconds, _PING_SECONDS
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error:
            # The server restarted, or something in between dropped the connection. Then all connections as old are gone
            # too, and nobody else should have to wait to find that out.
            raise InvalidatePoolError("the connection has died in the pool") from None
        connection.seconds = usual

    def take_note(_connection: object, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    event.listen(engine, "checkout", try_idle)
    event.listen(engine, "checkin", take_note)
    return engine
