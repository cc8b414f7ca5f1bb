"""Access tokens as JSON Web Tokens, by PyJWT.

One algorithm, one key, one serialisation (RFC 8725, 3.1 to 3.3): the header must be exactly ours, so nothing in it can
choose a key or an algorithm, and no other text is accepted as the same token.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import jwt
from attrs import field, frozen

from ..domain.sessions import SessionId
from ..domain.tokens import AccessTokenClaims, TokenInvalid
from ..domain.users import MAX_USER_ID, UserId

ALGORITHM = "HS256"

_HEADER = {"alg": ALGORITHM, "typ": "JWT"}
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_MAX_LENGTH = 4096
_SUBJECT = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_ID = re.compile(r"[ -~]{1,64}", re.ASCII)
_REQUIRED = ("iss", "aud", "sub", "iat", "exp", "jti", "sid")

# datetime cannot represent anything later.
_MAX_TIMESTAMP = 253_402_300_799


@frozen
class JwtTokenCodec:
    """TokenCodec by JWT with HS256 (RFC 7519, RFC 7515)."""

    secret: bytes = field(repr=False)
    issuer: str
    audience: str
    _jwt: jwt.PyJWT = field(factory=lambda: jwt.PyJWT({"enforce_minimum_key_length": True}), init=False, repr=False)

    def encode(self, claims: AccessTokenClaims) -> str:
        payload = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": str(claims.subject),
            "iat": int(claims.issued_at.timestamp()),
            "exp": int(claims.expires_at.timestamp()),
            "jti": claims.token_id,
            "sid": claims.session_id,
        }
        return self._jwt.encode(payload, self.secret, algorithm=ALGORITHM, headers=_HEADER)

    def decode(self, token: str) -> AccessTokenClaims:
        if len(token) > _MAX_LENGTH or _FORM.fullmatch(token) is None:
            raise TokenInvalid
        try:
            header, payload, _signature = (_canonical_bytes(segment) for segment in token.split("."))
            if _strict_object(header) != _HEADER:
                raise TokenInvalid
            self._jwt.decode(
                token,
                self.secret,
                algorithms=[ALGORITHM],
                issuer=self.issuer,
                audience=self.audience,
                # The domain checks the times by its own clock.
                options={
                    "require": list(_REQUIRED),
                    "strict_aud": True,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
            return _claims_from(_strict_object(payload))
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise TokenInvalid from None


def _canonical_bytes(segment: str) -> bytes:
    decoded = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    # Unused bits in the last character would let several texts be accepted as one token (CVE-2026-102269).
    if urlsafe_b64encode(decoded).rstrip(b"=") != segment.encode("ascii"):
        raise TokenInvalid
    return decoded


def _strict_object(text: bytes) -> dict[str, Any]:
    found = json.loads(text.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    if not isinstance(found, dict):
        raise TokenInvalid
    return found


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise TokenInvalid
    return members


def _refuse_constant(_name: str) -> None:
    raise TokenInvalid


def _claims_from(payload: dict[str, Any]) -> AccessTokenClaims:
    subject, session_id, token_id = payload["sub"], payload["sid"], payload["jti"]
    if not (isinstance(subject, str) and isinstance(session_id, str) and isinstance(token_id, str)):
        raise TokenInvalid
    if _SUBJECT.fullmatch(subject) is None or int(subject) > MAX_USER_ID or _ID.fullmatch(session_id) is None:
        raise TokenInvalid
    return AccessTokenClaims(
        subject=UserId(int(subject)),
        session_id=SessionId(session_id),
        token_id=token_id,
        issued_at=_time_from(payload["iat"]),
        expires_at=_time_from(payload["exp"]),
        not_before=_time_from(payload["nbf"]) if "nbf" in payload else None,
    )


def _time_from(value: object) -> datetime:
    # bool is an int in Python, but not a time in a token (RFC 7519, 2: NumericDate).
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_TIMESTAMP:
        raise TokenInvalid
    return datetime.fromtimestamp(value, UTC)
