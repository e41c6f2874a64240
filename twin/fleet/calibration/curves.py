"""Curves of pumps and fans that a past can tell."""

from __future__ import annotations

import numpy as np

from twin.catalog import FAN, PUMP
from twin.fleet.calibration.estimates import (
    Fitted,
    UntoldParameter,
    fit_lines,
    mean_of,
    named,
)
from twin.fleet.calibration.past import FleetPast
from twin.fleet.calibration.traces import blocks, device_names
from twin.plant.units import Floats
from twin.site import Layout

__all__ = ["CURVE_READINGS", "fan_speed", "pump_head"]

CURVE_READINGS = (
    "pump.flow", "pump.speed_ratio", "cdu.differential_pressure", "fan.speed", "fan.speed_ratio",
)  # fmt: skip
"""What is read of the past for them."""
_Z = 1.96
_SURE = 0.1
"""Half interval over the value up to which a device's curve is told."""
_TURNS = 0.2
"""Speed below which check valves decide about a pump's flow, or a fan stands, est."""
_WRONG = 0.01
"""Standard deviation of what instruments of one kind make of a head or speed together, est."""
_HEAD, _RATED = "cooling.pump_head_pascals", "fans.rated_rpm"


def pump_head(layout: Layout, past: FleetPast) -> Fitted | UntoldParameter:
    """Return the head of the pumps at rated speed without flow.

    A pump of speed n gives Q against H = H0 n² - a Q². Over Q² that is a line whose slope is H0. A
    loop of one resistance keeps n over Q as it is, at any set point, and shows one point of it: the
    pumps have to share its flow otherwise for a while, as where one of two stands.
    """
    pumps = layout.site.cooling.pumps
    if not layout.shape(PUMP)[1]:
        return UntoldParameter(_HEAD, "the site has no pumps")
    flow, speed = (_each(past, name) for name in ("pump.flow", "pump.speed_ratio"))
    head = np.repeat(_each(past, "cdu.differential_pressure"), pumps, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        over = np.where((speed > _TURNS) & (flow > 0.0), flow**2, np.nan)
        fit = fit_lines(
            blocks(speed**2 / over, past.step), blocks(head / over, past.step), offset=True
        )
        half = (_Z * fit.gain_error + fit.bias) / np.abs(fit.gain)
    sure = np.nan_to_num(half, nan=np.inf) < _SURE
    if not np.isfinite(fit.gain).any():
        return UntoldParameter(_HEAD, "the past has too few readings of flow, speed and pressure")
    if not sure.any():
        varied = float(np.nanmedian(fit.spread / fit.middle))
        return UntoldParameter(
            _HEAD,
            f"the pumps show one point of their curve: speed over flow, squared, varied by "
            f"{varied:.1%}, and the head is known to ±{float(np.nanmedian(half)):.0%}; take a past "
            "in which one of the pumps of a unit stands for some minutes",
        )
    gain, error = (np.where(sure, own, np.nan) for own in (fit.gain, fit.gain_error))
    before = layout.site.cooling.pump_head_pascals
    value, half_value = mean_of(gain, error, fit.bias, _WRONG * before)
    return Fitted(
        _HEAD, before, value, half_value, "Pa", int(sure.sum()),
        "head over flow, by speed over flow, squared",
        named(device_names(layout, PUMP), gain, error, fit.bias),
    )  # fmt: skip


def fan_speed(layout: Layout, past: FleetPast) -> list[Fitted | UntoldParameter]:
    """Return the speed of the fans at ratio 1; nothing where the site has no fans."""
    if not layout.shape(FAN)[1]:
        return []
    speed, ratio = _each(past, "fan.speed"), _each(past, "fan.speed_ratio")
    fit = fit_lines(
        blocks(np.where(ratio > _TURNS, ratio, np.nan), past.step),
        blocks(np.where(ratio > _TURNS, speed, np.nan), past.step),
        offset=False,
    )
    known = np.isfinite(fit.gain)
    if not known.any():
        why = "the past has too few readings of the fans' speeds in rpm and in percent"
        return [UntoldParameter(_RATED, why)]
    before = layout.site.fans.rated_rpm
    value, half = mean_of(fit.gain, fit.gain_error, 0.0, _WRONG * before)
    each = named(device_names(layout, FAN), fit.gain, fit.gain_error)
    how = "speed in rpm over that in percent"
    return [Fitted(_RATED, before, value, half, "rpm", int(known.sum()), how, each)]


def _each(past: FleetPast, name: str) -> Floats:
    """Return a reading as (steps, devices)."""
    values = past.values[name]
    flat: Floats = values.reshape(len(values), -1)
    return flat
