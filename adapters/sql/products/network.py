"""What is between us and a database server: nothing, or a network on which others may be."""

from ipaddress import IPv6Address, ip_address

CLEAR = "without TLS, everybody on the network can read and change what goes over it, the database's password and all"
UNCHECKED = "nobody checks that it is the database that answers: who is on the way can read and change everything"
UNNAMED = "whoever has any certificate of that authority is taken for the database, and can read and change everything"
"""What there is to be said of a connection over a network that is less than TLS with a verified certificate and name."""


def is_loopback(host: str) -> bool:
    """Whether *host* is an address of the loopback, or ``localhost``.

    Another name may lead anywhere tomorrow, and another spelling of an address (``127.1``) is for the resolver to judge.
    """
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    # Once written in IPv6, an address of IPv4 is the same address (RFC 4291, 2.5.5.2).
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
