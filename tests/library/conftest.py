"""A small site, and a run of it in which things go wrong."""

from __future__ import annotations

import pytest

import twin

SMALL: dict[str, object] = {
    "name": "small",
    "racks": 2,
    "racks_per_array": 2,
    "servers_per_rack": 2,
    "megapacks": {"count": 1},
}


@pytest.fixture(scope="session")
def site() -> twin.Site:
    """Return the small site."""
    return twin.load_site(SMALL)


@pytest.fixture(scope="session")
def run(site: twin.Site) -> twin.Run:
    """Return two minutes with an outage, a GPU that is lost and a gateway that is silent."""
    return twin.simulate(
        site,
        "2m",
        faults=[
            twin.Fault("grid-outage", at="30s", duration="20s"),
            twin.Fault("gpu-off-bus", at=60, target="r0001/n2/gpu3"),
            twin.Fault("gateway-silent", at=90, duration=15, target="r0002"),
        ],
        seed=7,
        every=10,
    )
