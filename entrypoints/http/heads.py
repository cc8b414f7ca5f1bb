"""Checks of the head of a request, before routing."""

import re
from typing import Any
from urllib.parse import quote, urlsplit

import falcon

from ..guarding.refusals import HeadTooLarge, HostInvalid, RouteNotFound, TargetTooLong

MAX_TARGET = 16 * 1024
"""The most characters that path and query may have together."""

MAX_HEAD = 48 * 1024
"""The most characters that the headers may have together; beyond 64 KiB the server cannot read them at all."""

HEAD_SIZE = "menshen.head_size"
"""How many characters the headers have, in the WSGI environment of a server that has counted them."""

_PLAIN_PATH = re.compile(r"/|(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+")
_HOST = re.compile(r"[^\s,/?#@\\]*")


def check_head(req: falcon.Request) -> None:
    """Raises TargetTooLong, HeadTooLarge, HostInvalid, RouteNotFound."""
    if len(req.path) + len(req.query_string) > MAX_TARGET:
        raise TargetTooLong
    if _head_size(req.env) > MAX_HEAD:
        raise HeadTooLarge
    _check_host(req)
    _check_path(req)


def _head_size(env: dict[str, Any]) -> int:
    size: int | None = env.get(HEAD_SIZE)
    return sum(len(value) for name, value in env.items() if name.startswith("HTTP_")) if size is None else size


def _check_host(req: falcon.Request) -> None:
    """One Host in HTTP/1.1, neither none nor two (RFC 9112, 3.2), and not an empty one (RFC 9110, 4.2.1).

    Servers join two by a comma, which no host contains; granian adds an empty one if there is none.
    """
    host = req.env.get("HTTP_HOST", "")
    is_lacking = not host and req.env.get("SERVER_PROTOCOL", "HTTP/1.1") == "HTTP/1.1"
    if is_lacking or not is_host(host):
        raise HostInvalid


def is_host(text: str) -> bool:
    """Whether it is one host, as far as it matters which; or empty."""
    return _HOST.fullmatch(text) is not None


def _check_path(req: falcon.Request) -> None:
    """A path has one spelling; otherwise a proxy that denies a prefix could be bypassed (``//api/admin``,
    ``/api/%61dmin``).

    WSGI passes on only the decoded path; the target as it was sent is in ``RAW_URI`` (gunicorn, werkzeug, ours) or
    ``REQUEST_URI`` (uWSGI, mod_wsgi). It may include a mount prefix.
    """
    path = req.env.get("PATH_INFO", "")
    if _PLAIN_PATH.fullmatch(path) is None:
        raise RouteNotFound
    sent = req.env.get("RAW_URI") or req.env.get("REQUEST_URI")
    if sent is not None and sent != path:
        prefix = quote(req.env.get("SCRIPT_NAME", "").encode("latin-1"), safe="/~")
        if _path_of(sent) not in {path, prefix + path}:
            raise RouteNotFound


def _path_of(target: str) -> str:
    """The path of a target in origin form or in absolute form (RFC 9112, 3.2)."""
    if target.startswith("/"):
        return target.partition("?")[0].partition("#")[0]
    return urlsplit(target).path
