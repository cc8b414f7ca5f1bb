"""Tokens forged with only hmac and json, most of them with the right secret.

As if a part of ours had been talked into signing them.
"""

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import strategies as st

from menshen.adapters.jwt_codec import JwtTokenCodec
from menshen.domain.sessions import SessionId
from menshen.domain.tokens import AccessTokenClaims, TokenInvalid
from menshen.domain.users import UserId

SECRET = b"kZ3vQ8mT1xW6rB4nY7cJ2hL5pD9sF0gA"
CODEC = JwtTokenCodec(secret=SECRET, issuer="an issuer", audience="an audience")

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
HEADER = {"alg": "HS256", "typ": "JWT"}
PAYLOAD: dict[str, Any] = {
    "iss": "an issuer",
    "aud": "an audience",
    "sub": "7",
    "iat": 1767323045,
    "exp": 1767927845,
    "jti": "a token id",
    "sid": "a session id",
}
CLAIMS = AccessTokenClaims(
    subject=UserId(7),
    session_id=SessionId("a session id"),
    token_id="a token id",
    issued_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    expires_at=datetime(2026, 1, 9, 3, 4, 5, tzinfo=UTC),
)
VALID = CODEC.encode(CLAIMS)

MISSING = object()
"""Stands for a member that is not there."""

HUGE = "9" * 5000
"""A number with more digits than Python reads."""


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def as_bytes(part: object) -> bytes:
    return part if isinstance(part, bytes) else json.dumps(part).encode()


def signed(signing_input: str, *, secret: bytes = SECRET, digest: str = "sha256") -> str:
    return f"{signing_input}.{base64url(hmac.digest(secret, signing_input.encode(), digest))}"


def forged(
    payload: object = PAYLOAD, *, header: object = HEADER, secret: bytes = SECRET, digest: str = "sha256"
) -> str:
    return signed(f"{base64url(as_bytes(header))}.{base64url(as_bytes(payload))}", secret=secret, digest=digest)


def refused(token: str) -> None:
    with pytest.raises(TokenInvalid):
        CODEC.decode(token)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
