"""ASGI applications without a server: accounts over memory, and how their tests call them."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeAlias

from attrs import define, field, frozen
from falcon.testing import Result

from menshen.domain.actors import Actor
from menshen.domain.presences import Principal
from menshen.entrypoints.accounts import Accounts
from menshen.entrypoints.http.messages import Scope

from .http_service import LOGOUT, HttpService, serve

AsgiApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
Headers: TypeAlias = Sequence[tuple[str, str]]

EXTENSION: dict[str, Any] = {"websocket.http.response": {}}


def a_scope(kind: str, method: str, path: str, headers: Headers) -> Scope:
    """A request as an ASGI server describes it, with nothing that it may leave out."""
    scope: Scope = {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "path": path.partition("?")[0],
        "raw_path": path.partition("?")[0].encode(),
        "query_string": path.partition("?")[2].encode(),
        "headers": [(b"host", b"localhost"), *((name.encode(), value.encode()) for name, value in headers)],
    }
    return {**scope, "method": method} if kind == "http" else scope


@define(eq=False)
class Called:
    """One call of an application: what it received and what it sent."""

    body: bytes = b""
    kind: str = "http"
    sent: list[Any] = field(factory=list)
    received: int = 0
    over: asyncio.Event = field(factory=asyncio.Event)

    async def receive(self) -> dict[str, Any]:
        self.received += 1
        if self.kind == "websocket":
            return {"type": "websocket.connect" if self.received == 1 else "websocket.disconnect", "code": 1000}
        if self.received == 1:
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self.over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        # Another task gets its turn, as with a real server.
        await asyncio.sleep(0)
        self.sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.over.set()

    @property
    def status(self) -> int:
        [start] = [each for each in self.sent if each["type"].endswith("response.start")]
        status: int = start["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        [start] = [each for each in self.sent if each["type"].endswith("response.start")]
        return {name.decode().lower(): value.decode() for name, value in start["headers"]}

    @property
    def content(self) -> bytes:
        return b"".join(each.get("body", b"") for each in self.sent if each["type"].endswith("response.body"))

    @property
    def json(self) -> Any:
        return json.loads(self.content)


async def call(
    app: AsgiApp,
    method: str,
    path: str,
    headers: Headers = (),
    *,
    body: object = None,
    kind: str = "http",
    **more: Any,
) -> Called:
    """Call *app* as a server does; *body* is sent as JSON, with its length."""
    text = b"" if body is None else json.dumps(body).encode()
    said = [("content-type", "application/json"), ("content-length", str(len(text)))] if text else []
    called = Called(text, kind)
    await app({**a_scope(kind, method, path, [*headers, *said]), **more}, called.receive, called.send)
    return called


def ask(app: AsgiApp, method: str, path: str, headers: Headers = (), **more: Any) -> Called:
    return asyncio.run(call(app, method, path, headers, **more))


def got(app: AsgiApp, path: str, token: str | None = None, method: str = "GET") -> Called:
    return ask(app, method, path, [] if token is None else [("token", token)])


def is_refusal(called: Called, result: Result) -> bool:
    """Whether it is the answer of the API itself, byte for byte."""
    theirs = {name.lower(): value for name, value in result.headers.items()}
    return (called.status, called.headers, called.content) == (result.status_code, theirs, result.content)


def phone_of(principal: Principal) -> str:
    assert principal.user.phone is not None
    return principal.user.phone.digits


@frozen
class Kept:
    """The tokens of one who is let in and of those who are not, by what is wrong with them."""

    good: str
    bad: dict[str, str]


@define(eq=False)
class AsgiHouse:
    """Accounts over memory, for an ASGI app."""

    http: HttpService = field(factory=serve)
    accounts: Accounts = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.accounts = Accounts(self.http.service, self.http.settings)

    def tokens(self) -> Kept:
        http = self.http
        expired = http.registered("13800138009")
        http.clock.move(http.settings.access_token_ttl)
        good, logged_out, frozen_token, kicked = map(
            http.registered, ("13800138000", "13800138001", "13800138002", "13800138003")
        )
        http.post(LOGOUT, {}, token=logged_out)
        root = Actor.operator("root")
        http.service.operate.freeze(http.user("13800138002").id, until=None, reason="x", actor=root)
        http.service.operate.kick(http.user("13800138003").id, session_id=None, actor=root)
        admin = http.admin()
        return Kept(
            good,
            {
                "garbage": "x",
                "expired": expired,
                "logged out": logged_out,
                "frozen": frozen_token,
                "kicked": kicked,
                "an admin": admin,
            },
        )


def check_refusals(house: AsgiHouse, app: AsgiApp, path: str = "/orders", **more: Any) -> None:
    """*app* refuses on *path* whatever the API refuses for its own guarded route, and in the same words."""
    kept = house.tokens()
    asked: Iterable[tuple[Headers, dict[str, str]]] = [
        ([], {}),
        ([("token", "")], {"token": ""}),
        ([("authorization", "Basic eDp5")], {"authorization": "Basic eDp5"}),
        *(([("token", bad)], {"token": bad}) for bad in kept.bad.values()),
        *(([("authorization", f"Bearer {bad}")], {"authorization": f"Bearer {bad}"}) for bad in kept.bad.values()),
        ([("token", kept.good), ("token", kept.good)], {"token": f"{kept.good},{kept.good}"}),
        ([("token", kept.good), ("authorization", "Bearer x")], {"token": kept.good, "authorization": "Bearer x"}),
    ]
    for language in ("zh", "en"):
        for headers, theirs in asked:
            called = ask(app, "GET", path, [*headers, ("accept-language", language)], **more)
            result = house.http.user_info(**theirs, **{"accept-language": language})
            assert is_refusal(called, result), (headers, called.status, called.headers, called.content, result.headers)
            assert result.status_code == 401
    for headers in ([("token", kept.good)], [("authorization", f"Bearer {kept.good}")]):
        assert ask(app, "GET", path, headers, **more).status == 200
