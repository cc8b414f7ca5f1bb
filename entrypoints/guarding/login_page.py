"""Where a browser that is not logged in is sent, and where it comes back to."""

import re

from attrs import frozen

from ...domain.ports.outside import Seal
from .cookies import Header
from .forwarding import Target
from .refusals import ReturnInvalid

_PURPOSE = "return address"
_URL = re.compile(r"https?://([^/]+)/[!-~]*", re.ASCII)
_LONGEST = 2000
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@frozen
class LoginPage:
    """The page where users log in, and the hosts to which they may come back from it.

    The address to come back to is sealed: nobody else can make one that we send a browser to.
    """

    page: str
    """A URL, or a path on the host that was asked for."""
    hosts: tuple[str, ...]
    seal: Seal

    def location(self, target: Target, header: Header) -> str | None:
        """The URL to send the browser to; None if it is not one that shows a page, or not on one of the hosts."""
        authority = target.authority.lower().removesuffix(_DEFAULT_PORTS[target.scheme])
        if authority not in self.hosts or not _shows_pages(target, header):
            return None
        origin = f"{target.scheme}://{authority}"
        back = origin + target.uri
        if len(back) > _LONGEST or _URL.fullmatch(back) is None:
            back = f"{origin}/"
        page = origin + self.page if self.page.startswith("/") else self.page
        return f"{page}{'&' if '?' in page else '?'}return={self.seal.seal(back, _PURPOSE)}"

    def address(self, sealed: str) -> str:
        """The address to come back to. Raises ReturnInvalid."""
        back = self.seal.open(sealed, _PURPOSE) or ""
        match = _URL.fullmatch(back)
        if match is None or match[1] not in self.hosts:
            raise ReturnInvalid
        return back


def _shows_pages(target: Target, header: Header) -> bool:
    """Whether somebody looks at what is answered; a script would follow the redirection and get a page for data."""
    return (
        target.method == "GET"
        and "text/html" in (header("Accept") or "")
        and header("Sec-Fetch-Mode") in {None, "navigate"}
        and header("X-Requested-With") is None
    )
