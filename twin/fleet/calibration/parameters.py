"""Parameters of the site file that a past can tell, each with the relation that tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from twin.catalog import CDU, GPU, PSU, PUMP
from twin.fleet.calibration.estimates import (
    Fitted,
    LineFit,
    UntoldParameter,
    fit_lines,
    mean_of,
    named,
)
from twin.fleet.calibration.past import FleetPast
from twin.fleet.calibration.traces import Trace, blocks, device_names
from twin.plant.units import Floats
from twin.shadow.functions import supply_losses
from twin.shadow.relations import RELATIONS
from twin.site import Layout

__all__ = ["FITTED_RELATIONS", "direct", "estimated"]

Told = list[Fitted | UntoldParameter]
Gains = dict[str, tuple[Floats, Floats]]
Fits = Mapping[str, LineFit | None]
Shared = Mapping[str, tuple[float, float]]

_DIE, _MEMORY, _LOAD, _SUPPLY = (
    "gpu_temperature", "memory_temperature", "host_load", "supply_input",
)  # fmt: skip
_LOOP, _FILTER = "loop_pressure", "filter_pressure"
_BY_NAME = {own.name: own for own in RELATIONS}
_LOSSES = replace(
    _BY_NAME[_SUPPLY], function=supply_losses, parameter="losses of the supply",
    gain=0.5, offset=10.0, form=0.2,
)  # fmt: skip
FITTED_RELATIONS = {
    own.name: own
    for own in (
        *(_BY_NAME[name] for name in (_DIE, _MEMORY, _LOAD)),
        # The observer learns what a supply takes over what it gives; here its losses are told.
        _LOSSES,
        *(_BY_NAME[name] for name in (_LOOP, _FILTER)),
    )
}
"""Relations that tell parameters of the site file, by name."""
_SURE = 0.1
"""Half interval over the value up to which a device's parameter is told."""
_Z = 1.96
_LEAST_SAMPLES = 10
_IN_USE_MIB = 300.0
"""Framebuffer in use from which a GPU has a context, est.: the driver alone takes less."""
_OF_MEDIAN = 1.25
"""Standard error of a median over that of a mean, of normal values."""
_WRONG = 0.005
"""Standard deviation of what instruments of one kind read too much, over the reading, est."""
_COOLANT_KELVIN = 0.3
"""Standard deviation of what supply thermometers read too much, est."""
_NOT_TOLD = (
    UntoldParameter(
        "gpu.heat_capacity_joules_per_kelvin",
        "it is the lag of the die over its resistance: see the lags of sensors",
    ),
    UntoldParameter(
        "gpu.power_noise_watts", "samples do not tell the noise of the power from that of the load"
    ),
)


def estimated(layout: Layout, nominal: Layout, traces: Mapping[str, Trace]) -> tuple[Told, Gains]:
    """Return what relations tell, and of each the gain and the offset of every device.

    Args:
        layout: the site as its file has it.
        nominal: the same with the set points that it really has, by which it was traced.
        traces: of the relations.
    """
    told: Told = []
    gains: Gains = {}
    one_model = len({block.gpu.key for block in layout.site.all_blocks}) == 1
    fits = {name: _fit(name, traces.get(name)) for name in FITTED_RELATIONS}
    shared = {name: _instruments(name, traces[name]) for name, fit in fits.items() if fit}
    for name, fit in fits.items():
        if fit is not None:
            sure = _sure(fit)
            gains[name] = np.where(sure, fit.gain, 1.0), np.where(sure, fit.offset, 0.0)
    if one_model:
        told += _of_gpus(layout, fits, shared)
    else:
        why = "the site has several GPU models; calibrate a site of each"
        told += [UntoldParameter("gpu.thermal_resistance_kelvin_per_watt", why),
                 UntoldParameter("gpu.memory_offset_kelvin", why)]  # fmt: skip
    told += _of_servers(layout, traces, fits, shared)
    told += _of_supplies(layout, fits[_SUPPLY], shared)
    told += _of_loops(layout, nominal, fits, shared)
    return [*told, *_NOT_TOLD], gains


def _fit(name: str, trace: Trace | None) -> LineFit | None:
    """Return the lines of a relation's devices, None where the past has no readings for it."""
    if trace is None or not np.isfinite(trace.error).any():
        return None
    x, y = blocks(trace.driven, trace.step), blocks(trace.effect - trace.base, trace.step)
    fit = fit_lines(x, y, offset=name in (_DIE, _LOAD))
    if name != _DIE:
        return fit
    # Under a load that hardly changes, the level tells what the slope does not, as far as a
    # sensor of the device may be off.
    level = fit_lines(x, y, offset=False)
    away = FITTED_RELATIONS[name].offset / level.spread
    return fit.replaced(~_sure(fit), replace(level, gain_error=np.hypot(level.gain_error, away)))


def _instruments(name: str, trace: Trace) -> tuple[float, float]:
    """Return by how much the instruments of one kind may be wrong together.

    Over the driven part, and in units of the effect: they do not average out over devices.
    """
    relation = FITTED_RELATIONS[name]
    driven = float(np.nanmean(np.abs(trace.driven)))
    wrong = max(relation.floor, relation.floor_ratio * driven)
    if name == _DIE:
        wrong = float(np.hypot(wrong, _COOLANT_KELVIN))
    return wrong / max(driven, 1e-9), wrong


def _sure(fit: LineFit) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    with np.errstate(invalid="ignore"):
        sure: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = (
            _Z * fit.gain_error + fit.bias < _SURE * np.abs(fit.gain)
        )
    return sure


def _unsure(key: str, fit: LineFit | None, needs: str) -> UntoldParameter:
    """Return why a parameter is not told."""
    if fit is None or not np.isfinite(fit.gain).any():
        return UntoldParameter(key, f"the past has too few readings of {needs}")
    spread = float(np.nanmedian(fit.spread))
    error = float(np.nanmedian((_Z * fit.gain_error + fit.bias) / np.abs(fit.gain)))
    return UntoldParameter(
        key,
        f"too little happened: what it drives varied by {spread:.3g} only, and it is known to "
        f"±{error:.0%}; take a past in which the load changes",
    )


def _scaled(
    key: str,
    before: float,
    unit: str,
    fit: LineFit | None,
    names: Sequence[str],
    needs: str,
    how: str,
    shared: tuple[float, float] | None,
) -> Fitted | UntoldParameter:
    """Return a parameter that the gain of a relation multiplies."""
    if fit is None or not (sure := _sure(fit)).any():
        return _unsure(key, fit, needs)
    gain, error = np.where(sure, fit.gain, np.nan), np.where(sure, fit.gain_error, np.nan)
    value, half = mean_of(gain, error, fit.bias, (shared or (0.0, 0.0))[0])
    each = named(names, before * gain, before * error, before * fit.bias)
    return Fitted(key, before, before * value, before * half, unit, int(sure.sum()), how, each)


def _of_gpus(layout: Layout, fits: Fits, shared: Shared) -> Told:
    gpu, names = layout.site.gpu, device_names(layout, GPU)
    key = "gpu.thermal_resistance_kelvin_per_watt"
    needs = "die temperature, power and coolant"
    resistance = _scaled(
        key, gpu.thermal_resistance_kelvin_per_watt, "K/W", fits[_DIE], names, needs,
        "die above the coolant over power, by flow", shared.get(_DIE),
    )  # fmt: skip
    told: Told = [resistance]
    if isinstance(resistance, Fitted) and resistance.devices > _LEAST_SAMPLES:
        own = np.array(list(resistance.each.values()))
        errors = own[:, 1] / _Z
        between = float(np.sqrt(max(own[:, 0].var(ddof=1) - (errors**2).mean(), 0.0)))
        spread = between / resistance.value
        half = _Z * spread / np.sqrt(2.0 * (len(own) - 1))
        told.append(
            Fitted("gpu.thermal_resistance_spread_ratio", gpu.thermal_resistance_spread_ratio,
                     spread, half, "", len(own), "spread of the GPUs, less that of the estimates")
        )  # fmt: skip
    told.append(
        _scaled("gpu.memory_offset_kelvin", gpu.memory_offset_kelvin, "K", fits[_MEMORY], names,
                "memory temperature, die temperature and power",
                "memory above the die, by power", shared.get(_MEMORY))
    )  # fmt: skip
    return told


def _of_servers(layout: Layout, traces: Mapping[str, Trace], fits: Fits, shared: Shared) -> Told:
    server, fit = layout.site.server, fits[_LOAD]
    keys = "server.base_power_per_gpu_watt", "server.base_power_watts"
    if fit is None or not (sure := _sure(fit)).any():
        needs = "the supplies' output and the GPUs' power"
        return [_unsure(key, fit, needs) for key in keys]
    names = traces[_LOAD].names
    factor = 1.0 + server.base_power_per_gpu_watt
    gain, error = (np.where(sure, own, np.nan) * factor for own in (fit.gain, fit.gain_error))
    level, level_error = (np.where(sure, own, np.nan) for own in (fit.offset, fit.offset_error))
    wrong, watts = shared[_LOAD]
    bias, level_bias = factor * fit.bias, fit.bias * fit.middle
    share, share_half = mean_of(gain, error, bias, wrong)
    base, base_half = mean_of(level + server.base_power_watts, level_error, level_bias, watts)
    count = int(sure.sum())
    how = "output of the supplies over the power of the GPUs"
    return [
        Fitted(keys[0], server.base_power_per_gpu_watt, max(share - 1.0, 0.0), share_half, "",
                 count, how, named(names, gain - 1.0, error, bias)),
        Fitted(keys[1], server.base_power_watts, base, base_half, "W", count, how,
                 named(names, level + server.base_power_watts, level_error, level_bias)),
    ]  # fmt: skip


def _of_supplies(layout: Layout, fit: LineFit | None, shared: Shared) -> Told:
    keys = ("psu_loss_idle_ratio", "psu_loss_ratio", "psu_loss_quadratic")
    names, told = device_names(layout, PSU), Told()
    for key, before in zip(keys, layout.site.server.psu_losses, strict=True):
        told.append(
            _scaled(f"server.{key}", before, "", fit, names, "input and output of the supplies",
                    "losses of the supplies over those of their class", shared.get(_SUPPLY))
        )  # fmt: skip
    return told


def _of_loops(layout: Layout, nominal: Layout, fits: Fits, shared: Shared) -> Told:
    """Return the pressure of the loop at nominal flow, and the filter's share of it."""
    cooling, loop, strainer = layout.site.cooling, fits[_LOOP], fits[_FILTER]
    share = cooling.filter_pressure_ratio
    keys = "cooling.loop_pressure_pascals", "cooling.filter_pressure_ratio"
    needs = "pump flow and pressures"
    for fit in (loop, strainer):
        if fit is None or not _sure(fit).any():
            return [_unsure(key, fit, needs) for key in keys]
    assert loop is not None  # noqa: S101 - for the type checker: told above
    assert strainer is not None  # noqa: S101 - as above
    rest = (1.0 - share) * np.where(_sure(loop), loop.gain, np.nan)
    filters = share * np.where(_sure(strainer), strainer.gain, np.nan)
    errors = np.hypot((1.0 - share) * loop.gain_error, share * strainer.gain_error)
    whole, half = mean_of(rest + filters, errors, wrong=shared[_LOOP][0])
    ratio, ratio_half = mean_of(
        filters / (rest + filters), share * strainer.gain_error, wrong=share * shared[_FILTER][0]
    )
    count = int(np.isfinite(rest + filters).sum())
    usual = nominal.site.cooling.loop_pressure_pascals
    return [
        Fitted(keys[0], cooling.loop_pressure_pascals, usual * whole, usual * half, "Pa", count,
                 "pressure over the square of the flow",
                 named(device_names(layout, CDU), usual * (rest + filters), usual * errors)),
        Fitted(keys[1], share, ratio, ratio_half, "", count, "pressure of the filter over it"),
    ]  # fmt: skip


def direct(layout: Layout, past: FleetPast) -> Told:
    """Return parameters that are readings themselves: set points, and the power of idle GPUs."""
    cooling, gpu = layout.site.cooling, layout.site.gpu
    told: Told = [
        _level("cooling.supply_celsius", cooling.supply_celsius, "°C",
               _flat(past, "cdu.supply_temperature"), device_names(layout, CDU),
               "median of the supply temperature"),
        _level("cooling.flow_liters_per_minute", cooling.flow_liters_per_minute, "L/min",
               _flat(past, "cdu.flow"), device_names(layout, CDU), "median of the flow"),
    ]  # fmt: skip
    flow, speed = _flat(past, "cdu.flow"), _flat(past, "pump.speed_ratio")
    held = np.nanmean(flow, axis=0) if np.isfinite(flow).any() else np.array([])
    if held.size and speed.shape[1] == held.size * cooling.pumps:
        nominal = np.where(speed > 0.0, speed, np.nan) * np.repeat(held / flow, cooling.pumps, 1)
        told.append(
            _level("cooling.pump_nominal_ratio", cooling.pump_nominal_ratio, "", nominal,
                   device_names(layout, PUMP), "speed of the pumps at that flow")
        )  # fmt: skip
    power, used = _flat(past, "gpu.power_usage"), _flat(past, "gpu.fb_used")
    idle = _lasting(_flat(past, "gpu.gpu_util") == 0.0)
    for key, before, state, what in (
        ("gpu.power_idle_watts", gpu.power_idle_watts, used < _IN_USE_MIB, "without a context"),
        ("gpu.power_context_watts", gpu.power_context_watts, used >= _IN_USE_MIB,
         "with an idle context"),
    ):  # fmt: skip
        watts = np.where(idle & state, power, np.nan)
        told.append(_level(key, before, "W", watts, device_names(layout, GPU), f"power {what}"))
    return told


def _flat(past: FleetPast, name: str) -> Floats:
    """Return a reading as (steps, devices)."""
    values = past.values[name]
    flat: Floats = values.reshape(len(values), -1)
    return flat


def _lasting(
    flags: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return where a flag holds and held at the steps before and after."""
    found = flags.copy()
    found[1:] &= flags[:-1]
    found[:-1] &= flags[1:]
    return found


def _level(
    key: str, before: float, unit: str, values: Floats, names: Sequence[str], how: str
) -> Fitted | UntoldParameter:
    """Return a parameter that is the usual value of a reading."""
    there = np.isfinite(values)
    count = there.sum(axis=0)
    enough = count >= _LEAST_SAMPLES
    if not enough.any():
        return UntoldParameter(
            key, f"the past has fewer than {_LEAST_SAMPLES} samples of the {how}"
        )
    middle = np.full(len(enough), np.nan)
    middle[enough] = np.nanmedian(values[:, enough], axis=0)
    off = np.where(there, values - middle, 0.0)
    spread = np.sqrt((off**2).sum(axis=0) / np.maximum(count - 1, 1))
    error = np.where(enough, _OF_MEDIAN * spread / np.sqrt(np.maximum(count, 1)), np.nan)
    value, half = mean_of(middle, error, wrong=_WRONG * abs(before))
    each = named(names, middle, error)
    return Fitted(key, before, value, half, unit, int(enough.sum()), how, each)
