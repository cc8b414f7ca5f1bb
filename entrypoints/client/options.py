"""What the clients of users and of admins have in common."""

import re
import time
from collections.abc import Callable, Mapping
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

from .calling import Caller, Reply
from .keeping import Keeper, SignedOut
from .reading import Members
from .refused import Unauthenticated
from .tokens import Tokens
from .transport import HttpTransport, Request, Transport
from .unauthenticated import TokenExpired, TokenMissing


class Options(TypedDict, total=False):
    """What a client can be made with."""

    tokens: Tokens | None
    """Saved ones, to go on with their session."""
    on_tokens: Callable[[Tokens | None], object]
    """Saves each new pair, and deletes what was saved when it gets None."""
    on_signed_out: Callable[[SignedOut], object]
    """Is told once why the session is over; not after a logout of one's own."""
    language: str | None
    """``en`` or ``zh``: of the messages."""
    user_agent: str
    """What lists of sessions show."""
    timeout: float
    """In seconds: for connecting, for a silence, and for the rest of an answer once it has begun. 10 by default."""
    max_wait: float
    """How many seconds of a Retry-After to wait before asking once more; 5 by default."""
    ssl_context: SSLContext | None
    """For an authority of one's own, or a client certificate. Certificates are verified in any case."""
    insecure_http: bool
    """Allow http to another machine."""
    transport: Transport
    """Instead of connections by urllib3."""
    sleep: Callable[[float], object]
    clock: Callable[[], float]


class SessionClient:
    """Calls the routes below *prefix*, and keeps the tokens of one session. Any number of threads may use it."""

    def __init__(self, base_url: str, prefix: str, **options: Unpack[Options]) -> None:
        self._transport = options.get("transport") or _transport(base_url, options)
        self._caller = Caller(self._transport, options.get("sleep", time.sleep), options.get("max_wait", 5.0))
        self._prefix = prefix
        self._keeper = Keeper(
            self._caller,
            f"{prefix}/token/refresh",
            tokens=options.get("tokens"),
            on_tokens=options.get("on_tokens", _nothing),
            on_signed_out=options.get("on_signed_out", _nothing),
            clock=options.get("clock", time.monotonic),
        )

    @property
    def tokens(self) -> Tokens | None:
        """The tokens there are now."""
        return self._keeper.tokens

    @property
    def signed_out(self) -> SignedOut | None:
        """Why the session is over; None as long as it is not, and after a logout of one's own."""
        return self._keeper.signed_out

    def access_token(self) -> str:
        """A token for a request of one's own to an app behind the guard, in ``Authorization: Bearer``.

        It is renewed first where it is about to run out.
        """
        return self._keeper.fit().access_token

    def refresh(self, worn: str | None = None) -> Tokens:
        """Exchange the refresh token for new tokens; usually the client does so by itself.

        With *worn*, an access token that an app behind the guard found expired, only if there is none newer.
        """
        return self._keeper.renewed(worn)

    def logout(self) -> None:
        """End the session. One that is over already is left at that."""
        try:
            self._post("/logout")
        except (TokenExpired, TokenMissing):
            raise
        except Unauthenticated:
            pass
        self._keeper.forget()

    def close(self) -> None:
        """Close the connections. The session stays."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, path: str, body: Mapping[str, Any]) -> Tokens:
        """Log in: a route that takes no token and brings some."""
        return self._keeper.take(self._caller(Request(method="POST", path=self._prefix + path, body=body)))

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> Members:
        request = Request(method="GET", path=self._prefix + path, query=query or {}, is_repeatable=True)
        return self._keeper.call(request).data

    def _post(self, path: str, body: Mapping[str, Any] | None = None) -> Members:
        return self._call("POST", path, body).data

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        return self._keeper.call(Request(method=method, path=self._prefix + path, body=body))


def segment(session_id: str) -> str:
    """*session_id* as it may stand in a path. Raises ValueError for what is none."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", session_id, re.ASCII):
        raise ValueError("this is no id of a session")
    return session_id


def without_none(**members: Any) -> dict[str, Any]:
    """The members that are given: the service knows what is meant by none."""
    return {name: value for name, value in members.items() if value is not None}


def _transport(base_url: str, options: Options) -> Transport:
    language = options.get("language")
    return HttpTransport(
        base_url,
        timeout=options.get("timeout", 10.0),
        ssl_context=options.get("ssl_context"),
        insecure_http=options.get("insecure_http", False),
        headers={
            "User-Agent": options.get("user_agent", "menshen.client"),
            **({} if language is None else {"Accept-Language": language}),
        },
    )


def _nothing(told: object) -> None:
    pass
