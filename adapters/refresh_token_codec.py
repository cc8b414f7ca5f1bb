"""Refresh tokens: the id of the session and 256 secret bits, of which only a keyed hash is ever stored."""

import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from attrs import field, frozen

from ..domain.refresh_tokens import RefreshToken
from ..domain.sessions import SessionId

_FORM = re.compile(r"([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{43})", re.ASCII)


@frozen
class HmacRefreshTokenCodec:
    """RefreshTokenCodec by HMAC-SHA-256. *secret* is the service's; separate keys are derived from it (RFC 5869).

    Another secret means another key id, other digests and other successors.
    """

    secret: bytes = field(repr=False)
    key_id: str = field(init=False)
    _key: bytes = field(init=False, repr=False)
    _digest_key: bytes = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_key", self._derived(b"menshen refresh token successor"))
        object.__setattr__(self, "_digest_key", self._derived(b"menshen refresh token digest"))
        object.__setattr__(self, "key_id", self._derived(b"menshen refresh token key id").hex()[:16])

    def _derived(self, purpose: bytes) -> bytes:
        return hmac.digest(self.secret, purpose, "sha256")

    def new(self, session_id: SessionId) -> RefreshToken:
        return RefreshToken(session_id, secrets.token_bytes(32))

    def successor(self, token: RefreshToken) -> RefreshToken:
        message = token.session_id.encode() + b"." + token.secret
        return RefreshToken(token.session_id, hmac.digest(self._key, message, "sha256"))

    def digest(self, token: RefreshToken) -> bytes:
        # No salt, no slow hash: nobody guesses 256 random bits.
        return hmac.digest(self._digest_key, token.session_id.encode() + b"." + token.secret, "sha256")

    def encode(self, token: RefreshToken) -> str:
        return f"{token.session_id}.{urlsafe_b64encode(token.secret).decode().rstrip('=')}"

    def decode(self, text: str) -> RefreshToken | None:
        match = _FORM.fullmatch(text)
        if match is None:
            return None
        token = RefreshToken(SessionId(match[1]), urlsafe_b64decode(match[2] + "="))
        # One spelling for each token: unused bits in its last character would allow others.
        return token if self.encode(token) == text else None
