"""Series in promtool's notation."""

from __future__ import annotations

import numpy as np
import pytest

from twin.rules.promtool_series import series_name, values_text

NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1.0, 1.0, 1.0], "_ 1.0x2"),
        ([1.5, 2.0], "_ 1.5 2.0"),
        ([NAN, NAN, 3.0], "_ _x2 3.0"),
        ([3.0, NAN, NAN], "_ 3.0 stale _x1"),
        ([3.0, NAN, 4.0], "_ 3.0 stale 4.0"),
        ([NAN], "_ _x1"),
    ],
)
def test_values_are_written_once(values: list[float], text: str) -> None:
    """Equal neighbours are one word, and a series that vanishes is marked stale."""
    assert values_text(np.array(values)) == text


def test_labels_are_escaped() -> None:
    """A label may hold anything."""
    assert series_name("a", {"x": 'q"\\\n'}) == 'a{x="q\\"\\\\\\n"}'
