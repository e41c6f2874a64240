"""Password hashes in the formats of the servers."""

from __future__ import annotations

import base64
import hashlib
import secrets

from twin.compose import MAKES_SECRETS
from twin.errors import not_installed

try:
    import bcrypt
except ImportError:
    raise not_installed("making secrets", *MAKES_SECRETS) from None

__all__ = ["mosquitto_hash", "web_hash"]

_ITERATIONS = 101
"""What mosquitto_passwd itself takes by default. Our passwords are 160 random bits, which no
number of iterations makes harder to guess."""
_SALT_BYTES = 12
_KIND = "7"  # PBKDF2 with SHA-512 in Mosquitto's file
_COST = 8
"""Of bcrypt; the servers check it at every first request of a connection."""


def mosquitto_hash(password: str) -> str:
    """Return a password as a line of Mosquitto's ``password_file`` has it after the colon."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"${_KIND}${_ITERATIONS}${_text(salt)}${_text(digest)}"


def web_hash(password: str) -> str:
    """Return a password as the web configuration of Prometheus and Alertmanager has it."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(_COST)).decode()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
