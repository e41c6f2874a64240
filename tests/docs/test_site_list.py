"""List of the shipped sites: kept as it would be counted."""

from __future__ import annotations

from twin.docs.site_list import FIGURES, counted, pages


def test_kept_figures_are_those_that_are_counted() -> None:
    """``twin sites`` prints what each site's file says now."""
    ((path, text),) = pages().items()
    assert path == "../twin/site/figures.json"
    assert FIGURES.read_text(encoding="utf-8") == text, "run `python -m twin.docs`"
    assert len(counted()) == text.count('"name"')
