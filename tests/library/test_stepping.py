"""The twin that is led: set points that physics follows, faults at will."""

from __future__ import annotations

import numpy as np
import pytest

import twin


def settled(site: twin.Site, **points: float) -> twin.Twin:
    """Return a twin that has held some set points for ten minutes."""
    sim = twin.Twin(site, seed=1)
    sim.apply(**points)
    sim.step("10m")
    return sim


def test_set_points_are_held(site: twin.Site) -> None:
    """Coolant, flow, power of servers and of the Megapacks follow what a controller sets."""
    free = settled(site)
    led = settled(site, supply_celsius=36.0, flow_ratio=1.2, server_watts=6000.0,
                  megapack_watts=20_000.0)  # fmt: skip
    assert free["cdu", "supply_temperature"] == pytest.approx(32.0, abs=0.5)
    assert led["cdu", "supply_temperature"] == pytest.approx(36.0, abs=0.5)
    assert led["cdu", "flow"] == pytest.approx(1.2 * free["cdu", "flow"], rel=0.02)
    assert (led["pump", "speed_ratio"] > free["pump", "speed_ratio"]).all()
    assert led["server", "power"].max() < 6300.0 < free["server", "power"].max()
    assert led["megapack", "power"] == pytest.approx(20_000.0, rel=0.02)
    assert led["gpu", "gpu_temp"].mean() != free["gpu", "gpu_temp"].mean()


def test_set_point_is_given_back(site: twin.Site) -> None:
    """What is set to None is the site's again, and what was never set changes nothing."""
    untouched, led = twin.Twin(site, seed=1), twin.Twin(site, seed=1)
    led.apply(flow_ratio=1.5)
    led.apply(flow_ratio=None)
    for sim in (untouched, led):
        sim.step(30)
    same = untouched["gpu", "power_usage"] == led["gpu", "power_usage"]
    assert same.all()


@pytest.mark.parametrize(
    ("points", "told"),
    [
        ({"supply": 30.0}, "no such set point; it has supply_celsius"),
        ({"supply_celsius": 90.0}, "from 24 to 50 °C"),
        ({"flow_ratio": float("nan")}, "from 0 to 2"),
        ({"flow_ratio": [1.0, 1.0, 1.0]}, "give one number, or 2: one a rack"),
        ({"megapack_watts": "much"}, "give one number"),
    ],
)
def test_impossible_set_point_changes_none(
    site: twin.Site, points: dict[str, float], told: str
) -> None:
    """A value that cannot be is refused, and those beside it are not set either."""
    sim, other = twin.Twin(site, seed=1), twin.Twin(site, seed=1)
    with pytest.raises(twin.ConfigError) as caught:
        sim.apply(server_watts=5000.0, **points)
    assert told in str(caught.value)
    sim.step(20)
    other.step(20)
    assert np.array_equal(sim["server", "power"], other["server", "power"])


def test_faults_come_and_go(site: twin.Site) -> None:
    """A fault strikes at once or later, and ends when it is cleared."""
    sim = twin.Twin(site)
    sim.inject(twin.Fault("pump-failure", target="r0001/pump1"))
    sim.inject(twin.Fault("gpu-hang", at=5, target="r0002/n1/gpu0"))
    sim.step(10)
    assert [event.kind for event in sim.events] == ["pump-failure", "gpu-hang"]
    assert sim.events[1].at == 5.0
    assert sim.clear("pump-failure") == 1
    sim.step(1)
    assert sim.events[0].until == 10.0
    with pytest.raises(twin.ConfigError, match="follows from other signals"):
        sim["nic", "info"]
