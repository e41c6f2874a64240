"""What swings faster than the plant steps: dips, courses, spectra, and what Megapacks leave."""

from __future__ import annotations

import numpy as np
import pytest

from twin.catalog import OSCILLATION_BANDS
from twin.plant import Conditions, Plant
from twin.plant.power_oscillation import Spectrum
from twin.plant.units import Floats
from twin.plant.workload import Health, TrainingJob
from twin.plant.workload.sync_stalls import SyncStalls
from twin.site import Layout, load_site, parse_site

BANDS = list(OSCILLATION_BANDS)


def trained(site: str, seconds: int = 90, dt: float = 1.0, seed: int = 3) -> Plant:
    """Return the plant of a small site after so many seconds of training."""
    layout = Layout(parse_site(site, "test"))
    plant = Plant(layout, seed=seed)
    for _ in range(round(seconds / dt)):
        plant.step(dt, Conditions.healthy(layout))
    return plant


def some_dips() -> SyncStalls:
    """Return dips of forty servers."""
    rng = np.random.default_rng(0)
    shape = (5, 8)
    return SyncStalls(rng.normal(0, 0.05, shape), rng.uniform(0.05, 0.3, shape), rng.random(shape))


def _area(values: Floats, at: Floats) -> float:
    return float((0.5 * (values[1:] + values[:-1]) * np.diff(at)).sum())


def test_the_mean_dip_is_the_mean_of_all() -> None:
    """The integral of the mean dip over any stretch is the mean of the integrals."""
    dips = some_dips()
    phases = np.linspace(-0.5, 0.5, 20_001)
    mean = dips.mean_at(phases)
    for start, end in ((-0.5, 0.5), (-0.1, 0.02), (0.0, 0.3)):
        inside = (phases >= start) & (phases <= end)
        assert _area(mean[inside], phases[inside]) == pytest.approx(
            dips.integral(start, end).mean(), rel=2e-3
        )


def test_a_dip_is_a_trapezium() -> None:
    """It is flat for 51 % of its width, and straight ramps join that to the plateau."""
    dip = SyncStalls(*(np.full((1, 1), value) for value in (0.1, 0.2, 0.8)))
    at = dip.mean_at(np.array([-0.11, 0.1 - 0.1514, 0.0, 0.1, 0.2, 0.31]))
    np.testing.assert_allclose(at, [0.0, 0.4, 0.8, 0.8, 0.8, 0.0], atol=2e-3)


@pytest.mark.parametrize("health", [Health(), Health(speed=0.5), Health(network_speed=0.5)])
def test_a_course_has_the_mean_of_its_step(array: Layout, health: Health) -> None:
    """The course of a step of the plant has the mean that the job asks for as a whole."""
    job = TrainingJob(array.site, np.random.default_rng(1))
    for _ in range(400):
        demand = job.step(1.0, health)
        # A slower GPU slows the others in the plant, not in what the job asks of them.
        share = min(1.0, health.speed) if demand.compute else 1.0
        asked = demand.wait + share * (float(demand.activity.mean()) - demand.wait)
        assert job.course.size == 40
        # Where a step of the plant has several states or a slow burst, the two differ a little.
        close = demand.compute in (0.0, 1.0) and health.network_speed == 1.0
        assert float(job.course.mean()) == pytest.approx(asked, abs=0.015 if close else 0.3)


@pytest.mark.parametrize(("hertz", "band"), [(0.4, 0), (1.7, 1), (5.0, 2), (15.0, 3)])
def test_a_sine_lies_in_its_band(hertz: float, band: int) -> None:
    """A sine of amplitude 10 has a root mean square of 7.07 in its band and nothing elsewhere."""
    spectrum = Spectrum()
    for second in range(80):
        time = second + np.arange(40) / 40
        spectrum.add(1000.0 + 10.0 * np.sin(2 * np.pi * hertz * time), 1.0)
    expected = np.zeros(len(BANDS))
    expected[band] = 10 / np.sqrt(2)
    np.testing.assert_allclose(spectrum.bands, expected, atol=0.02)


def test_a_short_record_tells_nothing() -> None:
    """Before 20 s there is no spectrum of 0.1 Hz."""
    spectrum = Spectrum()
    for _ in range(19):
        spectrum.add(np.random.default_rng(0).random(40), 1.0)
    assert not spectrum.bands.any()
    spectrum.add(np.ones(40), 1.0)
    assert spectrum.bands.any()


def test_megapacks_take_what_is_slow_and_pass_what_is_fast() -> None:
    """With a lag of 0.1 s they take most of the swing below 1 Hz and hardly any above 7 Hz."""
    plant = trained("{name: a, racks: 8, megapacks: {count: 1}, grid: {limit_watts: 1.0e+6}}")
    left = plant.ripple.grid.bands / plant.ripple.load.bands
    assert left[0] < 0.15
    assert left[0] < left[1] < left[2] < left[3]
    assert 0.75 < left[3] <= 1.0


def test_without_megapacks_the_grid_sees_it_all() -> None:
    """What the facility swings is what the grid swings."""
    plant = trained("{name: a, racks: 8, grid: {limit_watts: 1.0e+6}}")
    np.testing.assert_allclose(plant.ripple.grid.bands, plant.ripple.load.bands, rtol=1e-9)


def test_an_island_swings_no_grid() -> None:
    """A minute after the grid's loss the import holds still, and the load swings on."""
    layout = Layout(parse_site("{name: a, racks: 2, megapacks: {count: 1}}", "test"))
    plant, dark = Plant(layout, seed=3), Conditions.healthy(layout)
    dark.grid_available[:] = False
    for _ in range(90):
        plant.step(1.0, dark)
    assert not plant.ripple.grid.bands.any()
    assert plant.ripple.load.bands[0] > 0


def test_feeds_share_the_oscillation() -> None:
    """Each of two feeds has half of it."""
    plant = trained("{name: a, racks: 2, grid: {feeds: 2}}")
    out = plant.outputs()
    for band, watts in zip(BANDS, plant.ripple.grid.bands, strict=True):
        assert out["grid"][f"oscillation_{band}"].tolist() == [[watts / 2, watts / 2]]
        assert out["facility"][f"load_oscillation_{band}"].item() > 0


@pytest.mark.full
def test_the_length_of_steps_changes_little() -> None:
    """Steps of 0.2 s show the same swing in every band as steps of 1 s, by chance apart."""
    site = "{name: a, racks: 8, training: {eval_seconds: 0, checkpoint_seconds: 0}}"
    long, short = (
        np.mean([trained(site, 90, dt, seed).ripple.load.bands for seed in range(6)], axis=0)
        for dt in (1.0, 0.2)
    )
    np.testing.assert_allclose(short, long, rtol=0.35)


def test_a_trace_has_no_more_than_was_measured() -> None:
    """A trace sampled every 2 s swings below 1 Hz; what it cannot know stays small."""
    layout = Layout(load_site("colossus-array"))
    plant = Plant(layout, seed=1, workload="trace:gpt3-512xh100")
    for _ in range(90):
        plant.step(1.0, Conditions.healthy(layout))
    bands = plant.ripple.load.bands
    assert bands[0] > 5_000
    assert bands[2:].max() < 0.03 * bands[0]
