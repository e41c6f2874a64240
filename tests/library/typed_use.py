"""Use of the library as a user's type checker sees it: checked by mypy, never run."""

from __future__ import annotations

from typing import assert_type

import twin


def use() -> None:
    """Call what the documentation calls."""
    site = twin.load_site("demo")
    assert_type(site, twin.Site)
    fault = twin.Fault("grid-outage", at="10m", duration="30m")
    run = twin.simulate(site, "2h", faults=[fault], seed=7)
    assert_type(run, twin.Run)
    assert_type(run.events, tuple[twin.RunEvent, ...])
    assert_type(run.summary.energy_kwh, float)
    assert_type(run.summary.ride_through_seconds, float | None)
    assert_type(twin.sweep(site, "1h", megapacks=range(6)), twin.SweepTable)
    sim = twin.Twin(site)
    sim.apply(supply_celsius=30.0)
    sim.step("10s")
    assert_type(sim.now, float)
