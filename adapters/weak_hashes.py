"""Hashes of only a digest or two: old Werkzeug's and Django's, plain and salted ones of PHP, phpass.

A stolen table of them is cracked in an afternoon. So they are not only verified, and replaced at the first login, but
also *wrapped*: the digest itself is hashed by Argon2id and is no longer stored. A wrapped hash begins with ``wrapped:``
and a recipe, which is the weak hash without its digest.
"""

import hashlib
import hmac
import re
from collections.abc import Callable

from attrs import frozen

from .hash_work import PHPASS_BYTES, Phpass, Work, no_work, phpass_rounds, work
from .known_hashes import Check

Maker = Callable[[bytes], str]
"""Makes the text of a digest, as it was stored, from a secret."""

_ALGORITHM_OF_LENGTH = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}

# Of Werkzeug before 3.0, and in the same spelling of Django before 5.1.
_KEYED = re.compile(
    r"((md5|sha1|sha224|sha256|sha384|sha512)\$([^$\ud800-\udfff]{0,64})\$)([0-9a-fA-F]{32,128})", re.ASCII
)
_BARE = re.compile(r"([0-9a-fA-F]{32,128})(?::([^$\ud800-\udfff]{1,64}))?", re.ASCII)
# The middle half of an MD5.
_HALF = re.compile(r"[0-9a-f]{16}|[0-9A-F]{16}", re.ASCII)
_PHPASS = re.compile(r"(\$[PH]\$([./0-9A-Za-z])([./0-9A-Za-z]{8}))([./0-9A-Za-z]{22})", re.ASCII)

# A salt may contain any character except a dollar sign, even a line feed.
_WRAPPED = re.compile(r"wrapped:(.+?)(\$argon2id\$v=19\$.+)", re.DOTALL)
_RECIPE = re.compile(
    r"(?P<keyed>md5|sha1|sha224|sha256|sha384|sha512)\$(?P<key>[^$]{0,64})\$"
    r"|(?P<bare>md5|sha1|sha224|sha256|sha384|sha512)(?::(?P<salt>[^$]{1,64}))?"
    r"|(?P<half>md5/2)"
    r"|(?P<phpass>\$[PH]\$[./0-9A-Za-z]{9})",
    re.ASCII,
)

_PHPASS_CHARACTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PHPASS_LEAST, _PHPASS_MOST = 7, 17


@frozen
class WeakHash:
    """A weak hash, parsed."""

    kind: str
    recipe: str
    digest: str
    making: "Making"

    @property
    def check(self) -> Check:
        def matches(secret: bytes) -> bool:
            return any(hmac.compare_digest(make(secret), self.digest) for make in self.making.makers)

        return Check(matches, self.making.work)


@frozen
class Making:
    """How the digests of a recipe are made."""

    makers: tuple[Maker, ...]
    """Several if the text alone does not show how it was made."""
    work: Work
    """The work of all of them together. A digest or two count as nothing."""


def weak_hash(stored: str) -> WeakHash | None:
    """*stored*, parsed, if it is one of these."""
    kind, recipe, digest = _taken_apart(stored)
    making = making_of(recipe)
    return None if making is None else WeakHash(kind, recipe, digest, making)


def wrapped_with(recipe: str, argon2: str) -> str:
    """The text of a wrapped hash: *argon2* is the hash of the digest."""
    return f"wrapped:{recipe}{argon2}"


def unwrapped(stored: str) -> tuple[Making, str] | None:
    """For a wrapped hash: how the wrapped digest may have been made, and the Argon2id hash. None for any other hash."""
    match = _WRAPPED.fullmatch(stored)
    making = None if match is None else making_of(match[1])
    return None if match is None or making is None else (making, match[2])


def making_of(recipe: str) -> Making | None:
    """How digests are made by *recipe*; None if it is not a recipe."""
    match = _RECIPE.fullmatch(recipe)
    if match is None:
        return None
    if match["keyed"]:
        return Making(_keyed_makers(match["keyed"], match["key"].encode()), no_work())
    if match["half"]:
        return Making((lambda secret: _hex("md5", secret)[8:24],), no_work())
    if match["phpass"]:
        return _phpass_making(match["phpass"])
    salt = None if match["salt"] is None else match["salt"].encode()
    return Making(_bare_makers(match["bare"], salt), no_work())


def _taken_apart(stored: str) -> tuple[str, str, str]:
    """Kind, recipe and digest; empty texts if it is none of these."""
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


def _phpass_making(setting: str) -> Making | None:
    exponent, salt = _PHPASS_CHARACTERS.index(setting[3]), setting[4:].encode()
    if not _PHPASS_LEAST <= exponent <= _PHPASS_MOST:
        return None
    # The first is over the salt.
    rounds = (1 << exponent) + 1

    def make(secret: bytes) -> str:
        digest = _phpass_text(phpass_rounds(salt, secret, rounds))
        # phpass makes no hash of such a password, so the part that is read must not match either.
        return digest if len(secret) <= PHPASS_BYTES else ""

    return Making((make,), work(Phpass(), rounds))


def _phpass_text(digest: bytes) -> str:
    """Base64 with other characters, the least significant first."""
    characters = []
    for start in range(0, len(digest), 3):
        part = digest[start : start + 3]
        number = int.from_bytes(part, "little")
        characters += [_PHPASS_CHARACTERS[number >> 6 * place & 63] for place in range(len(part) + 1)]
    return "".join(characters)


def _hex(algorithm: str, content: bytes) -> str:
    return hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
