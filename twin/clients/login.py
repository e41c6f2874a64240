"""Logins in addresses: ``http://user:password@host:9090``."""

from __future__ import annotations

import base64
from urllib.parse import unquote, urlsplit

__all__ = ["split_login"]


def split_login(url: str) -> tuple[str, dict[str, str]]:
    """Return an address without its login, which may be shown, and the header that logs in."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    user, _, password = login.partition(":")
    basic = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    return parts._replace(netloc=host).geturl(), {"Authorization": f"Basic {basic}"}
