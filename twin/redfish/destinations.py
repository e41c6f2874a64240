"""Destinations of events: only where the operator said, so that no client leads us elsewhere."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from twin.errors import ConfigError

__all__ = ["Destinations"]

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_PORTS = {"http": 80, "https": 443}
_MOST_LETTERS = 2048
_HOST = re.compile(r"(\*\.)?[a-z0-9_.-]+|[0-9a-f:]+")


@dataclass(frozen=True, slots=True)
class _AllowedHost:
    """A host that may be sent to, at one port or at any."""

    host: str
    port: int | None

    def fits(self, host: str, port: int) -> bool:
        if self.port not in {None, port}:
            return False
        if self.host.startswith("*."):
            return host.endswith(self.host[1:])
        return host == self.host


class Destinations:
    """The hosts that events may be sent to.

    Args:
        texts: each a name or an address with or without a port, ``*.example.org`` for the names
            below one, or addresses such as ``10.0.0.0/8``; none for nowhere.

    Raises:
        ConfigError: one is none of these.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._places: list[_AllowedHost] = []
        self._networks: list[_Network] = []
        for text in texts:
            try:
                if "/" in text:
                    self._networks.append(ipaddress.ip_network(text))
                else:
                    self._places.append(_allowed_host(text))
            except ValueError as error:
                raise ConfigError(
                    f"--event-destination {text!r}: {error}; give a host, HOST:PORT, *.DOMAIN or "
                    "addresses such as 10.0.0.0/8"
                ) from error

    def __bool__(self) -> bool:
        return bool(self._places or self._networks)

    def allow(self, url: str) -> bool:
        """Whether events may be sent to a URL."""
        parts = _parts(url)
        if parts is None or parts.hostname is None:
            return False
        host, port = parts.hostname.lower(), parts.port or _PORTS[parts.scheme]
        if any(place.fits(host, port) for place in self._places):
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def _parts(url: str) -> SplitResult | None:
    """Return the parts of a URL that something can be posted to."""
    plain = url.isascii() and url.isprintable() and not set(url) & set(" \\")
    if not plain or len(url) > _MOST_LETTERS:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _PORTS and parts.port != 0 and parts.hostname
    except ValueError:
        return None
    return parts if usable and "@" not in parts.netloc else None


def _allowed_host(text: str) -> _AllowedHost:
    parts = urlsplit(f"//{text}")
    host = parts.hostname
    if not host or parts.netloc != text or "@" in text or not _HOST.fullmatch(host):
        raise ValueError("it names no host")
    return _AllowedHost(host.lower(), parts.port)
