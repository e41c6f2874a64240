"""Addresses of HTTP clients."""

from __future__ import annotations

from tests.every import every
from twin.aggregator.http_client import client_of


@every(
    "host, client",
    [
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("/run/twin.sock", "/run/twin.sock"),
    ],
)
def test_a_client_is_an_address_or_an_ipv6_network(host: str, client: str) -> None:
    """A client with a network of its own is one client, however many addresses it uses."""
    assert client_of(host) == client
