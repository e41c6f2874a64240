"""The table of relations: measured causes, the effect, and the plant's function between them.

To add a relation, add a row and the function that it calls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

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
    Signal,
    UnitKind,
    device_class,
)
from twin.plant.units import Floats
from twin.shadow import (
    battery_functions,
    functions,
    job_functions,
    network_functions,
    site_functions,
)
from twin.shadow.functions import Function
from twin.shadow.network_functions import rails_of
from twin.shadow.readings import Moment, split, step_of
from twin.site import Layout
from twin.wire import ShadowUnit

__all__ = ["RELATIONS", "Relation"]


def _signal(reading: str) -> Signal:
    device, signal = split(reading)
    return device_class(device)[signal]


@dataclass(frozen=True)
class Relation:
    """A relation between readings.

    Attributes:
        name: of the relation, a label of its series.
        title: for people.
        device: class of the devices that have one each; a coolant unit stands for its rack, also
            where the rack has none.
        effect: the reading that is explained, summed over what a device has of it.
        causes: the readings that explain it.
        function: gives the expected effect from the causes.
        parameter: what multiplies the driven part.
        unit: of the effect.
        gain: standard deviation between devices of the parameter over that of the model, est.
        offset: that of what is added, in units of the effect, est.; of the site's meters a rack.
        floor: least standard deviation of a mean over a block, in units of the effect: instruments
            of one kind wander by so much, est.; of the site's meters a rack.
        floor_ratio: the same over the driven part.
        form: error of the function over a change of the driven part since it was calibrated, est.
        within: error over the driven part itself: what a job does beside what is measured, est.
        lag: how far a lag may be from its end before a sample counts half, in units of the effect.
        lag_form: error of the lag over a change of the driven part from block to block, est.
        warm: seconds that a device must have reported before it counts.
        shared: class of what shares causes, so that what all devices of one show is its own: a
            coolant unit for a rack, or a server; None where nothing does.
        rate: whether the effect is a counter, of which what it rises by a second counts.
        medium: what cools the racks that have it, ``liquid`` or ``air``; None for both.
    """

    name: str
    title: str
    device: DeviceClass
    effect: str
    causes: tuple[str, ...]
    function: Function
    parameter: str
    unit: ShadowUnit
    gain: float
    offset: float
    floor: float
    floor_ratio: float = 0.0
    form: float = 0.1
    within: float = 0.0
    lag: float = np.inf
    lag_form: float = 0.15
    warm: float = 10.0
    shared: DeviceClass | None = None
    rate: bool = False
    medium: Literal["liquid", "air"] | None = None

    @cached_property
    def signal(self) -> Signal:
        """The effect's row of the catalogue."""
        return _signal(self.effect)

    @property
    def readings(self) -> tuple[str, ...]:
        """All readings that it needs."""
        return (self.effect, *self.causes)

    @property
    def frame(self) -> UnitKind:
        """Kind of the units that have it."""
        return self.device.frame

    def measured(self, moment: Moment, each: int) -> Floats:
        """Return the effect of an instant, of so many devices a unit."""
        if self.rate:
            return moment.sum_of(moment.rate(self.effect), each)
        return moment.over(self.effect, each)

    def on(self, layout: Layout) -> Relation:
        """Return it as it is on a site: what the site's meters are off by goes with its racks."""
        if self.device is not FACILITY:
            return self
        racks = layout.site.racks
        return replace(self, offset=self.offset * racks, floor=self.floor * racks)

    def shape(self, layout: Layout) -> tuple[int, int]:
        """Return units and the devices of each that have one; 0 where the site has no readings."""
        racks, each = layout.shape(self.device)
        needed = (device_class(split(name)[0]) for name in self.readings[:2])
        if not all(layout.per_unit(device) and layout.units(device.frame) for device in needed):
            return racks, 0
        return racks, 1 if self.device is CDU else each

    def judged(self, layout: Layout) -> int:
        """Return how many devices of a unit it judges: all, but of ports those of rails."""
        each = self.shape(layout)[1]
        site = layout.site
        return each if self.device is not NIC else each // site.server.nics * rails_of(site)

    @cached_property
    def coarse(self) -> tuple[str, ...]:
        """Readings in the effect's unit in steps so wide that they do not average out."""
        return tuple(
            name
            for name in self.readings
            if _signal(name).unit is self.signal.unit and step_of(name) > self.floor
        )


RELATIONS = (
    Relation(
        name="gpu_temperature", title="GPU temperature", device=GPU, effect="gpu.gpu_temp",
        causes=("gpu.power_usage", "gpu.energy", "cdu.supply_temperature", "cdu.flow"),
        function=functions.die,
        parameter="thermal resistance of the cold plate", unit="K", gain=0.2, offset=1.0,
        floor=0.12, lag=3.0, lag_form=0.5, warm=60.0, shared=CDU, medium="liquid",
    ),
    Relation(
        name="gpu_temperature_in_air", title="GPU temperature in air", device=GPU,
        effect="gpu.gpu_temp",
        causes=("gpu.power_usage", "gpu.energy", "server.inlet_temperature", "fan.speed_ratio"),
        function=functions.die_in_air, parameter="thermal resistance of the heat sink", unit="K",
        gain=0.2, offset=1.5, floor=0.2, lag=3.0, lag_form=0.5, warm=60.0, shared=SERVER,
        medium="air",
    ),
    Relation(
        name="outlet_temperature", title="outlet air of a server", device=SERVER,
        effect="server.outlet_temperature",
        causes=("server.power", "server.inlet_temperature", "fan.speed_ratio"),
        function=functions.outlet_temperature, parameter="heat in the air over that of the server",
        unit="K", gain=0.2, offset=1.5, floor=0.2, medium="air",
    ),
    Relation(
        name="fan_speed", title="speed of a fan", device=FAN, effect="fan.speed",
        causes=("fan.speed_ratio",), function=functions.fan_speed,
        parameter="speed over that of its server's fans", unit="rpm", gain=0.05, offset=60.0,
        floor=60.0, form=0.02, medium="air",
    ),
    Relation(
        name="memory_temperature", title="memory temperature", device=GPU,
        effect="gpu.memory_temp", causes=("gpu.gpu_temp", "gpu.power_usage"),
        function=functions.memory, parameter="rise of the memory above the die", unit="K",
        gain=0.3, offset=1.0, floor=0.15, form=0.2, shared=CDU,
    ),
    Relation(
        name="host_load", title="load of a server", device=SERVER, effect="psu.output_power",
        causes=("gpu.power_usage", "fan.speed_ratio"), function=functions.host_load,
        parameter="power of a server a watt of its GPUs", unit="W", gain=0.05, offset=300.0,
        floor=10.0, floor_ratio=0.003, form=0.1, within=0.01,
    ),
    Relation(
        name="supply_input", title="input of a power supply", device=PSU,
        effect="psu.input_power", causes=("psu.output_power",), function=functions.supply_input,
        parameter="input over output of the supply", unit="W", gain=0.02, offset=20.0, floor=1.0,
        form=0.03, within=0.001,
    ),
    Relation(
        name="server_power", title="power meter of a server", device=SERVER,
        effect="server.power", causes=("psu.input_power",), function=functions.server_meter,
        parameter="reading over the sum of the supplies", unit="W", gain=0.05, offset=20.0,
        floor=5.0, floor_ratio=0.002, form=0.02,
    ),
    Relation(
        name="pdu_power", title="power meters of a rack's PDUs", device=CDU, effect="pdu.power",
        causes=("psu.input_power", "cdu.power"), function=functions.pdu_meter,
        parameter="reading over the sum of what hangs on it", unit="W", gain=0.05, offset=500.0,
        floor=20.0, floor_ratio=0.002, form=0.02,
    ),
    Relation(
        name="shelf_supply_input", title="input of a power shelf's supply", device=SHELF_PSU,
        effect="shelf_psu.input_power", causes=("shelf_psu.output_power",),
        function=functions.shelf_supply_input, parameter="input over output of the supply",
        unit="W", gain=0.02, offset=20.0, floor=1.5, form=0.03, within=0.001,
    ),
    Relation(
        name="shelf_power", title="power meter of a power shelf", device=POWER_SHELF,
        effect="power_shelf.power", causes=("shelf_psu.output_power",),
        function=functions.shelf_meter, parameter="reading over the sum of the supplies",
        unit="W", gain=0.05, offset=50.0, floor=10.0, floor_ratio=0.002, form=0.02,
    ),
    Relation(
        name="bus_load", title="load of a rack's bus", device=CDU, effect="power_shelf.power",
        causes=("server.power", "switch_tray.power"), function=functions.bus_load,
        parameter="power of the bus a watt of its trays", unit="W", gain=0.05, offset=1000.0,
        floor=50.0, floor_ratio=0.003, form=0.05, within=0.002,
    ),
    Relation(
        name="pdu_power_of_shelves", title="power meters of the PDUs of a rack with shelves",
        device=CDU, effect="pdu.power", causes=("shelf_psu.input_power", "cdu.power"),
        function=functions.pdu_meter_of_shelves, parameter="reading over the sum of what hangs on "
        "it", unit="W", gain=0.05, offset=500.0, floor=50.0, floor_ratio=0.002, form=0.02,
    ),
    Relation(
        name="coolant_flow", title="flow meter of a rack", device=CDU, effect="cdu.flow",
        causes=("pump.flow",), function=functions.flow_meter,
        parameter="reading over the sum of the pumps", unit="L/min", gain=0.1, offset=0.1,
        floor=0.01, floor_ratio=0.004, form=0.02, medium="liquid",
    ),
    Relation(
        name="pump_flow", title="flow of a pump", device=PUMP, effect="pump.flow",
        causes=("pump.speed_ratio", "cdu.differential_pressure"), function=functions.pump_flow,
        parameter="flow over that of the pump's curve", unit="L/min", gain=0.2, offset=0.1,
        floor=0.01, floor_ratio=0.005, form=0.15, medium="liquid",
    ),
    Relation(
        name="loop_pressure", title="pressure of a rack's loop", device=CDU,
        effect="cdu.differential_pressure", causes=("pump.flow", "cdu.filter_pressure"),
        function=functions.loop_pressure, parameter="resistance of the loop", unit="Pa", gain=0.3,
        offset=1000.0, floor=500.0, floor_ratio=0.006, form=0.1, medium="liquid",
    ),
    Relation(
        name="filter_pressure", title="pressure of a coolant filter", device=CDU,
        effect="cdu.filter_pressure", causes=("pump.flow",), function=functions.filter_pressure,
        parameter="resistance of the filter", unit="Pa", gain=0.5, offset=500.0, floor=200.0,
        floor_ratio=0.015, form=0.15, medium="liquid",
    ),
    Relation(
        name="return_temperature", title="return temperature of a rack's coolant", device=CDU,
        effect="cdu.return_temperature",
        causes=(
            "gpu.power_usage", "gpu.energy", "server.power", "cdu.supply_temperature", "cdu.flow",
            "cdu.level",
        ),
        function=functions.return_temperature, parameter="heat in the coolant over that of the "
        "servers", unit="K", gain=0.1, offset=0.5, floor=0.1, lag=2.0, warm=120.0, medium="liquid",
    ),
    Relation(
        name="heat_exchanger", title="heat exchanger of a coolant unit", device=CDU,
        effect="cdu.supply_temperature",
        causes=(
            "cdu.return_temperature", "cdu.flow", "cdu.facility_supply_temperature",
            "cdu.facility_flow",
        ),
        function=functions.heat_exchanger, parameter="thermal resistance of the heat exchanger",
        unit="K", gain=0.3, offset=0.5, floor=0.06, form=0.3, lag=1.0, warm=60.0, medium="liquid",
    ),
    Relation(
        name="heat_balance", title="heat from coolant to facility water", device=CDU,
        effect="cdu.facility_heat",
        causes=("cdu.flow", "cdu.supply_temperature", "cdu.return_temperature"),
        function=functions.heat_balance, parameter="heat in the water over that of the coolant",
        unit="W", gain=0.05, offset=200.0, floor=30.0, floor_ratio=0.005, form=0.05,
        medium="liquid",
    ),
    Relation(
        name="water_heat", title="heat meter of the facility water", device=CDU,
        effect="cdu.facility_heat",
        causes=(
            "cdu.facility_flow", "cdu.facility_supply_temperature",
            "cdu.facility_return_temperature",
        ),
        function=functions.water_heat, parameter="reading over flow and warming of the water",
        unit="W", gain=0.05, offset=200.0, floor=30.0, floor_ratio=0.005, form=0.05,
        medium="liquid",
    ),
    Relation(
        name="nic_sent", title="bytes that a NIC sends", device=NIC, effect="nic.tx_bytes",
        causes=("nic.rx_bytes",), function=network_functions.sent_by_port,
        parameter="bytes over those that the same port of the job's other servers receives",
        unit="B/s", gain=0.2, offset=1e6, floor=1e6, floor_ratio=0.01, form=0.02, within=0.01,
        warm=30.0, rate=True,
    ),
    Relation(
        name="nic_received", title="bytes that a NIC receives", device=NIC, effect="nic.rx_bytes",
        causes=("nic.tx_bytes",), function=network_functions.received_by_port,
        parameter="bytes over those that the same port of the job's other servers sends",
        unit="B/s", gain=0.2, offset=1e6, floor=1e6, floor_ratio=0.01, form=0.02, within=0.01,
        warm=30.0, rate=True,
    ),
    Relation(
        name="step_time", title="time of a job's step, by its slowest GPU", device=JOB,
        effect="job.step_seconds", causes=("gpu.sm_clock", "job.state"),
        function=job_functions.step_of_slowest,
        parameter="time over that of the site file at the clock of its slowest GPU", unit="s",
        gain=1.0, offset=0.01, floor=0.05, floor_ratio=0.01, form=0.3, within=0.02, lag=1.0,
        lag_form=1.0, warm=120.0,
    ),
    Relation(
        name="step_time_of_most", title="time of a job's step, by most of its GPUs", device=JOB,
        effect="job.step_seconds", causes=("gpu.sm_clock", "job.state"),
        function=job_functions.step_of_most,
        parameter="time over that of the site file at the clock of most of its GPUs", unit="s",
        gain=1.0, offset=0.01, floor=0.05, floor_ratio=0.01, form=0.3, within=0.02, lag=1.0,
        lag_form=1.0, warm=120.0,
    ),
    Relation(
        name="megapack_charge", title="charge of a Megapack", device=MEGAPACK,
        effect="megapack.soc",
        causes=("megapack.power", "megapack.charged_energy", "megapack.discharged_energy"),
        function=battery_functions.charge, parameter="charge that an energy moves, over that of "
        "the unit's capacity", unit="ratio", gain=0.05, offset=0.002, floor=0.002, form=0.02,
    ),
    Relation(
        name="cells_apart", title="weakest cell of a Megapack", device=MEGAPACK,
        effect="megapack.cell_voltage_min",
        causes=("megapack.cell_voltage_max", "megapack.soc"),
        function=battery_functions.cells_apart, parameter="spread of the cells", unit="V",
        gain=0.5, offset=0.02, floor=0.001, form=0.5, within=0.1,
    ),
    Relation(
        name="it_power", title="meter of the site's IT power", device=FACILITY,
        effect="facility.it_power", causes=("pdu.power", "cdu.power"),
        function=site_functions.it_meter, parameter="reading over the sum of the racks",
        unit="W", gain=0.05, offset=2000.0, floor=50.0, floor_ratio=0.002, form=0.05, within=0.003,
    ),
    Relation(
        name="distribution_loss", title="losses between grid and racks", device=FACILITY,
        effect="facility.loss_power", causes=("pdu.power", "cdu.power"),
        function=site_functions.distribution_loss, parameter="loss over that of the site file",
        unit="W", gain=0.5, offset=200.0, floor=5.0, floor_ratio=0.005, form=0.1,
    ),
    Relation(
        name="facility_power", title="meter of the facility", device=FACILITY,
        effect="facility.power",
        causes=("facility.it_power", "facility.cooling_power", "facility.loss_power"),
        function=site_functions.facility_meter, parameter="reading over the sum of its parts",
        unit="W", gain=0.02, offset=200.0, floor=20.0, floor_ratio=0.001, form=0.02,
    ),
    Relation(
        name="grid_power", title="meters of the grid's feeds", device=FACILITY,
        effect="grid.power",
        causes=(
            "facility.power", "facility.unserved_power", "megapack.power", "genset.power",
        ),
        function=site_functions.feed_meters, parameter="import over what the facility takes",
        unit="W", gain=0.02, offset=200.0, floor=20.0, floor_ratio=0.001, form=0.02,
    ),
)  # fmt: skip
"""All relations."""
