"""The shipped sites, loaded once."""

from __future__ import annotations

import pytest

from twin.site import Layout, load_site


@pytest.fixture(scope="session")
def demo() -> Layout:
    """The demo site."""
    return Layout(load_site("demo"))


@pytest.fixture(scope="session")
def colossus() -> Layout:
    """The first phase of Colossus."""
    return Layout(load_site("colossus-100k"))
