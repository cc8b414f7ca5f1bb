"""A connection to MariaDB without needless work."""

import ssl
import time
from functools import cache
from typing import Any

from pymysql.connections import Connection
from pymysql.constants import CLIENT, CR
from pymysql.err import OperationalError

from .mariadb_tls import HINT, Tls
from .product import CONNECT_SECONDS

_CLEAR = frozenset({b"mysql_clear_password", b"dialog"})
"""Authentication methods that send the password in clear text. The second is PAM's."""


class QuickConnection(Connection):
    """Does not load the machine's certificates if no certificate is going to be verified.

    PyMySQL does so for each attempt to connect: 50 ms of work for which the whole process waits, and while a server is
    gone there are many attempts. Also, the time limit for connecting includes authentication, and a password is never
    sent in clear text where somebody could read it.
    """

    _end: float | None = None
    _has_to_have_tls: bool = False
    # Its stubs do not know of these.
    _sock: Any
    server_capabilities: int

    @property
    def seconds(self) -> float:
        """How long to wait for an answer of the server."""
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
            # An authentication method that needs a missing package.
            raise OperationalError(str(error)) from None
        except OperationalError as error:
            if isinstance(error.__context__, ssl.SSLError):
                raise OperationalError(CR.CR_SSL_CONNECTION_ERROR, f"{error.args[-1]}; {HINT}") from None
            raise
        finally:
            self._end = None

    def _read_packet(self, *arguments: Any) -> Any:
        if self._end is not None:
            # PyMySQL's own limit covers only the TCP connection, which the system accepts even for a server that hangs.
            self.seconds = max(self._end - time.monotonic(), 0.001)
        # Its stubs have no types for it.
        return super()._read_packet(*arguments)  # type: ignore[no-untyped-call]

    def _request_authentication(self) -> None:
        # PyMySQL did not have it up to release 1.1.
        if self._has_to_have_tls and not self.server_capabilities & CLIENT.SSL:
            raise OperationalError(CR.CR_SSL_CONNECTION_ERROR, f"the server does not offer TLS; {HINT}")
        super()._request_authentication()  # type: ignore[misc]

    def _process_auth(self, plugin_name: bytes, *more: Any) -> Any:
        if plugin_name in _CLEAR and not (self.unix_socket or isinstance(self._sock, ssl.SSLSocket)):
            raise OperationalError(
                CR.CR_AUTH_PLUGIN_ERR,
                f"the server asks for the password in clear ({plugin_name.decode()}), and there is no TLS: with ssl_ca or"
                " unix_socket in the URL it can be told (docs/stores.md)",
            )
        return super()._process_auth(plugin_name, *more)  # type: ignore[misc]

    def _create_ssl_ctx(self, sslp: Any) -> ssl.SSLContext:
        self._has_to_have_tls = bool(sslp)
        # Its stubs do not know of it.
        found: ssl.SSLContext = super()._create_ssl_ctx(sslp) if sslp else _unverified()  # type: ignore[misc]
        return found


def context_of(tls: Tls) -> ssl.SSLContext:
    """The SSL context for *tls*. Raises OperationalError if one of its files has become unusable since our start."""
    try:
        return tls.context()
    except ValueError as error:
        raise OperationalError(CR.CR_SSL_CONNECTION_ERROR, str(error)) from None


@cache
def _unverified() -> ssl.SSLContext:
    """PyMySQL's default context: TLS is used if the server can, and nothing is verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
