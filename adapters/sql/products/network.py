"""Whether there is a network, on which others may be, between us and a database server."""

from ipaddress import IPv6Address, ip_address

CLEAR = "without TLS, everybody on the network can read and change what goes over it, the database's password and all"
UNCHECKED = "nobody checks that it is the database that answers: who is on the way can read and change everything"
UNNAMED = "whoever has any certificate of that authority is taken for the database, and can read and change everything"
"""The warning for a connection over a network without TLS with a verified certificate and name."""


def is_loopback(host: str) -> bool:
    """Whether *host* is an address of the loopback, or ``localhost``.

    Another name may resolve to anything later, and other spellings of an address (``127.1``) depend on the resolver.
    """
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    # An IPv4 address written as IPv6 is the same address (RFC 4291, 2.5.5.2).
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
