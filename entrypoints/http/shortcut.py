"""user_info without a framework: it is what apps ask most, and most of its time went into the way there."""

from attrs import frozen

from ..guarding.envelopes import HEADERS, Envelopes, Refused
from ..guarding.guard import Guard
from ..settings import Settings
from ..wiring import Service
from .heads import MAX_HEAD, is_host
from .messages import Response, Scope
from .users import HERE_IS_THE_USER, USER_INFO, user_data

_READ = frozenset({b"host", b"token", b"authorization", b"accept-language"})
_UNUSUAL = frozenset({b"content-length", b"transfer-encoding", b"origin"})


@frozen
class Shortcut:
    """Answers a plain request for user_info with a good token as the app does, and leaves all else to the app.

    Plain is one without a query, a body, or an origin, whose headers are each there once.
    """

    guard: Guard
    envelopes: Envelopes
    headers: tuple[tuple[bytes, bytes], ...]

    def __call__(self, scope: Scope) -> Response | None:
        """None where the app is to answer."""
        if scope["raw_path"] != _PATH or scope["method"] != "GET" or scope["query_string"]:
            return None
        size, found = 0, dict[bytes, str]()
        for name, value in scope["headers"]:
            size += len(value)
            if name in _READ:
                if name in found:
                    return None
                found[name] = value.decode("latin-1")
            elif name in _UNUSUAL:
                return None
        host, language = found.get(b"host"), found.get(b"accept-language")
        if size > MAX_HEAD or not host or not is_host(host):
            return None
        principal = self.guard(found.get(b"token"), found.get(b"authorization"), language)
        if isinstance(principal, Refused):
            return None
        body = self.envelopes.done(language, HERE_IS_THE_USER, data=user_data(principal.user, self.envelopes))
        return 200, [*self.headers, (b"content-length", b"%d" % len(body))], body


def create_shortcut(service: Service, settings: Settings) -> Shortcut:
    headers = {**HEADERS, **({"Vary": "Origin"} if settings.cors_origins else {}), "Server": "menshen"}
    envelopes = Envelopes(service.clock, settings.time_zone, settings.language)
    encoded = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
    return Shortcut(Guard(service.authenticate, envelopes), envelopes, encoded)


_PATH = USER_INFO.encode()
