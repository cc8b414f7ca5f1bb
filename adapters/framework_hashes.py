"""Hashes as Django, Spring Security and passlib spell them. They are verified, never made; the first login replaces them.

Each is parsed into the salt, the digest and the cost of PBKDF2, scrypt or bcrypt. An unknown form matches nothing; so
does Spring's ``{noop}``, a password in clear text.
"""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode

from .known_hashes import Check, KnownHash, bcrypted, of_use, pbkdf2, scrypt

_DJANGO_PBKDF2 = re.compile(r"pbkdf2_(sha1|sha256)\$([0-9]{1,8})\$([!-#%-~]{1,128})\$([A-Za-z0-9+/=]{1,128})", re.ASCII)
_DJANGO_SCRYPT = re.compile(
    r"scrypt\$([0-9]{1,8})\$([!-#%-~]{1,128})\$([0-9]{1,4})\$([0-9]{1,4})\$([A-Za-z0-9+/=]{1,128})", re.ASCII
)
_DJANGO_BCRYPT = re.compile(r"bcrypt(_sha256)?\$(\$2[aby]\$.+)", re.ASCII)

_SPRING = re.compile(r"\{(bcrypt|pbkdf2|scrypt)(@SpringSecurity_v5_8)?\}(.+)", re.ASCII)
_SPRING_SCRYPT = re.compile(r"\$([0-9a-f]{5,6})\$([A-Za-z0-9+/=]{1,128})\$([A-Za-z0-9+/=]{1,128})", re.ASCII)
_SPRING_DIGEST_BYTES = 32

_PASSLIB_PBKDF2 = re.compile(
    r"\$pbkdf2(-sha256|-sha512)?\$([0-9]{1,8})\$([A-Za-z0-9./]{1,128})\$([A-Za-z0-9./]{1,128})", re.ASCII
)
_PASSLIB_SCRYPT = re.compile(
    r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,4}),p=([0-9]{1,4})\$([A-Za-z0-9+/]{1,128})\$([A-Za-z0-9+/]{1,128})", re.ASCII
)
_PASSLIB_SCRYPT_BYTES = 32
_PASSLIB_BCRYPT = re.compile(
    r"\$bcrypt-sha256\$(v=2,t=)?(2[ab]),(?:r=)?([0-9]{1,2})\$([./A-Za-z0-9]{22})\$([./A-Za-z0-9]{31})", re.ASCII
)

_ARGON2 = re.compile(r"(?:argon2|\{argon2(?:@SpringSecurity_v5_8)?\})(\$argon2(?:id|i|d)\$.+)", re.ASCII)


def argon2_within(stored: str) -> str:
    """The Argon2 hash without the prefix that Django or Spring puts before it."""
    match = _ARGON2.fullmatch(stored)
    return stored if match is None else match[1]


def framework_hash(stored: str) -> KnownHash | None:
    """*stored*, parsed, if it is one of these. Raises ValueError for a broken one, or TooCostly."""
    for name, read in (("django", _django), ("spring", _spring), ("passlib", _passlib)):
        check = read(stored)
        if check is not None:
            return of_use(name, check)
    return None


def _django(stored: str) -> Check | None:
    if match := _DJANGO_PBKDF2.fullmatch(stored):
        return pbkdf2(match[1], int(match[2]), match[3].encode(), b64decode(match[4], validate=True))
    if match := _DJANGO_SCRYPT.fullmatch(stored):
        n, r, p = int(match[1]), int(match[3]), int(match[4])
        return scrypt(n, r, p, match[2].encode(), b64decode(match[5], validate=True))
    if match := _DJANGO_BCRYPT.fullmatch(stored):
        check = bcrypted(match[2])
        if match[1] is None:
            return check
        return Check(lambda secret: check.matches(hashlib.sha256(secret).hexdigest().encode()), check.work)
    return None


def _spring(stored: str) -> Check | None:
    match = _SPRING.fullmatch(stored)
    if match is None:
        return None
    kind, is_newer, text = match[1], match[2] is not None, match[3]
    if kind == "bcrypt":
        return bcrypted(text)
    if kind == "pbkdf2":
        salt_and_digest = bytes.fromhex(text)
        salt, digest = salt_and_digest[:-_SPRING_DIGEST_BYTES], salt_and_digest[-_SPRING_DIGEST_BYTES:]
        algorithm, rounds, salt_bytes = ("sha256", 310_000, 16) if is_newer else ("sha1", 185_000, 8)
        if len(salt) != salt_bytes:
            raise ValueError
        return pbkdf2(algorithm, rounds, salt, digest, _SPRING_DIGEST_BYTES)
    parts = _SPRING_SCRYPT.fullmatch(text)
    if parts is None:
        return None
    # The exponent of n in the first 16 bits, then 8 bits for r and for p.
    cost = int(parts[1], 16)
    n, r, p = 1 << min(cost >> 16, 30), cost >> 8 & 0xFF, cost & 0xFF
    salt, digest = b64decode(parts[2], validate=True), b64decode(parts[3], validate=True)
    return scrypt(n, r, p, salt, digest, _SPRING_DIGEST_BYTES)


def _passlib(stored: str) -> Check | None:
    if match := _PASSLIB_PBKDF2.fullmatch(stored):
        algorithm = (match[1] or "-sha1").removeprefix("-")
        return pbkdf2(algorithm, int(match[2]), _unpadded(match[3]), _unpadded(match[4]))
    if match := _PASSLIB_SCRYPT.fullmatch(stored):
        n, r, p = 1 << min(int(match[1]), 30), int(match[2]), int(match[3])
        return scrypt(n, r, p, _unpadded(match[4]), _unpadded(match[5]), _PASSLIB_SCRYPT_BYTES)
    if match := _PASSLIB_BCRYPT.fullmatch(stored):
        is_keyed, ident, cost, salt, digest = match.groups()
        check = bcrypted(f"${ident}${int(cost):02}${salt}{digest}")

        def matches_digest(secret: bytes) -> bool:
            # The second version keys its first digest with the salt.
            first = hmac.digest(salt.encode(), secret, "sha256") if is_keyed else hashlib.sha256(secret).digest()
            return check.matches(b64encode(first))

        return Check(matches_digest, check.work)
    return None


def _unpadded(text: str) -> bytes:
    """Base64 without padding, whose plus sign passlib may write as a dot."""
    return b64decode(text.replace(".", "+") + "=" * (-len(text) % 4), validate=True)
