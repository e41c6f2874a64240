"""The files of the page: our own, nothing from elsewhere, and Chart.js out of its package."""

from __future__ import annotations

import dataclasses
import gzip
import re
from importlib import resources

from twin.aggregator import Summary
from twin.aggregator.page.files import CONTENT_SECURITY_POLICY, page_files, render_page
from twin.aggregator.summary import ArrayFigures, JobFigures
from twin.site import Layout, load_site, parse_site

STATIC = resources.files("twin.aggregator.page") / "static"


def own(ending: str) -> dict[str, str]:
    """Return our own files of a kind, by name."""
    return {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in STATIC.iterdir()
        if entry.name.endswith(ending)
    }


def test_page_asks_nobody_else(layout: Layout) -> None:
    """No file of ours names another host, but for a namespace of XML."""
    page = render_page(layout.site, "mqtt://127.0.0.1:1883")
    for text in (page, *own(".js").values(), *own(".css").values()):
        assert set(re.findall(r"https?://[^\s\"']+", text)) <= {"http://www.w3.org/2000/svg"}


def test_nothing_is_inline(layout: Layout) -> None:
    """The policy allows scripts and styles from our own server only, and the page needs no more."""
    page = render_page(layout.site, "")
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert not re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\bsrc=)", page)


def test_what_is_referred_to_exists(layout: Layout) -> None:
    """Every file that the page or a script asks for is served."""
    files = page_files()
    page = render_page(layout.site, "")
    assert set(re.findall(r'(?:src|href)="page/([^"]+)"', page)) <= files.keys()
    for text in own(".js").values():
        assert set(re.findall(r'from "\./([^"]+)"', text)) <= files.keys()
    ids = set(re.findall(r'\bid="([^"]+)"', page)) | {"rack-close"}
    for name, text in own(".js").items():
        assert set(re.findall(r'byId\("([^"]+)"\)', text)) <= ids, name


def test_scripts_read_only_figures_that_exist() -> None:
    """Each field of the summary that a script reads is one of the aggregator's."""
    figures = own(".js")["figures.js"]
    known = {field.name for field in dataclasses.fields(Summary)}
    assert set(re.findall(r"\bs\.(\w+)", figures)) <= known
    known = {field.name for field in dataclasses.fields(JobFigures)}
    assert set(re.findall(r"\bjob\.(\w+)", figures)) <= known
    known = {field.name for field in dataclasses.fields(ArrayFigures)}
    assert set(re.findall(r"\barray\.(\w+)", own(".js")["arrays.js"])) <= known


def test_scripts_are_short() -> None:
    """Every script and style can be read in one sitting."""
    for name, text in {**own(".js"), **own(".css")}.items():
        assert len(text.splitlines()) <= 300, name


def test_charts_come_out_of_the_package() -> None:
    """Chart.js is served as chartkick ships it, with its licence in its first lines."""
    charts = page_files()["chart.js"]
    assert charts.content.startswith(b"/*!\n * Chart.js v4")
    assert b"MIT License" in charts.content[:300]
    assert gzip.decompress(charts.compressed) == charts.content
    assert len(charts.compressed) < 200_000
    assert not (STATIC / "chart.js").is_file()


def test_page_has_both_schemes(layout: Layout) -> None:
    """Light by default, dark where the reader prefers it."""
    assert "prefers-color-scheme: dark" in own(".css")["style.css"]
    assert '<meta name="color-scheme" content="light dark">' in render_page(layout.site, "")


def test_page_names_the_site() -> None:
    """Name, title and size are there before any script runs."""
    page = render_page(load_site("demo"), "")
    assert "<h1>demo</h1>" in page
    assert "1,024 GPUs in 16 racks, 2 arrays" in page


def test_one_array_is_not_called_many() -> None:
    """A site of one rack and no title has no dangling mark and no wrong plural."""
    page = render_page(parse_site("{name: x, racks: 1}", "x"), "")
    assert re.search(r"<p><span class=\"sep\"></span>\d+ GPUs in 1 rack, 1 array</p>", page)


def test_texts_are_escaped() -> None:
    """A title or a broker's address cannot smuggle markup in."""
    site = parse_site('{name: x, racks: 1, title: "<script>1</script>"}', "x")
    page = render_page(site, "mqtt://<b>")
    assert "<script>1" not in page
    assert "mqtt://&lt;b&gt;" in page
