"""A connection to PostgreSQL that does not wait for ever."""

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

T = TypeVar("T")


class ImpatientConnection(psycopg.Connection[Any]):
    """Closes itself when the server does not answer within ``seconds``.

    The server's own time limits do nothing where the server is stopped or out of reach, and libpq has none of its own.
    """

    seconds: float | None = None

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        limit = self.seconds if timeout is None else timeout
        try:
            return super().wait(gen, interval, limit)
        except psycopg.errors._WaitTimeout:
            if timeout is not None:
                raise
            self.close()
            raise psycopg.OperationalError(f"the server did not answer within {limit} seconds") from None
