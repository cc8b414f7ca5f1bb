"""A connection to PostgreSQL with a time limit for each answer, which works behind a pooler."""

import re
import time
from typing import Any, Self, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import Conninfo

from .postgresql_tls import HINT
from .product import CONNECT_SECONDS

T = TypeVar("T")

MARK = "menshen.session"
"""A custom setting, which PostgreSQL keeps without knowing it: ``own`` if the session is ours alone."""


class ImpatientConnection(psycopg.Connection[Any]):
    """Closes itself when the server does not answer within ``seconds``.

    The server's time limits do nothing if the server is stopped or out of reach, and libpq has none.
    """

    seconds: float | None = None
    is_pooled: bool = False
    """Whether each transaction may run on a different server connection, which others use before and after."""

    @classmethod
    def open(cls, arguments: Any, more: dict[str, Any]) -> Self:
        """A connection whose session has the settings of ``options`` in *more*, including MARK, or one that is pooled.

        PgBouncer refuses the options or, if configured to, ignores them. In both cases nothing may be left in a
        session: neither settings nor prepared statements.
        """
        end = time.monotonic() + CONNECT_SECONDS
        try:
            found = cls.connect(*arguments, **more)
        except psycopg.OperationalError as error:
            if "startup parameter" not in str(error):
                raise _with_hint(error) from None
        else:
            # Finding this out counts as part of making the connection.
            found.seconds = max(end - time.monotonic(), 0.1)
            try:
                if found._has_mark():
                    return found
            except BaseException:
                found.close()
                raise
            found.close()
        found = cls.connect(*arguments, **{name: value for name, value in more.items() if name != "options"})
        found.is_pooled, found.prepare_threshold = True, None
        return found

    def _has_mark(self) -> bool:
        found = self.execute("SELECT current_setting(%s, true)", [MARK], prepare=False).fetchone()
        self.rollback()
        return found is not None and found[0] == "own"

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        limit = self.seconds if timeout is None else timeout
        try:
            return super().wait(gen, interval, limit)
        except psycopg.errors._WaitTimeout:
            if timeout is not None:
                raise
            self.close()
            raise psycopg.OperationalError(f"the server did not answer within {limit} seconds") from None


def surroundings() -> dict[str, str | None]:
    """Each option of libpq, with its value from the environment or a service file named there, if any."""
    # A value that nobody has set is the compiled default.
    return {
        option.keyword.decode(): None if option.val is None or option.val == option.compiled else option.val.decode()
        for option in Conninfo.get_defaults()
    }


def _with_hint(error: psycopg.OperationalError) -> psycopg.OperationalError:
    """*error*, with advice if TLS has failed, which only the text shows."""
    if error.sqlstate is not None or not re.search("ssl|certificate", str(error), re.IGNORECASE):
        return error
    return type(error)(f"{error}; {HINT}")
