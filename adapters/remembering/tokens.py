"""Access tokens whose signature has been verified."""

from collections import OrderedDict
from contextlib import suppress
from hashlib import blake2b
from secrets import token_bytes

from attrs import define, field

from ...domain.ports.outside import TokenCodec
from ...domain.tokens import AccessTokenClaims


@define(eq=False)
class RememberedTokens:
    """TokenCodec that calls *codec* once for each token: a signature stays valid, and the caller checks the times.

    At most *limit* tokens are remembered, those used last. Only verified ones are, so garbage cannot push them out, and
    none is kept in clear text: the memory contains only digests, under a key that only this process has.

    It is used by many threads without a lock: each step is one call into C.
    """

    codec: TokenCodec
    limit: int
    _claims: OrderedDict[bytes, AccessTokenClaims] = field(factory=OrderedDict, init=False, repr=False)
    _key: bytes = field(factory=lambda: token_bytes(16), init=False, repr=False)

    def encode(self, claims: AccessTokenClaims) -> str:
        return self.codec.encode(claims)

    def decode(self, token: str) -> AccessTokenClaims:
        try:
            name = blake2b(token.encode("ascii"), key=self._key, digest_size=16).digest()
        except UnicodeEncodeError:
            # Not one of ours, but the codec decides how to refuse it.
            return self.codec.decode(token)
        claims = self._claims.get(name)
        if claims is None:
            claims = self._claims[name] = self.codec.decode(token)
            # Another thread may have removed it in between, here and below.
            with suppress(KeyError):
                while len(self._claims) > self.limit:
                    self._claims.popitem(last=False)
        else:
            with suppress(KeyError):
                self._claims.move_to_end(name)
        return claims
