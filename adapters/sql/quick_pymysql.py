"""A connection to MariaDB that costs no more than it must."""

import ssl
import time
from functools import cache
from typing import Any

from pymysql.connections import Connection
from pymysql.err import OperationalError

from .product import CONNECT_SECONDS


class QuickConnection(Connection):
    """Does not load the machine's certificates where no certificate is going to be verified.

    PyMySQL does so for each attempt to connect, 50 ms of work that keeps the whole process waiting; while a server is
    gone there are many attempts. Also, the time for a connection is for all that it takes until the server lets us in.
    """

    _end: float | None = None

    @property
    def seconds(self) -> float:
        """How long an answer of the server is waited for."""
        found: float = self._read_timeout
        return found

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        self._read_timeout = self._write_timeout = seconds

    def connect(self, sock: Any = None) -> None:
        self._end = time.monotonic() + CONNECT_SECONDS
        try:
            super().connect(sock)
        except RuntimeError as error:
            # A way of authentication for which a package is missing.
            raise OperationalError(str(error)) from None
        finally:
            self._end = None

    def _read_packet(self, *arguments: Any) -> Any:
        if self._end is not None:
            # PyMySQL's own limit ends with the TCP connection, which the system makes for a server that hangs.
            self.seconds = max(self._end - time.monotonic(), 0.001)
        # Its stubs have no types for it.
        return super()._read_packet(*arguments)  # type: ignore[no-untyped-call]

    def _create_ssl_ctx(self, sslp: Any) -> ssl.SSLContext:
        # Its stubs do not know of it.
        found: ssl.SSLContext = super()._create_ssl_ctx(sslp) if sslp else _unverified()  # type: ignore[misc]
        return found


@cache
def _unverified() -> ssl.SSLContext:
    """What PyMySQL makes where nothing is said of TLS: it is used if the server can, and verifies nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
