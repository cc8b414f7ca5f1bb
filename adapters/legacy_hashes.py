"""Werkzeug's PBKDF2 and scrypt (the tutorial's), in the spelling of each of its versions, and bcrypt.

They are only verified, never made; the first login replaces them. A form that is unknown, or needs an absurd amount of
work, matches nothing.
"""

import re

from .known_hashes import KnownHash, any_of, bcrypted, of_use, pbkdf2, scrypt

_DIGESTS = "md5|sha1|sha224|sha256|sha384|sha512"
_SALT_AND_DIGEST = r"\$([^$\ud800-\udfff]{1,64})\$([0-9a-f]+)"
_PBKDF2 = re.compile(rf"pbkdf2(?::({_DIGESTS})(?::([0-9]{{0,8}}))?)?{_SALT_AND_DIGEST}", re.ASCII)
_SCRYPT = re.compile(rf"scrypt(?::([0-9]{{1,8}}):([0-9]{{1,4}}):([0-9]{{1,4}}))?{_SALT_AND_DIGEST}", re.ASCII)

# The rounds of a hash that names none: each version of Werkzeug used its own default. These are the defaults of 0.9,
# 0.11, 0.15, 2.0, 2.3 and 3.1; all together take no more work than is allowed for one hash.
_DEFAULT_ROUNDS = (50_000, 1_000, 150_000, 260_000, 600_000, 1_000_000)
_DEFAULT_SCRYPT = (2**15, 8, 1)


def legacy_hash(stored: str) -> KnownHash | None:
    """*stored*, parsed, if it is one of these. Raises ValueError for a broken one, or TooCostly."""
    if match := _PBKDF2.fullmatch(stored):
        algorithm, salt, digest = match[1] or "sha256", match[3].encode(), bytes.fromhex(match[4])
        # Zero counted as unspecified.
        named = int(match[2] or 0)
        checks = [pbkdf2(algorithm, rounds, salt, digest) for rounds in ([named] if named else _DEFAULT_ROUNDS)]
        return of_use("pbkdf2", any_of(checks))
    if match := _SCRYPT.fullmatch(stored):
        n, r, p = _DEFAULT_SCRYPT if match[1] is None else (int(number) for number in match.groups()[:3])
        return of_use("scrypt", scrypt(n, r, p, match[4].encode(), bytes.fromhex(match[5])))
    if stored.startswith("$2"):
        return of_use("bcrypt", bcrypted(stored))
    return None
