"""Keeping the tokens of one session: renewing them in time, one renewal at a time, and knowing why it ended."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from threading import RLock

from .answers import EndedBy
from .calling import Caller, Reply
from .reading import AnswerUnreadable
from .refused import Refused, Unauthenticated
from .tokens import Tokens
from .transport import NoAnswer, Request
from .unauthenticated import TokenExpired, TokenMissing

RENEW_BEFORE = 60.0
"""How many seconds before its end an access token is renewed; a tenth of its life, if that is less."""

_RETRY = 10.0
"""After how many seconds to try again when a renewal before the end got no answer."""


class NotLoggedIn(Exception):
    """The client has no tokens: log in, or give it some that were saved."""


@dataclass(frozen=True)
class SignedOut:
    """Why the session is over, and, where the service says so, since when and by which device."""

    reason: str
    msg: str
    ended_at: str | None
    by: EndedBy | None


@dataclass(frozen=True, eq=False)
class _Held:
    """Tokens, and from when on to renew them; that is unknown of tokens that were saved."""

    tokens: Tokens
    due: float | None = None


class Keeper:
    """Holds the tokens of one session, for any number of threads.

    *on_tokens* gets each new pair before anybody uses it, and None when there is none any more, one call at a time;
    *on_signed_out* is told once, after that.
    """

    def __init__(
        self,
        caller: Caller,
        refresh_path: str,
        *,
        tokens: Tokens | None,
        on_tokens: Callable[[Tokens | None], object],
        on_signed_out: Callable[[SignedOut], object],
        clock: Callable[[], float],
    ) -> None:
        self._caller, self._refresh_path, self._clock = caller, refresh_path, clock
        self._on_tokens, self._on_signed_out = on_tokens, on_signed_out
        self._held = None if tokens is None else _Held(tokens)
        self._ended: Unauthenticated | None = None
        self._renewing: Future[None] | None = None
        self._lock = RLock()

    @property
    def tokens(self) -> Tokens | None:
        held = self._held
        return None if held is None else held.tokens

    @property
    def signed_out(self) -> SignedOut | None:
        ended = self._ended
        return None if ended is None else _told(ended)

    def call(self, request: Request) -> Reply:
        """Call a guarded route. A token that the service finds expired is renewed once."""
        held = self._fit()
        try:
            return self._sent(request, held)
        except TokenExpired:
            held = self._renewed(held)
        return self._sent(request, held)

    def take(self, reply: Reply) -> Tokens:
        """Keep the tokens that a login has brought."""
        held = self._read(reply)
        with self._lock:
            self._ended = None
            self._put(held)
        return held.tokens

    def forget(self) -> None:
        """The session is over because the user wants it so."""
        with self._lock:
            self._put(None)

    def fit(self) -> Tokens:
        """Tokens that are not about to run out."""
        return self._fit().tokens

    def renewed(self, worn: str | None) -> Tokens:
        """New tokens; those there are, if *worn* is an access token from before them."""
        held = self._current()
        is_newer = worn is not None and held.tokens.access_token != worn
        return held.tokens if is_newer else self._renewed(held).tokens

    def _sent(self, request: Request, held: _Held) -> Reply:
        try:
            return self._caller(replace(request, token=held.tokens.access_token))
        except (TokenExpired, TokenMissing):
            raise
        except Unauthenticated as refusal:
            self._end(held, refusal)
            raise

    def _current(self) -> _Held:
        """Raises NotLoggedIn, or again the refusal that ended the session."""
        with self._lock:
            held, ended = self._held, self._ended
        if held is not None:
            return held
        if ended is not None:
            raise type(ended)(ended.code, ended.reason, ended.msg, ended.data)
        raise NotLoggedIn("log in first")

    def _fit(self) -> _Held:
        held = self._current()
        if held.due is None or self._clock() < held.due:
            return held
        try:
            return self._renewed(held)
        except Unauthenticated:
            raise
        except (Refused, NoAnswer, AnswerUnreadable):
            # It is still good for a while.
            pass
        with self._lock:
            if self._held is held:
                self._held = _Held(held.tokens, self._clock() + _RETRY)
        return self._current()

    def _renewed(self, worn: _Held) -> _Held:
        """What comes after *worn*. Whoever is first asks; all others wait for the same answer."""
        with self._lock:
            if self._held is None or self._held.tokens != worn.tokens:
                return self._current()
            worn, renewing = self._held, self._renewing
            is_first = renewing is None
            if renewing is None:
                renewing = self._renewing = Future()
        if is_first:
            self._renew(worn, renewing)
        else:
            renewing.result()
        return self._current()

    def _renew(self, worn: _Held, renewing: "Future[None]") -> None:
        """Settles *renewing* in any case, so that nobody waits for it longer than the request takes."""
        try:
            held = self._successor(worn)
            with self._lock:
                # Somebody may have logged in or out meanwhile.
                if self._renewing is renewing:
                    self._put(held)
        except BaseException as failure:
            with self._lock:
                self._renewing = None if self._renewing is renewing else self._renewing
            interrupted = NoAnswer("the renewal was interrupted")
            renewing.set_exception(failure if isinstance(failure, Exception) else interrupted)
            raise
        renewing.set_result(None)

    def _successor(self, worn: _Held) -> _Held:
        body = {"refresh_token": worn.tokens.refresh_token}
        # Each refresh token has one successor: asked again, the service gives the same.
        request = Request(method="POST", path=self._refresh_path, body=body, is_repeatable=True)
        try:
            return self._read(self._caller(request))
        except Unauthenticated as refusal:
            self._end(worn, refusal)
            raise

    def _read(self, reply: Reply) -> _Held:
        data, lasts = reply.data, reply.data.number("expires_in")
        try:
            tokens = Tokens(
                access_token=reply.token or "",
                refresh_token=data.text("refresh_token"),
                session_id=data.text("session_id"),
            )
        except ValueError:
            raise AnswerUnreadable("the answer brings no tokens") from None
        return _Held(tokens, self._clock() + lasts - min(RENEW_BEFORE, lasts / 10))

    def _put(self, held: _Held | None) -> None:
        """Under the lock, so that what is saved last is what there is."""
        self._held, self._renewing = held, None
        self._on_tokens(None if held is None else held.tokens)

    def _end(self, held: _Held, refusal: Unauthenticated) -> None:
        """The session of *held* is over, unless another has begun meanwhile."""
        with self._lock:
            if self._held is None or self._held.tokens.session_id != held.tokens.session_id:
                return
            self._ended = refusal
            self._put(None)
        self._on_signed_out(_told(refusal))


def _told(ended: Unauthenticated) -> SignedOut:
    return SignedOut(ended.reason, ended.msg, ended.ended_at, ended.by)
