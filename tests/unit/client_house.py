"""A service behind the client's transport: the whole API in memory, or answers that a test has written down."""

import json
from collections.abc import Callable
from typing import Any

from attrs import define, field

from menshen.client import AdminClient, Client, SignedOut, Tokens
from menshen.entrypoints.client.transport import Request, Response

from .http_service import ADMIN_PHONE, NO_BODY, PASSWORD, HttpService, serve

URL = "https://accounts.example.com"
TIME = "2026-11-23 17:45:11"


@define(eq=False)
class AppTransport:
    """Asks the API in memory. *before* sees each request first, and may answer in its place."""

    http: HttpService
    before: Callable[[Request], Response | None] = lambda request: None
    seen: list[Request] = field(factory=list)
    closed: int = 0

    def send(self, request: Request) -> Response:
        self.seen.append(request)
        answer = self.before(request)
        if answer is not None:
            return answer
        query = "&".join(f"{name}={value}" for name, value in request.query.items())
        headers = {} if request.token is None else {"Authorization": f"Bearer {request.token}"}
        path = f"{request.path}?{query}" if query else request.path
        body = NO_BODY if request.body is None else request.body
        result = self.http.request(request.method, path, body, **headers)
        return Response(result.status_code, dict(result.headers), result.content)

    def close(self) -> None:
        self.closed += 1

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.seen]


@define(eq=False)
class ClientHouse:
    """A client before the API in memory, and what it told."""

    http: HttpService = field(factory=serve)
    transport: AppTransport = field(init=False)
    saved: list[Tokens | None] = field(factory=list)
    told: list[SignedOut] = field(factory=list)
    slept: list[float] = field(factory=list)
    now: float = 0.0

    def __attrs_post_init__(self) -> None:
        self.transport = AppTransport(self.http)

    def client(self, tokens: Tokens | None = None) -> Client:
        return Client(URL, **self._options(tokens))

    def admin(self) -> AdminClient:
        """The client of an admin who has logged in."""
        self.http.admin()
        admin = AdminClient(URL, **self._options(None))
        admin.login(ADMIN_PHONE, PASSWORD)
        return admin

    def _options(self, tokens: Tokens | None) -> Any:
        return {
            "tokens": tokens,
            "transport": self.transport,
            "on_tokens": self.saved.append,
            "on_signed_out": self.told.append,
            "sleep": self.slept.append,
            "clock": lambda: self.now,
        }


def answer(
    code: int = 200, *, status: int | None = None, headers: dict[str, str] | None = None, **more: Any
) -> Response:
    """An answer in the envelope."""
    body = {"code": code, "data": "", "msg": "a message", "time": TIME, **more}
    return Response(status or code, headers or {}, json.dumps(body).encode())
