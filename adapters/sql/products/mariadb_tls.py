"""TLS for connections to MariaDB: verified over a network, unless the URL says otherwise.

The options are PyMySQL's. By default it uses TLS if the server offers it, and verifies nothing.
"""

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from attrs import field, frozen

from .network import CLEAR, UNCHECKED, UNNAMED, is_loopback

WORDS = frozenset(
    {
        *("ssl_disabled", "ssl_verify_cert", "ssl_verify_identity", "ssl_check_hostname"),
        *("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_key_password", "ssl_cipher"),
    }
)
"""What a URL may say about TLS; ``ssl_check_hostname`` is SQLAlchemy's name for ``ssl_verify_identity``."""

HINT = (
    "in the URL, the host must be a name that the server's certificate has, and ssl_ca the file of the authority that"
    " signed it; ssl_disabled=true goes without TLS (docs/stores.md)"
)
"""What to do if TLS has failed."""

_SWITCH = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


@frozen
class Tls:
    """Required TLS, and what is verified."""

    verifies_certificate: bool
    verifies_name: bool
    ca: str | None = None
    ca_folder: str | None = None
    certificate: str | None = None
    key: str | None = None
    key_password: str | None = field(default=None, repr=False)
    cipher: str | None = None

    def context(self) -> ssl.SSLContext:
        """The SSL context for such connections. Raises ValueError if a file cannot be used.

        It is made once, as reading the machine's authorities is slow, and again when a file has changed.
        """
        files = [self.ca, self.ca_folder, self.certificate, self.key]
        if self.ca is None and self.ca_folder is None:
            files.append(ssl.get_default_verify_paths().cafile)
        return _context(self, tuple(map(_stamp, files)))


@frozen
class Link:
    """Whether TLS is required, off, or used if the server can, and a line if others can read or change the traffic."""

    tls: Tls | None = None
    is_clear: bool = False
    exposure: str | None = None


def link_of(told: Mapping[str, Any]) -> Link:
    """The link for the options that PyMySQL is *told* by a URL. Raises ValueError for unusable ones."""
    words = {name: told[name] for name in sorted(WORDS & told.keys())}
    if several := [name for name in ("host", "unix_socket", *words) if isinstance(told.get(name), tuple)]:
        raise ValueError(f"{several[0]} is there more than once")
    is_local = _is_local(told)
    if _switch(words, "ssl_disabled"):
        return Link(is_clear=True, exposure=None if is_local else f"ssl_disabled=true: {CLEAR}")
    if is_local and words.keys() <= {"ssl_disabled"}:
        return Link()
    tls = _tls(words, is_local=is_local)
    return Link(tls, exposure=None if is_local else _exposure(tls))


def _tls(words: Mapping[str, str], *, is_local: bool) -> Tls:
    names_authority = "ssl_ca" in words or "ssl_capath" in words
    name = _switch(words, "ssl_verify_identity")
    if name is None:
        name = _switch(words, "ssl_check_hostname")
    certificate = _switch(words, "ssl_verify_cert")
    if certificate is None:
        certificate = names_authority or not is_local or name is True
    if name is None:
        name = certificate and (names_authority or not is_local)
    if "ssl_key" in words and "ssl_cert" not in words:
        raise ValueError("ssl_key needs ssl_cert, the certificate that it belongs to")
    return Tls(
        # A name proves nothing in a certificate whose signature is not verified.
        verifies_certificate=certificate or name,
        verifies_name=name,
        ca=words.get("ssl_ca"),
        ca_folder=words.get("ssl_capath"),
        certificate=words.get("ssl_cert"),
        key=words.get("ssl_key"),
        key_password=words.get("ssl_key_password"),
        cipher=words.get("ssl_cipher"),
    )


def _is_local(told: Mapping[str, Any]) -> bool:
    if told.get("unix_socket"):
        return True
    # An option file may name a host, which is not known here. Without such a file, no host means localhost.
    is_named_elsewhere = bool(told.get("read_default_file") or told.get("read_default_group"))
    return is_loopback(told["host"]) if told.get("host") else not is_named_elsewhere


def _switch(words: Mapping[str, str], name: str) -> bool | None:
    found = words.get(name)
    if found is None:
        return None
    if found.lower() not in _SWITCH:
        raise ValueError(f"{name} must be true or false")
    return _SWITCH[found.lower()]


def _exposure(tls: Tls) -> str | None:
    if not tls.verifies_certificate:
        return f"ssl_verify_cert=false: {UNCHECKED}"
    return None if tls.verifies_name else f"ssl_verify_identity=false: {UNNAMED}"


@lru_cache(maxsize=16)
def _context(tls: Tls, _stamps: tuple[object, ...]) -> ssl.SSLContext:
    if tls.verifies_certificate:
        with _usable("ssl_ca"):
            context = ssl.create_default_context(cafile=tls.ca, capath=tls.ca_folder)
        # Certificates that a server makes for itself lack extensions that RFC 5280 requires.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = tls.verifies_name
    context.verify_mode = ssl.CERT_REQUIRED if tls.verifies_certificate else ssl.CERT_NONE
    if tls.certificate is not None:
        with _usable("ssl_cert or ssl_key"):
            # Any password, as OpenSSL would otherwise ask for one on the terminal.
            context.load_cert_chain(tls.certificate, tls.key, tls.key_password or "")
    if tls.cipher is not None:
        with _usable("ssl_cipher"):
            context.set_ciphers(tls.cipher)
    return context


@contextmanager
def _usable(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(f"{name} cannot be used: {error.strerror or error}") from None


def _stamp(path: str | None) -> object:
    """A value that changes when the file at *path* does."""
    try:
        found = os.stat(path) if path is not None else None
    except OSError:
        return None
    return found and (found.st_ino, found.st_mtime_ns, found.st_size)
