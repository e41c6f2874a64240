"""Clients of the HTTP interface, identified by their addresses."""

from __future__ import annotations

import ipaddress

__all__ = ["client_of", "on_this_machine"]

_OWN_NETWORK = 64
"""Leading bits of an IPv6 address that a client cannot choose: a network has the others."""


def on_this_machine(host: str) -> bool:
    """Return whether a peer's address is this machine's loopback."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def client_of(host: str) -> str:
    """Return what one client has in common over all of its connections.

    Args:
        host: address of the peer.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), _OWN_NETWORK), strict=False))
    return str(address)
