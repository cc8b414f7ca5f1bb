"""What the products that are servers have in common."""

import time
from typing import Any

from attrs import frozen
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError

from .product import ANSWER_SECONDS, CONNECT_SECONDS, POOL_SECONDS
from .reserve import NoReserve, Reserve

_IDLE_SECONDS = 5.0
"""A connection that nobody used for so long may be one to a server that has been restarted since."""

MAX_AGE_SECONDS = 300
"""A connection that is older is replaced: its server may not be the one any more to which the name leads."""

_PING_SECONDS = ANSWER_SECONDS - CONNECT_SECONDS
"""How long it is waited for whether such a connection lives, so that there is time for a new one."""


@frozen
class DatabaseServer:
    """What a product has to tell of itself where a server keeps the data: its disk and its files are its own matter."""

    is_embedded: bool = False
    has_one_writer: bool = False

    def reserve(self, url: URL) -> Reserve:
        return NoReserve()

    def is_full(self, error: DBAPIError) -> bool:
        return False

    def give_back(self, connection: Connection) -> bool:
        # The server does so by itself.
        return False

    def is_there(self, url: URL) -> bool:
        return True

    def is_damaged(self, error: DBAPIError) -> bool:
        return False

    def damage(self, connection: Connection) -> str | None:
        return None


def pooled_engine(url: URL, connections: int, **more: Any) -> Engine:
    """An engine with at most *connections* to a server, of which none is used that has died in the pool.

    The driver's connections have an attribute ``seconds``: how long they wait for an answer.
    """
    engine = create_engine(
        url,
        # Parameters are phone numbers and hashes: they do not belong into the text of an error.
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
            # Restarted, or forgotten by something on the way: then all that are as old are gone too, and nobody else
            # has to wait to find that out.
            raise InvalidatePoolError("the connection has died in the pool") from None
        connection.seconds = usual

    def take_note(_connection: object, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    event.listen(engine, "checkout", try_idle)
    event.listen(engine, "checkin", take_note)
    return engine
