"""Moments as a user writes them."""

from __future__ import annotations

import pytest

from twin.clients.moments import moment, shown_moment
from twin.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1777800000", 1777800000.0),
        ("2026-05-03T09:20Z", 1777800000.0),
        ("2026-05-03 09:20:00", 1777800000.0),
        ("2026-05-03T11:20:00+02:00", 1777800000.0),
        ("now", 2e9),
        ("now-1h30m", 2e9 - 5400),
        (" now-7d ", 2e9 - 604_800),
    ],
)
def test_moments_are_read(text: str, expected: float) -> None:
    """ISO 8601 is in UTC unless it says otherwise."""
    assert moment(text, 2e9, "--from") == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "now-", "now-x", "12", "2026-13-01", "1e9", "now+1h"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    """The error names the option and shows how to write one."""
    with pytest.raises(ConfigError, match=r"^--from: .* is not a moment; write for example"):
        moment(text, 2e9, "--from")


def test_an_absolute_moment_knows_no_now() -> None:
    """A file of incidents does not change its meaning from day to day."""
    with pytest.raises(ConfigError):
        moment("now-1h", None, "from")
    assert shown_moment(1777800000.0) == "2026-05-03 09:20:00"
