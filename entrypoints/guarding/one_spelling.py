"""The one spelling of a path and of a host; whatever has a second one is refused.

A proxy, menshen and the app behind must mean the same by a path. Proxies and frameworks disagree about dotted, empty and
encoded parts (traefik#7559, #9664), so a path with any of these has no rule, not even an open one.
"""

import re
from unicodedata import is_normalized
from urllib.parse import unquote

from .refusals import TargetAmbiguous

# Unreserved characters and sub-delims (RFC 3986, 3.3) as they are, without the ; of path parameters, which some servers
# cut off; a blank and what is not ASCII percent-encoded, in upper case.
_SEGMENT = r"(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%20|%[89A-F][0-9A-F])+"
_PATH = re.compile(rf"/|(?:/{_SEGMENT})+/?", re.ASCII)
# Windows drops blanks and dots at the end of a name, and some frameworks blanks around it.
_EDGES = re.compile(r"/ |[ .](/|$)")

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.ASCII)
_IPV6 = re.compile(r"\[[0-9a-f:]+\]", re.ASCII)
_PORT = re.compile(r":[0-9]{1,5}$", re.ASCII)
_MAX_HOST = 253


def plain_path(path: str) -> str:
    """*path* decoded, if it is spelled in the only way that there is. Raises TargetAmbiguous."""
    if _PATH.fullmatch(path) is None:
        raise TargetAmbiguous
    try:
        decoded = unquote(path, errors="strict")
    except UnicodeDecodeError:
        raise TargetAmbiguous from None
    if not decoded.isprintable() or _EDGES.search(decoded) or not is_normalized("NFC", decoded):
        raise TargetAmbiguous
    return decoded


def plain_host(host: str) -> str:
    """The name or the address, in lower case, without the port. Raises TargetAmbiguous."""
    name = _PORT.sub("", host).lower()
    if len(name) > _MAX_HOST or not (_NAME.fullmatch(name) or _IPV6.fullmatch(name)):
        raise TargetAmbiguous
    return name
