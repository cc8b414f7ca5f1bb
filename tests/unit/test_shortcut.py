"""The shortcut answers as the app does, or leaves the answer to it."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from menshen.entrypoints.front import Front
from menshen.entrypoints.http.messages import Response, Scope
from menshen.entrypoints.http.shortcut import Shortcut, create_shortcut
from menshen.entrypoints.settings import Settings

from .cases import examples, for_each
from .http_service import LOGOUT, SHANGHAI, USER_INFO, HttpService, serve

Header = tuple[bytes, bytes]


@define
class Asked:
    """A service that is asked for user_info, and the token of its user."""

    settings: Settings
    http: HttpService = field(init=False)
    token: bytes = field(init=False)
    shortcut: Shortcut = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.http = serve(self.settings)
        self.token = self.http.registered(user_name="小明").encode()
        self.shortcut = create_shortcut(self.http.service, self.settings)

    def scope(self, *headers: Header, **more: Any) -> Scope:
        """A plain request with a good token, but for what is given."""
        usual = [(b"host", b"localhost"), (b"token", self.token)]
        return {
            "type": "http",
            "method": "GET",
            "path": USER_INFO,
            "raw_path": more.get("path", USER_INFO).encode(),
            "query_string": b"",
            "http_version": "1.1",
            "scheme": "http",
            "server": ("127.0.0.1", "8000"),
            "client": ("127.0.0.1", "50000"),
            "headers": [*more.pop("usual", usual), *headers],
            **more,
        }

    def front(self, shortcut: Callable[[Scope], Response | None]) -> Front:
        return Front(self.http.client.app, threads=1, runs_inline=lambda *_: True, port=0, crowd=1, shortcut=shortcut)


def answer(front: Front, scope: Scope) -> Response:
    """What a front says that never waits."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    with pytest.raises(StopIteration):
        front(scope, receive, send).__await__().send(None)
    head, body = sent
    return head["status"], sorted(head["headers"]), body["body"]


ASKED = {
    "no origins": Asked(Settings(time_zone=SHANGHAI)),
    "origins": Asked(Settings(time_zone=SHANGHAI, cors_origins=("https://app.example",))),
    "English": Asked(Settings(time_zone=SHANGHAI, language="en", always_http_200=True)),
}


@for_each("asked", ASKED)
@for_each(
    "headers",
    [
        [],
        [(b"user-agent", b"an app"), (b"accept", b"*/*"), (b"accept-encoding", b"gzip")],
        [(b"accept-language", b"en-GB, zh;q=0.5")],
        [(b"x-forwarded-for", b"198.51.100.7"), (b"cookie", b"a=b")],
        [(b"to_ken", b"x")],
    ],
)
def test_what_is_plain_takes_the_shortcut(asked: str, headers: list[Header]) -> None:
    found = ASKED[asked]
    assert found.shortcut(found.scope(*headers)) is not None


def test_the_token_may_be_in_authorization() -> None:
    asked = ASKED["no origins"]
    bearer = [(b"host", b"localhost"), (b"authorization", b"Bearer " + asked.token)]
    assert asked.shortcut(asked.scope(usual=bearer)) == asked.shortcut(asked.scope())


@for_each(
    "unusual",
    [
        {"method": "HEAD"},
        {"method": "POST"},
        {"query_string": b"x=1"},
        {"path": "/api/user/user_inf%6F"},
        {"path": "/healthz"},
        {"headers": [(b"transfer-encoding", b"chunked")]},
        {"headers": [(b"content-length", b"0")]},
        {"headers": [(b"origin", b"https://app.example")]},
        {"headers": [(b"host", b"localhost")]},
        {"headers": [(b"token", b"x")]},
        {"usual": [(b"host", b"localhost"), (b"token", b"")], "headers": [(b"token", ASKED["no origins"].token)]},
        {"headers": [(b"x", b"x" * 49_152)]},
        {"usual": [(b"token", b"x")]},
        {"usual": [(b"host", b"local host")]},
        {"usual": [(b"host", b"localhost")]},
    ],
)
def test_what_is_not_plain_is_left_to_the_app(unusual: dict[str, Any]) -> None:
    asked, more = ASKED["no origins"], dict(unusual)
    assert asked.shortcut(asked.scope(*more.pop("headers", []), **more)) is None


NAMES = [
    b"host",
    b"token",
    b"authorization",
    b"accept-language",
    b"origin",
    b"content-length",
    b"user-agent",
    b"to_ken",
    b"access-control-request-method",
]


@examples(100)
@given(data=st.data())
def test_with_the_shortcut_every_answer_is_the_same_as_without(data: st.DataObject) -> None:
    asked = ASKED[data.draw(st.sampled_from(sorted(ASKED)))]
    values = [asked.token, b"Bearer " + asked.token, b"", b"x", b"en", b"zh, en;q=0.9", b"localhost", b"0", b"\xff"]
    header = st.tuples(st.sampled_from(NAMES), st.sampled_from(values))
    # A body would have to be waited for.
    headers = [
        each for each in data.draw(st.lists(header, max_size=4)) if each[0] != b"content-length" or each[1] == b"0"
    ]
    scope = asked.scope(
        *headers,
        method=data.draw(st.sampled_from(["GET", "GET", "HEAD", "OPTIONS"])),
        query_string=data.draw(st.sampled_from([b"", b"x=1"])),
        path=data.draw(st.sampled_from([USER_INFO, USER_INFO, USER_INFO + "/", "/" + USER_INFO])),
        **({"usual": []} if data.draw(st.booleans()) else {}),
    )
    without = answer(asked.front(lambda _: None), scope)
    assert answer(asked.front(asked.shortcut), scope) == without


def test_a_refusal_is_left_to_the_app() -> None:
    asked = Asked(Settings(time_zone=SHANGHAI))
    assert asked.shortcut(asked.scope()) is not None
    assert asked.http.post(LOGOUT, {}, token=asked.token.decode()).status_code == 200
    assert asked.shortcut(asked.scope()) is None
    assert answer(asked.front(asked.shortcut), asked.scope())[0] == 401


def test_a_fault_in_the_shortcut_is_left_to_the_app() -> None:
    asked = ASKED["no origins"]

    def fail(scope: Scope) -> Response | None:
        raise ValueError

    assert answer(asked.front(fail), asked.scope())[0] == 200
