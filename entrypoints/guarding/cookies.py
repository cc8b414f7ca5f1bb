"""The token in a cookie, for browsers: HttpOnly, so that no script of the page can read it, and sealed."""

from collections.abc import Callable
from datetime import timedelta

from attrs import frozen

from ...domain.ports.outside import Seal
from ...domain.tokens import TokenMissing
from .bearer import token_of
from .refusals import CrossSite

COOKIE = "__Host-menshen"
"""The prefix makes browsers take it only with Secure, for the path / and without a domain (RFC 6265bis, 4.1.3.2)."""

_PURPOSE = "cookie"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_UNREADABLE = "unreadable"

Header = Callable[[str], str | None]
"""The value of a header, by its name; None if there is none."""


@frozen
class Cookies:
    """Makes cookies of tokens, and finds tokens in them."""

    seal: Seal

    def set(self, token: str, lifetime: timedelta) -> str:
        """The value of ``Set-Cookie`` that keeps *token* in the browser."""
        return _set_cookie(self.seal.seal(token, _PURPOSE), lifetime)

    def clear(self) -> str:
        """The value of ``Set-Cookie`` that takes it away."""
        return _set_cookie("", timedelta())

    def token(self, header: Header, *, method: str, authority: str) -> str | None:
        """The token in the cookie, or one that opens nothing in place of a cookie that is none of ours.

        None if there is no cookie, or if a header has a token, which then counts alone: pages of other sites cannot send
        one. *method* and *authority*, host and port, are of the request itself. Raises CrossSite.
        """
        try:
            token_of(header("token"), header("Authorization"))
        except TokenMissing:
            values = _values(header("Cookie") or "")
        else:
            return None
        if not values:
            return None
        _check_site(header, method, authority)
        found = self.seal.open(values[0], _PURPOSE) if len(values) == 1 else None
        return _UNREADABLE if found is None else found


def _set_cookie(value: str, lifetime: timedelta) -> str:
    # A browser keeps a cookie of this name only with all of these, and also forgets it only with all of them.
    seconds = int(lifetime.total_seconds())
    return f"{COOKIE}={value}; Max-Age={seconds}; Path=/; Secure; HttpOnly; SameSite=Lax"


def _values(cookies: str) -> list[str]:
    pairs = (pair.strip(" \t").partition("=") for pair in cookies.split(";"))
    return [value for name, _, value in pairs if name == COOKIE]


def _check_site(header: Header, method: str, authority: str) -> None:
    """Browsers send the cookie whatever page asks, so the page must be of this very origin.

    They say so in ``Sec-Fetch-Site`` (Fetch Metadata), where none is the user's own doing; otherwise in ``Origin``. A
    WebSocket begins with GET, of which Chromium says no more than its Origin. Raises CrossSite.
    """
    site, origin = header("Sec-Fetch-Site"), header("Origin")
    is_told = site is not None or origin is not None
    if method in _SAFE and (not is_told or (site is not None and header("Sec-Fetch-Mode") != "websocket")):
        return
    is_own = site in {"same-origin", "none"} if site is not None else origin == f"https://{authority.lower()}"
    if not is_own:
        raise CrossSite
