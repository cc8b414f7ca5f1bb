"""One call of a route: what is sent again, and what an answer means."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from .reading import AnswerUnreadable, Members, read_object
from .refused import Unavailable, refused
from .transport import NoAnswer, Request, Response, Transport


@dataclass(frozen=True)
class Reply:
    """A successful answer: its ``data``, and the access token where it brings one."""

    data: Members
    token: str | None = field(repr=False)


@dataclass(frozen=True)
class Caller:
    """Calls routes. Raises a subclass of Refused, NoAnswer, AnswerUnreadable.

    A 503 that says after how many seconds to ask again is asked again once, unless these are more than *max_wait*.
    A request whose answer was lost is sent again only where that does nothing a second time.
    """

    transport: Transport
    sleep: Callable[[float], object]
    max_wait: float

    def __call__(self, request: Request) -> Reply:
        try:
            return _reply(self._sent(request))
        except Unavailable as busy:
            if busy.retry_after is None or busy.retry_after > self.max_wait:
                raise
            self.sleep(busy.retry_after)
        return _reply(self._sent(request))

    def _sent(self, request: Request) -> Response:
        try:
            return self.transport.send(request)
        except NoAnswer as lost:
            if not (lost.broke and request.is_repeatable):
                raise
        return self.transport.send(request)


def _reply(response: Response) -> Reply:
    try:
        read = read_object(response.body)
        found = Members(read)
        code, msg = found.number("code"), found.text("msg")
        # 200 in any case where the service is set up for clients that know no other.
        if response.status not in {code, 200}:
            raise AnswerUnreadable("the answer has a status of its own")
        # "" where there is nothing to tell.
        data = {} if read.get("data") == "" else found.table("data") or {}
        if code == 200:
            return Reply(Members(data), found.optional_text("token"))
        reason = found.text("reason")
    except AnswerUnreadable as error:
        raise AnswerUnreadable(f"{error} (status {response.status})") from None
    raise refused(code, reason, msg, data, _seconds(response.headers.get("retry-after")))


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) else None
