"""The secret that signs the tokens: where it comes from, and which values are refused."""

import os
import re
import secrets
from itertools import pairwise
from pathlib import Path

from .places import Place
from .secret_text import one_secret_text, read_secret_text
from .settings import PREFIX, SettingInvalid, Settings

MINIMUM_BYTES = 32
"""HS256 requires a key as long as its hash (RFC 7518, 3.2)."""

FILE_NAME = "secret.key"

# Secrets from tutorials and templates that are long enough to be accepted otherwise.
_KNOWN = frozenset(
    {
        b"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        b"a-string-secret-at-least-256-bits-long",
        b"your-256-bit-secret-your-256-bit-secret",
        b"change-me-change-me-change-me-change-me",
    }
)
_PLACEHOLDER = re.compile(
    rb"(xpay|django|flask|insecure|production|please|secret|change|your|this|here|min|chars|in|is|my|super|very|key|jwt"
    rb"|password|example|default|me|[0-9]|[!-/:-@\[-`{-~ ])+",
    re.IGNORECASE,
)
# PEM and SSH2, OpenSSH in text and in binary, DER (an ASN.1 SEQUENCE) and its base64, JWK.
_KEY_OF_ANOTHER_KIND = re.compile(
    rb"---- ?BEGIN|ssh-|ecdsa-|AAAA[A-Z][23]NzaC1|^\x30[\x2a\x59\x81\x82]|^MI[GI][A-Za-z0-9]|^M[CF][kow]w|\x22kty|u006b"
)


def secret_place(settings: Settings) -> Place:
    """Where the secret is kept if no setting names one."""
    return Place(settings.data_dir / FILE_NAME, f"{PREFIX}DATA_DIR")


def find_secret(settings: Settings) -> bytes | None:
    """The secret that the settings name, or the one made earlier; None if there is none yet. Raises SettingInvalid."""
    if settings.secret_key is not None:
        secret = settings.secret_key.encode("utf-8", "surrogateescape")
        return _checked(one_secret_text(secret, f"{PREFIX}SECRET_KEY"), f"{PREFIX}SECRET_KEY")
    if settings.secret_key_file is not None:
        name = f"{PREFIX}SECRET_KEY_FILE"
        return _checked(read_secret_text(settings.secret_key_file, name), name)
    made = secret_place(settings)
    # A dangling link is no reason to make another secret.
    if not made.is_there:
        return None
    made.check_readable()
    return _checked(_read(made.file), str(made.file))


def make_secret(settings: Settings) -> tuple[bytes, Path]:
    """Store 256 fresh random bits in the data folder, readable only by the owner.

    If several processes do so at once, one wins, and all return its secret.
    """
    path = settings.data_dir / FILE_NAME
    draft = path.with_name(f"{FILE_NAME}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(_fresh() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link appears at once, and never replaces another file.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    return _checked(_read(path), str(path)), path


def _fresh() -> bytes:
    """256 random bits as text, except the rare one that looks like a key of another kind."""
    while _KEY_OF_ANOTHER_KIND.search(secret := secrets.token_urlsafe(32).encode()):
        pass
    return secret


def _read(made: Path) -> bytes:
    return read_secret_text(made, str(made))


def _checked(secret: bytes, name: str) -> bytes:
    if len(secret) < MINIMUM_BYTES:
        raise SettingInvalid(
            f"{name}: the secret has {len(secret)} bytes and must have at least {MINIMUM_BYTES} bytes; "
            "`openssl rand -hex 32` makes a good one"
        )
    if _KEY_OF_ANOTHER_KIND.search(secret.replace(b"\0", b"")):
        raise SettingInvalid(f"{name}: this is a key of another kind, and may be public (RFC 8725, 2.1)")
    if secret.lower() in _KNOWN or _PLACEHOLDER.fullmatch(secret) or _is_patterned(secret):
        raise SettingInvalid(f"{name}: this secret is known to everybody or easy to guess; make one of your own")
    return secret


def _is_patterned(secret: bytes) -> bool:
    """Few different characters, one repeated part, or mostly characters in alphabetical order."""
    repeats = secret in (secret + secret)[1:-1]
    steps = sum(after - before == 1 for before, after in pairwise(secret))
    return repeats or len(set(secret)) < 8 or steps > len(secret) // 2
