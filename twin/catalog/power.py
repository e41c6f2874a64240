"""Rack PDUs, Megapacks, generators, the grid feed and the site's meters.

None has a common Prometheus exporter, so names follow the Prometheus naming rules
(base units: watts, joules, volts). Meanings follow Redfish ``PowerDistribution`` for
PDUs and the SunSpec models for the Megapack: 701 (AC side), 713 (storage capacity),
802 (battery: ``ChaSt``, limits, cells), 804 (module temperatures).
"""

from __future__ import annotations

from functools import partial

from twin.catalog.device import DeviceChart, DeviceClass
from twin.catalog.model import Detail, Exporter, MetricType, Signal, Unit
from twin.catalog.page import DEGRADED, DeviceColumn, PageTable, TroubleSign
from twin.catalog.place import DeviceAddress, Hosts, UnitKind, one
from twin.catalog.rollup import ABOVE_RACK, Operation, Rollup

__all__ = [
           "CHARGE_STATES",
           "FACILITY",
           "GENSET",
           "GENSET_STATES",
           "GRID",
           "INVERTER_STATES",
           "MEGAPACK",
           "OSCILLATION_BANDS",
           "PDU",
           "PDU_BREAKER",
           "PDU_BREAKER_STATES",
           "PHASES",
]  # fmt: skip

PHASES = ("L1", "L2", "L3")
"""Phases of a PDU, as its metrics call them."""

_pdus = partial(Exporter, job="pdu", port=161, source="DMTF Redfish 2025.4, Prometheus naming")
_PDU = _pdus(
    key="pdu",
    labels=("pdu", "phase"),
    identify=lambda place: (str(place.host + 1), PHASES[place.slot]),
)
_BREAKER = _pdus(key="pdu_breaker", labels=("pdu",), identify=lambda place: (str(place.host + 1),))
_modbus = partial(Exporter, port=502, source="Prometheus naming")
_MEGAPACK = _modbus(key="megapack", job="megapack", labels=("megapack",),
                    source="SunSpec 701, 713, 802, 804",
                    identify=lambda place: (place.unit_name,))  # fmt: skip
_GENSET = _modbus(key="genset", job="genset", labels=("genset",),
                  identify=lambda place: (place.unit_name,))  # fmt: skip
_GRID = _modbus(key="grid", job="grid", labels=("feed",),
                identify=lambda place: (str(place.slot + 1),))  # fmt: skip
_FACILITY = _modbus(key="facility", job="facility", labels=(),
                    source="ISO/IEC 30134-2, Prometheus naming")  # fmt: skip

_PDUS = Hosts(
    lambda site: site.pdus_per_rack, lambda place: f"{place.unit_name}-pdu{place.host + 1}"
)
SITE_METERS = Hosts(one, lambda _: "facility")
"""What serves the site as a whole."""

CHARGE_STATES = {1: "OFF", 2: "EMPTY", 3: "DISCHARGING", 4: "CHARGING", 5: "FULL",
                 6: "HOLDING", 7: "TESTING"}  # fmt: skip
"""SunSpec 802 ``ChaSt``."""

INVERTER_STATES = {1: "OFF", 2: "STARTING", 3: "RUNNING", 4: "STANDBY", 5: "FAULT"}
GENSET_STATES = {0: "standby", 1: "starting", 2: "running", 3: "failed", 4: "synchronising",
                 5: "cooling"}  # fmt: skip
"""The second last closes its breaker next, the last runs on without load."""

PDU_BREAKER_STATES = {0: "closed", 1: "tripped", 2: "off"}
"""Redfish ``BreakerState``; off means load shedding by the energy management."""

OSCILLATION_BANDS = {
    "lines": (0.1, 1.0),
    "plants": (1.0, 2.5),
    "middle": (2.5, 7.0),
    "shafts": (7.0, 20.0),
}
"""Bands in Hz that utilities set limits for, by what swings along (arXiv 2508.14318): oscillations
over lines, of power plants nearby, and of the shafts of turbines."""

_pdu = partial(Signal, family=_PDU, kind=MetricType.GAUGE)
_breaker = partial(Signal, family=_BREAKER, kind=MetricType.GAUGE)
_mp = partial(Signal, family=_MEGAPACK, kind=MetricType.GAUGE)
_mp_volts = partial(_mp, unit=Unit.VOLTS, decimals=4, high=10)
_mp_celsius = partial(_mp, unit=Unit.CELSIUS, decimals=2, low=-60, high=200)
_gen = partial(Signal, family=_GENSET, kind=MetricType.GAUGE)
_grid = partial(Signal, family=_GRID, kind=MetricType.GAUGE)
_site = partial(Signal, family=_FACILITY, kind=MetricType.GAUGE)
_site_watts = partial(_site, unit=Unit.WATTS, decimals=0)

_PDU_ROLLUPS = (
    Rollup("pdu_power_watts", "power", Operation.SUM, Unit.WATTS, "Power that the PDUs of the "
           "{level} deliver."),
    Rollup("pdu_energy_joules_total", "energy", Operation.TOTAL, Unit.JOULES,
           "Energy that the PDUs of the {level} delivered.", ABOVE_RACK),
    Rollup("pdu_current_max_amperes", "current", Operation.MAX, Unit.AMPERES,
           "Current of the PDU phase of the {level} that carries most.", ABOVE_RACK),
)  # fmt: skip

_PDU_TABLE = PageTable("PDU phases", (
        DeviceColumn("power", "Power", "kW", "power", 1, 1e-3),
        DeviceColumn("current", "Current", Unit.AMPERES, "current", 1),
        DeviceColumn("voltage", "Voltage", Unit.VOLTS, "voltage", 1),
))  # fmt: skip

_PDU_SIGNS = (
    TroubleSign(DEGRADED, ("a PDU phase is dead", "{} PDU phases are dead"), "voltage", equals=0,
                rank=7),
)  # fmt: skip


PDU = DeviceClass(
    name="pdu",
    frame=UnitKind.RACK,
    title="PDU phase",
    table=_PDU_TABLE,
    rollups=_PDU_ROLLUPS,
    address=DeviceAddress("pdu", "pdus", _PDUS.count),
    signs=_PDU_SIGNS,
    hosts=_PDUS,
    per_host=lambda _: len(PHASES),
    charts=(
        DeviceChart("PDU phases", "Power of each phase of each PDU. A PDU at zero has tripped; "
                    "phases of one PDU should lie close together.", "power",
                    "PDU {{pdu}} {{phase}}", 0),
        DeviceChart("PDU current", "Current of each phase of each PDU.", "current",
                    "PDU {{pdu}} {{phase}}", 0),
    ),
    detail=Detail.RACK,
    signals=(
        _pdu("current", "pdu_phase_current_amperes", unit=Unit.AMPERES, decimals=2, high=10_000,
             help="Current of the phase."),
        _pdu("voltage", "pdu_phase_voltage_volts", unit=Unit.VOLTS, decimals=2, high=1_000,
             help="Voltage of the phase against neutral."),
        _pdu("power", "pdu_phase_power_watts", unit=Unit.WATTS, decimals=1, high=1_000_000,
             help="Active power of the phase."),
        _pdu("energy", "pdu_phase_energy_joules_total", unit=Unit.JOULES, kind=MetricType.COUNTER,
             help="Active energy delivered by the phase."),
    ),
)  # fmt: skip

PDU_BREAKER = DeviceClass(
    name="pdu_breaker",
    frame=UnitKind.RACK,
    title="PDU breaker",
    hosts=_PDUS,
    detail=Detail.RACK,
    signals=(
        _breaker("state", "pdu_breaker_state", unit=Unit.NONE, states=PDU_BREAKER_STATES, high=2,
                 help="State of the breaker: 1 for the state it is in, 0 for the others."),
        _breaker("load", "pdu_breaker_load_ratio", unit=Unit.RATIO, decimals=4, high=100,
                 help="Current of the PDU's most loaded phase over the breaker's rated current."),
        _breaker("imbalance", "pdu_current_imbalance_ratio", unit=Unit.RATIO, decimals=4, high=2,
                 help="Largest deviation of a phase's current from the mean of the phases, over "
                      "that mean (NEMA MG 1); 0 without current."),
    ),
)  # fmt: skip

MEGAPACK = DeviceClass(
    name="megapack",
    frame=UnitKind.MEGAPACK,
    title="Megapack",
    signals=(
        _mp("power", "megapack_power_watts", unit=Unit.WATTS, low=-10_000_000, high=10_000_000,
            help="AC active power: positive when discharging, negative when charging."),
        _mp("soc", "megapack_state_of_charge_ratio", unit=Unit.RATIO, decimals=6, high=1,
            help="State of charge."),
        _mp("soh", "megapack_state_of_health_ratio", unit=Unit.RATIO, decimals=4, high=1,
            help="State of health: usable against rated energy."),
        _mp("energy_available", "megapack_energy_available_joules", unit=Unit.JOULES,
            help="Energy that can be discharged."),
        _mp("energy_capacity", "megapack_energy_capacity_joules", unit=Unit.JOULES,
            help="Rated energy."),
        _mp("max_discharge", "megapack_max_discharge_power_watts", unit=Unit.WATTS,
            help="Greatest discharge power at present."),
        _mp("max_charge", "megapack_max_charge_power_watts", unit=Unit.WATTS,
            help="Greatest charge power at present."),
        _mp("discharged_energy", "megapack_discharged_energy_joules_total", unit=Unit.JOULES,
            kind=MetricType.COUNTER, help="AC energy delivered to the site."),
        _mp("charged_energy", "megapack_charged_energy_joules_total", unit=Unit.JOULES,
            kind=MetricType.COUNTER, help="AC energy taken from the site."),
        _mp("cycles", "megapack_equivalent_full_cycles_total", unit=Unit.NONE, decimals=4,
            kind=MetricType.COUNTER, help="Equivalent full discharge cycles."),
        _mp("voltage", "megapack_ac_voltage_volts", unit=Unit.VOLTS, decimals=2, high=50_000,
            help="AC line voltage at the unit's terminals."),
        _mp("frequency", "megapack_ac_frequency_hertz", unit=Unit.HERTZ, decimals=4, high=100,
            help="AC frequency at the unit's terminals."),
        _mp_volts("cell_voltage_max", "megapack_cell_voltage_max_volts",
                  help="Highest cell voltage."),
        _mp_volts("cell_voltage_min", "megapack_cell_voltage_min_volts",
                  help="Lowest cell voltage."),
        _mp_celsius("module_temperature_max", "megapack_module_temperature_max_celsius",
                    help="Highest module temperature."),
        _mp_celsius("module_temperature_min", "megapack_module_temperature_min_celsius",
                    help="Lowest module temperature."),
        _mp_celsius("cabinet_temperature", "megapack_cabinet_temperature_celsius",
                    help="Temperature inside the cabinet."),
        _mp("charge_state", "megapack_charge_state", unit=Unit.NONE, states=CHARGE_STATES, low=1,
            high=7, help="Charge state: 1 for the state it is in, 0 for the others."),
        _mp("inverter_state", "megapack_inverter_state", unit=Unit.NONE, states=INVERTER_STATES,
            low=1, high=5, help="Inverter state: 1 for the state it is in, 0 for the others."),
    ),
)  # fmt: skip

GENSET = DeviceClass(
    name="genset",
    frame=UnitKind.GENSET,
    title="generator",
    signals=(
        _gen("power", "genset_power_watts", unit=Unit.WATTS, high=100_000_000,
             help="Active power delivered."),
        _gen("reactive_power", "genset_reactive_power_vars", unit=Unit.VARS, high=100_000_000,
             help="Reactive power delivered."),
        _gen("power_factor", "genset_power_factor_ratio", unit=Unit.RATIO, decimals=3, high=1,
             help="Active over apparent power; 1 without load."),
        _gen("speed", "genset_speed_rpm", unit=Unit.RPM, high=100_000, help="Engine speed."),
        _gen("frequency", "genset_frequency_hertz", unit=Unit.HERTZ, decimals=3, high=100,
             help="Frequency at the generator's terminals."),
        _gen("voltage", "genset_voltage_volts", unit=Unit.VOLTS, decimals=1, high=50_000,
             help="Line voltage at the generator's terminals."),
        _gen("coolant_temperature", "genset_coolant_temperature_celsius", unit=Unit.CELSIUS,
             decimals=1, low=-60, high=200, help="Engine coolant temperature."),
        _gen("oil_pressure", "genset_oil_pressure_pascals", unit=Unit.PASCALS, high=5_000_000,
             help="Engine oil pressure."),
        _gen("fuel_level", "genset_fuel_level_ratio", unit=Unit.RATIO, decimals=5, high=1,
             help="Fuel left, as a fraction of the tank."),
        _gen("fuel_rate", "genset_fuel_rate_liters_per_hour", unit=Unit.LITERS_PER_HOUR,
             decimals=1, high=1_000_000_000, help="Fuel consumption."),
        _gen("starter_voltage", "genset_starter_battery_voltage_volts", unit=Unit.VOLTS,
             decimals=2, high=100, help="Voltage of the starter battery."),
        _gen("running_seconds", "genset_running_seconds_total", unit=Unit.SECONDS,
             kind=MetricType.COUNTER, help="Time the engine has run in its life."),
        _gen("starts", "genset_starts_total", unit=Unit.NONE, kind=MetricType.COUNTER,
             help="Engine starts."),
        _gen("state", "genset_state", unit=Unit.NONE, states=GENSET_STATES, high=5,
             help="State of the generator: 1 for the state it is in, 0 for the others."),
    ),
)  # fmt: skip

GRID = DeviceClass(
    name="grid",
    frame=UnitKind.GRID,
    title="grid feed",
    per_host=lambda site: site.grid.feeds,
    signals=(
        _grid("power", "grid_import_power_watts", unit=Unit.WATTS, low=-10_000_000_000,
              help="Active power taken from the grid; negative when exporting."),
        _grid("limit", "grid_import_limit_watts", unit=Unit.WATTS,
              help="Contracted import limit of the feed."),
        _grid("voltage", "grid_voltage_volts", unit=Unit.VOLTS, decimals=1, high=1_000_000,
              help="Line voltage at the point of common coupling."),
        _grid("frequency", "grid_frequency_hertz", unit=Unit.HERTZ, decimals=4, high=100,
              help="Grid frequency."),
        _grid("ramp", "grid_import_ramp_watts_per_second", unit=Unit.WATTS_PER_SECOND,
              low=None, help="Rate of change of the import over the last frame interval."),
        _grid("swing", "grid_import_swing_watts", unit=Unit.WATTS,
              help="Peak-to-peak swing of the import over the last minute, below 0.5 Hz."),
        *(
            _grid(f"oscillation_{band}", "grid_import_oscillation_watts", unit=Unit.WATTS,
                  labels=(("band", f"{low:g}-{high:g}Hz"),),
                  help="Oscillation of the import over the last minute, by band of "
                       "frequencies, root mean square.")
            for band, (low, high) in OSCILLATION_BANDS.items()
        ),
        _grid("energy", "grid_import_energy_joules_total", unit=Unit.JOULES,
              kind=MetricType.COUNTER, help="Energy taken from the grid."),
        _grid("breaker", "grid_breaker_closed", unit=Unit.NONE, high=1,
              help="1 while the feed's breaker is closed.", codes={0: "open", 1: "closed"}),
    ),
)  # fmt: skip

FACILITY = DeviceClass(
    name="facility",
    frame=UnitKind.GRID,
    title="site meters",
    hosts=SITE_METERS,
    signals=(
        _site_watts("power", "facility_power_watts", help="Power of the whole facility."),
        _site_watts("it_power", "facility_it_power_watts",
                    help="Power of the IT equipment, at its inlets."),
        _site_watts("cooling_power", "facility_cooling_power_watts",
                    help="Power of pumps, chillers and fans."),
        _site_watts("loss_power", "facility_distribution_loss_watts",
                    help="Loss of transformers, cables and PDUs."),
        _site_watts("unserved_power", "facility_unserved_power_watts",
                    help="Demand that no source could carry."),
        _site_watts("load_swing", "facility_load_swing_watts",
                    help="Peak-to-peak swing of the facility's power over the last minute, before "
                         "the Megapacks smooth it."),
        *(
            _site_watts(f"load_oscillation_{band}", "facility_load_oscillation_watts",
                        labels=(("band", f"{low:g}-{high:g}Hz"),),
                        help="Oscillation of the facility's power over the last minute, before "
                             "the Megapacks smooth it, by band of frequencies, root mean "
                             "square.")
            for band, (low, high) in OSCILLATION_BANDS.items()
        ),
        _site("shed_racks", "facility_shed_racks", unit=Unit.NONE,
              help="Racks that are switched off for lack of power."),
        _site("pue", "facility_power_usage_effectiveness_ratio", unit=Unit.RATIO, decimals=4,
              high=1000, help="Facility power over IT power (ISO/IEC 30134-2)."),
        _site("water_temperature", "facility_water_supply_temperature_celsius",
              unit=Unit.CELSIUS, decimals=2, low=-50, high=100,
              help="Facility water temperature from the chillers."),
    ),
)  # fmt: skip
