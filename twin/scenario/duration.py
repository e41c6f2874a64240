"""Durations as people and Prometheus write them: ``90s``, ``5m``, ``1h30m``."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

__all__ = ["Duration", "parse_duration", "show_duration"]

_UNITS = {"y": 31_536_000.0, "w": 604_800.0, "d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0,
          "ms": 1e-3}  # fmt: skip
_DURATION = re.compile(
    r"(?:(?P<y>\d+)y)?(?:(?P<w>\d+)w)?(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s)?(?:(?P<ms>\d+)ms)?",
    re.ASCII,
)


def parse_duration(text: str) -> float:
    """Return the seconds of a duration as Prometheus writes it.

    Raises:
        ValueError: it is not a duration.
    """
    match = _DURATION.fullmatch(text.strip())
    parts = {unit: value for unit, value in match.groupdict().items() if value} if match else {}
    if not parts:
        raise ValueError("write a duration such as 30s, 5m or 1h30m")
    return sum(_UNITS[unit] * int(value) for unit, value in parts.items())


def show_duration(seconds: float) -> str:
    """Return a duration as Prometheus writes it; 0 is ``0s``."""
    rest = round(seconds * 1000)
    parts = []
    for unit, length in _UNITS.items():
        count, rest = divmod(rest, round(length * 1000))
        # Years, weeks and days are how Prometheus shortens; people read hours.
        if count and unit in ("y", "w", "d"):
            rest += count * round(length * 1000)
        elif count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _read(value: Any) -> Any:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("write a duration such as 30s, 5m or 1h30m")  # noqa: TRY004 - pydantic wants it
    return float(value)


Duration = Annotated[float, BeforeValidator(_read)]
"""A number of seconds, which YAML may also write as ``5m``."""
