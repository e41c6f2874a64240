"""Correctable errors of a healthy fleet: at its rates, on few devices, and far from any alert."""

from __future__ import annotations

import numpy as np
import pytest

from twin.alerts import Threshold
from twin.alerts.thresholds import (
    GPU_NVLINK_ERRORS,
    GPU_REPLAYS,
    GPU_SINGLE_BIT,
    NIC_SYMBOL_ERRORS,
)
from twin.plant.error_creep import (
    NIC_SYMBOL_RATE,
    NVLINK_RATE,
    PCIE_RATE,
    SINGLE_BIT_RATE,
    ErrorCreep,
)
from twin.plant.gpu_errors import GpuErrors
from twin.plant.nvlink import NvLinks
from twin.plant.units import Floats

RATES = (SINGLE_BIT_RATE, PCIE_RATE, NVLINK_RATE, NIC_SYMBOL_RATE)
LIMITS = (GPU_SINGLE_BIT, GPU_REPLAYS, GPU_NVLINK_ERRORS, NIC_SYMBOL_ERRORS)
FLEET = (1563, 64)
DAY = 86_400.0


def counted(creep: ErrorCreep, steps: int, dt: float) -> Floats:
    """Return the errors of each device in some steps."""
    counter: Floats = np.zeros(FLEET)
    for _ in range(steps):
        counter = creep.added(counter, dt)
    return counter


@pytest.mark.parametrize("rate", RATES)
def test_the_fleet_has_its_rate(rate: float) -> None:
    """The errors of a day on 100,032 devices are those of the mean rate, most on few devices."""
    seen = counted(ErrorCreep(FLEET, rate, np.random.default_rng(1)), 4, DAY / 4)
    assert seen.sum() == pytest.approx(rate * DAY * seen.size, rel=0.05)
    worst = np.sort(seen.ravel())[::-1][: seen.size // 10]
    assert worst.sum() > 0.4 * seen.sum()


@pytest.mark.parametrize(("rate", "limit"), list(zip(RATES, LIMITS, strict=True)))
def test_no_healthy_device_fires_an_alert(rate: float, limit: Threshold) -> None:
    """The worst of 100,032 devices has a tenth of the rate that its alert calls too much."""
    creep = ErrorCreep(FLEET, rate, np.random.default_rng(2))
    worst = np.diff(creep._ends, prepend=0.0).max()
    assert worst < 0.1 * limit.value


def test_counters_of_healthy_gpus_rise() -> None:
    """In a quarter ECC, PCIe and NVLink counters of some GPUs rise though nothing is wrong."""
    shape = (16, 64)
    rng = np.random.default_rng(3)
    errors, links, none = GpuErrors(shape, rng), NvLinks(shape, rng), np.zeros(shape)
    for _ in range(90):
        errors.step(none.astype(np.int16), none, none, DAY)
        links.step(none, DAY)
    values = errors.outputs() | links.outputs()
    for name in ("ecc_sbe_volatile", "pcie_replay", "nvlink_crc_flit", "nvlink_recovery"):
        assert values[name].sum() > 0, name
        assert (values[name] == 0).any(), name
    np.testing.assert_array_equal(values["ecc_dbe_volatile"], none)
    assert links.pace is None


def test_steps_of_any_length_have_the_same_rate() -> None:
    """Long steps count as many errors as short ones."""
    short, long = (ErrorCreep(FLEET, 1e-3, np.random.default_rng(seed)) for seed in (4, 5))
    assert counted(short, 60, 1.0).sum() == pytest.approx(counted(long, 1, 60.0).sum(), rel=0.1)
