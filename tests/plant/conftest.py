"""Small sites on which physics is quick to watch."""

from __future__ import annotations

import pytest

from twin.site import Layout, load_site, parse_site


@pytest.fixture(scope="session")
def array() -> Layout:
    """One array: 8 racks, 512 GPUs, one Megapack."""
    return Layout(load_site("colossus-array"))


@pytest.fixture(scope="session")
def two_racks() -> Layout:
    """Two racks and two Megapacks."""
    return Layout(parse_site("{name: tiny, racks: 2, megapacks: {count: 2}}", "test"))
