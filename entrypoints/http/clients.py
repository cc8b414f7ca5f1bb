"""Where a request comes from: the address, and what the client says about its device."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import falcon
from attrs import frozen

from ...domain.devices import Client, Device, DeviceInvalid, DeviceType
from ..setting_values import IpNetwork
from .guard import principal_if_any
from .json_body import optional_bool_member, optional_object_member, optional_text_member

_MAX_USER_AGENT = 256


@frozen
class Clients:
    """Finds out who calls."""

    trusted_proxies: tuple[IpNetwork, ...] = ()

    def of(self, req: falcon.Request) -> Client:
        """The client that the transport saw; behind a guard, with the device of the session."""
        principal = principal_if_any(req)
        device = Device() if principal is None else principal.session.device
        return Client(device=device, address=self.address(req), user_agent=_user_agent(req))

    def logging_in(self, req: falcon.Request, body: dict[str, Any]) -> Client:
        """The same, with the device that a login names. Raises MemberInvalid, DeviceInvalid."""
        device = optional_object_member(body, "device")
        return Client(
            device=Device() if device is None else _device_from(device),
            remember=optional_bool_member(body, "remember"),
            address=self.address(req),
            user_agent=_user_agent(req),
        )

    def address(self, req: falcon.Request) -> str:
        return client_address(req, self.trusted_proxies)

    def is_proxy(self, req: falcon.Request) -> bool:
        """Whether the peer of the socket is one of the operator's proxies."""
        peer = _parsed(req.env.get("REMOTE_ADDR", ""))
        return peer is not None and _is_in(peer, self.trusted_proxies)


UNREADABLE = "unreadable"
"""The address of a caller for whom our proxy sent something that is not an address: never the proxy's own address."""

_MAX_PEER = 64


def client_address(req: falcon.Request, trusted_proxies: Iterable[IpNetwork]) -> str:
    """The address of the caller (ASVS 4.1.3), or UNREADABLE.

    This is the peer of the socket. Only if the peer is one of the operator's proxies is ``X-Forwarded-For`` read, from
    its end, up to the first address that is not one of them. A caller can write anything before that.
    """
    peer: str = req.env.get("REMOTE_ADDR", "")
    address = _parsed(peer)
    if address is None:
        return peer[:_MAX_PEER]
    hops = [hop for hop in (req.get_header("X-Forwarded-For") or "").split(",") if hop.strip(_BLANKS)]
    while hops and _is_in(address, trusted_proxies):
        hop = _parsed(_without_port(hops.pop().strip(_BLANKS)))
        if hop is None:
            return UNREADABLE
        address = hop
    return str(address)


def _device_from(device: dict[str, Any]) -> Device:
    name = optional_text_member(device, "type")
    try:
        device_type = DeviceType.OTHER if name is None else DeviceType(name)
    except ValueError:
        raise DeviceInvalid from None
    return Device(type=device_type, id=optional_text_member(device, "id"), name=optional_text_member(device, "name"))


def _user_agent(req: falcon.Request) -> str | None:
    """Cut, since it is only a hint for people; characters that we do not keep become question marks."""
    text = req.get_header("User-Agent")
    if text is None:
        return None
    return "".join(character if character.isprintable() else "?" for character in text[:_MAX_USER_AGENT])


_BLANKS = " \t"
_WITH_PORT = re.compile(r"(?:\[([^\]]+)\]|([0-9.]+))(?::[0-9]{1,5})?", re.ASCII)


def _without_port(hop: str) -> str:
    """Proxies write ``ip:port`` and ``[v6]:port`` as well."""
    match = _WITH_PORT.fullmatch(hop)
    return hop if match is None else match[1] or match[2]


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    # After a % comes the name of an interface, which is any text and means nothing elsewhere.
    plain, _, _ = text.partition("%")
    try:
        address = ip_address(plain)
    except ValueError:
        return None
    # A dual-stack socket shows IPv4 peers as ::ffff:a.b.c.d.
    return getattr(address, "ipv4_mapped", None) or address


def _is_in(address: IPv4Address | IPv6Address, networks: Iterable[IpNetwork]) -> bool:
    return any(
        isinstance(network, IPv6Network) == (address.version == 6) and address in network for network in networks
    )
