"""The WSGI environment of a request, from what an ASGI server says about it."""

import io
import sys
from collections.abc import Mapping
from typing import Any

from .heads import HEAD_SIZE


def environ_of(scope: Mapping[str, Any]) -> dict[str, Any]:
    """The WSGI environment of a request (PEP 3333), with the target as it was sent in ``RAW_URI``, as gunicorn has it."""
    environ = _BASE_ENVIRON.copy()
    # What may be None or missing is what not every server knows.
    host, port = scope.get("server") or ("", None)
    environ["REQUEST_METHOD"] = scope["method"]
    # PEP 3333: bytes decoded as latin-1.
    root = scope.get("root_path") or ""
    environ["SCRIPT_NAME"] = root.encode("utf-8", "replace").decode("latin-1")
    environ["PATH_INFO"] = path_of(scope).encode("utf-8", "replace").decode("latin-1")
    if scope.get("raw_path") is not None:
        environ["RAW_URI"] = scope["raw_path"].decode("latin-1")
    environ["QUERY_STRING"] = scope["query_string"].decode("latin-1")
    environ["SERVER_PROTOCOL"] = f"HTTP/{scope['http_version']}"
    environ["SERVER_NAME"] = host
    environ["SERVER_PORT"] = "" if port is None else str(port)
    environ["wsgi.url_scheme"] = scope.get("scheme", "http")
    environ["wsgi.input"] = io.BytesIO()
    environ["REMOTE_ADDR"] = (scope.get("client") or ("",))[0]
    size = 0
    for name, value in scope["headers"]:
        size += len(value)
        # X_Forwarded_For would become the same variable as X-Forwarded-For.
        if b"_" in name:
            continue
        key = _USUAL.get(name) or _variable(name)
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key.startswith("HTTP_") and key in environ else text
    environ[HEAD_SIZE] = size
    return environ


def path_of(scope: Mapping[str, Any]) -> str:
    """The path below the application: a server or an outer app that mounts it leaves its own part in front."""
    path: str = scope["path"]
    root: str = scope.get("root_path") or ""
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in {"", "/"}:
        path = path[len(root) :]
    return path or "/"


def _variable(name: bytes) -> str:
    """What PEP 3333 calls the header *name*."""
    variable = name.decode("latin-1").upper().replace("-", "_")
    return variable if variable in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{variable}"


_USUAL = {
    name: _variable(name)
    for name in [
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"authorization",
        b"connection",
        b"content-length",
        b"content-type",
        b"cookie",
        b"host",
        b"origin",
        b"referer",
        b"token",
        b"user-agent",
        b"x-forwarded-for",
        b"x-forwarded-proto",
    ]
}
"""The headers of most requests, spelled once; not whatever a caller sends, which would have no bound."""

_BASE_ENVIRON: dict[str, Any] = {
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}
