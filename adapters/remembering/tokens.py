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
    """TokenCodec that asks *codec* once for each token: what a signature says never changes, and its times are judged
    by whoever asks.

    At most *limit* tokens are remembered, those used last. Only verified ones are, so no garbage can push them out, and
    none is kept in clear: a reader of the memory finds digests under a key that nobody else has.

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
            # None of ours, but what it is called is the codec's to say.
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
