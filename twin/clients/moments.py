"""Moments of a server's past: ISO 8601, unix seconds, or so long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from twin.errors import ConfigError
from twin.scenario import parse_duration

__all__ = ["moment", "shown_moment"]

_AGO = re.compile(r"^now(?:-(?P<ago>[0-9a-z]+))?$")
_NUMBER = re.compile(r"^\d{9,11}(?:\.\d+)?$")
_REMEDY = "write for example 2026-05-03T10:00Z, unix seconds, now or now-7d"


def moment(text: str, now: float | None, where: str) -> float:
    """Return the unix time of a moment; one without a time zone is in UTC.

    Args:
        text: as a user wrote it.
        now: unix time of the server; None where a moment has to be absolute.
        where: the option or the key, for the error.

    Raises:
        ConfigError: it is no moment.
    """
    word = text.strip()
    try:
        if (ago := _AGO.match(word)) and now is not None:
            return now - (parse_duration(ago["ago"]) if ago["ago"] else 0.0)
        if _NUMBER.match(word):
            return float(word)
        at = datetime.fromisoformat(word)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, ConfigError, OverflowError):
        raise ConfigError(f"{where}: {text!r} is not a moment; {_REMEDY}") from None


def shown_moment(at: float) -> str:
    """Return a moment as a report has it, to the second and in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
