"""Fit of a site: parameters that do not fit the rest of it, and the alerts that follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np

from twin.alerts import thresholds as limit
from twin.catalog import AMD_GPU
from twin.plant.exchanger import Exchanger
from twin.plant.room import AIR_JOULES_PER_KILOGRAM_KELVIN, air_stream_kilograms_per_second
from twin.plant.server import largest_pdu_share, phase_amperes
from twin.site import GpuModel, Site
from twin.site.sizing import air_heat_watts, heat_watts, hottest, load_watts, unit_power_watts

__all__ = ["Misfit", "misfits"]

_SPREAD = 3.0
"""Standard deviations by which the worst GPU of a site is hotter than the mean."""
_COLD_KELVIN = 1.0
"""Kelvin by which a supply may miss its setpoint before it is reported."""
_MEAN_LOAD = 0.85
"""Heat of a training site over that on the plateau of its steps, est."""
_PACED = 0.7
"""Share of the drop from a step's plateau that Megapacks have to supply or absorb, est.: their
low-pass output lies between plateau and dip."""
_RAMP = 0.55
"""Share of that drop that comes within a second, est.: ranks do not all end a step at once."""

_STEADY = 0.25
"""Share of that drop by which one-second averages still swing between evaluations, est."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """A parameter of a site that does not fit the rest of it.

    Attributes:
        key: of the site file.
        problem: its value, what is needed and what to do.
        alerts: of the shipped rules that fire because of it.
    """

    key: str
    problem: str
    alerts: tuple[str, ...]

    def __str__(self) -> str:
        follows = f" (alerts: {', '.join(self.alerts)})" if self.alerts else ""
        return f"{self.key}: {self.problem}{follows}"


def misfits(site: Site) -> tuple[Misfit, ...]:
    """Return what does not fit in a site, in the order in which its power and heat flow."""
    checks = (_gpus, _supplies, _breakers, _filters, _flow, _exchanger, _setpoints, _chillers, _air,
              _weather, _feed, _steps)  # fmt: skip
    return tuple(misfit for check in checks for misfit in check(site))


def _models(site: Site) -> list[GpuModel]:
    return list({model.key: model for model in site.models}.values())


def _cooled(site: Site) -> zip[tuple[GpuModel, bool]]:
    """Return the GPU model of each block, and whether air cools it."""
    return zip(site.models, site.air_blocks, strict=True)


def _air_at_gpus(site: Site, model: GpuModel) -> float:
    """Return the air at the second GPU of a stream in training, in °C."""
    fans, server = site.fans, site.server
    rate = fans.nominal_kilograms_per_second * AIR_JOULES_PER_KILOGRAM_KELVIN
    around = fans.recirculation_ratio / (1.0 - fans.recirculation_ratio)
    power = server.ac_power_watts(model.power_training_watts, fans.nominal_power_watts)
    stream = rate * fans.gpu_air_ratio / -(-server.gpus // 2)
    before = model.power_training_watts / stream if server.gpus > 1 else 0.0
    return round(site.facility.air_celsius + around * power / rate + before, 1)


def _rack_watts(site: Site) -> float:
    """Return the greatest power of a rack in W."""
    return max(site.rack_power_watts(model, air=air) for model, air in _cooled(site))


def _liquid_rack_watts(site: Site) -> float:
    """Return the greatest power of a rack that liquid cools, in W; 0 where there is none."""
    return max(
        (site.rack_power_watts(model, air=False) for model, air in _cooled(site) if not air),
        default=0.0,
    )


def _hot(model: GpuModel, die: float, memory: float) -> dict[str, bool]:
    """Return the alerts on heat of an exporter's GPUs, and whether they fire at these °C."""
    greatest = model.temperature_max_operating_celsius
    if model.exporter == AMD_GPU.accelerators:
        return {"AmdGpuTooHot": die >= min(limit.AMD_GPU_HOT.value, greatest)}
    warm = min(limit.GPU_MEMORY_HOT.value, model.memory_temperature_max_celsius)
    return {
        "GpuTooHot": die >= min(limit.GPU_HOT.value, greatest),
        "GpuMemoryTooHot": memory >= warm,
    }


def _throttling(model: GpuModel) -> str:
    """Return the alert on GPUs that heat slows."""
    amd = model.exporter == AMD_GPU.accelerators
    return "AmdGpuThermalThrottling" if amd else "GpuThermalThrottling"


def _gpus(site: Site) -> Iterator[Misfit]:
    """Check that cold plates and heat sinks keep the GPUs of a training job below their limits."""
    blocks = {(model.key, air): model for model, air in _cooled(site)}
    for (_, air), model in blocks.items():
        key = f"{'air' if air else 'thermal'}_resistance_kelvin_per_watt"
        spread = 1.0 + _SPREAD * model.thermal_resistance_spread_ratio
        rise = spread * getattr(model, key) * model.power_training_watts
        coolant = _air_at_gpus(site, model) if air else site.cooling.supply_celsius
        die = coolant + rise
        memory = die + model.memory_offset_kelvin + _SPREAD
        hot = _hot(model, die, memory)
        if any(hot.values()):
            yield Misfit(
                f"gpu.{key}",
                f"is {getattr(model, key):g}, so an {model.name} at "
                f"{model.power_training_watts:g} W reaches {die:.0f} °C and its memory "
                f"{memory:.0f} °C with {'air' if air else 'coolant'} of {coolant:g} °C; lower it "
                f"or {'facility.air_celsius' if air else 'cooling.supply_celsius'}",
                (*(name for name, fires in hot.items() if fires), _throttling(model)),
            )


def _supplies(site: Site) -> Iterator[Misfit]:
    server, shelves = site.server, site.shelves
    if shelves.count:
        yield from _shelves(site)
        return
    output, rated = _output(site), server.psus * server.psu_rating_watts
    if output > rated:
        yield Misfit(
            "server.psu_rating_watts",
            f"{server.psus} supplies of {server.psu_rating_watts:,.0f} W give {rated:,.0f} W, but "
            f"a server draws {output:,.0f} W; raise server.psus or psu_rating_watts",
            (),
        )


def _shelves(site: Site) -> Iterator[Misfit]:
    """Check that half of a rack's power shelves, those on one feed, carry it."""
    drawn = site.servers_per_rack * _output(site) + site.nvlink.rack_watts
    half = site.shelves.rating_watts / 2.0
    if drawn > half:
        yield Misfit(
            "shelves.count",
            f"is {site.shelves.count}: half of the power shelves give {half / 1e3:,.0f} kW, but a "
            f"rack draws {drawn / 1e3:,.0f} kW; raise it, or shelves.psus",
            (),
        )


def _output(site: Site) -> float:
    fans = site.fan_power_watts(air=site.has_air)
    return site.server.output_watts(hottest(site).power_training_watts, fans)


def _breakers(site: Site) -> Iterator[Misfit]:
    pdu = site.pdu
    if pdu.breaker_amperes is None:
        return
    share = largest_pdu_share(site)
    watts = share * _rack_watts(site)
    if site.has_liquid:
        watts += unit_power_watts(site.cooling) / site.pdus_per_rack
    amperes = phase_amperes(watts)
    if amperes >= 0.9 * pdu.hold_ratio * pdu.breaker_amperes:
        yield Misfit(
            "pdu.breaker_amperes",
            f"is {pdu.breaker_amperes:g} A, but a phase carries {amperes:,.0f} A; raise it, or "
            "leave it out and it follows from the power supplies",
            ("RackWithoutPower",),  # the other PDU then carries twice its load and trips too
        )


def _filters(site: Site) -> Iterator[Misfit]:
    cooling = site.cooling
    if not site.has_liquid:
        return
    drop = cooling.filter_pressure_ratio * cooling.loop_pressure_pascals
    if drop > limit.FILTER_PRESSURE.value:
        yield Misfit(
            "cooling.filter_pressure_ratio",
            f"is {cooling.filter_pressure_ratio:g}: the pressure drop of a clean filter is "
            f"{drop:,.0f} Pa; lower it",
            ("CoolantFilterClogged",),
        )


def _flow(site: Site) -> Iterator[Misfit]:
    """Check that a rack's coolant flow is enough for its heat."""
    cooling, rack = site.cooling, _liquid_rack_watts(site)
    flow = cooling.flow_liters_per_minute
    rate = cooling.coolant_joules_per_liter_kelvin / 60.0
    least = limit.COOLANT_FLOW.value * rack / 1e3
    cool = cooling.liquid_ratio * rack / (limit.COOLANT_RISE.value * rate)
    alerts = {"CoolantFlowLow": flow < 1.03 * least, "CoolantRiseHigh": flow < 1.03 * cool}
    if any(alerts.values()):
        yield Misfit(
            "cooling.flow_liters_per_minute",
            f"is {flow:g}, but a rack of {rack / 1e3:,.1f} kW needs "
            f"{ceil(1.05 * max(least, cool))} or more; raise it, or leave it out to have it sized",
            tuple(name for name, fires in alerts.items() if fires),
        )


def _exchanger(site: Site) -> Iterator[Misfit]:
    """Check that the heat exchanger holds the supply temperature with its valve fully open."""
    cooling = site.cooling
    if cooling.supply_celsius <= cooling.facility_supply_celsius or not site.has_liquid:
        return
    exchanger, heat = Exchanger.of(cooling), cooling.liquid_ratio * _liquid_rack_watts(site)
    hot, cold = np.array(exchanger.hot_rate), np.array(exchanger.cold_rate)
    carried = exchanger.rate(hot, cold, np.ones(())).item()
    coolest = cooling.facility_supply_celsius + heat / carried - heat / exchanger.hot_rate
    above = coolest - cooling.supply_celsius
    if above > _COLD_KELVIN:
        alerts = ["CoolantHot"] * (coolest > limit.COOLANT_HOT.value)
        mixed = len({model.power_training_watts for model in _models(site)}) > 1
        alerts += ["CoolantAboveOthers"] * (mixed and above > limit.COOLANT_ABOVE_OTHERS.value)
        yield Misfit(
            "cooling.facility_flow_liters_per_minute",
            f"is {cooling.facility_flow_liters_per_minute:g} with nominal_heat_watts of "
            f"{cooling.nominal_heat_watts:,.0f}: with {heat / 1e3:,.1f} kW a rack the coolant "
            f"leaves at {coolest:.1f} °C instead of {cooling.supply_celsius:g} °C; raise them, or "
            "leave them out to have them sized",
            tuple(alerts),
        )


def _setpoints(site: Site) -> Iterator[Misfit]:
    cooling, water, liquid = site.cooling, site.water, site.has_liquid
    if liquid and cooling.supply_celsius <= cooling.facility_supply_celsius:
        yield Misfit(
            "cooling.supply_celsius",
            f"is {cooling.supply_celsius:g} °C, but the facility water is at "
            f"{cooling.facility_supply_celsius:g} °C and cannot cool it that far; raise it or "
            "lower facility_supply_celsius",
            (),
        )
    damp = water.outdoor_dew_celsius - water.room_dew_celsius
    dew = water.room_dew_celsius + water.room_infiltration_ratio * max(damp, 0.0)
    supply = max(cooling.supply_celsius, dew + cooling.dew_margin_kelvin)
    checks = (
        ("cooling.supply_celsius", liquid and supply > limit.COOLANT_HOT.value, f"{supply:g} °C",
         "CoolantHot"),
        ("cooling.dew_margin_kelvin", liquid and supply - dew < limit.CONDENSATION_MARGIN.value,
         f"{supply - dew:.1f} K", "CondensationRisk"),
        ("cooling.facility_supply_celsius",
         cooling.facility_supply_celsius > limit.WATER_WARM.value,
         f"{cooling.facility_supply_celsius:g} °C", "FacilityWaterWarm"),
        ("facility.air_celsius", site.facility.air_celsius > limit.ROOM_WARM.value,
         f"{site.facility.air_celsius:g} °C", "RoomTooWarm"),
        ("water.room_dew_celsius", dew > limit.ROOM_DEW_POINT.value, f"{dew:.1f} °C",
         "RoomDewPointHigh"),
    )  # fmt: skip
    for key, wrong, value, alert in checks:
        if wrong:
            yield Misfit(key, f"leads to {value}, on which a shipped rule fires", (alert,))


def _chillers(site: Site) -> Iterator[Misfit]:
    """Check that the chillers carry the site's heat in the hottest hour, even with one lost."""
    water, heat = site.water, heat_watts(site)
    each = site.chiller_rated_watts * water.hottest_capacity_ratio
    alerts = {
        "ChillersWithoutReserve": each * (site.chillers - 1) < heat,
        "FacilityWaterWarm": each * site.chillers < _MEAN_LOAD * heat,
    }
    if any(alerts.values()):
        yield Misfit(
            "water.margin_ratio" if water.spare else "water.spare",
            f"{site.chillers} chillers of {each / 1e3:,.0f} kW in the hottest hour cannot carry "
            f"{heat / 1e3:,.0f} kW when one is lost; raise water.spare or margin_ratio",
            tuple(name for name, fires in alerts.items() if fires),
        )


def _air(site: Site) -> Iterator[Misfit]:
    water = site.water
    capacity = (1.0 + water.air_margin_ratio) * site.air_heat_watts
    stream = air_stream_kilograms_per_second(site) * AIR_JOULES_PER_KILOGRAM_KELVIN
    air = site.facility.air_celsius + max(air_heat_watts(site) - capacity, 0.0) / stream
    if air > limit.ROOM_WARM.value >= site.facility.air_celsius:
        yield Misfit(
            "water.air_margin_ratio",
            f"is {water.air_margin_ratio:g}: {air_heat_watts(site) / 1e3:,.0f} kW go into the air, "
            f"but the air handlers carry {capacity / 1e3:,.0f} kW; raise it, or leave it out to "
            "have it sized",
            ("RoomTooWarm",),
        )


def _weather(site: Site) -> Iterator[Misfit]:
    hottest = site.water.hottest_celsius
    if hottest > limit.OUTDOOR_HOT.value:
        yield Misfit(
            "water.outdoor_celsius",
            f"is {site.water.outdoor_celsius:g} °C, and the day reaches {hottest:g} °C",
            ("OutdoorHeat",),
        )


def _feed(site: Site) -> Iterator[Misfit]:
    import_watts, load = site.grid.feeds * site.grid.limit_watts, load_watts(site)
    if load > import_watts:
        yield Misfit(
            "grid.limit_watts",
            f"allows {import_watts / 1e6:,.2f} MW in all, but the site draws up to "
            f"{load / 1e6:,.2f} MW; raise it, or leave it out to have it sized",
            ("GridImportAboveLimit",),
        )


def _steps(site: Site) -> Iterator[Misfit]:
    """Check that Megapacks keep the power swings of training steps off the grid."""
    grid, packs = site.grid, site.megapacks
    drop = max((_drop_watts(site, first, last) for first, last in _training(site)), default=0.0)
    rest = drop * max(1.0 - packs.count * packs.power_watts / (_PACED * drop), 0.0) if drop else 0.0
    allowed = limit.GRID_RAMP.value * grid.limit_watts * grid.feeds
    swings = _STEADY * rest > limit.GRID_SWING.value * grid.limit_watts * grid.feeds
    if _RAMP * rest > allowed:
        count = ceil(_PACED * drop / packs.power_watts)
        yield Misfit(
            "megapacks.count",
            f"is {packs.count}: the power swings of training steps reach the grid at up to "
            f"{_RAMP * rest / 1e6:,.2f} MW/s, but the limit allows {allowed / 1e6:,.2f}; "
            f"{count} units smooth them",
            ("GridImportRamp", *["GridImportSwing"] * swings),
        )


def _training(site: Site) -> Iterator[tuple[int, int]]:
    """Yield the range of racks of each training job, the end excluded."""
    if not site.jobs:
        yield 0, site.racks
    first = 0
    for job in site.jobs:
        if job.workload == "training":
            yield first, first + job.racks
        first += job.racks


def _drop_watts(site: Site, first: int, last: int) -> float:
    """Return the drop in the power of racks when their GPUs wait for each other, in W."""
    drop, start = 0.0, 0
    for block in site.all_blocks:
        racks = max(min(last, start + block.racks) - max(first, start), 0)
        plateau = site.server.ac_power_watts(block.gpu.power_training_watts)
        waiting = site.server.ac_power_watts(block.gpu.power_wait_watts)
        drop += racks * site.servers_per_rack * (plateau - waiting)
        start += block.racks
    return drop
