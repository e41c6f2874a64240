"""Addresses of brokers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from twin.errors import ConfigError

__all__ = ["BrokerUrl"]

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_FORM = "mqtt://user:password@host:1883 or mqtts://host:8883?ca=/path/to/ca.pem"


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """Where a broker is and as whom to go there.

    Neither ``str()`` nor ``repr()`` shows the password, so that an address can be logged.

    Attributes:
        host: name or address; IPv6 without brackets.
        port: TCP port.
        username: user, None for none.
        password: password of the user, None for none.
        tls: whether the connection is encrypted and the broker's certificate checked.
        ca_file: CA certificates to check it against, None for those of the system.
    """

    host: str
    port: int = _PORTS["mqtt"]
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: Path | None = None

    @classmethod
    def parse(cls, text: str) -> BrokerUrl:
        """Return the address that ``text`` holds.

        User and password are percent-decoded; a missing port is 1883, with TLS 8883.

        Raises:
            ConfigError: ``text`` is not such an address.
        """
        parts, port = _split(text)
        if parts.scheme not in _PORTS:
            _refuse(text, "it must begin with mqtt:// or mqtts://")
        if not parts.hostname:
            _refuse(text, "the host is missing")
        if parts.path not in {"", "/"} or parts.fragment:
            _refuse(text, "something follows the port (percent-encode / ? # @ in a password)")
        username = unquote(parts.username) if parts.username else None
        password = None if parts.password is None else unquote(parts.password)
        if username is None and password is not None:
            _refuse(text, "there is a password but no user")
        return cls(
            host=parts.hostname,
            port=_PORTS[parts.scheme] if port is None else port,
            username=username,
            password=password,
            tls=parts.scheme == "mqtts",
            ca_file=_ca_file(text, parts),
        )

    def __str__(self) -> str:
        user = "" if self.username is None else quote(self.username, safe="")
        secret = "" if self.password is None else ":***"
        at = "@" if user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = "" if self.ca_file is None else f"?ca={quote(str(self.ca_file))}"
        return f"{'mqtts' if self.tls else 'mqtt'}://{user}{secret}{at}{host}:{self.port}{query}"


def _split(text: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        _refuse(text, "host or port is not valid")
    if port == 0:
        _refuse(text, "the port must be 1 to 65535")
    return parts, port


def _ca_file(text: str, parts: SplitResult) -> Path | None:
    query = parse_qs(parts.query, keep_blank_values=True)
    if not query:
        return None
    if query.keys() != {"ca"} or len(query["ca"]) != 1 or not query["ca"][0]:
        _refuse(text, "after the ? only ca=/path/to/ca.pem may stand")
    if parts.scheme != "mqtts":
        _refuse(text, "a CA file needs mqtts://")
    return Path(query["ca"][0])


def _refuse(text: str, why: str) -> NoReturn:
    # All before the last @ goes, because a password may hold any character.
    shown = re.sub(r"^([a-zA-Z]*://)?.*@", r"\1***@", text, flags=re.DOTALL)
    raise ConfigError(f"broker address {shown!r}: {why}; write {_FORM}")
