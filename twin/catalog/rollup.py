"""Roll-ups: what the aggregator computes over a rack, an array, a hall and the site.

Dashboards and alerts of a large site read these instead of a million series.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from twin.catalog.cooling import CDU, CDU_PSU, PUMP
from twin.catalog.fabric import LEAF, PORT
from twin.catalog.gpu import GPU
from twin.catalog.model import DeviceClass, MetricType, Signal, Unit
from twin.catalog.neuron import NEURON, NEURONCORE
from twin.catalog.nic import NIC
from twin.catalog.power import PDU
from twin.catalog.server import PSU, SERVER

__all__ = ["ROLLUPS", "Level", "Operation", "Rollup"]


class Level(StrEnum):
    """What a roll-up is taken over; also the prefix of its metric."""

    RACK = "rack"
    ARRAY = "array"
    HALL = "hall"
    SITE = "site"


class Operation(StrEnum):
    """How the values of the devices become one. Missing devices are left out."""

    SUM = "sum"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    COUNT = "count"
    """Devices that report, or those of them with some values."""
    MISSING = "missing"
    """Devices that do not report although their rack or array does."""
    TOTAL = "total"
    """Sum of what counters rose by since the aggregator began.

    A sum of the counters themselves would fall when a device goes silent, which
    ``rate()`` takes for a reset and answers with a spike.
    """
    DISTRIBUTION = "distribution"
    """How many devices have at most which value: a histogram of the present values."""


_KINDS = {Operation.TOTAL: MetricType.COUNTER, Operation.DISTRIBUTION: MetricType.GAUGE_HISTOGRAM}

_EVERY = (Level.RACK, Level.ARRAY, Level.HALL, Level.SITE)
_ABOVE = (Level.ARRAY, Level.HALL, Level.SITE)
"""Where a roll-up over a rack would say what its few devices say already, or is too much."""


@dataclass(frozen=True, slots=True)
class Rollup:
    """One number over all devices of a rack, an array, a hall or the site.

    Attributes:
        name: metric name without the level's prefix.
        device: device class that it is taken over.
        signal: signal that it is taken over.
        operation: how.
        unit: unit as exposed.
        help: help text, with ``{level}`` in place of the level.
        levels: where it is taken.
        equals: with COUNT, count only the devices whose value is this.
        excluding: with COUNT, count only the devices whose value is none of these.
        scale: what values are multiplied with, so that the unit is a base unit.
        bounds: with DISTRIBUTION, the upper ends of the buckets, without infinity.
        instead: what it is taken over on a site without such devices; where there is
            nothing, the roll-up is missing there.
    """

    name: str
    device: DeviceClass
    signal: Signal
    operation: Operation
    unit: Unit
    help: str
    levels: tuple[Level, ...] = _EVERY
    equals: float | None = None
    excluding: tuple[float, ...] = ()
    scale: float = 1.0
    bounds: tuple[float, ...] = ()
    instead: tuple[DeviceClass, Signal] | None = None

    @property
    def kind(self) -> MetricType:
        """Its Prometheus type."""
        return _KINDS.get(self.operation, MetricType.GAUGE)

    @property
    def series(self) -> int:
        """Series that it gives for one rack, array, hall or site."""
        return len(self.bounds) + 3 if self.operation is Operation.DISTRIBUTION else 1

    def metric(self, level: Level) -> str:
        """Return the metric's name at ``level``."""
        return f"{level}_{self.name}"

    def names(self, level: Level) -> tuple[str, ...]:
        """Return the names of its series at ``level``: those of a gauge histogram, or one."""
        metric = self.metric(level)
        if self.operation is Operation.DISTRIBUTION:
            return tuple(f"{metric}_{part}" for part in ("bucket", "gcount", "gsum"))
        return (metric,)

    def help_text(self, level: Level) -> str:
        """Return the metric's help at ``level``."""
        return self.help.format(level=level)


_CELSIUS = (25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 100)
"""From a cold GPU to beyond the 95 °C at which an H100 takes itself off the bus."""

_WATTS = (80, 100, 130, 150, 170, 200, 300, 400, 500, 550, 600, 650, 700, 800, 900, 1000, 1200)
"""Close to each other where an H100 idles (76 W), holds a context (125 W), waits in a
collective (157 W) and trains (550 to 700 W); up to a B200's limit."""

_USERS_XIDS = (13.0, 31.0, 43.0, 45.0)
"""XIDs that the user's code raises, not the hardware (NVIDIA's XID catalogue)."""

ROLLUPS = (
    # -- power
    Rollup("it_power_watts", SERVER, SERVER["power"], Operation.SUM, Unit.WATTS,
           "Power of the servers of the {level}, at their inlets."),
    Rollup("psu_output_power_watts", PSU, PSU["output_power"], Operation.SUM, Unit.WATTS,
           "DC power that the power supplies of the {level} deliver."),
    Rollup("pdu_power_watts", PDU, PDU["power"], Operation.SUM, Unit.WATTS,
           "Power that the PDUs of the {level} deliver."),
    Rollup("pdu_energy_joules_total", PDU, PDU["energy"], Operation.TOTAL, Unit.JOULES,
           "Energy that the PDUs of the {level} delivered.", _ABOVE),
    Rollup("pdu_current_max_amperes", PDU, PDU["current"], Operation.MAX, Unit.AMPERES,
           "Current of the PDU phase of the {level} that carries most.", _ABOVE),
    Rollup("psus_failed", PSU, PSU["state"], Operation.COUNT, Unit.NONE,
           "Power supplies of the servers of the {level} whose state is critical.", equals=2.0),
    # -- GPUs
    Rollup("gpus_reporting", GPU, GPU["gpu_temp"], Operation.COUNT, Unit.NONE,
           "GPUs of the {level} that report.", instead=(NEURON, NEURON["mem_ecc_corrected"])),
    Rollup("gpus_missing", GPU, GPU["gpu_temp"], Operation.MISSING, Unit.NONE,
           "GPUs of the {level} that do not report although their rack does.",
           instead=(NEURON, NEURON["mem_ecc_corrected"])),
    Rollup("gpus_with_xid", GPU, GPU["xid"], Operation.COUNT, Unit.NONE,
           "GPUs of the {level} whose last XID is not 0.", excluding=(0.0,)),
    Rollup("gpus_with_hardware_xid", GPU, GPU["xid"], Operation.COUNT, Unit.NONE,
           "GPUs of the {level} whose last XID is none that the user's code raises.",
           excluding=(0.0, *_USERS_XIDS)),
    Rollup("gpu_power_watts", GPU, GPU["power_usage"], Operation.SUM, Unit.WATTS,
           "Power of the GPUs of the {level}."),
    Rollup("gpu_power_min_watts", GPU, GPU["power_usage"], Operation.MIN, Unit.WATTS,
           "Power of the GPU of the {level} that draws least."),
    Rollup("gpu_power_mean_watts", GPU, GPU["power_usage"], Operation.MEAN, Unit.WATTS,
           "Mean power of the GPUs of the {level}."),
    Rollup("gpu_power_max_watts", GPU, GPU["power_usage"], Operation.MAX, Unit.WATTS,
           "Power of the GPU of the {level} that draws most."),
    Rollup("gpu_power_distribution_watts", GPU, GPU["power_usage"], Operation.DISTRIBUTION,
           Unit.WATTS, "GPUs of the {level} by their present power.", _ABOVE, bounds=_WATTS),
    Rollup("gpu_energy_joules_total", GPU, GPU["energy"], Operation.TOTAL, Unit.JOULES,
           "Energy that the GPUs of the {level} used.", _ABOVE, scale=1e-3),
    Rollup("gpu_temperature_min_celsius", GPU, GPU["gpu_temp"], Operation.MIN, Unit.CELSIUS,
           "Temperature of the coolest GPU of the {level}."),
    Rollup("gpu_temperature_mean_celsius", GPU, GPU["gpu_temp"], Operation.MEAN, Unit.CELSIUS,
           "Mean temperature of the GPUs of the {level}."),
    Rollup("gpu_temperature_max_celsius", GPU, GPU["gpu_temp"], Operation.MAX, Unit.CELSIUS,
           "Temperature of the hottest GPU of the {level}."),
    Rollup("gpu_temperature_distribution_celsius", GPU, GPU["gpu_temp"], Operation.DISTRIBUTION,
           Unit.CELSIUS, "GPUs of the {level} by their present temperature.", _ABOVE,
           bounds=_CELSIUS),
    Rollup("gpu_memory_temperature_mean_celsius", GPU, GPU["memory_temp"], Operation.MEAN,
           Unit.CELSIUS, "Mean temperature of the GPU memories of the {level}."),
    Rollup("gpu_memory_temperature_max_celsius", GPU, GPU["memory_temp"], Operation.MAX,
           Unit.CELSIUS, "Temperature of the hottest GPU memory of the {level}."),
    Rollup("gpu_memory_temperature_distribution_celsius", GPU, GPU["memory_temp"],
           Operation.DISTRIBUTION, Unit.CELSIUS,
           "GPU memories of the {level} by their present temperature.", _ABOVE, bounds=_CELSIUS),
    Rollup("gpu_utilization_min_percent", GPU, GPU["gpu_util"], Operation.MIN, Unit.PERCENT,
           "Utilisation of the GPU of the {level} that does least."),
    Rollup("gpu_utilization_mean_percent", GPU, GPU["gpu_util"], Operation.MEAN, Unit.PERCENT,
           "Mean GPU utilisation of the {level}."),
    Rollup("gpu_utilization_max_percent", GPU, GPU["gpu_util"], Operation.MAX, Unit.PERCENT,
           "Utilisation of the GPU of the {level} that does most."),
    Rollup("gpu_tensor_active_mean_ratio", GPU, GPU["tensor_active"], Operation.MEAN, Unit.RATIO,
           "Mean share of cycles in which the tensor pipes of the {level} are active."),
    Rollup("gpu_sm_clock_min_megahertz", GPU, GPU["sm_clock"], Operation.MIN, Unit.MEGAHERTZ,
           "SM clock of the slowest GPU of the {level}."),
    Rollup("gpu_sm_clock_mean_megahertz", GPU, GPU["sm_clock"], Operation.MEAN, Unit.MEGAHERTZ,
           "Mean SM clock of the GPUs of the {level}."),
    Rollup("gpu_sm_clock_max_megahertz", GPU, GPU["sm_clock"], Operation.MAX, Unit.MEGAHERTZ,
           "SM clock of the fastest GPU of the {level}."),
    Rollup("gpu_thermal_throttling_seconds_total", GPU, GPU["thermal_violation"], Operation.TOTAL,
           Unit.SECONDS, "Time that heat slowed GPUs of the {level}, summed over them: its rate is "
           "how many it slows.", scale=1e-9),
    Rollup("gpu_power_throttling_seconds_total", GPU, GPU["power_violation"], Operation.TOTAL,
           Unit.SECONDS, "Time that the power limit slowed GPUs of the {level}, summed over them: "
           "its rate is how many it slows.", scale=1e-9),
    Rollup("gpu_uncorrectable_remapped_rows_total", GPU, GPU["uncorrectable_rows"],
           Operation.TOTAL, Unit.NONE,
           "Memory rows of the GPUs of the {level} that were remapped for uncorrectable errors.",
           _ABOVE),
    Rollup("neuroncore_utilization_mean_ratio", NEURONCORE, NEURONCORE["utilization"],
           Operation.MEAN, Unit.RATIO, "Mean utilisation of the NeuronCores of the {level}."),
    # -- servers
    Rollup("servers_up", SERVER, SERVER["up_node"], Operation.COUNT, Unit.NONE,
           "Servers of the {level} whose node_exporter answers.", equals=1.0),
    Rollup("server_inlet_temperature_max_celsius", SERVER, SERVER["inlet_temperature"],
           Operation.MAX, Unit.CELSIUS, "Warmest air into a server of the {level}."),
    # -- network
    Rollup("nics_reporting", NIC, NIC["up"], Operation.COUNT, Unit.NONE,
           "NIC ports of the {level} that report."),
    Rollup("nics_up", NIC, NIC["up"], Operation.COUNT, Unit.NONE,
           "NIC ports of the {level} whose link is up.", equals=1.0),
    Rollup("nics_down", NIC, NIC["up"], Operation.COUNT, Unit.NONE,
           "NIC ports of the {level} whose link is down.", equals=0.0),
    Rollup("nic_transmitted_bytes_total", NIC, NIC["tx_bytes"], Operation.TOTAL, Unit.BYTES,
           "RDMA octets that the NIC ports of the {level} transmitted."),
    Rollup("nic_received_bytes_total", NIC, NIC["rx_bytes"], Operation.TOTAL, Unit.BYTES,
           "RDMA octets that the NIC ports of the {level} received."),
    Rollup("nic_ecn_marked_packets_total", NIC, NIC["ecn_marked"], Operation.TOTAL, Unit.NONE,
           "Packets marked with congestion that the NIC ports of the {level} received."),
    Rollup("nic_cnp_packets_sent_total", NIC, NIC["cnp_sent"], Operation.TOTAL, Unit.NONE,
           "Congestion notifications that the NIC ports of the {level} sent.", _ABOVE),
    Rollup("nic_retransmits_total", NIC, NIC["adaptive_retransmits"], Operation.TOTAL, Unit.NONE,
           "Adaptive retransmissions of the NIC ports of the {level}.", _ABOVE),
    Rollup("nic_links_downed_total", NIC, NIC["link_downed"], Operation.TOTAL, Unit.NONE,
           "Times that a link of a NIC port of the {level} went down."),
    Rollup("nic_pause_frames_received_total", NIC, NIC["rx_pause"], Operation.TOTAL, Unit.NONE,
           "Priority pause frames that the NIC ports of the {level} received.", _ABOVE),
    Rollup("nic_pause_frames_transmitted_total", NIC, NIC["tx_pause"], Operation.TOTAL, Unit.NONE,
           "Priority pause frames that the NIC ports of the {level} transmitted.", _ABOVE),
    Rollup("leaf_switches_up", LEAF, LEAF["up"], Operation.COUNT, Unit.NONE,
           "Leaf switches of the {level} that answer.", _ABOVE, equals=1.0),
    Rollup("leaf_ports_up", PORT, PORT["oper_status"], Operation.COUNT, Unit.NONE,
           "Ports of the leaf switches of the {level} that are up.", _ABOVE, equals=1.0),
    Rollup("leaf_ports_down", PORT, PORT["oper_status"], Operation.COUNT, Unit.NONE,
           "Ports of the leaf switches of the {level} that are down.", _ABOVE, equals=2.0),
    Rollup("leaf_uplink_utilization_max_ratio", LEAF, LEAF["uplink_utilization"], Operation.MAX,
           Unit.RATIO, "Traffic of the busiest leaf switch of the {level} over what its uplinks in "
           "service can carry.", _ABOVE),
    Rollup("leaf_discarded_bytes_total", LEAF, LEAF["discarded_bytes"], Operation.TOTAL,
           Unit.BYTES, "Octets that the leaf switches of the {level} discarded.", _ABOVE),
    # -- cooling
    Rollup("coolant_flow_liters_per_minute", CDU, CDU["flow"], Operation.SUM,
           Unit.LITERS_PER_MINUTE, "Coolant flow of all loops of the {level} together.", _ABOVE),
    Rollup("coolant_flow_min_liters_per_minute", CDU, CDU["flow"], Operation.MIN,
           Unit.LITERS_PER_MINUTE, "Coolant flow of the loop of the {level} with least.", _ABOVE),
    Rollup("coolant_flow_mean_liters_per_minute", CDU, CDU["flow"], Operation.MEAN,
           Unit.LITERS_PER_MINUTE, "Mean coolant flow of the loops of the {level}.", _ABOVE),
    Rollup("coolant_supply_temperature_mean_celsius", CDU, CDU["supply_temperature"],
           Operation.MEAN, Unit.CELSIUS, "Mean temperature of the coolant to the servers of the "
           "{level}.", _ABOVE),
    Rollup("coolant_supply_temperature_max_celsius", CDU, CDU["supply_temperature"], Operation.MAX,
           Unit.CELSIUS, "Warmest coolant to the servers of the {level}."),
    Rollup("coolant_return_temperature_mean_celsius", CDU, CDU["return_temperature"],
           Operation.MEAN, Unit.CELSIUS, "Mean temperature of the coolant from the servers of the "
           "{level}.", _ABOVE),
    Rollup("coolant_return_temperature_max_celsius", CDU, CDU["return_temperature"], Operation.MAX,
           Unit.CELSIUS, "Warmest coolant from the servers of the {level}.", _ABOVE),
    Rollup("coolant_heat_removed_watts", CDU, CDU["heat_removed"], Operation.SUM, Unit.WATTS,
           "Heat that the coolant of the {level} carries off.", _ABOVE),
    Rollup("coolant_level_min_ratio", CDU, CDU["level"], Operation.MIN, Unit.RATIO,
           "Coolant in the emptiest reservoir of the {level}, as a fraction of its volume.",
           _ABOVE),
    Rollup("coolant_condensation_margin_min_celsius", CDU, CDU["condensation_margin"],
           Operation.MIN, Unit.CELSIUS, "Least supply temperature of the {level} above the dew "
           "point of the room.", _ABOVE),
    Rollup("coolant_leaks", CDU, CDU["leak"], Operation.COUNT, Unit.NONE,
           "Leak detectors of the {level} that say Warning or Critical.", _ABOVE,
           excluding=(0.0, 3.0, 4.0)),
    Rollup("coolant_unit_power_watts", CDU, CDU["power"], Operation.SUM, Unit.WATTS,
           "Electrical power of the coolant units of the {level}.", _ABOVE),
    Rollup("coolant_unit_psus_failed", CDU_PSU, CDU_PSU["state"], Operation.COUNT, Unit.NONE,
           "Power supplies of the coolant units of the {level} that have failed.", _ABOVE,
           equals=1.0),
    Rollup("pumps_running", PUMP, PUMP["state"], Operation.COUNT, Unit.NONE,
           "Coolant pumps of the {level} that run.", _ABOVE, equals=1.0),
    Rollup("pumps_failed", PUMP, PUMP["state"], Operation.COUNT, Unit.NONE,
           "Coolant pumps of the {level} that have failed.", _ABOVE, equals=2.0),
)  # fmt: skip
