"""Secrets as text: the same text is the same secret, from a file or a variable."""

from pathlib import Path

from .settings import SettingInvalid

_BLANKS = " \t\r\n\v\f\0\u00a0\u200b\ufeff"
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_secret_text(path: Path, name: str) -> bytes:
    """The secret in the file at *path*, which the setting *name* names. Raises what ``one_secret_text`` raises."""
    shown = str(path) if str(path).isprintable() else repr(str(path))
    try:
        secret = path.read_bytes()
    except OSError as error:
        target = f" (it leads to {path.readlink()})" if path.is_symlink() else ""
        raise SettingInvalid(f"{name}: {shown}{target} cannot be read: {error.strerror}") from None
    except ValueError:
        raise SettingInvalid(f"{name}: {shown} is no path") from None
    return one_secret_text(secret, name)


def one_secret_text(secret: bytes, name: str) -> bytes:
    """*secret* without the line break that an editor or a shell adds at its end.

    Raises SettingInvalid, beginning with *name*, for invisible differences that would make another secret of the same
    text: a byte order mark, UTF-16, blanks around it. Data that is not text, such as random bytes, is used as it is.
    """
    if _is_utf16(secret):
        raise SettingInvalid(f"{name}: it is UTF-16; save it as plain UTF-8")
    secret = secret.rstrip(b"\r\n")
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return secret
    if text.startswith("\ufeff"):
        raise SettingInvalid(f"{name}: it begins with a byte order mark; save it as UTF-8 without one")
    if text.strip(_BLANKS) != text:
        raise SettingInvalid(f"{name}: there are blanks around it; remove them")
    return secret


def _is_utf16(secret: bytes) -> bool:
    """Whether it is text in UTF-16, with its mark, or recognisable by the zero bytes of ASCII characters."""
    if not secret.startswith(_BYTE_ORDER_MARKS):
        return secret.count(b"\0") * 2 >= len(secret) > 0 and secret.replace(b"\0", b"").isascii()
    try:
        return "".join(secret.decode("utf-16").split()).isprintable()
    except UnicodeDecodeError:
        return False
