"""Host tokens as JSON Web Tokens, by PyJWT, with a key of its own for each host."""

import hmac

import jwt
from attrs import field, frozen

from ..domain.host_tokens import HostTokenClaims

ALGORITHM = "HS256"

_HEADER = {"alg": ALGORITHM, "typ": "menshen-host+jwt"}
_PURPOSE = b"menshen host token key\0"


@frozen
class JwtHostTokenCodec:
    """HostTokenCodec by JWT with HS256 (RFC 7519).

    Key, type, issuer and audience differ from those of an access token, so that neither is taken for the other (RFC 8725,
    3.9, 3.11 and 3.12). The keys are derived from the service's *secret* by HMAC (RFC 5869): from the key of one host
    nobody computes the secret, or the key of another.
    """

    secret: bytes = field(repr=False)
    issuer: str
    _jwt: jwt.PyJWT = field(
        factory=lambda: jwt.PyJWT({"enforce_minimum_key_length": True}), init=False, repr=False, eq=False
    )

    def encode(self, claims: HostTokenClaims) -> str:
        payload = {
            "iss": f"{self.issuer}/host",
            "aud": claims.host,
            "sub": str(claims.subject),
            "iat": int(claims.issued_at.timestamp()),
            "exp": int(claims.expires_at.timestamp()),
            "jti": claims.token_id,
            "sid": claims.session_id,
            "kind": claims.kind.value,
        }
        return self._jwt.encode(payload, self.key(claims.host), algorithm=ALGORITHM, headers=_HEADER)

    def key(self, host: str) -> str:
        return hmac.digest(self.secret, _PURPOSE + host.encode(), "sha256").hex()
