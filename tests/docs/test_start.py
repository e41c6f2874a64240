"""Figures of series on the first pages are what the twin exposes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from twin.site import DetailPlan, Layout, count_series, load_site

ROOT = Path(__file__).parents[2]


def figure(page: str, pattern: str) -> int:
    """Return the number that a page gives where the pattern has a group."""
    found = re.search(pattern, (ROOT / page).read_text(encoding="utf-8"))
    assert found is not None, f"{page} has no figure like {pattern!r}"
    return int(found[1].replace(",", ""))


def series(site: str, *settings: str) -> int:
    """Return the series of a site with these settings of its detail."""
    layout = Layout(load_site(site))
    return count_series(layout, DetailPlan.of_site(layout.site).changed(settings))


def test_series_of_a_detail_are_as_written() -> None:
    """The answer of `twin detail set` in the introduction is the one that the command gives."""
    written = figure("docs/start.md", r"rack, a001-a004=gpu: ([\d,]+) series")
    assert written == series("colossus-100k", "rack", "a001-a004=gpu")


@pytest.mark.parametrize("page", ["docs/start.md", "README.md"])
def test_series_of_an_array_are_as_written(page: str) -> None:
    """An array has about as many series as the first pages say."""
    array = series("demo", "site", "a001=gpu") - series("demo", "site")
    assert figure(page, r"some ([\d,]+) series") == pytest.approx(array, rel=0.02)
