"""What a proxy asks about a request that it holds back: where it goes, and who may go there.

There is one reader for each family of headers, and none reads the other's: a proxy overwrites its own family, and passes
a stranger's headers of the other on as they are.
"""

from attrs import frozen

from ...domain.errors import Refusal
from ...domain.presences import Principal
from .cookies import Cookies, Header
from .envelopes import Refused
from .guard import Guard
from .one_spelling import plain_host
from .refusals import ProxyHeadersInvalid, TargetAmbiguous
from .route_rules import Access, Rules

_ORIGINAL = ("X-Original-Method", "X-Original-URL")
_FORWARDED = ("X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri")


@frozen
class Target:
    """What the request asks for, as its proxy says."""

    method: str
    scheme: str
    authority: str
    """The host, and its port where the proxy names one, as they were sent."""
    uri: str
    """The path and the query, as they were sent."""

    @property
    def host(self) -> str:
        """In lower case, without the port. Raises TargetAmbiguous."""
        return plain_host(self.authority)

    @property
    def path(self) -> str:
        return self.uri.partition("?")[0]


def original_target(header: Header) -> Target:
    """By the two headers of nginx: ``X-Original-Method``, and ``X-Original-URL`` with scheme and host.

    Raises ProxyHeadersInvalid, TargetAmbiguous.
    """
    method, url = _only(header, _ORIGINAL, _FORWARDED)
    scheme, separator, rest = url.partition("://")
    authority, slash, uri = rest.partition("/")
    if not separator or not slash:
        raise TargetAmbiguous
    return _target(method, scheme, authority, slash + uri)


def forwarded_target(header: Header) -> Target:
    """By the four headers of Caddy and Traefik. Raises ProxyHeadersInvalid, TargetAmbiguous."""
    method, scheme, authority, uri = _only(header, _FORWARDED, _ORIGINAL)
    return _target(method, scheme, authority, uri)


def _only(header: Header, own: tuple[str, ...], foreign: tuple[str, ...]) -> list[str]:
    found = [header(name) or "" for name in own]
    if not all(found) or any(header(name) is not None for name in foreign):
        raise ProxyHeadersInvalid
    return found


# Traefik says ws and wss of a request that asks for a WebSocket.
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


def _target(method: str, scheme: str, authority: str, uri: str) -> Target:
    if scheme not in _SCHEMES:
        raise TargetAmbiguous
    return Target(method, _SCHEMES[scheme], authority, uri)


@frozen
class Admitted:
    """The request may pass; *principal* is None where the route is open to everybody."""

    principal: Principal | None
    host: str


@frozen
class ForwardGuard:
    """Judges a request that a proxy holds back."""

    rules: Rules
    users: Guard
    admins: Guard
    cookies: Cookies | None = None
    """For users; admins have none."""

    def __call__(self, target: Target, header: Header) -> Admitted | Refused:
        language = header("Accept-Language")
        try:
            host = target.host
            access = self.rules.access(target.method, host, target.path)
            token = self._users_token(target, header) if access is Access.USER else header("token")
        except Refusal as refusal:
            return self.users.envelopes.refused(language, refusal)
        if access is Access.OPEN:
            return Admitted(None, host)
        guard = self.admins if access is Access.ADMIN else self.users
        found = guard(token, header("Authorization"), language)
        return found if isinstance(found, Refused) else Admitted(found, host)

    def _users_token(self, target: Target, header: Header) -> str | None:
        found = None
        if self.cookies is not None:
            found = self.cookies.token(header, method=target.method, authority=target.authority)
        return header("token") if found is None else found
