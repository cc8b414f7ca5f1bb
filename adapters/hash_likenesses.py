"""Which stored hashes take the same work, by their text, so that a database can skip those like one already known."""

import re

from ..domain.passwords import HashLikeness

_ARGON2 = r"\$argon2(?:id|i|d)\$(?:v=[0-9]+\$)?m=[0-9]+,t=[0-9]+,p=[0-9]+\$"
_BCRYPT = r"\$2[abxy]\$[0-9]+\$"

# The cost is in their prefix.
_BY_BEGINNING = re.compile(
    rf"(?:argon2|\{{argon2[^}}]*\}})?{_ARGON2}"
    # Werkzeug's.
    r"|pbkdf2[^$_]*\$|scrypt:[^$]*\$"
    # Django's.
    r"|pbkdf2_[a-z0-9]+\$[0-9]+\$"
    # Without the salt, and with what Django and Spring put first.
    rf"|(?:bcrypt(?:_sha256)?\$|\{{bcrypt[^}}]*\}})?{_BCRYPT}"
    # Spring's; the oldest name no cost.
    r"|\{pbkdf2[^}]*\}|\{scrypt[^}]*\}\$[0-9a-f]+\$"
    # passlib's.
    r"|\$(?:pbkdf2[^$]*|scrypt|bcrypt-sha256)\$[^$]*\$"
    r"|\$[PH]\$.",
    re.ASCII,
)

_DJANGO_SCRYPT = re.compile(r"(scrypt\$[0-9]+\$)[^$]*(\$[0-9]+\$[0-9]+\$)", re.ASCII)

# The recipe without its salt. A hash without a salt takes fewer tries, so it must not stand for those with one.
_WRAPPED = re.compile(r"wrapped:(?:\$[PH]\$.|[a-z0-9]+(?:/2|:|\$argon2id\$v|\$\$|\$))", re.ASCII)
_WITHIN = re.compile(_ARGON2, re.ASCII)


def likeness_of(stored: str) -> HashLikeness | None:
    """For a hash that can be verified: which others take no more work; None if their text does not show it."""
    if (match := _WRAPPED.match(stored)) and (within := _WITHIN.search(stored)):
        return HashLikeness(match[0], within[0])
    if match := _DJANGO_SCRYPT.match(stored):
        return HashLikeness(match[1], match[2])
    if match := _BY_BEGINNING.match(stored):
        return HashLikeness(match[0])
    return None
