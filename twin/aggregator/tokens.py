"""Bearer tokens: read from a file, compared in constant time, renewed without a restart."""

from __future__ import annotations

import base64
import re
import secrets
from pathlib import Path

import structlog

from twin.errors import ConfigError

__all__ = ["Token", "presented"]

_LEAST_CHARACTERS = 16
"""Shorter ones can be guessed; ``openssl rand -hex 32`` makes 64."""
_MOST_BYTES = 4096
_FORM = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""What RFC 6750 allows in a header."""

_log = structlog.get_logger(__name__)


class Token:
    """A secret that every request must carry.

    A token of a file follows the file: when that is replaced, the next request needs the new
    one. While the file is unreadable or empty the last token stays in force.

    Args:
        value: the secret.
        file: where it stands, None when it stands nowhere.
    """

    def __init__(self, value: str, file: Path | None = None) -> None:
        self._value = value
        self._file = file
        self._stamp = None if file is None else _stamp(file)

    @classmethod
    def random(cls) -> Token:
        """Return a new random token."""
        return cls(secrets.token_urlsafe(24))

    @classmethod
    def of_file(cls, file: Path) -> Token:
        """Return the token in the first line of a file.

        Raises:
            ConfigError: the file cannot be read, or its content is not a valid token.
        """
        try:
            return cls(_read(file), file)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(
                f"token file {file}: {reason}; make one with: openssl rand -hex 32 > {file}"
            ) from error

    @property
    def value(self) -> str:
        """The secret."""
        self._follow()
        return self._value

    def matches(self, shown: str | None) -> bool:
        """Whether ``shown`` is the secret, compared in constant time."""
        return shown is not None and secrets.compare_digest(shown.encode(), self.value.encode())

    def _follow(self) -> None:
        if self._file is None or (stamp := _stamp(self._file)) == self._stamp:
            return
        self._stamp = stamp
        try:
            self._value = _read(self._file)
        except (OSError, ValueError) as error:
            _log.error("token not renewed, the last one stays", file=str(self._file),
                       error=str(error))  # fmt: skip
        else:
            _log.info("token renewed", file=str(self._file))


def presented(authorization: str | None) -> str | None:
    """Return the token that a header ``Authorization`` shows, None for none.

    ``Bearer TOKEN`` is for programs. ``Basic`` with the token as password, whatever the user,
    is for browsers, which ask for it and send it along with everything that a page loads. A
    token alone is what Prometheus 2 sends to ``http_sd`` unless its configuration says
    ``type: Bearer``.
    """
    scheme, space, rest = (authorization or "").strip().partition(" ")
    if not space:
        return scheme or None
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except ValueError:  # of base64, of its text, or of characters that are no ASCII
        return None


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _read(file: Path) -> str:
    with file.open("rb") as opened:
        lines = opened.read(_MOST_BYTES).decode("utf-8", "replace").splitlines()
    value = lines[0].strip() if lines else ""
    if not value:
        raise ValueError("its first line is empty")
    if not _FORM.fullmatch(value):
        raise ValueError("a token has letters, digits and . _ ~ + / = - only")
    if len(value) < _LEAST_CHARACTERS:
        raise ValueError(f"a token of less than {_LEAST_CHARACTERS} characters can be guessed")
    return value
