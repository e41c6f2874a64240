"""Servers and their power supplies, as ipmi_exporter shows them, and ``up``.

Names, types and help follow prometheus-community/ipmi_exporter (``collector_ipmi.go``,
``collector_dcmi.go``, MIT). ``up`` is what Prometheus itself writes for every scrape
target: the twin writes it for each exporter of each server, so that rules like
``up{job="dcgm-exporter"} == 0`` work unchanged.
"""

from __future__ import annotations

from functools import partial

from twin.catalog.model import DeviceClass, Exporter, MetricType, Signal, Unit, UnitKind

__all__ = ["PSU", "PSU_INPUT", "PSU_OUTPUT", "SERVER"]

_ipmi = partial(
    Exporter, job="ipmi-exporter", port=9290, source="prometheus-community/ipmi_exporter"
)
_IPMI_SERVER = _ipmi(key="ipmi_server", labels=())
_IPMI_INLET = _ipmi(key="ipmi_inlet", labels=("id", "name"))
PSU_INPUT = _ipmi(key="psu_input", labels=("id", "name"))
PSU_OUTPUT = _ipmi(key="psu_output", labels=("id", "name"))
_DCGM_TARGET = Exporter(
    key="dcgm_target", job="dcgm-exporter", port=9400, labels=(), source="Prometheus"
)
_NODE_TARGET = Exporter(
    key="node_target", job="node-exporter", port=9100, labels=(), source="Prometheus"
)
_NEURON_TARGET = Exporter(
    key="neuron_target", job="neuron-monitor", port=8000, labels=(), source="Prometheus"
)

_UP_HELP = "1 if the target's last scrape succeeded, 0 otherwise."
_STATES = "Reported state of a {} sensor (0=nominal, 1=warning, 2=critical)."
_COLLECTED = "'1' if a scrape of the IPMI device was successful, '0' otherwise."

SERVER = DeviceClass(
    name="server",
    frame=UnitKind.RACK,
    title="HGX server",
    signals=(
        Signal("power", "ipmi_dcmi_power_consumption_watts", _IPMI_SERVER, MetricType.GAUGE,
               Unit.WATTS, "Current power consumption in Watts.", high=100_000),
        Signal("inlet_temperature", "ipmi_temperature_celsius", _IPMI_INLET, MetricType.GAUGE,
               Unit.CELSIUS, "Temperature reading in degree Celsius.", low=-40, high=150),
        Signal("inlet_state", "ipmi_temperature_state", _IPMI_INLET, MetricType.GAUGE, Unit.NONE,
               _STATES.format("temperature"), high=2),
        Signal("collector_ipmi", "ipmi_up", _IPMI_SERVER, MetricType.GAUGE, Unit.NONE, _COLLECTED,
               labels=(("collector", "ipmi"),), constant=1.0),
        Signal("collector_dcmi", "ipmi_up", _IPMI_SERVER, MetricType.GAUGE, Unit.NONE, _COLLECTED,
               labels=(("collector", "dcmi"),), constant=1.0),
        Signal("up_dcgm", "up", _DCGM_TARGET, MetricType.GAUGE, Unit.NONE, _UP_HELP, high=1),
        Signal("up_neuron", "up", _NEURON_TARGET, MetricType.GAUGE, Unit.NONE, _UP_HELP, high=1),
        Signal("up_node", "up", _NODE_TARGET, MetricType.GAUGE, Unit.NONE, _UP_HELP, high=1),
        Signal("up_ipmi", "up", _IPMI_SERVER, MetricType.GAUGE, Unit.NONE, _UP_HELP, high=1),
    ),
)  # fmt: skip

PSU = DeviceClass(
    name="psu",
    frame=UnitKind.RACK,
    title="power supply",
    signals=(
        Signal("input_power", "ipmi_power_watts", PSU_INPUT, MetricType.GAUGE, Unit.WATTS,
               "Power reading in Watts.", decimals=1, high=20_000),
        Signal("output_power", "ipmi_power_watts", PSU_OUTPUT, MetricType.GAUGE, Unit.WATTS,
               "Power reading in Watts.", decimals=1, high=20_000),
        Signal("state", "ipmi_power_state", PSU_INPUT, MetricType.GAUGE, Unit.NONE,
               _STATES.format("power"), high=2),
        # It has upper limits only: to give nothing is no fault of the output's sensor.
        Signal("output_state", "ipmi_power_state", PSU_OUTPUT, MetricType.GAUGE, Unit.NONE,
               _STATES.format("power"), constant=0.0),
    ),
)  # fmt: skip
