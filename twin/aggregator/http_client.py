"""Clients of the HTTP interface, identified by their addresses."""

from __future__ import annotations

import ipaddress

__all__ = ["client_of", "on_this_machine"]

_OWN_NETWORK = 64
"""Leading bits of an IPv6 address that a client cannot choose: a network has the others."""


def on_this_machine(host: str) -> bool:
    """Return whether a peer's address is this machine's loopback."""
    address = _address_of(host)
    return address is not None and address.is_loopback


def client_of(host: str) -> str:
    """Return what one client has in common over all of its connections.

    Args:
        host: address of the peer.
    """
    address = _address_of(host)
    if address is None:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), _OWN_NETWORK), strict=False))
    return str(address)


def _address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return a peer's address, IPv4 as such also where IPv6 carries it; None for a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
