"""Limits and CUSUMs on noise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from twin.shadow.detection import ALLOWANCE, Detector, blocks_to_false_alarm, limit_for

_FLOOR = 1e-3


def _first_alarms(limit: float, devices: int, blocks: int, seed: int) -> np.ndarray:
    """Return the block of the first alarm of each one-sided CUSUM on white noise, inf for none."""
    rng = np.random.default_rng(seed)
    level = np.zeros(devices)
    first = np.full(devices, np.inf)
    for block in range(1, blocks + 1):
        level = np.maximum(level + rng.standard_normal(devices) - ALLOWANCE, 0.0)
        first = np.where(np.isinf(first) & (level > limit), block, first)
    return first


def test_formula_gives_the_false_alarms_of_a_simulation() -> None:
    """Of 20,000 CUSUMs on noise as many pass the limit in a time as Siegmund's formula says."""
    limit, blocks = 5.0, 400
    first = _first_alarms(limit, 20_000, blocks, seed=1)
    wanted = 1.0 - math.exp(-blocks / blocks_to_false_alarm(limit))
    assert np.isfinite(first).mean() == pytest.approx(wanted, rel=0.15)


def test_limit_gives_the_wanted_false_alarms() -> None:
    """Sides over their mean time to a false alarm is the wanted number a week."""
    sides, blocks = 200_000, 20_160.0
    limit = limit_for(sides, blocks, 2.0)
    assert sides * blocks / blocks_to_false_alarm(limit) == pytest.approx(2.0, rel=1e-3)
    assert limit_for(sides, blocks, 0.1) > limit > limit_for(sides // 10, blocks, 2.0)


def test_detector_keeps_to_the_rate_with_what_it_has_learnt_of_the_noise() -> None:
    """With mean and deviation learnt of 20 blocks, devices alarm no more often than was asked."""
    shape, blocks, wanted = (100, 40), 400, 20.0
    limit = limit_for(2 * 100 * 40, blocks, wanted)
    detector = Detector(shape, proving=20)
    rng = np.random.default_rng(2)
    ever = np.zeros(shape, dtype=np.bool_)
    for _ in range(20 + blocks):
        detector.take(rng.standard_normal(shape), np.ones(shape), _FLOOR, limit, 0.01)
        ever |= detector.alarmed
    assert ever.sum() <= wanted


def test_correlated_noise_is_not_taken_for_a_shift() -> None:
    """Noise whose blocks resemble each other by 0.6 raises no more alarms than were asked for."""
    shape, blocks, wanted = (100, 20), 400, 10.0
    limit = limit_for(2 * 100 * 20, blocks, wanted)
    detector = Detector(shape, proving=20)
    rng = np.random.default_rng(3)
    noise, ever = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    for _ in range(20 + blocks):
        noise = 0.6 * noise + 0.8 * rng.standard_normal(shape)
        detector.take(noise, np.ones(shape), _FLOOR, limit, 0.01)
        ever |= detector.alarmed
    assert ever.sum() <= wanted


def test_one_strange_block_is_no_alarm_and_a_lasting_shift_is_one_that_ends() -> None:
    """A block a thousand deviations off passes; a shift of five is found, and ends when it does."""
    shape = (1, 8)
    limit = limit_for(16, 20_160.0, 1.0)
    detector = Detector(shape, proving=20)
    rng = np.random.default_rng(4)

    def take(shift: float, blocks: int) -> bool:
        for _ in range(blocks):
            error = rng.standard_normal(shape)
            error[0, 3] += shift
            detector.take(error, np.ones(shape), _FLOOR, limit, 0.01)
        return bool(detector.alarmed[0, 3])

    take(0.0, 40)
    assert not take(1000.0, 1)
    assert not take(0.0, 20)
    assert take(5.0, 10)
    assert detector.shift[0, 3] == pytest.approx(5.0, abs=1.5)
    assert not take(0.0, 20)
    assert detector.alarmed.sum() == 0


def test_missing_blocks_hold_what_is_known() -> None:
    """Blocks without a value neither raise nor end anything."""
    detector = Detector((1, 8), proving=20)
    rng = np.random.default_rng(5)
    for _ in range(30):
        detector.take(rng.standard_normal((1, 8)), np.ones((1, 8)), _FLOOR, 10.0, 0.01)
    before = detector.statistic.copy()
    detector.take(np.full((1, 8), np.nan), np.full((1, 8), np.nan), _FLOOR, 10.0, 0.01)
    assert np.array_equal(detector.statistic, before)
    assert np.isnan(detector.z).all()


def test_what_was_found_lasts_while_readings_do_not_show_it() -> None:
    """A fault is kept through idle blocks and a contrary one, and ends when load denies it."""
    shape = (1, 8)
    detector = Detector(shape, proving=20)
    rng = np.random.default_rng(6)

    def take(load: float, share: float, blocks: int) -> bool:
        for _ in range(blocks):
            driven = np.full(shape, load)
            error = rng.standard_normal(shape)
            error[0, 3] += share * load
            detector.take(error, driven, _FLOOR, limit_for(16, 20_160.0, 1.0), 0.01)
        return bool(detector.alarmed[0, 3])

    take(20.0, 0.0, 40)
    assert take(20.0, 0.25, 20)
    assert take(1.0, 0.25, 200)
    assert take(20.0, -5.0, 1)
    assert take(20.0, 0.25, 1)
    assert take(1.0, 0.0, 200)
    assert not take(20.0, 0.0, 20)
