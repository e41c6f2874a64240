"""Wall clock of a rule: what reads the time sees the real one, and nothing else changes."""

from __future__ import annotations

import pytest

from twin.rules.backtest.wall_clock import shifted


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("time() - x > 60", "(time() + 1000) - x > 60"),
        ("time( )", "(time() + 1000)"),
        ("hour() < 8 or day_of_week () > 5",
         "hour(vector(time() + 1000)) < 8 or day_of_week(vector(time() + 1000)) > 5"),
        ('timestamp(up{a="("}) > 1', '(timestamp(up{a="("}) + 1000) > 1'),
        ("time() - timestamp(abs(timestamp(x)))",
         "(time() + 1000) - (timestamp(abs((timestamp(x) + 1000))) + 1000)"),
        ("x @ 1600.5", "x @ 600.500"),
        ('up{a="time()"} == 1 # time()', 'up{a="time()"} == 1 # time()'),
        ("hour(x) + minute_of(y) + my_time()", "hour(x) + minute_of(y) + my_time()"),
        ("x @ end()", "x @ end()"),
    ],
)  # fmt: skip
def test_clocks_are_shifted(expr: str, expected: str) -> None:
    """Functions of the time get the origin added; text in quotation marks and comments stands."""
    assert shifted(expr, 1000.0) == expected
