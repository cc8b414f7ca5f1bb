"""TLS for connections to PostgreSQL: verified over a network, unless the URL says otherwise.

By default libpq uses TLS if the server offers it (``sslmode=prefer``). An attacker in between can claim that the server
does not, and read everything (https://www.postgresql.org/docs/current/libpq-ssl.html, table 34.1).
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
"""What to do if TLS has failed."""

_FALLS_BACK = frozenset({"allow", "prefer"})

_EXPOSED = {"disable": CLEAR, "require": UNCHECKED, "verify-ca": UNNAMED}

# The files in which systems keep their trusted authorities. The OpenSSL that comes with psycopg knows none of them.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@frozen
class Link:
    """Options for the driver besides those in the URL, and a line if others can read or change the traffic."""

    arguments: Mapping[str, str]
    exposure: str | None = None


@frozen
class _Options:
    """The options that libpq uses: those it is *told* by the URL, and those from the environment."""

    told: Mapping[str, Any]
    surroundings: Mapping[str, str | None]

    def __getitem__(self, name: str) -> str:
        return str(self.told.get(name) or self.surroundings.get(name) or "")


def link_of(told: Mapping[str, Any], surroundings: Mapping[str, str | None], roots: str | None) -> Link:
    """The link for the options that the driver is *told* by the URL. Raises ValueError if they may fall back to no TLS.

    *surroundings*: each option of libpq, with its value from the environment (``PGHOST`` and the like), if any.
    *roots*: the file with the trusted authorities if none is named; None if libpq finds one itself.
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
    # The machine's authorities sign for anybody: without the name, this proves nothing. A service file may name others.
    if mode == VERIFIED and options["sslrootcert"] in {"", "system"} and roots is not None and not options["service"]:
        arguments["sslrootcert"] = roots
    # Without TLS, we prove that we know the password without sending it.
    if mode == "disable" and "require_auth" in surroundings and not options["require_auth"]:
        arguments["require_auth"] = "!password"
    return Link(arguments, f"sslmode={mode}: {_EXPOSED[mode]}" if mode in _EXPOSED else None)


def machine_roots() -> str | None:
    """The file with the authorities that this machine trusts; None if libpq's own file exists, which comes first."""
    if exists(expanduser("~/.postgresql/root.crt")):
        return None
    files = (ssl.get_default_verify_paths().cafile, *_BUNDLES)
    return next((each for each in files if each and exists(each)), "system")


def _is_local(options: _Options) -> bool:
    # A service file may name a host, which is not known here.
    if options.told.get("service"):
        return False
    hosts, addresses = options["host"].split(","), options["hostaddr"].split(",")
    # The address is where to connect to, and the host is whom to expect there, as at the far end of a tunnel.
    return all(_is_here(host) and _is_here(address) for host, address in zip_longest(hosts, addresses, fillvalue=""))


def _is_here(host: str) -> bool:
    # An empty host means the system's socket; the path of a socket begins with a slash, the name of an abstract one
    # with @.
    return host == "" or host.startswith(("/", "@")) or is_loopback(host)
