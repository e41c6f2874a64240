"""Sizing: what a site file leaves open, from what it gives.

The defaults of a site are those of the Colossus building block, a rack of eight servers of
eight H100, and of sixteen such racks. Another site is sized in the order in which its power
and its heat go: GPUs to cold plates or heat sinks, fans and power supplies, the rack's heat to
the flow of its coolant unit, its pumps and its exchanger, the site's heat to chillers and air
handlers, its load to the feed. What a file gives is never changed, and what a site need not
have (Megapacks, generators, turbines) is never added.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor, log10
from types import MappingProxyType
from typing import TypeVar

from pydantic import BaseModel

from twin.parameters import (
    CoolingParameters,
    FacilityParameters,
    FanParameters,
    GpuModel,
    GridParameters,
    Section,
    ServerParameters,
    WaterParameters,
)
from twin.parameters.site import Site

__all__ = [
    "SIZED",
    "air_heat_watts",
    "heat_watts",
    "hottest",
    "load_watts",
    "sized",
    "unit_power_watts",
]

_S = TypeVar("_S", bound=Section)

_GPU_WATTS = 625.0
"""Training power of an H100, for which the default cold plate stands."""
_SERVER_WATTS = ServerParameters().output_watts(_GPU_WATTS)
"""DC power of a server of eight of them without fans, for which the default fans stand."""
_RACK_WATTS = 8 * ServerParameters().ac_power_watts(_GPU_WATTS)
"""AC power of a rack of 64 H100, for which the default coolant unit stands."""
_BLOCK_WATTS = 16 * _RACK_WATTS
"""AC power of sixteen such racks, for which the default building stands."""

SIZED: Mapping[type[BaseModel], tuple[str, ...]] = MappingProxyType(
    {
        GpuModel: ("thermal_resistance_kelvin_per_watt", "air_resistance_kelvin_per_watt"),
        ServerParameters: ("nics", "psus", "psu_rating_watts"),
        CoolingParameters: (
            "flow_liters_per_minute",
            "loop_liters",
            "pump_power_watts",
            "control_power_watts",
            "facility_flow_liters_per_minute",
            "nominal_heat_watts",
        ),
        FanParameters: ("power_watts", "air_kilograms_per_second"),
        FacilityParameters: ("fixed_power_watts",),
        WaterParameters: ("margin_ratio", "air_margin_ratio", "liters_per_kilowatt"),
        GridParameters: ("limit_watts",),
    }
)
"""What is sized where a site does not give it."""

_SUPPLY_LOAD = 0.8
"""Load of a power supply at which a larger one is taken, over its rating, est."""
_SUPPLY_STEP_WATTS = 500.0
_RESERVE = 1.08
"""Capacity of chillers and air handlers over all the heat there is, at least, est."""
_FEED_RESERVE = 1.2
"""Import limit over the site's greatest load, at least, est."""
_LEAST_FLOW = 2.0
"""Flow of the smallest coolant unit in L/min, est."""
_WARM_CHILLERS = 0.7
"""Efficiency of the chillers on the hottest day over that at the reference temperature, est."""


def sized(site: Site) -> Site:
    """Return the site with everything sized that it does not give."""
    blocks = tuple(_with(block, gpu=_gpu(block.gpu)) for block in site.blocks)
    site = _with(site, gpu=_gpu(site.gpu), blocks=blocks)
    gpu = hottest(site)
    site = _with(site, fans=_fans(site.fans, site.server, gpu))
    site = _with(site, server=_server(site, gpu))
    site = _with(site, cooling=_cooling(site.cooling, site.rack_power_watts(gpu, air=False)))
    site = _with(site, facility=_facility(site.facility, site.installed_power_watts))
    site = _with(site, water=_water(site))
    return _with(site, grid=_grid(site))


def hottest(site: Site) -> GpuModel:
    """Return the GPU model of a site that draws most in training."""
    return max(site.models, key=lambda gpu: gpu.power_training_watts)


def unit_power_watts(cooling: CoolingParameters) -> float:
    """Return the electrical power of a coolant unit that gives its nominal flow, in W."""
    pumps = cooling.pumps * cooling.pump_power_watts * cooling.pump_nominal_ratio**3
    return pumps + cooling.control_power_watts


def heat_watts(site: Site) -> float:
    """Return the heat of servers, switches, service racks and coolant units at work, in W."""
    units = site.air_racks.count(False) * unit_power_watts(site.cooling)
    return site.installed_power_watts + site.support_power_watts + units


def air_heat_watts(site: Site) -> float:
    """Return the part of that heat that goes into the air, in W."""
    return heat_watts(site) - site.liquid_heat_watts


def load_watts(site: Site) -> float:
    """Return the greatest power of the site, chillers and building included, in W."""
    heat = heat_watts(site)
    chillers = heat / (_WARM_CHILLERS * site.water.cop)
    return heat * (1.0 + site.facility.loss_ratio) + chillers + site.facility.fixed_power_watts


# -- one section each -----------------------------------------------------------------


def _gpu(model: GpuModel) -> GpuModel:
    ratio, fields = _GPU_WATTS / model.power_training_watts, GpuModel.model_fields
    return _filled(
        model, **{name: _rounded(fields[name].default * ratio) for name in SIZED[GpuModel]}
    )


def _fans(fans: FanParameters, server: ServerParameters, gpu: GpuModel) -> FanParameters:
    ratio = server.output_watts(gpu.power_training_watts) / _SERVER_WATTS
    fields = FanParameters.model_fields
    return _filled(
        fans, **{name: _rounded(fields[name].default * ratio) for name in SIZED[FanParameters]}
    )


def _server(site: Site, gpu: GpuModel) -> ServerParameters:
    server = _filled(site.server, nics=site.server.gpus + 1)
    if site.shelves.count:
        return server
    carried = _SUPPLY_LOAD * server.psu_rating_watts
    fans = site.fan_power_watts(air=site.has_air)
    output = server.output_watts(gpu.power_training_watts, fans)
    if output <= server.psus * carried:
        return server
    if "psu_rating_watts" in server.model_fields_set:
        return _filled(server, psus=min(ceil(output / carried), 16))
    rating = output / server.psus / _SUPPLY_LOAD
    return _filled(server, psu_rating_watts=_SUPPLY_STEP_WATTS * ceil(rating / _SUPPLY_STEP_WATTS))


def _cooling(cooling: CoolingParameters, rack_watts: float) -> CoolingParameters:
    ratio = rack_watts / _RACK_WATTS
    defaults = CoolingParameters()
    cooling = _filled(cooling, nominal_heat_watts=_rounded(ratio * defaults.nominal_heat_watts))
    ratio = cooling.nominal_heat_watts / defaults.nominal_heat_watts
    flow = max(_rounded(ratio * defaults.flow_liters_per_minute), _LEAST_FLOW)
    cooling = _filled(
        cooling,
        flow_liters_per_minute=flow,
        facility_flow_liters_per_minute=_rounded(ratio * defaults.facility_flow_liters_per_minute),
        control_power_watts=_rounded(min(ratio, 1.0) * defaults.control_power_watts),
    )
    pumped = cooling.flow_liters_per_minute / defaults.flow_liters_per_minute
    return _filled(
        cooling,
        loop_liters=_rounded(pumped * defaults.loop_liters),
        pump_power_watts=_rounded(pumped * defaults.pump_power_watts),
    )


def _facility(facility: FacilityParameters, installed_watts: float) -> FacilityParameters:
    share = min(installed_watts / _BLOCK_WATTS, 1.0)
    return _filled(
        facility, fixed_power_watts=_rounded(share * FacilityParameters().fixed_power_watts)
    )


def _water(site: Site) -> WaterParameters:
    water, installed = site.water, site.installed_power_watts
    needed = _RESERVE * heat_watts(site) / water.hottest_capacity_ratio
    margin = max(water.margin_ratio, _up(needed / installed - 1.0))
    rest = site.air_heat_watts
    air = max(water.air_margin_ratio, _up(_RESERVE * air_heat_watts(site) / rest - 1.0))
    # As much water a kilowatt of heat as a site has whose servers make nearly all of it.
    liters = water.liters_per_kilowatt * max(
        (1.0 + margin) / (1.0 + WaterParameters().margin_ratio), 1.0
    )
    return _filled(
        water, margin_ratio=margin, air_margin_ratio=air, liters_per_kilowatt=_rounded(liters)
    )


def _grid(site: Site) -> GridParameters:
    limit = _FEED_RESERVE * load_watts(site) / site.grid.feeds
    default = GridParameters().limit_watts
    return _filled(site.grid, limit_watts=default if limit <= default else _rounded(limit, 2))


# -- helpers --------------------------------------------------------------------------


def _filled(section: _S, **values: float) -> _S:
    """Return the section with these values where its file gives none."""
    given = section.model_fields_set
    return _with(section, **{key: value for key, value in values.items() if key not in given})


def _with(section: _S, **values: object) -> _S:
    """Return the section with other values, which do not count as given."""
    fields = {name: getattr(section, name) for name in type(section).model_fields}
    return type(section).model_construct(section.model_fields_set, **{**fields, **values})


def _rounded(value: float, digits: int = 3) -> float:
    """Return the value rounded up to so many significant digits."""
    step = 10.0 ** (floor(log10(value)) - digits + 1)
    return round(ceil(value / step - 1e-9) * step, 9)


def _up(ratio: float) -> float:
    """Return a ratio rounded up to hundredths."""
    return ceil(100.0 * ratio - 1e-9) / 100.0
