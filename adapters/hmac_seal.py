"""Sealed text, by HMAC-SHA-256 alone: encrypted in counter mode, and then authenticated.

A pseudo-random function in counter mode is a stream cipher that is secure as long as no nonce is used twice (Bellare,
Desai, Jokipii and Rogaway, 1997), and to authenticate what was encrypted is the safe order (Bellare and Namprempre, 2000).
"""

import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from attrs import field, frozen

_NONCE = 16
_TAG = 32
_BLOCK = 32
_FORM = re.compile(r"[A-Za-z0-9_-]{64,16384}", re.ASCII)


@frozen
class HmacSeal:
    """Seal by keys derived from the service's *secret* (RFC 5869), two for each purpose."""

    secret: bytes = field(repr=False)

    def seal(self, text: str, purpose: str) -> str:
        nonce = secrets.token_bytes(_NONCE)
        hidden = nonce + self._with_stream(text.encode(), nonce, purpose)
        return urlsafe_b64encode(hidden + self._tag(hidden, purpose)).decode().rstrip("=")

    def open(self, sealed: str, purpose: str) -> str | None:
        if _FORM.fullmatch(sealed) is None or len(sealed) % 4 == 1:
            return None
        whole = urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        hidden, tag = whole[:-_TAG], whole[-_TAG:]
        # One spelling for each: unused bits in the last character would allow others.
        is_canonical = urlsafe_b64encode(whole).decode().rstrip("=") == sealed
        if not hmac.compare_digest(tag, self._tag(hidden, purpose)) or not is_canonical:
            return None
        return self._with_stream(hidden[_NONCE:], hidden[:_NONCE], purpose).decode()

    def _with_stream(self, text: bytes, nonce: bytes, purpose: str) -> bytes:
        key = self._key(b"encryption", purpose)
        blocks = range(-(-len(text) // _BLOCK))
        stream = b"".join(hmac.digest(key, nonce + number.to_bytes(4), "sha256") for number in blocks)
        # As whole numbers: a byte at a time took longer than all the rest.
        return (int.from_bytes(text) ^ int.from_bytes(stream[: len(text)])).to_bytes(len(text))

    def _tag(self, hidden: bytes, purpose: str) -> bytes:
        return hmac.digest(self._key(b"authentication", purpose), hidden, "sha256")

    def _key(self, use: bytes, purpose: str) -> bytes:
        return hmac.digest(self.secret, b"menshen seal " + use + b"\0" + purpose.encode(), "sha256")
