"""Curves of pumps and fans from a past."""

from __future__ import annotations

import numpy as np
import pytest

from twin.fleet.calibration.curves import fan_speed, pump_head
from twin.fleet.calibration.estimates import Fitted, UntoldParameter
from twin.fleet.calibration.past import FleetPast
from twin.plant.hydraulics import PumpCurve
from twin.site import Layout, parse_site

_STEPS, _STEP = 240, 15.0
_LIQUID = Layout(parse_site("name: small\nracks: 3\n", "liquid"))
_AIR = Layout(parse_site("name: small\nracks: 3\ncooling: {medium: air}\n", "air"))
_HEAD = 910_000.0


def _pumped(alone: int, flow: float = 75.0, noise: float = 0.01) -> FleetPast:
    """Return a past of pumps with another head, one of two of which stands for so many steps.

    The set point of the flow rises by a tenth in the second half.
    """
    cooling = _LIQUID.site.cooling.model_copy(update={"pump_head_pascals": _HEAD})
    curve, rng = PumpCurve.of(cooling), np.random.default_rng(2)
    held = np.where(np.arange(_STEPS) < _STEPS / 2, flow, 1.1 * flow)[:, None] * np.ones((1, 3))
    running = np.where(np.arange(_STEPS) < alone, 1.0, 2.0)[:, None] * np.ones((1, 3))
    speed = curve.speed_for(held, running, np.full(held.shape, curve.loop), np.ones(held.shape))
    second = np.where(running > 1.0, 1.0, 0.0)

    def read(values: np.ndarray) -> np.ndarray:
        noisy: np.ndarray = values * (1.0 + noise * rng.standard_normal(values.shape))
        return noisy

    both = np.stack((np.ones_like(second), second), axis=2)
    return FleetPast(0.0, _STEP, {
        "pump.flow": read(both * (held / running)[:, :, None]),
        "pump.speed_ratio": both * speed[:, :, None],
        "cdu.differential_pressure": read(curve.drop(held, curve.loop))[:, :, None],
    })  # fmt: skip


def test_head_of_pumps_is_told_where_one_runs_alone_for_a_while() -> None:
    """Two points of the curve give the head within its interval, of the pumps that ran alone."""
    found = pump_head(_LIQUID, _pumped(alone=80))
    assert isinstance(found, Fitted)
    assert found.devices == 3
    assert abs(found.value - _HEAD) < found.half < 0.1 * _HEAD
    assert found.each.keys() == {f"r000{rack}/pump1" for rack in (1, 2, 3)}


def test_head_of_pumps_is_refused_where_they_show_one_point() -> None:
    """A changed set point alone moves speed and flow alike, and the reason says what would help."""
    found = pump_head(_LIQUID, _pumped(alone=0))
    assert isinstance(found, UntoldParameter)
    assert "one point of their curve" in found.why
    assert "stands for some minutes" in found.why
    nothing = {name: np.full_like(own, np.nan) for name, own in _pumped(0).values.items()}
    found = pump_head(_LIQUID, FleetPast(0.0, _STEP, nothing))
    assert isinstance(found, UntoldParameter)
    assert "too few readings" in found.why


def test_rated_speed_of_fans_is_told_or_refused() -> None:
    """It is rpm over percent; without fans it is no question, and without readings refused."""
    rng = np.random.default_rng(3)
    shape = (_STEPS, *_AIR.shape(next(own for own in _AIR.devices if own.name == "fan")))
    ratio = rng.uniform(0.4, 0.9, shape)
    rpm = 14_500.0 * ratio * (1.0 + 0.01 * rng.standard_normal(shape))
    [found] = fan_speed(_AIR, FleetPast(0.0, _STEP, {"fan.speed": rpm, "fan.speed_ratio": ratio}))
    assert isinstance(found, Fitted)
    assert found.value == pytest.approx(14_500.0, rel=0.005)
    assert abs(found.value - 14_500.0) < found.half
    assert fan_speed(_LIQUID, _pumped(0)) == []
    nothing = np.full(shape, np.nan)
    past = FleetPast(0.0, _STEP, {"fan.speed": nothing, "fan.speed_ratio": nothing})
    [refused] = fan_speed(_AIR, past)
    assert isinstance(refused, UntoldParameter)


def test_site_without_pumps_says_so() -> None:
    """A site in air has no curve of pumps."""
    found = pump_head(_AIR, FleetPast(0.0, _STEP, {}))
    assert found == UntoldParameter("cooling.pump_head_pascals", "the site has no pumps")
