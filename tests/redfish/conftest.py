"""Fixtures of the BMCs' tests."""

from __future__ import annotations

import pytest

from tests.redfish.bmcs import BmcRig


@pytest.fixture
def rig() -> BmcRig:
    """Return a small site's BMCs, a few seconds after the start."""
    return BmcRig()


@pytest.fixture(scope="module")
def steady() -> BmcRig:
    """Return BMCs that a module's tests only read."""
    return BmcRig()
