"""Addresses of brokers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from twin.errors import ConfigError

__all__ = ["BrokerUrl"]

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_FILES = ("ca", "password_file")
_QUERY = "after the ? only ca=/path/to/ca.pem and password_file=/path may stand"
_FORM = "mqtt://user:password@host:1883 or mqtts://host:8883?ca=/path/to/ca.pem"
_NEXT = re.compile(r",(?=mqtts?://)")
"""Between two addresses. A comma in a password does not look like this."""


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
        others: further nodes of the same cluster, in the order in which to try them.
    """

    host: str
    port: int = _PORTS["mqtt"]
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: Path | None = None
    others: tuple[BrokerUrl, ...] = ()

    @classmethod
    def parse(cls, text: str) -> BrokerUrl:
        """Return the address that ``text`` holds, or of several with commas between them the first.

        The others are nodes of the same cluster (``mqtt://a,mqtt://b``), each with its own
        user and files.

        User and password are percent-decoded; a missing port is 1883, with TLS 8883. A
        password may stand in a file instead (``?password_file=/path``), where neither a
        list of processes nor an environment shows it; it is read here, once.

        Raises:
            ConfigError: ``text`` is not such an address, or the password file cannot be read.
        """
        first, *rest = (cls._parse_one(part) for part in _NEXT.split(text))
        return replace(first, others=tuple(rest))

    @property
    def nodes(self) -> tuple[BrokerUrl, ...]:
        """Every address by itself, this one first."""
        return (replace(self, others=()), *self.others)

    @classmethod
    def _parse_one(cls, text: str) -> BrokerUrl:
        parts, port = _split(text)
        if parts.scheme not in _PORTS:
            _refuse(text, "it must begin with mqtt:// or mqtts://")
        if not parts.hostname:
            _refuse(text, "the host is missing")
        if "," in parts.netloc.rpartition("@")[2]:
            _refuse(text, "after a comma the next whole address follows, mqtt:// and all")
        if parts.path not in {"", "/"} or parts.fragment:
            _refuse(text, "something follows the port (percent-encode / ? # @ in a password)")
        files = _files(text, parts)
        username = unquote(parts.username) if parts.username else None
        password = _password(text, parts, files.get("password_file"))
        if username is None and password is not None:
            _refuse(text, "there is a password but no user")
        if "ca" in files and parts.scheme != "mqtts":
            _refuse(text, "a CA file needs mqtts://")
        return cls(
            host=parts.hostname,
            port=_PORTS[parts.scheme] if port is None else port,
            username=username,
            password=password,
            tls=parts.scheme == "mqtts",
            ca_file=files.get("ca"),
        )

    def __str__(self) -> str:
        user = "" if self.username is None else quote(self.username, safe="")
        secret = "" if self.password is None else ":***"
        at = "@" if user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = "" if self.ca_file is None else f"?ca={quote(str(self.ca_file))}"
        scheme = "mqtts" if self.tls else "mqtt"
        first = f"{scheme}://{user}{secret}{at}{host}:{self.port}{query}"
        return ",".join([first, *map(str, self.others)])


def _split(text: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        _refuse(text, "host or port is not valid")
    if port == 0:
        _refuse(text, "the port must be 1 to 65535")
    return parts, port


def _files(text: str, parts: SplitResult) -> dict[str, Path]:
    """Return the files that are named after the question mark."""
    query = parse_qs(parts.query, keep_blank_values=True)
    if parts.query and not query:
        _refuse(text, _QUERY)
    for name, values in query.items():
        if name not in _FILES or len(values) != 1 or not values[0]:
            _refuse(text, _QUERY)
    return {name: Path(values[0]) for name, values in query.items()}


def _password(text: str, parts: SplitResult, file: Path | None) -> str | None:
    """Return the password, which stands in the address or in a file's first line."""
    if file is None:
        return None if parts.password is None else unquote(parts.password)
    if parts.password is not None:
        _refuse(text, "there is a password and a password file; leave one out")
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        _refuse(text, f"the password file {file} cannot be read: {reason}")
    if not lines or not lines[0]:
        _refuse(text, f"the password file {file} is empty")
    return lines[0]


def _refuse(text: str, why: str) -> NoReturn:
    # All before the last @ goes, because a password may hold any character.
    shown = re.sub(r"^([a-zA-Z]*://)?.*@", r"\1***@", text, flags=re.DOTALL)
    raise ConfigError(f"broker address {shown!r}: {why}; write {_FORM}")
