"""The kinds of BMCs of a site: the declared table of what each shows.

A kind of rack adds its BMCs here, as rows; nothing else has to know of them. Sensors that
ipmi_exporter shows too have the name that it shows, so that both ways into a server agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.catalog import (
    CDU,
    CDU_PSU,
    FAN,
    HOST,
    PDU,
    PDU_BREAKER,
    PSU,
    PUMP,
    SERVER,
    DerivedFamily,
    Unit,
)
from twin.catalog.operating_system import GPU_HOST
from twin.catalog.power import PHASES
from twin.redfish.gpu_rows import gpu_chassis, gpu_processors
from twin.redfish.rack_scale_rows import RACK_SCALE_KINDS, has_trays
from twin.redfish.rows import (
    CircuitRow,
    ConnectorRow,
    CoolingRow,
    FanRow,
    LeakRow,
    PumpRow,
    SensorRow,
    SupplyRow,
)
from twin.redfish.table import BmcKind, ChassisRow, ProcessorRow, SystemRow
from twin.registry import Registry

if TYPE_CHECKING:
    from twin.parameters import Site
    from twin.redfish.view import BmcView

__all__ = ["BMC_KINDS"]

_IPMI_HEALTH = {0: "OK", 1: "Warning", 2: "Critical"}
_GPU, _GPU_CHASSIS = "GPU_SXM_{n}", "HGX_GPU_SXM_{n}"
_CLOSED, _OFF = 0, 2
"""Codes of a PDU's breaker."""


def _family(unit: Unit) -> DerivedFamily:
    """Return what ipmi_exporter shows of the few fans beside liquid: speed, ratio or state."""
    return next(own for own in SERVER.derived if own.group.key == "ipmi_fans" and own.unit is unit)


# -- GPU servers ---------------------------------------------------------------


def _server_on(view: BmcView) -> bool:
    return view.code(SERVER, SERVER["up_ipmi"]) == 1


def _server_answers(view: BmcView) -> bool:
    """Whether the server has power, or the rack at least has the standby power of its BMC."""
    if _server_on(view):
        return True
    return _CLOSED in view.values_of_rack(PDU_BREAKER, PDU_BREAKER["state"])


_SERVER_SENSORS = (
    SensorRow("Inlet_Temp", "Inlet Temp", SERVER, SERVER["inlet_temperature"], "Intake",
              state=SERVER["inlet_state"], health=_IPMI_HEALTH),
    SensorRow("Outlet_Temp", "Outlet Temp", SERVER, SERVER["outlet_temperature"], "Exhaust"),
    SensorRow("Total_Power", "Total Power", SERVER, SERVER["power"], "Chassis"),
    SensorRow("CPU0_Temp", "CPU0 Temp", HOST, HOST["package0_temperature"], "CPU"),
    SensorRow("CPU1_Temp", "CPU1 Temp", HOST, HOST["package1_temperature"], "CPU"),
    SensorRow("PS{n}_Input_Power", "PS{n} Input Power", PSU, PSU["input_power"], "PowerSupply", 1,
              state=PSU["state"], health=_IPMI_HEALTH),
    SensorRow("PS{n}_Output_Power", "PS{n} Output Power", PSU, PSU["output_power"],
              "PowerSupply", 1),
)  # fmt: skip

_SERVER_FANS = (
    FanRow("FAN{n}", FAN, FAN["speed_ratio"], FAN["speed"], FAN["state"], _IPMI_HEALTH),
    FanRow("FAN{n}", SERVER, _family(Unit.RATIO), _family(Unit.RPM), _family(Unit.NONE),
           _IPMI_HEALTH),
)  # fmt: skip
"""Of a site with air-cooled servers the first, of any other the second."""

_SERVER = BmcKind(
    key="server",
    title="GPU server",
    hosts=SERVER.hosts,
    suffix="-bmc",
    answers=_server_answers,
    stands=lambda site, rack: not has_trays(site, rack),
    on=_server_on,
    booted=lambda view: view.code(SERVER, SERVER["up_node"]) == 1,
    memory=lambda view: view.site.server.memory_bytes,
    managers={"BMC": "DGX", "HGX_BMC_0": "HGX_Chassis_0"},
    firmware="24.01.05",
    reports="HGX_{}_0",
    chassis=(
        ChassisRow(
            id="DGX",
            name="GPU server",
            type="RackMount",
            sensors=_SERVER_SENSORS,
            supplies=(
                SupplyRow("PSU{n}", PSU, PSU["state"], _IPMI_HEALTH, "PS{n}_Output_Power",
                          "PS{n}_Input_Power", lambda view: view.site.server.psu_rating_watts, 1),
            ),
            fans=_SERVER_FANS,
            temperature="Inlet_Temp",
            power="Total_Power",
            manufacturer=GPU_HOST.vendor,
            model=lambda _: GPU_HOST.product,
        ),
        ChassisRow("HGX_Chassis_0", "GPU baseboard", "Module", within="DGX",
                   manufacturer="NVIDIA"),
        gpu_chassis(_GPU_CHASSIS, "HGX_Chassis_0", 1),
    ),
    systems=(
        SystemRow(
            id="DGX",
            name="GPU server",
            chassis="DGX",
            host=True,
            manufacturer=GPU_HOST.vendor,
            model=lambda _: GPU_HOST.product,
            processors=(
                ProcessorRow(id="CPU{n}", name="CPU {n}", type="CPU", count=GPU_HOST.SOCKETS,
                             anchor=(SERVER, SERVER["power"]), chassis="DGX",
                             manufacturer="Intel", model=lambda _: GPU_HOST.cpu,
                             temperature="CPU{n}_Temp"),
            ),
        ),
        SystemRow(
            id="HGX_Baseboard_0",
            name="GPU baseboard",
            chassis="HGX_Chassis_0",
            manufacturer="NVIDIA",
            processors=(gpu_processors(_GPU, _GPU_CHASSIS, 1),),
        ),
    ),
)  # fmt: skip

# -- coolant units -------------------------------------------------------------

_PUMP_HEALTH = {0: "OK", 1: "OK", 2: "Critical"}
_PSU_HEALTH = {0: "OK", 1: "Critical"}


def _liquid(site: Site, rack: int) -> bool:
    return bool(site.has_liquid) and not site.air_racks[rack]


_COOLANT = BmcKind(
    key="cdu",
    title="coolant distribution unit",
    hosts=CDU.hosts,
    answers=lambda view: view.value(CDU, CDU["flow"]) is not None,
    stands=_liquid,
    managers={"BMC": "CDU"},
    chassis=(
        ChassisRow(
            id="CDU",
            name="coolant distribution unit",
            type="RackMount",
            sensors=(
                SensorRow("Coolant_Flow", "coolant flow", CDU, CDU["flow"], "CoolingSubsystem"),
                SensorRow("Coolant_Supply_Temp", "coolant to the servers", CDU,
                          CDU["supply_temperature"], "LiquidOutlet"),
                SensorRow("Coolant_Return_Temp", "coolant from the servers", CDU,
                          CDU["return_temperature"], "LiquidInlet"),
                SensorRow("Coolant_Supply_Pressure", "coolant at the supply manifold", CDU,
                          CDU["supply_pressure"], "LiquidOutlet"),
                SensorRow("Coolant_Delta_Pressure", "supply over return manifold", CDU,
                          CDU["differential_pressure"], "CoolingSubsystem"),
                SensorRow("Filter_Delta_Pressure", "drop of the coolant filter", CDU,
                          CDU["filter_pressure"], "Filter"),
                SensorRow("Coolant_Heat", "heat that the coolant carries off", CDU,
                          CDU["heat_removed"], "CoolingSubsystem"),
                SensorRow("Reservoir_Level", "coolant in the reservoir", CDU, CDU["level"],
                          "Reservoir"),
                SensorRow("Facility_Supply_Temp", "facility water into the exchanger", CDU,
                          CDU["facility_supply_temperature"], "LiquidInlet"),
                SensorRow("Facility_Return_Temp", "facility water out of the exchanger", CDU,
                          CDU["facility_return_temperature"], "LiquidOutlet"),
                SensorRow("Facility_Flow", "facility water through the exchanger", CDU,
                          CDU["facility_flow"], "CoolingSubsystem"),
                SensorRow("Facility_Heat", "heat that the facility water takes up", CDU,
                          CDU["facility_heat"], "CoolingSubsystem"),
                SensorRow("Facility_Valve", "opening of the facility water valve", CDU,
                          CDU["valve_position"], "CoolingSubsystem"),
                SensorRow("Condensation_Margin", "supply above the dew point of the room", CDU,
                          CDU["condensation_margin"], "CoolingSubsystem"),
                SensorRow("Total_Power", "power of the unit", CDU, CDU["power"], "Chassis"),
                SensorRow("Pump{n}_Speed", "pump {n} speed", PUMP, PUMP["speed_ratio"], "Pump", 1,
                          state=PUMP["state"], health=_PUMP_HEALTH),
                SensorRow("Pump{n}_Flow", "pump {n} flow", PUMP, PUMP["flow"], "Pump", 1),
                SensorRow("Pump{n}_Power", "pump {n} power", PUMP, PUMP["power"], "Pump", 1),
                SensorRow("Pump{n}_Inlet_Pressure", "pressure at pump {n}", PUMP,
                          PUMP["inlet_pressure"], "Pump", 1),
                SensorRow("PS{n}_Output_Power", "supply {n} output power", CDU_PSU,
                          CDU_PSU["power"], "PowerSupply", 1, state=CDU_PSU["state"],
                          health=_PSU_HEALTH),
            ),
            supplies=(
                SupplyRow("PSU{n}", CDU_PSU, CDU_PSU["state"], _PSU_HEALTH, "PS{n}_Output_Power",
                          first=1),
            ),
            leaks=(LeakRow("LeakDetector_0", CDU, CDU["leak"]),),
            temperature="Coolant_Supply_Temp",
            power="Total_Power",
        ),
    ),
    cooling=CoolingRow(
        id="1",
        chassis="CDU",
        pumps=PumpRow("Pump{n}", PUMP, PUMP["speed_ratio"], PUMP["speed"], PUMP["state"],
                      _PUMP_HEALTH, PUMP["operating_seconds"], "Pump{n}_Inlet_Pressure"),
        connectors=(
            ConnectorRow(primary=False, sensors={
                "FlowLitersPerMinute": "Coolant_Flow",
                "SupplyTemperatureCelsius": "Coolant_Supply_Temp",
                "ReturnTemperatureCelsius": "Coolant_Return_Temp",
                "SupplyPressurekPa": "Coolant_Supply_Pressure",
                "DeltaPressurekPa": "Coolant_Delta_Pressure",
                "HeatRemovedkW": "Coolant_Heat",
                "DewPointProximityCelsius": "Condensation_Margin",
            }),
            ConnectorRow(primary=True, sensors={
                "FlowLitersPerMinute": "Facility_Flow",
                "SupplyTemperatureCelsius": "Facility_Supply_Temp",
                "ReturnTemperatureCelsius": "Facility_Return_Temp",
                "HeatRemovedkW": "Facility_Heat",
                "ValvePositionPercent": "Facility_Valve",
            }),
        ),
    ),
)  # fmt: skip

# -- PDUs ----------------------------------------------------------------------


def _fed(view: BmcView) -> bool:
    """Whether the PDU is fed: what is before its breaker feeds its controller too."""
    return view.code(PDU_BREAKER, PDU_BREAKER["state"]) not in {None, _OFF}


def _phases(what: str) -> tuple[str, str, str]:
    first, second, third = (f"{phase}_{what}" for phase in PHASES)
    return first, second, third


_PDU = BmcKind(
    key="pdu",
    title="rack PDU",
    hosts=PDU.hosts,
    answers=_fed,
    managers={"BMC": "PDU"},
    chassis=(
        ChassisRow(
            id="PDU",
            name="rack PDU",
            type="RackMount",
            sensors=(
                *(SensorRow(f"L{{n}}_{word}", f"L{{n}} {name}", PDU, PDU[signal], "ACInput", 1)
                  for word, name, signal in (
                      ("Current", "current", "current"), ("Voltage", "voltage", "voltage"),
                      ("Power", "power", "power"), ("Energy", "energy", "energy"))),
                SensorRow("Breaker_Load", "load of the breaker", PDU_BREAKER, PDU_BREAKER["load"],
                          "ACInput"),
                SensorRow("Current_Imbalance", "imbalance of the currents", PDU_BREAKER,
                          PDU_BREAKER["imbalance"], "ACInput"),
            ),
        ),
    ),
    circuit=CircuitRow(
        id="1",
        chassis="PDU",
        device=PDU_BREAKER,
        breaker=PDU_BREAKER["state"],
        states={0: "Normal", 1: "Tripped", 2: "Off"},
        load="Breaker_Load",
        phases={
            "PolyPhaseCurrentAmps": _phases("Current"),
            "PolyPhaseVoltage": _phases("Voltage"),
            "PolyPhasePowerWatts": _phases("Power"),
        },
    ),
)  # fmt: skip

BMC_KINDS: Registry[BmcKind] = Registry(_SERVER, *RACK_SCALE_KINDS, _COOLANT, _PDU)
"""Every kind, in the order in which a rack's BMCs are listed."""
