"""Estimates: lines with honest errors, means of devices, and what cannot be told."""

from __future__ import annotations

import numpy as np
import pytest

from twin.fleet.calibration.estimates import fit_lines, mean_of, quantile

DEVICES, BLOCKS = 400, 60
GAIN, OFFSET, NOISE = 1.2, 3.0, 0.5


def points(noise: float = NOISE, spread: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """Return points of many devices on one line, with noise of the effect."""
    rng = np.random.default_rng(7)
    x = 20.0 + spread * rng.standard_normal((BLOCKS, DEVICES))
    return x, GAIN * x + OFFSET + noise * rng.standard_normal(x.shape)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of 95 % intervals about 95 % hold the gain and the offset."""
    fit = fit_lines(*points(), offset=True)
    gain = np.abs(fit.gain - GAIN) < 1.96 * fit.gain_error
    offset = np.abs(fit.offset - OFFSET) < 1.96 * fit.offset_error
    assert 0.92 < gain.mean() < 0.99
    assert 0.92 < offset.mean() < 0.99


def test_errors_that_go_on_widen_the_interval() -> None:
    """Errors of one sign for many blocks count as fewer blocks."""
    x, y = points(0.0)
    wave = np.repeat(np.random.default_rng(1).standard_normal((BLOCKS // 10, DEVICES)), 10, axis=0)
    white = np.random.default_rng(2).standard_normal(x.shape)
    lasting = fit_lines(x, y + wave, offset=True).gain_error.mean()
    assert lasting > 2.0 * fit_lines(x, y + white, offset=True).gain_error.mean()


def test_noise_of_the_cause_is_within_the_bias() -> None:
    """Noise of x makes the gain too small, and by no more than the reverse regression says."""
    x, y = points()
    noisy = x + 2.0 * np.random.default_rng(3).standard_normal(x.shape)
    fit = fit_lines(noisy, y, offset=True)
    assert fit.gain.mean() < 0.9 * GAIN
    assert (fit.gain + fit.bias + 1.96 * fit.gain_error > GAIN).mean() > 0.9


def test_too_few_blocks_and_no_change_tell_nothing() -> None:
    """A line through a point, or through few, is none."""
    x, y = points()
    assert np.isnan(fit_lines(x[:5], y[:5], offset=True).gain).all()
    assert np.isnan(fit_lines(np.full_like(x, 20.0), y, offset=True).gain).all()
    x[:, 0] = np.nan
    assert np.isnan(fit_lines(x, y, offset=True).gain[0])


@pytest.mark.parametrize(("devices", "expected"), [(4, 3.182), (8, 2.365), (30, 2.045)])
def test_few_devices_have_the_quantile_of_student(devices: int, expected: float) -> None:
    """The expansion is right to a few percent from four devices on."""
    assert quantile(devices) == pytest.approx(expected, rel=0.03)


def test_what_all_have_in_common_does_not_average_out() -> None:
    """The mean of many is as uncertain as what they share."""
    values, errors = np.full(1000, 2.0), np.full(1000, 0.1)
    assert mean_of(values, errors)[1] < 0.01
    assert mean_of(values, errors, 0.05)[1] > 0.05
    assert mean_of(values, errors, wrong=0.1)[1] == pytest.approx(0.196, rel=0.01)
    value, half = mean_of(np.array([2.0, np.nan]), np.array([0.1, 0.1]))
    assert (value, round(half, 3)) == (2.0, 0.196)
