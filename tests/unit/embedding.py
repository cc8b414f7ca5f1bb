"""What the tests of several frameworks share."""

from collections.abc import Callable
from typing import Any

COOKIES = ["__Host-a=1; Path=/; Secure; HttpOnly; SameSite=Lax", "__Host-b=2; Path=/; Secure"]


def with_cookies(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Stands for the account API where an answer sets two cookies."""
    start_response("200 OK", [("content-type", "text/plain"), *(("set-cookie", each) for each in COOKIES)])
    return [b"set"]
