"""Series in promtool's notation."""

from __future__ import annotations

import numpy as np
import pytest

from twin.rules.promtool import PromtoolJob, run
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


@pytest.mark.integration
def test_series_that_share_an_entry_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promtool finds the same whether each series is an entry of its input or all are one."""
    values = ("_ 1.0 2.0x1", "_ 1.0 stale 4.0", "_ _x1 3.0", "_ 5.0x2")
    series = [(series_name("a", {"n": f'"{n}\n'}), own) for n, own in enumerate(values)]
    job = PromtoolJob(series, 5.0, 5.0, 15.0)
    job.ask("a", [5.0, 10.0, 15.0])
    together = run(job).found
    monkeypatch.setattr(
        "twin.rules.promtool._in_one", lambda all_: [{"series": n, "values": v} for n, v in all_]
    )
    assert together == run(job).found
    assert len(together) == 3 + 2 + 2 + 3
