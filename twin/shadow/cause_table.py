"""The table of causes: which deviations each leaves, and the sentence that names it.

A cause is told from others by redundancy: a cold plate that conducts less warms die and memory
alike, a die sensor that reads too much leaves the memory too cool for it, a power sensor that reads
too little makes the server draw too much as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twin.catalog import (
    CDU,
    FACILITY,
    FAN,
    GPU,
    JOB,
    MEGAPACK,
    NIC,
    POWER_SHELF,
    PSU,
    PUMP,
    SERVER,
    SHELF_PSU,
    DeviceClass,
)

__all__ = ["CAUSES", "DeviationCause", "Sign"]

Sign = tuple[str, str, int]
"""Relation, its part (``own`` or ``common``), and the sign of the deviation."""


@dataclass(frozen=True, slots=True)
class DeviationCause:
    """A cause of deviations.

    Attributes:
        name: of the cause, a label of its series.
        device: class of the culprit; a coolant unit stands for its rack.
        signs: deviations that it leaves; the first is the one that it is measured by.
        text: sentence about it; takes place, change in percent, residual, unit, direction.
        mirrored: whether all signs may be the other way round too.
        alike: whether its signs in the unit of the first are of about its size: one that is far
            smaller is none of them.
        also: deviations that it may leave beside these, as its size and the site have it.
        follows: how the first sign goes with the driven part: 1 and -1 for a share more and less of
            it, 0 for an amount that stays as it is; None where that does not matter.
    """

    name: str
    device: DeviceClass
    signs: tuple[Sign, ...]
    text: str
    mirrored: bool = False
    also: tuple[Sign, ...] = ()
    alike: bool = False
    follows: Literal[-1, 0, 1] | None = None

    @property
    def leaves(self) -> tuple[Sign, ...]:
        """All deviations that it may leave."""
        return (*self.signs, *self.also)


_KELVIN = "{residual:.1f} K {direction} expected"
_DIE_SENSOR = (
    "temperature sensor of {place} is wrong: it reads " + _KELVIN + ", and the memory does not "
    "follow"
)
_POWER_SENSOR = (
    "power sensor of {place} is wrong: for its reading the GPU is " + _KELVIN + ", and its server "
    "draws more or less power alike"
)
_TOO_COOL = "temperature or power sensor of {place} is wrong: the GPU reads " + _KELVIN
_SUPPLY_SENSOR = "supply temperature sensor of {place} is wrong: the coolant returns " + _KELVIN
_SUPPLY_SENSORS = (
    "power sensors of supply {place} are wrong: it takes {residual:.0f} W {direction} expected"
)
_PDUS = "PDU meters of {place} read {residual:.0f} W {direction} the sum of what hangs on them"
_FLOW_METER = "flow meter of {place} is wrong: it reads {percent:.0f} % {more} than the pumps give"
CAUSES = (
    DeviationCause("cold_plate", GPU, (("gpu_temperature", "own", 1),),
          "cold plate of {place} conducts {less:.0f} % less than when calibrated; the GPU is "
          + _KELVIN),
    DeviationCause("gpu_temperature_sensor", GPU,
          (("gpu_temperature", "own", 1), ("memory_temperature", "own", -1)),
          _DIE_SENSOR, mirrored=True),
    DeviationCause("heat_sink", GPU, (("gpu_temperature_in_air", "own", 1),),
          "heat sink of {place} conducts {less:.0f} % less than when calibrated; the GPU is "
          + _KELVIN),
    DeviationCause("gpu_temperature_sensor", GPU,
          (("gpu_temperature_in_air", "own", 1), ("memory_temperature", "own", -1)),
          _DIE_SENSOR, mirrored=True),
    DeviationCause("gpu_power_sensor", GPU,
          (("gpu_temperature_in_air", "own", 1), ("host_load", "own", 1)),
          _POWER_SENSOR, mirrored=True),
    DeviationCause("gpu_power_sensor", GPU,
          (("gpu_temperature_in_air", "own", 1), ("memory_temperature", "own", 1),
           ("host_load", "own", 1)), _POWER_SENSOR, mirrored=True),
    DeviationCause("gpu_too_cool", GPU, (("gpu_temperature_in_air", "own", -1),), _TOO_COOL),
    DeviationCause("air_to_heat_sinks", SERVER, (("gpu_temperature_in_air", "common", 1),),
          "air reaches the heat sinks of {place} less than its fans tell: all its GPUs are "
          + _KELVIN),
    DeviationCause("air_filter", SERVER,
          (("gpu_temperature_in_air", "common", 1), ("outlet_temperature", "own", 1)),
          "less air goes through {place} than its fans tell, or its inlet sensor reads too little: "
          "GPUs and outlet are warmer, " + _KELVIN),
    DeviationCause("inlet_temperature_sensor", SERVER,
          (("gpu_temperature_in_air", "common", -1), ("outlet_temperature", "own", -1)),
          "inlet temperature sensor of {place} is wrong: for its reading GPUs and outlet are cool, "
          + _KELVIN),
    DeviationCause("server_sensors", SERVER, (("gpu_temperature_in_air", "common", -1),),
          "a sensor that all GPUs of {place} share is wrong: they read " + _KELVIN),
    DeviationCause("outlet_temperature_sensor", SERVER, (("outlet_temperature", "own", 1),),
          "outlet temperature sensor of {place} is wrong: it reads " + _KELVIN, mirrored=True),
    DeviationCause("fan_slow", FAN, (("fan_speed", "own", -1),),
          "fan {place} turns {percent:.1f} % slower than when calibrated beside those of its "
          "server: it wears or is blocked"),
    DeviationCause("fan_tachometer", FAN, (("fan_speed", "own", 1),),
          "fan {place} reads {percent:.1f} % faster than when calibrated beside those of its "
          "server: its tachometer is wrong"),
    DeviationCause("gpu_power_sensor", GPU,
          (("gpu_temperature", "own", 1), ("host_load", "own", 1)),
          _POWER_SENSOR, mirrored=True),
    DeviationCause("gpu_power_sensor", GPU,
          (("gpu_temperature", "own", 1), ("memory_temperature", "own", 1),
           ("host_load", "own", 1)), _POWER_SENSOR, mirrored=True),
    DeviationCause("memory_contact", GPU, (("memory_temperature", "own", 1),),
          "memory of {place} has less contact than when calibrated: " + _KELVIN + " for its die"),
    DeviationCause("memory_temperature_sensor", GPU, (("memory_temperature", "own", -1),),
          "memory temperature sensor of {place} is wrong: it reads " + _KELVIN + " for its die"),
    DeviationCause("gpu_too_cool", GPU, (("gpu_temperature", "own", -1),), _TOO_COOL),
    DeviationCause("supply_temperature_sensor", CDU,
          (("return_temperature", "own", -1), ("gpu_temperature", "common", -1)),
          _SUPPLY_SENSOR + ", and all GPUs deviate alike", mirrored=True,
          also=(("heat_balance", "own", 1), ("heat_exchanger", "own", 1))),
    DeviationCause("return_temperature_sensor", CDU,
          (("return_temperature", "own", 1), ("heat_balance", "own", -1)),
          "return temperature sensor of {place} is wrong: it reads " + _KELVIN + ", and the "
          "facility water takes more or less heat than it tells", mirrored=True,
          also=(("heat_exchanger", "own", -1),)),
    DeviationCause("flow_meter", CDU, (("coolant_flow", "own", 1),), _FLOW_METER, mirrored=True,
          also=(("heat_balance", "own", -1), ("return_temperature", "own", 1),
                ("gpu_temperature", "common", 1), ("heat_exchanger", "own", -1))),
    DeviationCause("heat_exchanger", CDU, (("heat_exchanger", "own", 1),),
          "heat exchanger of {place} conducts {less:.0f} % less than when calibrated: it is "
          "fouled; for the water it gets, the coolant is " + _KELVIN),
    DeviationCause("heat_exchanger_sensors", CDU, (("heat_exchanger", "own", -1),),
          "a thermometer or flow meter at the heat exchanger of {place} is wrong, or it was "
          "cleaned: for the water it gets, the coolant is " + _KELVIN),
    DeviationCause("heat_meter", CDU,
          (("water_heat", "own", 1), ("heat_balance", "own", 1)),
          "heat meter of the facility water of {place} is wrong: it reads {percent:.0f} % {more} "
          "than the flow and the warming of both sides give", mirrored=True),
    DeviationCause("water_sensors", CDU, (("water_heat", "own", 1),),
          "flow meter or a thermometer of the facility water of {place} is wrong: its heat is "
          "{percent:.0f} % {more} than they give", mirrored=True,
          also=(("heat_exchanger", "own", -1),)),
    DeviationCause("heat_balance", CDU, (("heat_balance", "own", 1),),
          "heat of {place} does not balance: the facility water takes {percent:.0f} % {more} than "
          "the coolant gives; a thermometer or meter of one side is wrong", mirrored=True),
    DeviationCause("return_temperature_sensor", CDU, (("return_temperature", "own", 1),),
          "return temperature sensor of {place} is wrong, or heat is missing: it reads " + _KELVIN,
          mirrored=True),
    DeviationCause("coolant_to_plates", CDU, (("gpu_temperature", "common", 1),),
          "coolant reaches the cold plates of {place} less than when calibrated: all its GPUs are "
          + _KELVIN),
    DeviationCause("coolant_to_plates", CDU,
          (("gpu_temperature", "common", 1), ("return_temperature", "own", -1)),
          "coolant passes the cold plates of {place} by: all its GPUs are " + _KELVIN),
    DeviationCause("rack_sensors", CDU, (("gpu_temperature", "common", -1),),
          "a sensor that all GPUs of {place} share is wrong: they read " + _KELVIN),
    DeviationCause("rack_memory", CDU, (("memory_temperature", "common", 1),),
          "memories of {place} are all " + _KELVIN + " for their dies: what they do has changed",
          mirrored=True),
    DeviationCause("pump_wear", PUMP, (("pump_flow", "own", -1),),
          "pump {place} gives {percent:.0f} % less than its speed and head ask for: it is worn"),
    DeviationCause("pump_sensor", PUMP, (("pump_flow", "own", 1),),
          "flow or speed sensor of {place} is wrong: the pump gives {percent:.0f} % more than it "
          "can"),
    DeviationCause("pump_sensor", PUMP, (("pump_flow", "own", -1), ("coolant_flow", "own", 1)),
          "flow sensor of {place} is wrong: it reads {percent:.0f} % {more} than its speed and the "
          "flow meter of the rack ask for", mirrored=True),
    DeviationCause("loop_blocked", CDU, (("loop_pressure", "own", 1),),
          "loop of {place} resists {percent:.0f} % more than when calibrated: something blocks it"),
    DeviationCause("pressure_sensor", CDU, (("loop_pressure", "own", 1), ("pump_flow", "own", 1)),
          "differential pressure sensor of {place} is wrong: it reads {percent:.0f} % {more} than "
          "the pumps give", mirrored=True),
    DeviationCause("pressure_sensor", CDU, (("loop_pressure", "own", -1),),
          "differential pressure sensor of {place} is wrong, or its loop is bypassed: it reads "
          "{percent:.0f} % {more} than expected"),
    DeviationCause("filter_clogged", CDU, (("filter_pressure", "own", 1),),
          "filter of {place} resists {percent:.0f} % more than when calibrated: it clogs"),
    DeviationCause("filter_bypassed", CDU, (("filter_pressure", "own", -1),),
          "filter of {place} resists {percent:.0f} % less than when calibrated: it leaks, or its "
          "sensor is wrong"),
    DeviationCause("supply_loss", PSU, (("supply_input", "own", 1),),
          "power supply {place} loses {percent:.1f} % of its output more than when calibrated: "
          "{residual:.0f} W"),
    DeviationCause("supply_sensor", PSU, (("supply_input", "own", -1),),
          _SUPPLY_SENSORS),
    DeviationCause("supply_sensor", PSU, (("supply_input", "own", 1), ("server_power", "own", -1)),
          "input power sensor of supply {place} is wrong: it reads {residual:.0f} W {direction} "
          "expected, and the server's meter does not", mirrored=True),
    DeviationCause("host_load", SERVER, (("host_load", "own", 1),),
          "server {place} draws {residual:.0f} W {direction} what its GPUs explain",
          mirrored=True),
    DeviationCause("server_meter", SERVER, (("server_power", "own", 1),),
          "power meter of {place} reads {residual:.0f} W {direction} the sum of its supplies",
          mirrored=True),
    DeviationCause("pdu_meter", CDU, (("pdu_power", "own", 1),), _PDUS, mirrored=True),
    DeviationCause("pdu_meter", CDU, (("pdu_power_of_shelves", "own", 1),), _PDUS, mirrored=True),
    DeviationCause("supply_loss", SHELF_PSU, (("shelf_supply_input", "own", 1),),
          "supply {place} of a power shelf loses {percent:.1f} % of its output more than when "
          "calibrated, or its input sensor reads so much more: {residual:.0f} W"),
    DeviationCause("supply_sensor", SHELF_PSU, (("shelf_supply_input", "own", -1),),
          _SUPPLY_SENSORS),
    DeviationCause("shelf_meter", POWER_SHELF, (("shelf_power", "own", 1),),
          "power meter of {place} reads {residual:.0f} W {direction} the sum of its supplies",
          mirrored=True, also=(("bus_load", "own", 1),)),
    DeviationCause("bus_load", CDU, (("bus_load", "own", 1),),
          "bus of {place} carries {residual:.0f} W {direction} what its trays explain: a joint "
          "loses it, or a meter is wrong", mirrored=True),
    DeviationCause("nic_behind", NIC, (("nic_sent", "own", -1), ("nic_received", "own", -1)),
          "NIC {place} carries {percent:.0f} % less than its peers in the job: its link is "
          "degraded, or it is on another rail"),
    DeviationCause("nic_behind", NIC, (("nic_sent", "own", -1),),
          "NIC {place} sends {percent:.0f} % less than its peers in the job: its link is degraded, "
          "or its traffic goes over another port"),
    DeviationCause("nic_loses", NIC, (("nic_received", "own", -1),),
          "NIC {place} receives {percent:.0f} % less than its peers in the job: its cable or its "
          "leaf loses packets"),
    DeviationCause("nic_ahead", NIC, (("nic_sent", "own", 1),),
          "NIC {place} carries {percent:.0f} % more than its peers in the job: it has traffic of "
          "another port, or sends packets again", also=(("nic_received", "own", 1),)),
    DeviationCause("nic_ahead", NIC, (("nic_received", "own", 1),),
          "NIC {place} receives {percent:.0f} % more than its peers in the job: it has traffic of "
          "another port"),
    DeviationCause("slow_gpu", JOB, (("step_time_of_most", "own", 1),),
          "job {place} takes {percent:.0f} % longer for a step than the clocks of most of its GPUs "
          "ask for: {slowest} holds it back", also=(("step_time", "own", -1),)),
    DeviationCause("slow_beside_gpus", JOB,
          (("step_time_of_most", "own", 1), ("step_time", "own", 1)),
          "job {place} takes {percent:.0f} % longer for a step, and no clock of its GPUs explains "
          "it: its network, storage, input or work does", alike=True),
    DeviationCause("step_shorter", JOB,
          (("step_time", "own", -1), ("step_time_of_most", "own", -1)),
          "job {place} takes {percent:.0f} % less for a step than the clocks of its GPUs ask for: "
          "its work has changed, or what held it back when it was calibrated is gone"),
    DeviationCause("step_shorter", JOB, (("step_time_of_most", "own", -1),),
          "job {place} takes {percent:.0f} % less for a step than the clocks of most of its GPUs "
          "ask for: what held it back when it was calibrated is gone"),
    DeviationCause("charge_sensor", MEGAPACK, (("megapack_charge", "own", 1),),
          "state of charge of {place} is wrong: it reads {points:.1f} points {direction} what its "
          "energy meters give", mirrored=True, follows=0),
    DeviationCause("capacity_lost", MEGAPACK, (("megapack_charge", "own", 1),),
          "cells of {place} hold {less:.0f} % less than when calibrated: a string is lost, or, "
          "where it crept, they have faded", mirrored=True, follows=1),
    DeviationCause("charge_stuck", MEGAPACK, (("megapack_charge", "own", 1),),
          "state of charge of {place} moves {percent:.0f} % less than its energy meters give: it "
          "is stuck, or they read too much", mirrored=True, follows=-1),
    DeviationCause("weak_cell", MEGAPACK, (("cells_apart", "own", -1),),
          "weakest cell of {place} is {millivolts:.0f} mV below what its charge explains: a cell "
          "or its string fails"),
    DeviationCause("cell_sensor", MEGAPACK, (("cells_apart", "own", 1),),
          "cells of {place} lie {millivolts:.0f} mV closer than when calibrated: they were "
          "balanced, or a cell voltage sensor is wrong"),
    DeviationCause("it_meter", FACILITY, (("it_power", "own", 1), ("facility_power", "own", -1)),
          "meter of the IT power is wrong: it reads {residual:.0f} W {direction} what the PDUs of "
          "all racks and their network give, and the facility does not follow", mirrored=True),
    DeviationCause("unmetered_load", FACILITY, (("it_power", "own", 1),),
          "IT power of the site is {residual:.0f} W {direction} what the PDUs of all racks and "
          "their network explain: PDUs or a load beside them read otherwise than before",
          mirrored=True),
    DeviationCause("distribution_loss", FACILITY, (("distribution_loss", "own", 1),),
          "transformers and cables lose {percent:.0f} % {more} than when calibrated: "
          "{residual:.0f} W {direction} expected", mirrored=True),
    DeviationCause("facility_meter", FACILITY,
          (("facility_power", "own", 1), ("grid_power", "own", -1)),
          "meter of the facility is wrong: it reads {residual:.0f} W {direction} the sum of its "
          "parts, and the feeds do not follow", mirrored=True),
    DeviationCause("facility_parts", FACILITY, (("facility_power", "own", 1),),
          "meters of the facility do not add up: the whole is {residual:.0f} W {direction} IT, "
          "cooling and losses", mirrored=True),
    DeviationCause("grid_meter", FACILITY, (("grid_power", "own", 1),),
          "meters of the grid's feeds read {residual:.0f} W {direction} what the facility takes "
          "less Megapacks and generators", mirrored=True),
)  # fmt: skip
"""All causes; of those that agree alike the first counts."""
