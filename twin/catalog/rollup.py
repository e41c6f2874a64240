"""Roll-ups: what the aggregator computes over a rack and over the site.

Dashboards and alerts of a large site read these instead of a million series.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from twin.catalog.cooling import CDU
from twin.catalog.gpu import GPU
from twin.catalog.model import DeviceClass, Signal, Unit
from twin.catalog.neuron import NEURON
from twin.catalog.nic import NIC
from twin.catalog.power import PDU
from twin.catalog.server import PSU, SERVER

__all__ = ["ROLLUPS", "Level", "Operation", "Rollup"]


class Level(StrEnum):
    """What a roll-up is taken over; also the prefix of its metric."""

    RACK = "rack"
    SITE = "site"


class Operation(StrEnum):
    """How the values of the devices become one. Missing devices are left out."""

    SUM = "sum"
    MEAN = "mean"
    MAX = "max"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Rollup:
    """One number over all devices of a rack or of the site.

    Attributes:
        name: metric name without the level's prefix.
        device: device class that it is taken over.
        signal: signal that it is taken over.
        operation: how.
        unit: unit as exposed.
        help: help text, with ``{level}`` in place of the level.
        equals: with COUNT, count only the devices whose value is this.
        instead: what it is taken over on a site without such devices; where there is
            nothing, the roll-up is missing there.
    """

    name: str
    device: DeviceClass
    signal: Signal
    operation: Operation
    unit: Unit
    help: str
    equals: float | None = None
    instead: tuple[DeviceClass, Signal] | None = None

    def metric(self, level: Level) -> str:
        """Return the metric's name at ``level``."""
        return f"{level}_{self.name}"

    def help_text(self, level: Level) -> str:
        """Return the metric's help at ``level``."""
        return self.help.format(level=level)


ROLLUPS = (
    Rollup("it_power_watts", SERVER, SERVER["power"], Operation.SUM, Unit.WATTS,
           "Power of the servers of the {level}, at their inlets."),
    Rollup("psu_output_power_watts", PSU, PSU["output_power"], Operation.SUM, Unit.WATTS,
           "DC power that the power supplies of the {level} deliver."),
    Rollup("pdu_power_watts", PDU, PDU["power"], Operation.SUM, Unit.WATTS,
           "Power that the PDUs of the {level} deliver."),
    Rollup("gpu_power_watts", GPU, GPU["power_usage"], Operation.SUM, Unit.WATTS,
           "Power of the GPUs of the {level}."),
    Rollup("gpu_temperature_max_celsius", GPU, GPU["gpu_temp"], Operation.MAX, Unit.CELSIUS,
           "Temperature of the hottest GPU of the {level}."),
    Rollup("gpu_temperature_mean_celsius", GPU, GPU["gpu_temp"], Operation.MEAN, Unit.CELSIUS,
           "Mean temperature of the GPUs of the {level}."),
    Rollup("gpu_memory_temperature_max_celsius", GPU, GPU["memory_temp"], Operation.MAX,
           Unit.CELSIUS, "Temperature of the hottest GPU memory of the {level}."),
    Rollup("gpu_utilization_mean_percent", GPU, GPU["gpu_util"], Operation.MEAN, Unit.PERCENT,
           "Mean GPU utilisation of the {level}."),
    Rollup("gpu_sm_clock_mean_megahertz", GPU, GPU["sm_clock"], Operation.MEAN, Unit.MEGAHERTZ,
           "Mean SM clock of the GPUs of the {level}."),
    Rollup("coolant_supply_temperature_max_celsius", CDU, CDU["supply_temperature"], Operation.MAX,
           Unit.CELSIUS, "Warmest coolant to the servers of the {level}."),
    Rollup("gpus_reporting", GPU, GPU["gpu_temp"], Operation.COUNT, Unit.NONE,
           "GPUs of the {level} that report.", instead=(NEURON, NEURON["mem_ecc_corrected"])),
    Rollup("nics_up", NIC, NIC["up"], Operation.COUNT, Unit.NONE,
           "NIC ports of the {level} whose link is up.", equals=1.0),
)  # fmt: skip
