"""Hashes that are no more than a digest or two: old Werkzeug's and Django's, bare and salted ones of PHP, phpass.

A stolen table of them is read in an afternoon. So they are not only verified, and replaced at the first login, but also
*wrapped*: the digest itself is hashed by Argon2id, so that it stands in the table no more. A wrapped hash begins with
``wrapped:`` and a recipe, which is the weak hash without its digest.
"""

import hashlib
import hmac
import re
from collections.abc import Callable

from attrs import frozen

Maker = Callable[[bytes], str]
"""Makes the text of a digest, as it was stored, of a secret."""

_ALGORITHM_OF_LENGTH = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}

# Of Werkzeug before 3.0, and in the same spelling of Django before 5.1.
_KEYED = re.compile(
    r"((md5|sha1|sha224|sha256|sha384|sha512)\$([^$\ud800-\udfff]{0,64})\$)([0-9a-fA-F]{32,128})", re.ASCII
)
_BARE = re.compile(r"([0-9a-fA-F]{32,128})(?::([^$\ud800-\udfff]{1,64}))?", re.ASCII)
# The middle half of an MD5.
_HALF = re.compile(r"[0-9a-f]{16}|[0-9A-F]{16}", re.ASCII)
_PHPASS = re.compile(r"(\$[PH]\$([./0-9A-Za-z])([./0-9A-Za-z]{8}))([./0-9A-Za-z]{22})", re.ASCII)

# A salt may hold any sign but a dollar, also a line feed.
_WRAPPED = re.compile(r"wrapped:(.+?)(\$argon2id\$v=19\$.+)", re.DOTALL)
_RECIPE = re.compile(
    r"(?P<keyed>md5|sha1|sha224|sha256|sha384|sha512)\$(?P<key>[^$]{0,64})\$"
    r"|(?P<bare>md5|sha1|sha224|sha256|sha384|sha512)(?::(?P<salt>[^$]{1,64}))?"
    r"|(?P<half>md5/2)"
    r"|(?P<phpass>\$[PH]\$[./0-9A-Za-z]{9})",
    re.ASCII,
)

_PHPASS_SIGNS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PHPASS_LEAST, _PHPASS_MOST = 7, 17


@frozen
class WeakHash:
    """A weak hash, taken apart."""

    kind: str
    recipe: str
    digest: str
    makers: tuple[Maker, ...]
    """Several where nobody can tell from the text alone how it was made."""

    def matches(self, secret: bytes) -> bool:
        return any(hmac.compare_digest(make(secret), self.digest) for make in self.makers)


def weak_hash(stored: str) -> WeakHash | None:
    """The hash that *stored* is, if it is one of these."""
    kind, recipe, digest = _taken_apart(stored)
    makers = makers_of(recipe)
    return WeakHash(kind, recipe, digest, makers) if makers else None


def wrapped_with(recipe: str, argon2: str) -> str:
    """How a wrapped hash is written: *argon2* is the hash of the digest."""
    return f"wrapped:{recipe}{argon2}"


def unwrapped(stored: str) -> tuple[tuple[Maker, ...], str] | None:
    """Of a wrapped hash: what makes the digests that may have been wrapped, and the Argon2id hash. None for another."""
    match = _WRAPPED.fullmatch(stored)
    makers = () if match is None else makers_of(match[1])
    return None if match is None or not makers else (makers, match[2])


def makers_of(recipe: str) -> tuple[Maker, ...]:
    """What makes digests by *recipe*; nothing where it is none."""
    match = _RECIPE.fullmatch(recipe)
    if match is None:
        return ()
    if match["keyed"]:
        return _keyed_makers(match["keyed"], match["key"].encode())
    if match["half"]:
        return (lambda secret: _hex("md5", secret)[8:24],)
    if match["phpass"]:
        return _phpass_makers(match["phpass"])
    return _bare_makers(match["bare"], None if match["salt"] is None else match["salt"].encode())


def _taken_apart(stored: str) -> tuple[str, str, str]:
    """Kind, recipe and digest; empty texts where it is none of these."""
    if match := _KEYED.fullmatch(stored):
        if _ALGORITHM_OF_LENGTH.get(len(match[4])) == match[2]:
            return f"salted {match[2]}", match[1], match[4].lower()
    elif match := _BARE.fullmatch(stored):
        algorithm = _ALGORITHM_OF_LENGTH.get(len(match[1]))
        if algorithm is not None and match[2] is None:
            return algorithm, algorithm, match[1].lower()
        if algorithm is not None:
            return f"salted {algorithm}", f"{algorithm}:{match[2]}", match[1].lower()
    elif _HALF.fullmatch(stored):
        return "md5", "md5/2", stored.lower()
    elif match := _PHPASS.fullmatch(stored):
        return "phpass", match[1], match[4]
    return "", "", ""


def _keyed_makers(algorithm: str, salt: bytes) -> tuple[Maker, ...]:
    if not salt:
        return (lambda secret: _hex(algorithm, secret),)
    return (
        # Werkzeug: the salt is the key.
        lambda secret: hmac.new(salt, secret, algorithm).hexdigest(),
        # Django.
        lambda secret: _hex(algorithm, salt + secret),
    )


def _bare_makers(algorithm: str, salt: bytes | None) -> tuple[Maker, ...]:
    if salt is None:
        return (
            lambda secret: _hex(algorithm, secret),
            lambda secret: _hex(algorithm, _hex(algorithm, secret).encode()),
        )
    return (
        lambda secret: _hex(algorithm, secret + salt),
        lambda secret: _hex(algorithm, salt + secret),
        # Discuz! and vBulletin.
        lambda secret: _hex(algorithm, _hex(algorithm, secret).encode() + salt),
    )


def _phpass_makers(setting: str) -> tuple[Maker, ...]:
    exponent, salt = _PHPASS_SIGNS.index(setting[3]), setting[4:].encode()
    if not _PHPASS_LEAST <= exponent <= _PHPASS_MOST:
        return ()

    def make(secret: bytes) -> str:
        digest = _md5(salt + secret)
        for _ in range(1 << exponent):
            digest = _md5(digest + secret)
        return _phpass_text(digest)

    return (make,)


def _phpass_text(digest: bytes) -> str:
    """Base64 with other signs, the least significant first."""
    signs = []
    for start in range(0, len(digest), 3):
        part = digest[start : start + 3]
        number = int.from_bytes(part, "little")
        signs += [_PHPASS_SIGNS[number >> 6 * place & 63] for place in range(len(part) + 1)]
    return "".join(signs)


def _hex(algorithm: str, content: bytes) -> str:
    return hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()


def _md5(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()
