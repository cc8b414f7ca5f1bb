"""The HTTP API over memory and fakes, and how its tests look at the answers."""

import functools
import io
import json
import logging
import re
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import falcon
from attrs import define, evolve, field, fields, frozen
from falcon.inspect import inspect_routes
from falcon.testing import Result, TestClient, create_environ

from menshen.adapters.memory.fakes import (
    FakeClock,
    FakeHostTokenCodec,
    FakeLastSeen,
    FakePasswordHasher,
    FakeRandomIds,
    FakeRefreshTokenCodec,
    FakeSeal,
    FakeTokenCodec,
)
from menshen.adapters.memory.store import MemoryStore
from menshen.domain.actors import Actor
from menshen.domain.ports.outside import PasswordHasher, RefreshTokenCodec, TokenCodec, Verdict
from menshen.domain.ports.reading import DueClosings, PasswordHashes, Presences, Sessions, Users, UserSearch
from menshen.domain.ports.writing import SessionSweep, SessionWriter, UserWriter
from menshen.domain.sessions import Session, SessionId
from menshen.domain.users import Phone, User
from menshen.entrypoints.accounts import Accounts
from menshen.entrypoints.http.app import create_app
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.stores import NO_OTHERS, memory_store
from menshen.entrypoints.wiring import Adapters, Service, wire

SHANGHAI = ZoneInfo("Asia/Shanghai")

PHONE = "13800138000"
PASSWORD = "a good password"
ADDRESS = "198.51.100.7"

REGISTER = "/api/user/register"
LOGIN = "/api/user/login"
LOGOUT = "/api/user/logout"
USER_INFO = "/api/user/user_info"
REFRESH = "/api/user/token/refresh"
SESSIONS = "/api/user/sessions"
CHANGE_PASSWORD = "/api/user/password"
PROFILE = "/api/user/profile"
ACCOUNT = "/api/user"
CLOSE = "/api/user/close"
ADMIN_LOGIN = "/api/admin/login"
ADMIN_REFRESH = "/api/admin/token/refresh"
ADMIN_LOGOUT = "/api/admin/logout"
ADMIN_USERS = "/api/admin/users"
AUDIT = "/api/admin/audit"
EXPLAIN = "/api/admin/explain"
KICK_EVERYBODY = "/api/admin/sessions/kick"

OPEN = {REGISTER, LOGIN, REFRESH, ADMIN_LOGIN, ADMIN_REFRESH, "/healthz", "/readyz"}
"""The routes that take no token: they have a secret in the body, or tell nobody anything."""

ADMIN_PHONE = "13700137000"

NO_BODY = object()
"""Stands for a request without a body."""


class PlainClient(TestClient):
    """A client that only sends the request and returns the answer.

    Falcon's client checks PEP 3333 at every request, which takes as long as the answer. The tour, which covers every
    route and every refusal, and all embedding apps use Falcon's client.
    """

    def simulate_request(self, method: str = "GET", path: str = "/", **more: Any) -> Result:
        if not more.keys() <= {"headers", "body", "remote_addr"}:
            return super().simulate_request(method, path, **more)
        path, _, query = path.partition("?")
        body = more.pop("body", None) or b""
        return _answer(self.app, create_environ(method=method, path=path, query_string=query, body=body, **more))


def _answer(app: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> Result:
    head: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        head.append((status, headers))

    body = list(app(environ, start_response))
    return Result(body, *head[-1])


@define(kw_only=True)
class HttpService:
    """The API, its client, and everything behind it."""

    settings: Settings
    clock: FakeClock
    store: MemoryStore
    service: Service
    client: TestClient

    def post(self, path: str, body: object, **headers: str) -> Result:
        """POST *body* as JSON, in ASCII, so that it may contain what UTF-8 cannot."""
        return self.post_raw(path, json.dumps(body).encode(), **headers)

    def post_raw(self, path: str, body: bytes, *, content_type: str = "application/json", **headers: str) -> Result:
        headers["Content-Type"] = content_type
        return self.client.simulate_post(path, body=body, headers=headers, remote_addr=ADDRESS)

    def request(self, method: str, path: str, body: object = NO_BODY, **headers: str) -> Result:
        """Any request; *path* may contain a query. *body*, if any, is sent as JSON."""
        if body is NO_BODY:
            return self.client.simulate_request(method, path, headers=headers, remote_addr=ADDRESS)
        headers["Content-Type"] = "application/json"
        text = json.dumps(body).encode()
        return self.client.simulate_request(method, path, body=text, headers=headers, remote_addr=ADDRESS)

    def register(self, phone: str = PHONE, password: str = PASSWORD, **more: object) -> Result:
        return self.post(REGISTER, {"phone": phone, "password": password, **more})

    def registered(self, phone: str = PHONE, password: str = PASSWORD, **more: object) -> str:
        """Register, and the token."""
        return granted(self.register(phone, password, **more))

    def login(self, phone: str = PHONE, password: str = PASSWORD, **more: object) -> Result:
        return self.post(LOGIN, {"phone": phone, "password": password, **more})

    def user_info(self, token: str | None = None, **headers: str) -> Result:
        if token is not None:
            headers["token"] = token
        return self.client.simulate_get(USER_INFO, headers=headers)

    def refresh(self, refresh_token: object) -> Result:
        return self.post(REFRESH, {"refresh_token": refresh_token})

    def admin(self, phone: str = ADMIN_PHONE) -> str:
        """Make an admin of the user with *phone*, who is registered if need be, and open an admin session."""
        if not any(user.phone == Phone(phone) for user in self.store.users.values()):
            self.registered(phone)
        self.service.operate.set_admin(self.user(phone).id, is_admin=True, actor=Actor.operator("root"))
        return granted(self.admin_login(phone))

    def admin_login(self, phone: str = ADMIN_PHONE, password: str = PASSWORD, **more: object) -> Result:
        return self.post(ADMIN_LOGIN, {"phone": phone, "password": password, **more})

    def session(self, session_id: str) -> Session:
        """A session, as stored."""
        return self.store.sessions[SessionId(session_id)]

    def user(self, phone: str = PHONE) -> User:
        """The user with *phone*, as stored."""
        return next(user for user in self.store.users.values() if user.phone == Phone(phone))

    def change_user(self, phone: str = PHONE, **changes: Any) -> None:
        """Write into the store, as an operator would."""
        user = self.user(phone)
        self.store.users[user.id] = evolve(user, **changes)


def serve(
    settings: Settings | None = None,
    *,
    clock: FakeClock | None = None,
    others: Mapping[type, Callable[[MemoryStore], Any]] = NO_OTHERS,
    hasher: PasswordHasher | None = None,
    codec: TokenCodec | None = None,
    admin_codec: TokenCodec | None = None,
    refresh_codec: RefreshTokenCodec | None = None,
    common_passwords: Iterable[str] = (),
    ping: Callable[[], None] = lambda: None,
    client: type[TestClient] | None = None,
) -> HttpService:
    """The API over memory and fakes, except for the parts given."""
    settings = settings or Settings(time_zone=SHANGHAI)
    clock = clock or FakeClock()
    store = MemoryStore()
    kept = evolve(memory_store(store, others), ping=ping)
    service = wire(
        settings,
        Adapters(
            store=kept,
            hasher=hasher or FakePasswordHasher(),
            codec=codec or FakeTokenCodec(),
            admin_codec=admin_codec or FakeTokenCodec("admin"),
            refresh_codec=refresh_codec or FakeRefreshTokenCodec(),
            host_codec=FakeHostTokenCodec(),
            seal=FakeSeal(),
            last_seen=FakeLastSeen(kept.work),
            clock=clock,
            ids=FakeRandomIds(),
            common_passwords=frozenset(common_passwords),
        ),
    )
    lent = _LentApp.to(service, settings)
    asking = (client or PlainClient)(lent.app)
    weakref.finalize(asking, lent.give_back)
    return HttpService(settings=settings, clock=clock, store=store, service=service, client=asking)


@define(eq=False)
class _LentApp:
    """An app that serves one service after another.

    Falcon takes milliseconds to compile the routes of an app, and they are the same in each. So an app is lent to a
    test client for its lifetime, and never to two at once. Only the service has state: it is wired again for each
    client, and the app reaches it through `_Late`.
    """

    read: dict[str, Any]
    service: Service | None = None
    app: falcon.App[falcon.Request, falcon.Response] = field(init=False)

    @classmethod
    def to(cls, service: Service, settings: Settings) -> "_LentApp":
        """An unused app with *settings*, from now on with *service* behind it."""
        read = {name: getattr(settings, name) for name in _READ_BY_THE_APP}
        lent = next((app for app in _free_apps if app.read == read), None)
        if lent is None:
            lent = cls(read, service)
            parts = [part.name for part in fields(Service) if not isinstance(getattr(service, part.name), bool)]
            late: dict[str, Any] = {name: _Late(lent, name) for name in parts}
            lent.app = create_app(evolve(service, **late), Settings(**read), is_alone=True)
        else:
            _free_apps.remove(lent)
            lent.service = service
        return lent

    def give_back(self) -> None:
        self.service = None
        _free_apps.append(self)


# The settings that the app reads. All others have their defaults, so the test of a further one fails until it is named
# here.
_READ_BY_THE_APP = (
    *(
        "always_http_200",
        "cookie",
        "cors_origins",
        "forward_rules",
        "language",
        "login_page",
        "return_hosts",
        "time_zone",
    ),
    "trusted_proxies",
)

_free_apps: list[_LentApp] = []


@frozen
class _Late:
    """A part of the service that is behind a lent app at the moment."""

    lent: _LentApp
    name: str

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return getattr(self.lent.service, self.name)(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(self.lent.service, self.name), name)


class Mine:
    """A resource that knows nothing of menshen but ``req.context``."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, **params: str) -> None:
        user = getattr(req.context, "user", None)
        resp.media = {"user": None if user is None else user.phone.digits, **params}

    def on_post(self, req: falcon.Request, resp: falcon.Response, **params: str) -> None:
        self.on_get(req, resp, **params)


def sink(req: falcon.Request, resp: falcon.Response, **params: str) -> None:
    resp.media = {"sink": req.path}


class Embedded:
    """An embedding app, with our accounts in it."""

    def __init__(
        self,
        *,
        default_deny: bool = False,
        exempt: Iterable[str] = (),
        settings: Settings | None = None,
        middleware: Iterable[Any] = (),
        mount: bool = True,
        **options: Any,
    ) -> None:
        self.http = serve(settings)
        self.accounts = Accounts(self.http.service, self.http.settings)
        guards: list[Any] = [self.accounts.default_deny(exempt=exempt)] if default_deny else []
        self.app: falcon.App[falcon.Request, falcon.Response] = falcon.App(middleware=[*middleware, *guards], **options)
        if mount:
            self.accounts.mount(self.app)
        self.client = TestClient(self.app)

    def request(self, method: str, path: str, body: object = NO_BODY, **headers: str) -> Result:
        """The same as HttpService.request, to this app."""
        text = None if body is NO_BODY else json.dumps(body)
        headers |= {} if text is None else {"Content-Type": "application/json"}
        return self.client.simulate_request(method, path, body=text, headers=headers, remote_addr=ADDRESS)

    def get(self, path: str, token: str | None = None) -> Result:
        return self.client.simulate_get(path, headers={} if token is None else {"token": token})

    def post(self, path: str, body: object) -> Result:
        return self.client.simulate_post(path, json=body)

    def registered(self) -> str:
        return granted(self.post(REGISTER, {"phone": PHONE, "password": PASSWORD}))


@frozen
class Failing:
    """Any repository; every method raises *error*."""

    error: Exception

    def __getattr__(self, name: str) -> Any:
        def fail(*arguments: object, **named: object) -> None:
            raise self.error

        return fail


Makers: TypeAlias = Mapping[type, Callable[[MemoryStore], Any]]


def failing_users(error: Exception) -> Makers:
    return dict.fromkeys((Users, UserSearch, PasswordHashes, DueClosings, UserWriter), lambda _: Failing(error))


def failing_sessions(error: Exception) -> Makers:
    return dict.fromkeys((Sessions, Presences, SessionWriter, SessionSweep), lambda _: Failing(error))


@frozen
class FailingHasher:
    """A PasswordHasher; both methods raise *error*."""

    error: Exception

    def hash(self, password: str) -> str:
        raise self.error

    def verify(self, password: str, password_hash: str | None) -> Verdict:
        raise self.error


def strict_json(text: str) -> Any:
    """The value of *text*, if it is JSON that other languages can read: no NaN, no duplicate members."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), f"a member twice in {pairs!r}"
        return dict(pairs)

    return json.loads(text, parse_constant=refuse, object_pairs_hook=unique)


def envelope(result: Result) -> dict[str, Any]:
    """The answer's envelope, after the checks that apply to every envelope."""
    found = strict_json(result.content.decode("utf-8"))
    assert isinstance(found, dict), f"no object: {found!r}"
    expected = {"code", "data", "msg", "time"}
    expected |= {"reason"} if found["code"] != 200 else set()
    assert set(found) - {"token"} == expected, f"members: {sorted(found)}"
    assert type(found["code"]) is int, f"code: {found['code']!r}"
    assert isinstance(found["msg"], str), f"msg: {found['msg']!r}"
    assert found["msg"], "an empty msg"
    assert found["data"] == "" or isinstance(found["data"], dict), f"data: {found['data']!r}"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", found["time"], re.ASCII), f"time: {found['time']!r}"
    datetime.fromisoformat(found["time"])
    assert result.headers["content-type"].replace(" ", "").lower() in {
        "application/json",
        "application/json;charset=utf-8",
    }, result.headers["content-type"]
    assert result.headers["cache-control"] == "no-store", result.headers
    assert result.headers["x-content-type-options"] == "nosniff", result.headers
    return found


def granted(result: Result) -> str:
    """The token of a login or a registration that succeeded."""
    body = envelope(result)
    assert (result.status_code, body["code"]) == (200, 200), body
    assert set(body["data"]) == {"token_type", "expires_in", "session_id", "refresh_token"}, body
    token = body["token"]
    assert isinstance(token, str), f"token: {token!r}"
    assert token, "an empty token"
    return token


def session_of(result: Result) -> str:
    """The id of the session that a login or a registration opened."""
    granted(result)
    session_id = envelope(result)["data"]["session_id"]
    assert isinstance(session_id, str), session_id
    return session_id


def refresh_token_of(result: Result) -> str:
    """The refresh token of a login, a registration or a refresh."""
    granted(result)
    token = envelope(result)["data"]["refresh_token"]
    assert isinstance(token, str), token
    return token


def refused(result: Result, code: int, reason: str, msg: str | None = None, data: object = "") -> None:
    """The answer is this refusal, by status and by body."""
    body = envelope(result)
    assert (result.status_code, body["code"], body["reason"]) == (code, code, reason), (result.status, body)
    assert body["data"] == data, body
    assert "token" not in body, body
    assert msg is None or body["msg"] == msg, body


def done(result: Result, msg: str | None = None) -> Any:
    """The ``data`` of a successful answer."""
    body = envelope(result)
    assert (result.status_code, body["code"]) == (200, 200), (result.status, body)
    assert "token" not in body, body
    assert msg is None or body["msg"] == msg, body
    return body["data"]


@frozen
class Route:
    """A method of a route of the app: its URI template, and a path that matches it."""

    method: str
    template: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


def routes_of(http: HttpService, prefix: str = "/api/") -> list[Route]:
    """Every method of every route below *prefix*, from the app itself."""
    return [route for route in _routes_with(http.settings) if route.template.startswith(prefix)]


@functools.cache  # Falcon reads the source of every responder
def _routes_with(settings: Settings) -> list[Route]:
    return [
        Route(
            method.method, route.path, route.path.replace("{user_id:int}", "1").replace("{session_id}", "fake-session")
        )
        for route in inspect_routes(serve(settings).client.app)
        for method in route.methods
        if not method.internal
    ]


def short(value: object) -> str:
    """The name of a test case, also where *value* is a monster."""
    return ascii(value)[:40]


def call_wsgi(app: Callable[..., Iterable[bytes]], **changes: object) -> Result:
    """One request with exactly this WSGI environment, however odd; None removes a variable."""
    environ: dict[str, Any] = create_environ()
    environ["wsgi.input"] = io.BytesIO()
    # Not every server passes on the target as it was sent.
    del environ["RAW_URI"]
    for name, value in changes.items():
        key = name.replace("__", ".")
        if value is None:
            environ.pop(key, None)
        else:
            environ[key] = value
    return _answer(app, environ)


class _Records(logging.Handler):
    """Keeps the log records it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record)


@contextmanager
def logged(name: str) -> Iterator[list[logging.LogRecord]]:
    """What is logged under *name* meanwhile, whatever else has been done to the loggers."""
    logger, records = logging.getLogger(name), _Records()
    level = logger.level
    logger.addHandler(records)
    logger.setLevel(logging.INFO)
    try:
        yield records.kept
    finally:
        logger.removeHandler(records)
        logger.setLevel(level)
