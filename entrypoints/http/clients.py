"""Whose address a request came from."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import falcon

from ..settings import IpNetwork


def client_address(req: falcon.Request, trusted_proxies: Iterable[IpNetwork]) -> str:
    """The address of the caller (ASVS 4.1.3).

    That is the peer of the socket; only where the peer is one of the operator's own proxies is ``X-Forwarded-For``
    read, from its end, up to the first address that is none of them. A caller can write what he likes before that.
    """
    peer: str = req.env.get("REMOTE_ADDR", "")
    address = _parsed(peer)
    if address is None:
        return peer
    if not _is_in(address, trusted_proxies):
        return str(address)
    for text in reversed((req.get_header("X-Forwarded-For") or "").split(",")):
        hop = _parsed(text.strip())
        if hop is None:
            break
        address = hop
        if not _is_in(hop, trusted_proxies):
            break
    return str(address)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A dual-stack socket shows IPv4 peers as ::ffff:a.b.c.d.
    return getattr(address, "ipv4_mapped", None) or address


def _is_in(address: IPv4Address | IPv6Address, networks: Iterable[IpNetwork]) -> bool:
    return any(
        isinstance(network, IPv6Network) == (address.version == 6) and address in network for network in networks
    )
