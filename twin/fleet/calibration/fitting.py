"""Fitting of a site's parameters: the relations of the observer over a past, device by device.

Each relation gives the effect in a base and a part that a parameter multiplies, by the plant's own
function (:mod:`twin.shadow.relations`). What the parameter is follows by least squares from blocks
of time; the last part of the past is held back, to see how well the result foretells it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twin.errors import ConfigError
from twin.fleet.calibration.curves import CURVE_READINGS, fan_speed, pump_head
from twin.fleet.calibration.estimates import Fitted, UntoldParameter
from twin.fleet.calibration.lags import LAG_READINGS, SensorLag, sensor_lags
from twin.fleet.calibration.parameters import FITTED_RELATIONS, direct, estimated
from twin.fleet.calibration.past import FleetPast
from twin.fleet.calibration.traces import Trace, blocks, traced
from twin.fleet.calibration.writing import calibrated_text
from twin.plant.units import Floats
from twin.shadow.readings import ENERGY, SiteModel
from twin.site import Layout, parse_site

__all__ = ["CALIBRATED_READINGS", "CalibratedSite", "HeldBack", "calibrate"]

_FITTED = tuple(FITTED_RELATIONS.values())
CALIBRATED_READINGS = tuple(
    dict.fromkeys(
        [name for own in _FITTED for name in own.readings if name != ENERGY]
        + ["gpu.gpu_util", "gpu.fb_used", "pump.speed_ratio", "cdu.flow", "cdu.supply_temperature"]
        + list(CURVE_READINGS)
        + list(LAG_READINGS)
    )
)
"""What is read of the past: power as it was sampled, not the counters of energy."""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """How well a relation foretells the part of the past that was held back.

    Attributes:
        title: of the relation.
        unit: of its effect.
        before: root mean square error by the site file as it is.
        after: the same by the calibrated one.
        each: the same with each device's own parameter.
        trace: measured and expected by both, of the device in the middle.
    """

    title: str
    unit: str
    before: float
    after: float
    each: float
    trace: Sequence[tuple[str, Sequence[tuple[float, float]]]]


@dataclass(frozen=True, slots=True)
class CalibratedSite:
    """A site that was calibrated.

    Attributes:
        text: of the site file.
        estimates: what the data tell.
        refused: what they do not.
        errors: on the part held back, by relation.
        fitted_seconds: of the part that was fitted.
        held_seconds: of the part held back.
        lags: of sensors behind their causes.
    """

    text: str
    estimates: Sequence[Fitted]
    refused: Sequence[UntoldParameter]
    errors: Sequence[HeldBack]
    fitted_seconds: float
    held_seconds: float
    lags: Sequence[SensorLag] = ()


def calibrate(text: str, where: str, past: FleetPast, held_back: float = 0.3) -> CalibratedSite:
    """Return a site file whose parameters are those that the past shows.

    Args:
        text: of the site file.
        where: it stands.
        past: what its racks measured.
        held_back: share of the past that is not fitted, its last part.

    Raises:
        ConfigError: nothing can be told.
    """
    layout = Layout(parse_site(text, where))
    first = round(past.steps * (1.0 - held_back))
    fit, held = past.between(0, first), past.between(first, past.steps)
    told = direct(layout, fit)
    curves = [pump_head(layout, fit), *fan_speed(layout, fit)]
    # What holds at nominal flow is fitted with the flow that the units really hold.
    levels = {own.key: own.value for own in told if isinstance(own, Fitted)}
    nominal = calibrated_text(text, where, layout, levels)
    model = SiteModel.of(Layout(parse_site(nominal, where)))
    more, gains = estimated(layout, model.layout, traced(_FITTED, model, fit))
    told += more + curves
    estimates = [own for own in told if isinstance(own, Fitted)]
    refused = [own for own in told if isinstance(own, UntoldParameter)]
    if not estimates:
        raise ConfigError(f"{where}: nothing can be told: {refused[0].key}: {refused[0].why}")
    after = calibrated_text(text, where, layout, {own.key: own.value for own in estimates})
    errors = _errors(layout, model, Layout(parse_site(after, where)), held, gains)
    step = past.step
    return CalibratedSite(
        after, estimates, refused, errors, fit.steps * step, held.steps * step, sensor_lags(past)
    )


def _errors(
    before: Layout,
    nominal: SiteModel,
    after: Layout,
    held: FleetPast,
    gains: Mapping[str, tuple[Floats, Floats]],
) -> list[HeldBack]:
    """Return the errors on the part held back."""
    old = traced(_FITTED, SiteModel.of(before), held)
    fitted = traced(_FITTED, nominal, held)
    new = traced(_FITTED, SiteModel.of(after), held)
    found = []
    for relation in _FITTED:
        if relation.name not in old or relation.name not in new:
            continue
        one, two = old[relation.name], new[relation.name]
        gain, offset = gains.get(relation.name, (np.ones(1), np.zeros(1)))
        own = fitted[relation.name]
        each = own.effect - (own.base + gain * own.driven + offset)
        found.append(
            HeldBack(
                relation.title,
                relation.unit,
                _rms(one.error, one.step),
                _rms(two.error, one.step),
                _rms(each, one.step),
                _shown(one, two),
            )
        )
    return found


def _rms(error: Floats, step: float) -> float:
    """Return the root mean square of the means over blocks."""
    error = blocks(error, step)
    known = error[np.isfinite(error)]
    return float(np.sqrt((known**2).mean())) if known.size else float("nan")


_POINTS = 300


def _shown(one: Trace, two: Trace) -> list[tuple[str, list[tuple[float, float]]]]:
    """Return measured and expected of the device whose error is in the middle."""
    error = np.nanmean(np.abs(np.where(np.isfinite(one.error), one.error, 0.0)), axis=0)
    there = np.isfinite(one.error).sum(axis=0) > 0
    order = [index for index in np.argsort(error) if there[index]]
    if not order:
        return []
    device = order[len(order) // 2]
    stride = max(1, len(one.effect) // _POINTS)
    lines = (
        ("measured", one.effect),
        ("before", one.base + one.driven),
        ("after", two.base + two.driven),
    )
    return [
        (
            f"{name} ({one.names[device]})" if name == "measured" else name,
            [
                (index * one.step, float(values[index, device]))
                for index in range(0, len(values), stride)
                if np.isfinite(values[index, device])
            ],
        )
        for name, values in lines
    ]
