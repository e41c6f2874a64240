"""The plain page."""

from __future__ import annotations

import dataclasses
import re

from twin.aggregator import ArrayFigures, Summary
from twin.aggregator.page import render_page
from twin.site import Layout, load_site, parse_site


def test_page_is_self_contained(layout: Layout) -> None:
    """Nothing on it comes from anywhere else."""
    page = render_page(layout.site, "mqtt://127.0.0.1:1883")
    assert not re.findall(r"""(?:src|href)=["'](?!/|data:,)""", page)
    assert "http://" not in page
    assert "https://" not in page


def test_page_asks_only_for_figures_that_exist(layout: Layout) -> None:
    """Each field that the script reads is one of the summary's."""
    page = render_page(layout.site, "")
    fields = {field.name for field in dataclasses.fields(Summary)}
    assert set(re.findall(r"\bs\.(\w+)", page)) <= fields
    arrays = {field.name for field in dataclasses.fields(ArrayFigures)}
    assert set(re.findall(r"\barray\.(\w+)", page)) <= arrays


def test_page_has_both_schemes(layout: Layout) -> None:
    """Light by default, dark where the reader prefers it."""
    page = render_page(layout.site, "")
    assert "prefers-color-scheme: dark" in page
    assert '<meta name="color-scheme" content="light dark">' in page


def test_page_names_the_site() -> None:
    """Name, title and size are there before any script runs."""
    page = render_page(load_site("demo"), "")
    assert "<h1>demo</h1>" in page
    assert "1,024 GPUs in 16 racks, 2 arrays" in page


def test_texts_are_escaped() -> None:
    """A title or a broker's address cannot smuggle markup in."""
    site = parse_site('{name: x, racks: 1, title: "<script>1</script>"}', "x")
    page = render_page(site, "mqtt://<b>")
    assert "<script>1" not in page
    assert "mqtt://&lt;b&gt;" in page
