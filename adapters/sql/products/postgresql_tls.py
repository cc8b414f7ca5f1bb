"""Which TLS a connection to PostgreSQL has: over a network one that is verified, unless it is told otherwise.

By itself libpq takes TLS where the server offers it (``sslmode=prefer``): who is on the way says that the server does not,
and reads everything (https://www.postgresql.org/docs/current/libpq-ssl.html, table 34.1).
"""

import ssl
from collections.abc import Mapping
from itertools import zip_longest
from os.path import exists, expanduser
from typing import Any

from attrs import frozen

from .network import CLEAR, UNCHECKED, UNNAMED, is_loopback

VERIFIED = "verify-full"

_ASKED = ("host", "hostaddr", "service", "sslmode", "sslrootcert", "require_auth")

HINT = (
    "in the URL, the host must be a name that the server's certificate has, and sslrootcert the file of the authority that"
    " signed it; sslmode=disable goes without TLS (docs/stores.md)"
)
"""What to do where TLS has failed."""

_FALLS_BACK = frozenset({"allow", "prefer"})

_EXPOSED = {"disable": CLEAR, "require": UNCHECKED, "verify-ca": UNNAMED}

# Where systems keep the authorities that they believe, in one file. The OpenSSL that comes with psycopg knows none of them.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@frozen
class Link:
    """What the driver is told beside what is in the URL, and a line where others can read or change what goes over it."""

    arguments: Mapping[str, str]
    exposure: str | None = None


@frozen
class _Options:
    """What libpq goes by: what it is *told* by the URL, and what the environment has for each option that it knows."""

    told: Mapping[str, Any]
    surroundings: Mapping[str, str | None]

    def __getitem__(self, name: str) -> str:
        return str(self.told.get(name) or self.surroundings.get(name) or "")


def link_of(told: Mapping[str, Any], surroundings: Mapping[str, str | None], roots: str | None) -> Link:
    """The link for what the driver is *told* by the URL. Raises ValueError where that may fall back to no TLS.

    *surroundings*: each option that libpq knows, with what the environment has for it (``PGHOST`` and the like), if it has.
    *roots*: the file with the authorities that are believed where none is named; None where libpq finds one itself.
    """
    if several := [name for name in _ASKED if isinstance(told.get(name), tuple)]:
        raise ValueError(f"{several[0]} is there more than once")
    options = _Options(told, surroundings)
    if _is_local(options):
        return Link({})
    mode = options["sslmode"] or VERIFIED
    if mode in _FALLS_BACK:
        raise ValueError(
            f"sslmode={mode} goes without TLS where somebody on the way wishes so:"
            " leave it out (verify-full), or write verify-full, verify-ca, require or disable"
        )
    arguments = {"sslmode": mode}
    # The machine's authorities sign for anybody: without the name, that proves nothing. A service file may name others.
    if mode == VERIFIED and options["sslrootcert"] in {"", "system"} and roots is not None and not options["service"]:
        arguments["sslrootcert"] = roots
    # Without TLS, we prove that we know the password, and do not tell it.
    if mode == "disable" and "require_auth" in surroundings and not options["require_auth"]:
        arguments["require_auth"] = "!password"
    return Link(arguments, f"sslmode={mode}: {_EXPOSED[mode]}" if mode in _EXPOSED else None)


def machine_roots() -> str | None:
    """The file with the authorities that this machine believes; None where libpq's own file is there, which then counts."""
    if exists(expanduser("~/.postgresql/root.crt")):
        return None
    files = (ssl.get_default_verify_paths().cafile, *_BUNDLES)
    return next((each for each in files if each and exists(each)), "system")


def _is_local(options: _Options) -> bool:
    # What a service file names is not known here.
    if options.told.get("service"):
        return False
    hosts, addresses = options["host"].split(","), options["hostaddr"].split(",")
    # The address is where to connect to, the host beside it whom to expect there, such as at the far end of a tunnel.
    return all(_is_here(host) and _is_here(address) for host, address in zip_longest(hosts, addresses, fillvalue=""))


def _is_here(host: str) -> bool:
    # None means the system's socket; others are told by their path, or by a name that is no path.
    return host == "" or host.startswith(("/", "@")) or is_loopback(host)
