"""Sending one request and getting one answer, over urllib3."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any, Protocol
from urllib.parse import urlencode

import urllib3

from .reading import AnswerUnreadable

MAX_ANSWER = 4 * 1024 * 1024
"""A page of a hundred entries is far below this many bytes."""

_CONNECTIONS = 32
"""How many are kept; more callers at once open more."""


class NoAnswer(Exception):
    """No answer came, so whether the request was carried out is unknown.

    *broke*: there was a connection, and it broke; not a silence, after which another would take as long.
    """

    def __init__(self, what: str, *, broke: bool = False) -> None:
        super().__init__(what)
        self.broke = broke


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request below the service's address. *is_repeatable*: sent twice, it does what it does once."""

    method: str
    path: str
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: str | None = field(default=None, repr=False)
    is_repeatable: bool = False


@dataclass(frozen=True)
class Response:
    """An answer as it came; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Transport(Protocol):
    """Sends requests. Raises NoAnswer, AnswerUnreadable."""

    def send(self, request: Request) -> Response: ...

    def close(self) -> None: ...


class HttpTransport:
    """Connections to one service that are kept: verified TLS, no redirects, no proxies out of the environment.

    *timeout* is in seconds, for connecting, for each silence, and for a whole answer from its first line on.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float = 10.0,
        ssl_context: SSLContext | None = None,
        insecure_http: bool = False,
        headers: Mapping[str, str],
    ) -> None:
        self._base_url, self._timeout, self._headers = _checked(base_url, insecure_http), timeout, dict(headers)
        self._pool = urllib3.PoolManager(
            num_pools=1, maxsize=_CONNECTIONS, cert_reqs="CERT_REQUIRED", ssl_context=ssl_context
        )

    def send(self, request: Request) -> Response:
        url = self._base_url + request.path + (f"?{urlencode(request.query)}" if request.query else "")
        headers = dict(self._headers)
        if request.token is not None:
            headers["Authorization"] = f"Bearer {request.token}"
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = self._pool.request(
                request.method,
                url,
                body=None if request.body is None else json.dumps(request.body).encode(),
                headers=headers,
                timeout=urllib3.Timeout(connect=self._timeout, read=self._timeout),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            return self._read(response)
        except urllib3.exceptions.TimeoutError as error:
            raise NoAnswer("no answer came in time") from error
        except urllib3.exceptions.ProtocolError as error:
            raise NoAnswer("the connection broke before an answer had come", broke=True) from error
        except urllib3.exceptions.HTTPError as error:
            raise NoAnswer("there is no connection, or none whose certificate is trusted") from error

    def _read(self, response: urllib3.BaseHTTPResponse) -> Response:
        end = time.monotonic() + self._timeout
        body = bytearray()
        try:
            while chunk := response.read1(65_536, decode_content=False):
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise AnswerUnreadable("the answer is too long")
                if time.monotonic() > end:
                    raise NoAnswer("the answer did not end in time")
        except BaseException:
            response.close()
            raise
        response.release_conn()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Response(response.status, headers, bytes(body))

    def close(self) -> None:
        self._pool.clear()


def _checked(base_url: str, insecure_http: bool) -> str:
    """*base_url* without a slash at its end. Raises ValueError."""
    try:
        url = urllib3.util.parse_url(base_url)
    except urllib3.exceptions.HTTPError:
        raise ValueError("the address of the service cannot be read") from None
    if url.scheme not in {"http", "https"} or not url.host or url.auth or url.query or url.fragment:
        raise ValueError("the address of the service is like https://accounts.example.com, without a user or a query")
    if url.scheme == "http" and not insecure_http and not _is_this_machine(url.host):
        raise ValueError("tokens travel by https; insecure_http=True allows http in a network that you trust")
    return base_url.rstrip("/")


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
