"""Instruments that average: what they show of dips, and of what does not dip."""

from __future__ import annotations

import numpy as np
import pytest

from twin.catalog import DEVICES
from twin.plant import Conditions, Plant
from twin.plant.instruments import INSTRUMENTS, Instrument, WindowMean
from twin.plant.units import Floats
from twin.site import Layout, parse_site

SECONDS = 120


@pytest.fixture(scope="module")
def metered() -> Layout:
    """Two racks whose meters average."""
    text = "{name: tiny, racks: 2, megapacks: {count: 2}, telemetry: {averaged_power: true}}"
    return Layout(parse_site(text, "test"))


def test_without_the_key_readings_are_of_the_moment(two_racks: Layout) -> None:
    """By default a server shows what it draws, and the supplies what adds up to it."""
    plant, well = Plant(two_racks, 3), Conditions.healthy(two_racks)
    for _ in range(15):
        plant.step(1.0, well)
        outputs = plant.outputs()
        np.testing.assert_array_equal(outputs["server"]["power"], plant.servers.power)
        shown = outputs["pdu"]["power"].sum()
        assert shown == pytest.approx(plant.servers.rack_load.sum(), rel=1e-9)


def _truth(plant: Plant, kind: str) -> Floats:
    """Return what an instrument of a kind measures, as a sum for each server, GPU or rack."""
    servers = plant.servers
    truths = {
        "gpu": plant.gpus.power,
        "bmc": servers.power,
        "psu": servers.power,
        "pdu": servers.rack_load[:, None],
    }
    return np.asarray(truths[kind], dtype=np.float64)


def _shown(plant: Plant, kind: str, like: Floats) -> Floats:
    """Return what it shows, summed likewise."""
    own = INSTRUMENTS[kind]
    values = plant.outputs()[own.device][own.signals[0]]
    shown: Floats = values.reshape(*like.shape, -1).sum(axis=2, dtype=np.float64)
    return shown


@pytest.fixture(scope="module")
def course(metered: Layout) -> dict[str, tuple[Floats, Floats]]:
    """Return truth and readings of two minutes of training, by kind: (seconds, racks, devices)."""
    plant, well = Plant(metered, 3), Conditions.healthy(metered)
    seen: dict[str, tuple[list[Floats], list[Floats]]] = {kind: ([], []) for kind in INSTRUMENTS}
    for _ in range(SECONDS):
        plant.step(1.0, well)
        for kind, (truths, shown) in seen.items():
            truths.append(_truth(plant, kind))
            shown.append(_shown(plant, kind, truths[-1]))
    return {kind: (np.array(a), np.array(b)) for kind, (a, b) in seen.items()}


@pytest.mark.parametrize("kind", ["bmc", "psu", "pdu"])
def test_dips_are_shallower_than_they_are(
    course: dict[str, tuple[Floats, Floats]], kind: str
) -> None:
    """A meter that averages shows less of a dip than there is, and the same mean."""
    truth, shown = course[kind]
    assert shown.min() > truth.min() + 0.03 * truth.mean()
    assert shown.std(axis=0).mean() < 0.9 * truth.std(axis=0).mean()
    assert shown.mean() == pytest.approx(truth.mean(), rel=0.01)


def test_a_second_is_all_that_dcgm_averages(course: dict[str, tuple[Floats, Floats]]) -> None:
    """In steps of a second a GPU shows what it drew in the last one."""
    truth, shown = course["gpu"]
    np.testing.assert_allclose(shown, truth, rtol=1e-6)


def test_dcgm_averages_shorter_steps(metered: Layout) -> None:
    """In steps of a quarter of a second a GPU shows the mean over four of them."""
    plant, well = Plant(metered, 3), Conditions.healthy(metered)
    powers = []
    for _ in range(40):
        plant.step(0.25, well)
        powers.append(plant.gpus.power.copy())
    shown = plant.outputs()["gpu"]["power_usage"]
    np.testing.assert_allclose(shown, np.mean(powers[-4:], axis=0), rtol=1e-5)


def test_a_pdu_shows_a_new_mean_every_three_seconds(
    course: dict[str, tuple[Floats, Floats]],
) -> None:
    """Between two refreshes the power of a PDU stands still."""
    _, shown = course["pdu"]
    moves = np.abs(np.diff(shown[:, 0, 0])) > 1e-6 * shown.mean()
    assert np.flatnonzero(moves).size <= SECONDS / 3 + 1
    assert np.diff(np.flatnonzero(moves)).min() >= 3


def test_what_is_off_shows_nothing_at_once(metered: Layout) -> None:
    """The power of a server that is switched off is 0 in the next reading, with its supplies'."""
    plant, conditions = Plant(metered, 3), Conditions.healthy(metered)
    for _ in range(5):
        plant.step(1.0, conditions)
    conditions.server_available[0, 0] = False
    plant.step(1.0, conditions)
    outputs = plant.outputs()
    assert plant.servers.power[0, 0] == 0.0
    supplies = outputs["psu"]["input_power"][0, : metered.site.server.psus]
    assert np.nansum(supplies) == 0.0


def test_energy_is_what_was_drawn(metered: Layout) -> None:
    """The PDUs' counters of energy grow by the truth, whatever their meters of power show."""
    plant, well = Plant(metered, 3), Conditions.healthy(metered)
    plant.step(1.0, well)
    begin, drawn = plant.outputs()["pdu"]["energy"].sum(), 0.0
    for _ in range(20):
        plant.step(1.0, well)
        drawn += plant.servers.rack_load.sum()
    assert plant.outputs()["pdu"]["energy"].sum() - begin == pytest.approx(drawn, rel=1e-6)


@pytest.mark.parametrize("own", INSTRUMENTS.values(), ids=INSTRUMENTS)
def test_instruments_are_of_the_catalogue(own: Instrument) -> None:
    """Each kind reads signals that the catalogue has, over a window, and says on what basis."""
    signals = {signal.name for device in DEVICES if device.name == own.device
               for signal in device.signals}  # fmt: skip
    assert set(own.signals) <= signals
    assert own.refresh_seconds > 0.0
    assert own.window_seconds > 0.0
    assert own.basis


def test_window_takes_no_more_than_its_length() -> None:
    """A mean over two seconds of steps of 0.8 s takes a half of the third last."""
    window = WindowMean(2.0)
    for value in (1.0, 2.0, 3.0):
        mean = window.add(np.array([value]), 0.8)
    assert mean[0] == pytest.approx((0.8 * 3.0 + 0.8 * 2.0 + 0.4 * 1.0) / 2.0)


@pytest.mark.parametrize("kind", ["bmc", "psu", "pdu"])
def test_readings_come_in_the_steps_of_their_instrument(metered: Layout, kind: str) -> None:
    """A reading of a meter is a whole number of its steps, and not always the same."""
    plant, well = Plant(metered, 3), Conditions.healthy(metered)
    for _ in range(3):
        plant.step(1.0, well)
    own = INSTRUMENTS[kind]
    for name, step in zip(own.signals, own.steps, strict=True):
        values = plant.outputs()[own.device][name] / step
        np.testing.assert_allclose(values, np.round(values), atol=1e-3)
        assert np.unique(values).size > 1
