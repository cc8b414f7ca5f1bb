"""Preflight requests before a guard, for any framework with a WSGI environment or the like."""

from collections.abc import Mapping
from typing import Any

from falcon import HTTP_METHODS


def allowed_by_preflight(environ: Mapping[str, Any]) -> str | None:
    """What ``Allow`` says in the answer to a browser's preflight request; None if it is no such request.

    A preflight has no token, and refusing it would prevent every cross-origin request. So it is told that the method may
    be tried, whatever the path; the request itself is guarded.
    """
    if environ["REQUEST_METHOD"] != "OPTIONS" or "HTTP_ORIGIN" not in environ:
        return None
    method: str | None = environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD")
    if method is None:
        return None
    return method if method in HTTP_METHODS else "GET"
