"""Logins of servers: ``http://user:password@host:9090``, a file or the environment."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from twin.errors import ConfigError

__all__ = ["credentials", "split_login"]

_MOST_BYTES = 1 << 16


def split_login(url: str) -> tuple[str, dict[str, str]]:
    """Return an address without its login, which may be shown, and the header that logs in."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    user, _, password = login.partition(":")
    return parts._replace(netloc=host).geturl(), _basic(f"{unquote(user)}:{unquote(password)}")


def credentials(file: Path | None, environment: Mapping[str, str], variable: str) -> dict[str, str]:
    """Return the header that logs in, empty without credentials.

    They are one line: ``user:password``, or a token.

    Args:
        file: that holds them; None for the variable.
        environment: of the process.
        variable: its name.

    Raises:
        ConfigError: the file cannot be read, or they are no line of text; never with their text.
    """
    where, text = variable, environment.get(variable, "")
    if file is not None:
        where = str(file)
        try:
            with file.open("rb") as opened:
                text = opened.read(_MOST_BYTES).decode()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise ConfigError(f"{where}: the credentials cannot be read: {reason}") from None
    text = text.strip()
    if not text:
        if file is not None:
            raise ConfigError(f"{where}: is empty; write user:password or a token into it")
        return {}
    if not text.isprintable() or not text.isascii():
        raise ConfigError(f"{where}: is not one line of ASCII: user:password, or a token")
    return _basic(text) if ":" in text else {"Authorization": f"Bearer {text}"}


def _basic(login: str) -> dict[str, str]:
    encoded = base64.b64encode(login.encode()).decode()
    return {"Authorization": f"Basic {encoded}"}
