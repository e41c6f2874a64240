"""Lags of sensors from a past."""

from __future__ import annotations

import numpy as np
import pytest

from twin.fleet.calibration.lags import SENSOR_LAGS, SensorLag, sensor_lags
from twin.fleet.calibration.past import FleetPast
from twin.plant.units import Floats

_FINE = 10
"""Instants of reality between two samples."""
_GPUS, _STEPS = 8, 400


def _power(step: float, *, jobs: bool, seed: int = 1) -> Floats:
    """Return the power of GPUs at every instant: jobs that come and go, and steps of each."""
    rng = np.random.default_rng(seed)
    length = _STEPS * _FINE
    power = np.full((length, _GPUS), 120.0)
    for gpu in range(_GPUS if jobs else 0):
        at = int(rng.integers(0, 30 * _FINE))
        while at < length:
            busy, idle = rng.integers(20 * _FINE, 60 * _FINE, 2)
            power[at : at + busy, gpu] = 550.0
            at += int(busy + idle)
    seconds = np.arange(length) * step / _FINE
    busy_now = power > 200.0
    power += busy_now * 60.0 * np.sin(2.0 * np.pi * seconds / 10.7)[:, None]
    return power + 1.5 * rng.standard_normal(power.shape)


def _lagged(values: Floats, seconds: float, dt: float) -> Floats:
    shown = values.copy()
    for index in range(1, len(values)):
        shown[index] = shown[index - 1] + (values[index] - shown[index - 1]) * (
            1.0 - np.exp(-dt / seconds)
        )
    return shown


def _averaged(values: Floats, seconds: float, dt: float) -> Floats:
    width = max(round(seconds / dt), 1)
    total = np.cumsum(np.concatenate((np.repeat(values[:1], width, axis=0), values)), axis=0)
    mean: Floats = (total[width:] - total[:-width]) / width
    return mean


def _past(step: float, window: float, lag: float, *, jobs: bool = True) -> FleetPast:
    """Return a past of two servers: supplies that average over a window, dies that lag."""
    rng, dt = np.random.default_rng(2), step / _FINE
    power = _power(step, jobs=jobs)
    server = 900.0 + 1.15 * power.reshape(len(power), 2, -1).sum(axis=2)
    supplies = _averaged(server, window, dt) if window else server
    dies = 28.0 + 0.05 * _lagged(power, lag, dt)
    read = {
        "gpu.power_usage": power, "psu.output_power": supplies, "psu.input_power": 1.05 * supplies,
        "gpu.gpu_temp": dies, "cdu.supply_temperature": np.full((len(power), 1), 28.0),
    }  # fmt: skip
    noise = {"gpu.gpu_temp": 0.2, "cdu.supply_temperature": 0.05}
    values = {
        name: (own[::_FINE] + noise.get(name, 3.0) * rng.standard_normal(own[::_FINE].shape))[
            :, None
        ]
        for name, own in read.items()
    }
    return FleetPast(0.0, step, values)


def _told(past: FleetPast) -> dict[str, SensorLag]:
    return {own.row.sensor: own for own in sensor_lags(past)}


@pytest.mark.parametrize(("step", "window", "lag"), [(15.0, 40.0, 35.0), (5.0, 12.0, 18.0)])
def test_window_and_lag_are_told_within_their_intervals(
    step: float, window: float, lag: float
) -> None:
    """Means over windows and lags of a step and more are told with an interval that holds them."""
    found = _told(_past(step, window, lag))
    for sensor, seconds in (("psu.output_power", window), ("gpu.gpu_temp", lag)):
        own = found[sensor]
        assert own.why == ""
        assert own.low <= seconds <= own.high, own
        assert own.high - own.low < 0.6 * seconds, own
    assert found["psu.output_power"].devices == 2
    assert found["gpu.gpu_temp"].devices == _GPUS


def test_short_lag_has_an_upper_bound_and_what_would_tell_it() -> None:
    """What is far shorter than a scrape is not told from none, and the reason says by how much."""
    own = _told(_past(15.0, 0.0, 1.0))["psu.input_power"]
    assert np.isnan(own.seconds)
    assert own.high < 15.0
    assert own.why.startswith("less than ")
    assert "scraped more often" in own.why


def test_past_without_changes_tells_no_lag() -> None:
    """Idle GPUs tell the lag of no temperature, and the reason says what would."""
    own = _told(_past(15.0, 40.0, 35.0, jobs=False))["gpu.gpu_temp"]
    assert np.isnan(own.seconds)
    assert "jobs begin or end" in own.why or own.why.startswith("less than")
    past = _past(15.0, 40.0, 35.0)
    flat = {name: np.full_like(values, 50.0) for name, values in past.values.items()}
    assert "nothing happened" in _told(FleetPast(0.0, 15.0, flat))["gpu.gpu_temp"].why


def test_missing_readings_are_left_out() -> None:
    """Gaps in cause and sensor cost precision, and a reading that is hardly there tells nothing."""
    past = _past(15.0, 40.0, 35.0)
    rng = np.random.default_rng(5)
    for values in past.values.values():
        values[rng.random(values.shape) < 0.02] = np.nan
    own = _told(past)["gpu.gpu_temp"]
    assert own.low <= 35.0 <= own.high
    past.values["gpu.gpu_temp"][30:] = np.nan
    assert "too few readings" in _told(past)["gpu.gpu_temp"].why


def test_dies_in_air_have_a_lag_too() -> None:
    """Where the site has no coolant, a die's own temperature tells the lag."""
    past = _past(15.0, 40.0, 35.0)
    values = {**past.values, "cdu.supply_temperature": np.full((_STEPS, 1, 0), np.nan)}
    own = _told(FleetPast(0.0, 15.0, values))["gpu.gpu_temp"]
    assert own.low <= 35.0 <= own.high


def test_every_row_reads_what_the_catalogue_has() -> None:
    """A past without a kind of sensor has no row of it."""
    past = _past(15.0, 40.0, 35.0)
    assert set(_told(past)) < {own.sensor for own in SENSOR_LAGS}
