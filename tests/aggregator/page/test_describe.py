"""The live page's description of the site: the builds of its racks."""

from __future__ import annotations

from itertools import groupby

from twin.aggregator.page.describe import describe
from twin.site import Layout, load_site


def build_of(name: str) -> list[tuple[str, int]]:
    """Return what stands in the racks of a preset from the top down, with how many of each."""
    found = describe(Layout(load_site(name)), (), (), (), boot="b", allow_inject=False)
    return [(part, len(list(group))) for part, group in groupby(found["build"])]


def test_racks_of_both_builds_are_told_apart() -> None:
    """An NVL72 has its nine switch trays below ten compute trays; an HGX rack has servers alone."""
    assert build_of("colossus-100k") == [("server", 8)]
    assert build_of("colossus-2") == [
        ("shelf", 4), ("server", 10), ("switch", 9), ("server", 8), ("shelf", 4),
    ]  # fmt: skip
