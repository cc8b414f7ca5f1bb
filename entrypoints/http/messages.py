"""Requests and responses as an ASGI server has them."""

from typing import Any

Scope = dict[str, Any]
"""What the server says about a request."""
Response = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers, body."""
