"""A connection to MariaDB that costs no more than it must."""

import ssl
from functools import cache
from typing import Any

from pymysql.connections import Connection
from pymysql.err import OperationalError


class QuickConnection(Connection):
    """Does not load the machine's certificates where no certificate is going to be verified.

    PyMySQL does so for each attempt to connect, 50 ms of work that keeps the whole process waiting; while a server is
    gone there are many attempts.
    """

    def connect(self, sock: Any = None) -> None:
        try:
            super().connect(sock)
        except RuntimeError as error:
            # A way of authentication for which a package is missing.
            raise OperationalError(str(error)) from None

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
