"""Functions of the relations: the plant's own, with measured causes in place of the plant's state.

Each returns the effect in two parts: a base that is taken as it is, and a driven part that the
parameter of a device multiplies. Both come from the model of the site file; what a device differs
by is learnt (:mod:`twin.shadow.calibration`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.plant.air import air_at_gpus, air_ratio, air_rise, air_share, fan_power
from twin.plant.cooling import cool_joules, heat_rate, stored_heat, warm_joules, water_rate
from twin.plant.gpu_model import die_temperature, memory_temperature, plate_conductance
from twin.plant.units import Floats
from twin.shadow.readings import LONGEST_GAP, Moment

__all__ = [
    "Expected",
    "Function",
    "Memory",
    "bus_load",
    "die",
    "die_in_air",
    "fan_speed",
    "filter_pressure",
    "flow_meter",
    "heat_balance",
    "heat_exchanger",
    "host_load",
    "loop_pressure",
    "memory",
    "outlet_temperature",
    "pdu_meter",
    "pdu_meter_of_shelves",
    "pump_flow",
    "return_temperature",
    "server_meter",
    "shelf_meter",
    "shelf_supply_input",
    "supply_input",
    "supply_losses",
    "water_heat",
]

Memory = dict[str, Floats]
"""State of the lags of one relation."""
_LEAST_FLOW = 0.3
"""Flow over nominal below which a cold plate's law is not known to hold, est."""
_LEAST_WATER = 0.05
"""Facility water over that of an open valve below which a heat exchanger's law is not known to
hold, est."""
_FOULED = 0.1
"""Thermal resistance over a clean exchanger's by which its effect is measured."""
_LEAST_SPEED = 0.2
"""Pump speed below which check valves decide about its flow, est."""
_STANDING = 0.1
"""Speed below which a fan stands: its controller never asks for so little, est."""
_LEAST_AIR = 0.2
"""Air over nominal below which a heat sink's law is not known to hold, est."""
_LEAST_SUPPLY_WATTS = 50.0
"""Output below which a supply may be in standby, est."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What an effect should be; arrays are (racks, devices a rack) or broadcast to it.

    Attributes:
        base: taken as it is.
        driven: what the parameter multiplies.
        unsettled: how far the lag is from its end, in units of the effect; None without a lag.
        holds: where the relation holds; None for everywhere.
        assumed: where a cause that a whole rack shares is assumed; None for nowhere.
        flow: logarithm of the flow of what cools, over the nominal one; None where nothing does.
    """

    base: Floats | float
    driven: Floats
    unsettled: Floats | None = None
    holds: NDArray[np.bool_] | None = None
    assumed: NDArray[np.bool_] | None = None
    flow: Floats | None = None


Function = Callable[[Moment, Memory], Expected]


def _follow(
    state: Memory, name: str, rest: Floats, dt: Floats, advance: Callable[[Floats], Floats]
) -> Floats:
    """Return the next state of a lag, or where it rests when its past is not known."""
    before = state.get(name)
    if before is None:
        after = rest
    else:
        moved = advance(before)
        # Where a reading is missed, or a rack has no frame, the state waits for the next.
        after = np.where(np.isfinite(moved), moved, before)
        after = np.where(np.isnan(after) | (dt > LONGEST_GAP), rest, after)
    state[name] = after
    return after


def die(m: Moment, state: Memory) -> Expected:
    """Die temperature from power, coolant supply and flow, with the lag of the cold plate."""
    cooling = m.model.cooling
    ratio = m.assumed("cdu.flow", cooling.flow_liters_per_minute) / cooling.flow_liters_per_minute
    coolant = m.assumed("cdu.supply_temperature", cooling.supply_celsius)
    known = m.known["cdu.flow"] & m.known["cdu.supply_temperature"]
    holds = (ratio > _LEAST_FLOW) & m.model.liquid
    return _die(m, state, coolant, ratio, holds, ~known)


def die_in_air(m: Moment, state: Memory) -> Expected:
    """Die temperature from power, inlet air and fans, with the lag of the heat sink.

    The second GPU of a stream breathes what the first has warmed.
    """
    site, flow = m.model.layout.site, _air(m)
    gpus = site.server.gpus
    inlet, power = m["server.inlet_temperature"], m.mean_power
    air = air_at_gpus(inlet, power, flow, site.fans, gpus)
    ratio = np.repeat(air_ratio(flow, site.fans), gpus, axis=1)
    return _die(m, state, air, ratio, ratio > _LEAST_AIR)


def _die(
    m: Moment,
    state: Memory,
    around: Floats,
    ratio: Floats,
    holds: NDArray[np.bool_],
    assumed: NDArray[np.bool_] | None = None,
) -> Expected:
    """Return die temperatures in coolant or air of a temperature, at a flow over the nominal."""
    gpu, power = m.model.gpu, m.mean_power
    clean = 1.0 / gpu.thermal_resistance_kelvin_per_watt
    conductance = plate_conductance(clean, np.maximum(ratio, 1e-3), gpu)
    capacity = gpu.heat_capacity_joules_per_kelvin

    def warmed(rise: Floats) -> Floats:
        return die_temperature(rise, power, 0.0, conductance, capacity, m.dt)

    def cooled(base: Floats) -> Floats:
        return die_temperature(base, 0.0, around, conductance, capacity, m.dt)

    rest = power / conductance
    driven = _follow(state, "driven", rest, m.dt, warmed)
    base = _follow(state, "base", around, m.dt, cooled)
    flow = np.log(np.maximum(ratio, 1e-3))
    return Expected(base, driven, rest - driven, holds, assumed, flow)


def _speeds(m: Moment) -> Floats:
    """Return the speeds of all fans over the rated one, (racks, servers, fans)."""
    site = m.model.layout.site
    return m["fan.speed_ratio"].reshape(site.racks, site.servers_per_rack, -1)


def _air(m: Moment) -> Floats:
    """Return the air through each server in kg/s, (racks, servers)."""
    speeds, fans = _speeds(m), m.model.layout.site.fans
    return fans.air_kilograms_per_second * air_share(speeds, speeds > _STANDING, fans)


def outlet_temperature(m: Moment, _: Memory) -> Expected:
    """Air out of a server from the air into it, its power and its fans."""
    flow = _air(m)
    driven = air_rise(m["server.power"], flow)
    ratio = air_ratio(flow, m.model.layout.site.fans)
    inlet = m["server.inlet_temperature"]
    return Expected(inlet, driven, holds=ratio > _LEAST_AIR, flow=np.log(np.maximum(ratio, 1e-3)))


def fan_speed(m: Moment, _: Memory) -> Expected:
    """Speed of a fan from those of all fans of its server, which its board drives alike."""
    speeds, fans = _speeds(m), m.model.layout.site.fans
    middle = np.median(speeds, axis=2)
    each = np.repeat(middle, speeds.shape[2], axis=1)
    return Expected(0.0, each * fans.rated_rpm, holds=each > _STANDING)


def memory(m: Moment, _: Memory) -> Expected:
    """Memory temperature above the measured die, by the power."""
    gpu = m.model.gpu
    driven = memory_temperature(0.0, m["gpu.power_usage"], gpu.memory_offset_kelvin, gpu)
    return Expected(m["gpu.gpu_temp"], driven)


def host_load(m: Moment, _: Memory) -> Expected:
    """Output of a server's supplies from the power of its GPUs and the speed of its fans."""
    server, rest, site = m.model.server, np.zeros(1), m.model.layout.site
    fans: Floats | float = 0.0
    if not m.model.liquid.all():
        fans = np.where(m.model.liquid, 0.0, fan_power(_speeds(m), site.fans))
    base = server.output_for(rest, fans)
    whole = server.output_for(m.over("gpu.power_usage", site.servers_per_rack), fans)
    return Expected(base, whole - base)


def supply_input(m: Moment, _: Memory) -> Expected:
    """Input of a power supply from its output, by the curve of its losses.

    The output is the driven part, so that a supply of another class than the site file's, whose
    losses rise otherwise with its load, is learnt as one.
    """
    output = m["psu.output_power"]
    loss = m.model.server.supply_loss(output)
    return Expected(loss, output, holds=output > _LEAST_SUPPLY_WATTS)


def supply_losses(m: Moment, _: Memory) -> Expected:
    """The same with the losses as the driven part, which tells them where the class is right."""
    output = m["psu.output_power"]
    loss = m.model.server.supply_loss(output)
    return Expected(output, loss, holds=output > _LEAST_SUPPLY_WATTS)


def server_meter(m: Moment, _: Memory) -> Expected:
    """Power that the server's board reads from the inputs of its supplies."""
    return Expected(0.0, m.over("psu.input_power", m.model.layout.site.servers_per_rack))


def pdu_meter(m: Moment, _: Memory) -> Expected:
    """Power of a rack's PDUs from the inputs of the supplies and the coolant unit."""
    return _pdu_meter(m, "psu.input_power")


def _pdu_meter(m: Moment, supplies: str) -> Expected:
    unit = np.where(m.model.liquid, m["cdu.power"], 0.0)
    return Expected(0.0, m.over(supplies, 1) + unit)


def shelf_supply_input(m: Moment, _: Memory) -> Expected:
    """Input of a power shelf's supply from its output, by the curve of its losses."""
    output = m["shelf_psu.output_power"]
    loss = m.model.layout.site.shelves.supply_loss(output)
    return Expected(loss, output, holds=output > _LEAST_SUPPLY_WATTS)


def shelf_meter(m: Moment, _: Memory) -> Expected:
    """Power that a shelf reads from the outputs of its supplies."""
    return Expected(0.0, m.over("shelf_psu.output_power", m.model.layout.site.shelves.count))


def bus_load(m: Moment, _: Memory) -> Expected:
    """Power of a rack's shelves from that of its trays and switch trays."""
    return Expected(m.over("switch_tray.power", 1), m.over("server.power", 1))


def pdu_meter_of_shelves(m: Moment, _: Memory) -> Expected:
    """Power of a rack's PDUs from the inputs of its shelves' supplies and the coolant unit."""
    return _pdu_meter(m, "shelf_psu.input_power")


def flow_meter(m: Moment, _: Memory) -> Expected:
    """Flow of the loop from the flows of the pumps."""
    flow = m.over("pump.flow", 1)
    return Expected(0.0, flow, holds=flow > 0.0)


def pump_flow(m: Moment, _: Memory) -> Expected:
    """Flow of a pump from its speed and the head that it works against."""
    curve, speed = m.model.curve, m["pump.speed_ratio"]
    driven = curve.flow(curve.shutoff(speed), m["cdu.differential_pressure"])
    return Expected(0.0, driven, holds=(speed > _LEAST_SPEED) & (driven > 0.0))


def loop_pressure(m: Moment, _: Memory) -> Expected:
    """Pressure drop of the loop from the flow of the pumps."""
    curve = m.model.curve
    rest = curve.drop(m.over("pump.flow", 1), curve.loop - curve.strainer)
    return Expected(m["cdu.filter_pressure"], rest, holds=rest > 0.0)


def filter_pressure(m: Moment, _: Memory) -> Expected:
    """Pressure drop of the filter from the flow of the pumps."""
    curve = m.model.curve
    driven = curve.drop(m.over("pump.flow", 1), curve.strainer)
    return Expected(0.0, driven, holds=driven > 0.0)


def return_temperature(m: Moment, state: Memory) -> Expected:
    """Coolant return from the heat of GPUs and servers, supply and flow, as the loop turns over."""
    cooling, server = m.model.cooling, m.model.server
    supply, flow = m["cdu.supply_temperature"], m["cdu.flow"]
    rate, warm = heat_rate(flow, cooling), warm_joules(m["cdu.level"], cooling)
    rest = server.output_for(np.zeros(1))
    # Meters are sampled at an instant of a step: the GPUs' counters tell what it comes to.
    gpus = server.output_for(m.sum_of(m.mean_power, 1)) - rest
    sampled = server.output_for(m.over("gpu.power_usage", 1)) - rest
    total = m.over("server.power", 1) + gpus - sampled
    heat = m.model.shares.taken(gpus[:, 0], total[:, 0])[:, None]

    def warmed(rise: Floats) -> Floats:
        return rise + stored_heat(heat, rise, rate, warm, m.dt) / warm

    def mixed(base: Floats) -> Floats:
        return base + stored_heat(np.zeros(1), base - supply, rate, warm, m.dt) / warm

    rate = np.maximum(rate, 1e-6)
    end = heat / rate
    driven = _follow(state, "driven", end, m.dt, warmed)
    base = _follow(state, "base", supply, m.dt, mixed)
    ratio = flow / cooling.flow_liters_per_minute
    return Expected(base, driven, end - driven, ratio > _LEAST_FLOW)


def heat_exchanger(m: Moment, state: Memory) -> Expected:
    """Coolant supply from its return, the water and both flows, as the supply side turns over.

    The driven part is what so much more thermal resistance makes of it, of a clean exchanger's, so
    that the parameter is told rightly however far the valve is open.
    """
    cooling, exchanger = m.model.cooling, m.model.exchanger
    water, returned = m["cdu.facility_supply_temperature"], m["cdu.return_temperature"]
    ratio = m["cdu.flow"] / cooling.flow_liters_per_minute
    rate = np.maximum(heat_rate(m["cdu.flow"], cooling), 1e-6)
    cold = water_rate(m["cdu.facility_flow"])
    rise, cool = returned - water, np.full(1, cool_joules(cooling))

    def carried(resistance: float) -> Floats:
        return exchanger.rate(rate, cold, np.full(rate.shape, resistance))

    clean = carried(1.0)
    worse = (clean - carried(1.0 + _FOULED)) / _FOULED * rise / rate
    supply = returned - clean * rise / rate - worse

    def turned(rest: Floats) -> Callable[[Floats], Floats]:
        return lambda before: before + stored_heat(rate * rest, before, rate, cool, m.dt) / cool

    driven = _follow(state, "driven", worse, m.dt, turned(worse))
    base = _follow(state, "base", supply, m.dt, turned(supply))
    holds = (ratio > _LEAST_FLOW) & (cold > _LEAST_WATER * exchanger.cold_rate) & (rise > 0.0)
    return Expected(base, driven, supply + worse - base - driven, holds)


def heat_balance(m: Moment, _: Memory) -> Expected:
    """Heat into the facility water from flow and temperatures of the coolant."""
    cooling, flow = m.model.cooling, m["cdu.flow"]
    rise = m["cdu.return_temperature"] - m["cdu.supply_temperature"]
    driven = heat_rate(flow, cooling) * rise
    ratio = flow / cooling.flow_liters_per_minute
    return Expected(0.0, driven, holds=(ratio > _LEAST_FLOW) & (driven > 0.0))


def water_heat(m: Moment, _: Memory) -> Expected:
    """Heat into the facility water from its own flow and temperatures."""
    rise = m["cdu.facility_return_temperature"] - m["cdu.facility_supply_temperature"]
    driven = water_rate(m["cdu.facility_flow"]) * rise
    return Expected(0.0, driven, holds=driven > 0.0)
