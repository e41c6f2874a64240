"""Servers and their power supplies, as ipmi_exporter shows them, and ``up``.

Names, types and help follow prometheus-community/ipmi_exporter (``collector_ipmi.go``,
``collector_dcmi.go``, MIT). ``up`` is what Prometheus itself writes for every scrape
target: the twin writes it for each exporter of each server, so that rules like
``up{job="dcgm-exporter"} == 0`` work unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from twin.catalog.amd import AMD_JOB, AMD_PORT
from twin.catalog.device import DeviceClass
from twin.catalog.ipmi import bmc_families
from twin.catalog.model import UP_CODES, Exporter, MetricType, Signal, Unit
from twin.catalog.page import (
    DEGRADED,
    SERIOUS,
    DeviceColumn,
    FloorValue,
    PageTable,
    TroubleSign,
    scale_end,
)
from twin.catalog.place import SERVERS, DeviceAddress, UnitKind
from twin.catalog.rollup import ABOVE_RACK, Operation, Rollup

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import Site

__all__ = ["FAN", "IPMI_CODES", "PSU", "PSU_INPUT", "PSU_OUTPUT", "SERVER"]

_ipmi = partial(
    Exporter, job="ipmi-exporter", port=9290, source="prometheus-community/ipmi_exporter"
)
_IPMI_SERVER = _ipmi(key="ipmi_server", labels=())
_IPMI_INLET = _ipmi(key="ipmi_inlet", labels=("id", "name"), identify=lambda _: ("4", "Inlet Temp"))

_IPMI_OUTLET = _ipmi(key="ipmi_outlet", labels=("id", "name"),
                     identify=lambda _: ("5", "Outlet Temp"))  # fmt: skip


def _supply(side: str, base: int) -> Exporter:
    """Return the sensors of one side of the supplies, whose numbers follow ``base``."""
    return _ipmi(
        key=f"psu_{side.lower()}",
        labels=("id", "name"),
        identify=lambda place: (str(base + place.slot), f"PS{place.slot + 1} {side} Power"),
    )


PSU_INPUT, PSU_OUTPUT = _supply("Input", 50), _supply("Output", 60)
_DCGM_TARGET = Exporter(
    key="dcgm_target", job="dcgm-exporter", port=9400, labels=(), source="Prometheus"
)
_NODE_TARGET = Exporter(
    key="node_target", job="node-exporter", port=9100, labels=(), source="Prometheus"
)
_NEURON_TARGET = Exporter(
    key="neuron_target", job="neuron-monitor", port=8000, labels=(), source="Prometheus"
)

_AMD_TARGET = Exporter(key="amd_target", job=AMD_JOB, port=AMD_PORT, labels=(), source="Prometheus")


def _shown_by(exporter: str) -> Callable[[Site], bool]:
    """Return whether this exporter shows the accelerators of a site."""
    return lambda site: site.gpu.exporter == exporter


IPMI_CODES = {0: "nominal", 1: "warning", 2: "critical"}
_UP_HELP = "1 if the target's last scrape succeeded, 0 otherwise."
_STATES = "Reported state of a {} sensor (0=nominal, 1=warning, 2=critical)."
_COLLECTED = "'1' if a scrape of the IPMI device was successful, '0' otherwise."

_SERVER_ROLLUPS = (
    Rollup("it_power_watts", "power", Operation.SUM, Unit.WATTS, "Power of the servers of the "
           "{level}, at their inlets."),
    Rollup("servers_up", "up_node", Operation.COUNT, Unit.NONE, "Servers of the {level} whose "
           "node_exporter answers.", equals=1.0),
    Rollup("server_inlet_temperature_max_celsius", "inlet_temperature", Operation.MAX,
           Unit.CELSIUS, "Warmest air into a server of the {level}."),
)  # fmt: skip

_SERVER_TABLE = PageTable("Servers", (
        DeviceColumn("power", "Power", "kW", "power", 2, 1e-3),
        DeviceColumn("inlet", "Inlet air", Unit.CELSIUS, "inlet_temperature"),
        DeviceColumn("up", "Answers", "", "up_node", states=("no", "yes")),
))  # fmt: skip

_POWER_RATIO = 1.2
"""Upper end of the power's scale, over the plateau of a training step."""


def _highest_power(site: Site) -> float:
    """Return that upper end for a rack, in kW."""
    blocks = zip(site.models, site.air_blocks, strict=True)
    plateau = max(site.rack_power_watts(model, air=air) for model, air in blocks)
    return scale_end(_POWER_RATIO * plateau / 1e3)


_SERVER_FLOOR = (
    FloorValue("power", "Power", "servers, at their inlets", "kW", 1, "power", Operation.SUM,
               lambda site: (0.0, _highest_power(site)), factor=1e-3, rank=2),
    FloorValue("temperature", "Temperature", "air out of the servers", Unit.CELSIUS, 1,
               "outlet_temperature", Operation.MAX, lambda _: (25.0, 60.0), rank=1),
)  # fmt: skip
_SERVER_SIGNS = (
    TroubleSign(DEGRADED, ("a server does not answer", "{} servers do not answer"), "up_node",
                equals=0, rank=6),
)  # fmt: skip


SERVER = DeviceClass(
    name="server",
    frame=UnitKind.RACK,
    title="HGX server",
    table=_SERVER_TABLE,
    rollups=_SERVER_ROLLUPS,
    address=DeviceAddress("n", "servers a rack", SERVERS.count),
    floor=_SERVER_FLOOR,
    signs=_SERVER_SIGNS,
    hosts=SERVERS,
    derived=bmc_families(_IPMI_SERVER),
    signals=(
        Signal("power", "ipmi_dcmi_power_consumption_watts", _IPMI_SERVER, MetricType.GAUGE,
               Unit.WATTS, "Current power consumption in Watts.", high=100_000),
        Signal("inlet_temperature", "ipmi_temperature_celsius", _IPMI_INLET, MetricType.GAUGE,
               Unit.CELSIUS, "Temperature reading in degree Celsius.", low=-40, high=150),
        Signal("inlet_state", "ipmi_temperature_state", _IPMI_INLET, MetricType.GAUGE, Unit.NONE,
               _STATES.format("temperature"), high=2, codes=IPMI_CODES),
        Signal("outlet_temperature", "ipmi_temperature_celsius", _IPMI_OUTLET, MetricType.GAUGE,
               Unit.CELSIUS, "Temperature reading in degree Celsius.", low=-40, high=150,
               needs=lambda site: site.has_air),
        Signal("collector_ipmi", "ipmi_up", _IPMI_SERVER, MetricType.GAUGE, Unit.NONE, _COLLECTED,
               labels=(("collector", "ipmi"),), constant=1.0),
        Signal("collector_dcmi", "ipmi_up", _IPMI_SERVER, MetricType.GAUGE, Unit.NONE, _COLLECTED,
               labels=(("collector", "dcmi"),), constant=1.0),
        Signal("up_dcgm", "up", _DCGM_TARGET, MetricType.GAUGE, Unit.NONE, _UP_HELP, high=1,
               codes=UP_CODES, needs=_shown_by("dcgm")),
        Signal("up_neuron", "up", _NEURON_TARGET, MetricType.GAUGE, Unit.NONE, _UP_HELP, high=1,
               codes=UP_CODES, needs=_shown_by("neuron")),
        Signal("up_amd", "up", _AMD_TARGET, MetricType.GAUGE, Unit.NONE, _UP_HELP, high=1,
               codes=UP_CODES, needs=_shown_by("amd")),
        Signal("up_node", "up", _NODE_TARGET, MetricType.GAUGE, Unit.NONE, _UP_HELP, high=1,
               codes=UP_CODES),
        Signal("up_ipmi", "up", _IPMI_SERVER, MetricType.GAUGE, Unit.NONE, _UP_HELP, high=1,
               codes=UP_CODES),
    ),
)  # fmt: skip

_PSU_ROLLUPS = (
    Rollup("psu_output_power_watts", "output_power", Operation.SUM, Unit.WATTS,
           "DC power that the power supplies of the {level} deliver."),
    Rollup("psus_failed", "state", Operation.COUNT, Unit.NONE, "Power supplies of the servers of "
           "the {level} whose state is critical.", equals=2.0),
)  # fmt: skip

PSU = DeviceClass(
    name="psu",
    frame=UnitKind.RACK,
    title="power supply",
    rollups=_PSU_ROLLUPS,
    address=DeviceAddress("psu", "psus a server", lambda site: site.server.psus, in_server=True),
    hosts=SERVERS,
    per_host=lambda site: 0 if site.shelves.count else site.server.psus,
    signals=(
        Signal("input_power", "ipmi_power_watts", PSU_INPUT, MetricType.GAUGE, Unit.WATTS,
               "Power reading in Watts.", decimals=1, high=20_000),
        Signal("output_power", "ipmi_power_watts", PSU_OUTPUT, MetricType.GAUGE, Unit.WATTS,
               "Power reading in Watts.", decimals=1, high=20_000),
        Signal("state", "ipmi_power_state", PSU_INPUT, MetricType.GAUGE, Unit.NONE,
               _STATES.format("power"), high=2, codes=IPMI_CODES),
        # It has upper limits only: to give nothing is no fault of the output's sensor.
        Signal("output_state", "ipmi_power_state", PSU_OUTPUT, MetricType.GAUGE, Unit.NONE,
               _STATES.format("power"), constant=0.0, codes=IPMI_CODES),
    ),
)  # fmt: skip

_FIRST_FAN = 20
_FAN = _ipmi(
    key="fan",
    labels=("id", "name"),
    identify=lambda place: (str(_FIRST_FAN + place.slot), f"FAN{place.slot + 1}"),
)
_FAN_ROLLUPS = (
    Rollup("fans_failed", "state", Operation.COUNT, Unit.NONE, "Fans of the servers of the {level} "
           "whose state is critical.", equals=2.0),
    Rollup("fan_speed_mean_ratio", "speed_ratio", Operation.MEAN, Unit.RATIO,
           "Mean speed of the fans of the {level}, over their greatest.", ABOVE_RACK),
    Rollup("fan_speed_max_ratio", "speed_ratio", Operation.MAX, Unit.RATIO,
           "Speed of the fastest fan of the {level}, over its greatest."),
)  # fmt: skip
_FAN_FLOOR = (
    FloorValue("fans", "Fans", "fastest fan of the rack, over its greatest speed", Unit.PERCENT, 0,
               "speed_ratio", Operation.MAX, lambda _: (0.0, 100.0), factor=100.0, rank=3),
)  # fmt: skip
_FAN_SIGNS = (
    TroubleSign(SERIOUS, ("no fan of the rack is well", ""), "state", none_equals=0, rank=1),
    TroubleSign(DEGRADED, ("a fan has failed", "{} fans have failed"), "state", equals=2, rank=1),
)


FAN = DeviceClass(
    name="fan",
    frame=UnitKind.RACK,
    title="fan of an air-cooled server",
    rollups=_FAN_ROLLUPS,
    address=DeviceAddress("fan", "fans a server", lambda site: site.fans.per_server,
                          in_server=True),
    floor=_FAN_FLOOR,
    signs=_FAN_SIGNS,
    hosts=SERVERS,
    per_host=lambda site: site.fans.per_server * site.has_air,
    signals=(
        Signal("speed", "ipmi_fan_speed_rpm", _FAN, MetricType.GAUGE, Unit.RPM,
               "Fan speed in rotations per minute.", high=100_000),
        Signal("speed_ratio", "ipmi_fan_speed_ratio", _FAN, MetricType.GAUGE, Unit.RATIO,
               "Fan speed as a proportion of the maximum speed.", decimals=2, high=1.5),
        Signal("state", "ipmi_fan_speed_state", _FAN, MetricType.GAUGE, Unit.NONE,
               _STATES.format("fan speed"), high=2, codes=IPMI_CODES),
    ),
)  # fmt: skip
"""The few fans beside liquid are no devices of their own, see :mod:`twin.catalog.ipmi`."""
