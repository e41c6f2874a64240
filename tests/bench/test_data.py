"""Sites of any size keep the proportions of their model."""

from __future__ import annotations

import numpy as np
import pytest

from twin.bench.data import filled_core, lived_in, scaled_site
from twin.catalog import UnitKind
from twin.site import Layout, load_site, series_by_detail


@pytest.mark.parametrize("gpus", [64, 1_000, 10_000, 100_032, 1_000_000])
def test_scaled_site_has_that_size(gpus: int) -> None:
    """From one rack to a million GPUs, in whole racks."""
    site = scaled_site(gpus)
    assert abs(site.gpus - gpus) <= 32
    assert site.name == f"scaled-{site.gpus}"


def test_proportions_are_the_models() -> None:
    """At the model's own size the site is the model."""
    model = load_site("colossus-100k")
    site = scaled_site(model.gpus)
    for name in ("racks", "halls", "arrays"):
        assert getattr(site, name) == getattr(model, name)
    assert site.megapacks.count == model.megapacks.count
    assert site.grid.limit_watts == model.grid.limit_watts
    assert series_by_detail(Layout(site)) == series_by_detail(Layout(model))


def test_filled_core_has_every_unit() -> None:
    """After one frame a unit nothing is missing."""
    layout = Layout(scaled_site(128))
    core = filled_core(layout, lived_in(layout))
    assert all(core.store.units[kind].seen.all() for kind in UnitKind)
    assert np.isfinite(core.store.values["gpu"]).all()
