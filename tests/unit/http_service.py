"""The HTTP API over memory and stand-ins, and how the tests of it look at its answers."""

import io
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from attrs import define, evolve, frozen
from falcon.testing import Result, TestClient, create_environ

from menshen.adapters.memory.fakes import FakeClock, FakePasswordHasher, FakeRandomIds, FakeTokenCodec
from menshen.adapters.memory.sessions import MemorySessionRepository
from menshen.adapters.memory.store import MemoryStore
from menshen.adapters.memory.users import MemoryUserRepository
from menshen.domain.ports import (
    PasswordHasher,
    SessionRepository,
    TokenCodec,
    UserRepository,
    Verdict,
)
from menshen.domain.sessions import Presence, Session, SessionEnd, SessionId
from menshen.domain.users import NewUser, Phone, User, UserId
from menshen.entrypoints.http.app import create_app
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.wiring import Adapters, Service, wire

SHANGHAI = ZoneInfo("Asia/Shanghai")

PHONE = "13800138000"
PASSWORD = "a good password"
ADDRESS = "198.51.100.7"

REGISTER = "/api/user/register"
LOGIN = "/api/user/login"
LOGOUT = "/api/user/logout"
USER_INFO = "/api/user/user_info"


@define(kw_only=True)
class HttpService:
    """The API, a client of it, and all that stands behind it."""

    settings: Settings
    clock: FakeClock
    store: MemoryStore
    service: Service
    client: TestClient

    def post(self, path: str, body: object, **headers: str) -> Result:
        """POST *body* as JSON, in ASCII, so that it may hold what UTF-8 cannot."""
        return self.post_raw(path, json.dumps(body).encode(), **headers)

    def post_raw(self, path: str, body: bytes, *, content_type: str = "application/json", **headers: str) -> Result:
        headers["Content-Type"] = content_type
        return self.client.simulate_post(path, body=body, headers=headers, remote_addr=ADDRESS)

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

    def user(self, phone: str = PHONE) -> User:
        """What the store holds of the user with *phone*."""
        return next(user for user in self.store.users.values() if user.phone == Phone(phone))

    def change_user(self, phone: str = PHONE, **changes: Any) -> None:
        """Write into the store, as an operator would."""
        user = self.user(phone)
        self.store.users[user.id] = evolve(user, **changes)


def serve(
    settings: Settings | None = None,
    *,
    clock: FakeClock | None = None,
    users: UserRepository | None = None,
    sessions: SessionRepository | None = None,
    hasher: PasswordHasher | None = None,
    codec: TokenCodec | None = None,
    common_passwords: Iterable[str] = (),
    ping: Callable[[], None] = lambda: None,
) -> HttpService:
    """The API over memory and stand-ins, but for the parts given."""
    settings = settings or Settings(time_zone=SHANGHAI)
    clock = clock or FakeClock()
    store = MemoryStore()
    service = wire(
        settings,
        Adapters(
            users=users or MemoryUserRepository(store),
            sessions=sessions or MemorySessionRepository(store),
            hasher=hasher or FakePasswordHasher(),
            codec=codec or FakeTokenCodec(),
            clock=clock,
            ids=FakeRandomIds(),
            common_passwords=frozenset(common_passwords),
            ping=ping,
        ),
    )
    client = TestClient(create_app(service, settings))
    return HttpService(settings=settings, clock=clock, store=store, service=service, client=client)


@frozen
class FailingUsers:
    """UserRepository of which every method raises *error*."""

    error: Exception

    def add(self, user: NewUser) -> User:
        raise self.error

    def by_id(self, user_id: UserId) -> User | None:
        raise self.error

    def by_phone(self, phone: Phone) -> User | None:
        raise self.error

    def replace_password_hash(self, user_id: UserId, *, old: str, new: str) -> bool:
        raise self.error


@frozen
class FailingSessions:
    """SessionRepository of which every method raises *error*."""

    error: Exception

    def admit(self, newcomer: Session, policy: object) -> None:
        raise self.error

    def end(self, session_id: SessionId, end: SessionEnd) -> bool:
        raise self.error

    def presence(self, user_id: UserId, session_id: SessionId) -> Presence | None:
        raise self.error


@frozen
class FailingHasher:
    """PasswordHasher of which both methods raise *error*."""

    error: Exception

    def hash(self, password: str) -> str:
        raise self.error

    def verify(self, password: str, password_hash: str | None) -> Verdict:
        raise self.error


def strict_json(text: str) -> Any:
    """What *text* says, if it is JSON as other languages read it: no NaN, no member twice."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), f"a member twice in {pairs!r}"
        return dict(pairs)

    return json.loads(text, parse_constant=refuse, object_pairs_hook=unique)


def envelope(result: Result) -> dict[str, Any]:
    """The answer's envelope, after all that holds for every envelope was seen to hold."""
    found = strict_json(result.content.decode("utf-8"))
    assert isinstance(found, dict), f"no object: {found!r}"
    expected = {"code", "data", "msg", "time"}
    expected |= {"reason"} if found["code"] != 200 else set()
    assert set(found) - {"token"} == expected, f"members: {sorted(found)}"
    assert type(found["code"]) is int, f"code: {found['code']!r}"
    assert isinstance(found["msg"], str), f"msg: {found['msg']!r}"
    assert found["msg"], "an empty msg"
    assert found["data"] == "" or isinstance(found["data"], dict), f"data: {found['data']!r}"
    datetime.strptime(found["time"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert len(found["time"]) == 19, f"time: {found['time']!r}"
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
    assert (result.status_code, body["code"], body["data"]) == (200, 200, ""), body
    token = body["token"]
    assert isinstance(token, str), f"token: {token!r}"
    assert token, "an empty token"
    return token


def refused(result: Result, code: int, reason: str, msg: str | None = None) -> None:
    """The answer is this refusal, by status and by body."""
    body = envelope(result)
    assert (result.status_code, body["code"], body["reason"]) == (code, code, reason), (result.status, body)
    assert body["data"] == "", body
    assert "token" not in body, body
    assert msg is None or body["msg"] == msg, body


def short(value: object) -> str:
    """The name of a test case, also where *value* is a monster."""
    return ascii(value)[:40]


def call_wsgi(app: Callable[..., Iterable[bytes]], **changes: object) -> Result:
    """One request with just this WSGI environment, odd as it may be; None takes a variable away."""
    environ: dict[str, Any] = create_environ()
    environ["wsgi.input"] = io.BytesIO()
    for name, value in changes.items():
        key = name.replace("__", ".")
        if value is None:
            environ.pop(key, None)
        else:
            environ[key] = value
    head: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        head.append((status, headers))

    body = list(app(environ, start_response))
    status, headers = head[-1]
    return Result(body, status, headers)


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
