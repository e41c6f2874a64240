"""The series in the introduction are those that the twin exposes."""

from __future__ import annotations

import re
from pathlib import Path

from twin.site import DetailPlan, Layout, count_series, load_site

START = Path(__file__).parents[2] / "docs/start.md"


def test_series_of_a_detail_are_as_written() -> None:
    """The answer of `twin detail set` in the introduction is the one that the command gives."""
    found = re.search(
        r"(rack), (a001-a004=gpu): ([\d,]+) series", START.read_text(encoding="utf-8")
    )
    assert found is not None
    layout = Layout(load_site("colossus-100k"))
    plan = DetailPlan.of_site(layout.site).changed(found.groups()[:2])
    assert int(found[3].replace(",", "")) == count_series(layout, plan)
