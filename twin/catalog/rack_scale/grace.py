"""Grace CPUs and their superchips, as NVIDIA's dcgm-exporter shows them.

DCGM has them as entities of their own; names and help are those of ``dcgm_fields.h`` of NVIDIA/DCGM
4.6.0 (fields 1110 to 1133), the label that of dcgm-exporter's CPU metrics. The power of a module is
that of a superchip, with its two GPUs in it: adding the GPUs' own to it counts them twice.
"""

from __future__ import annotations

from functools import partial

from twin.catalog.device import DeviceClass
from twin.catalog.model import Exporter, MetricType, Signal, Unit
from twin.catalog.page import DeviceColumn, PageTable
from twin.catalog.place import SERVERS, DeviceAddress, UnitKind
from twin.catalog.rollup import Operation, Rollup

__all__ = ["GRACE"]

_CPU = Exporter(
    key="dcgm_cpu",
    job="dcgm-exporter",
    port=9400,
    labels=("cpu", "Hostname"),
    source="NVIDIA/dcgm-exporter 4.5.3-4.8.2",
    identify=lambda place: (str(place.slot), place.hostname),
)
_watts = partial(
    Signal, family=_CPU, kind=MetricType.GAUGE, unit=Unit.WATTS, decimals=1, high=20_000
)

GRACE = DeviceClass(
    name="grace",
    frame=UnitKind.RACK,
    title="Grace CPU",
    hosts=SERVERS,
    per_host=lambda site: site.tray.cpus,
    address=DeviceAddress("cpu", "Grace CPUs a tray", lambda site: site.tray.cpus, first=0,
                          in_server=True),
    rollups=(
        Rollup("cpu_power_watts", "power", Operation.SUM, Unit.WATTS,
               "Power of the Grace CPUs of the {level}."),
    ),
    table=PageTable("Grace CPUs", (
        DeviceColumn("power", "CPU", Unit.WATTS, "power", low=0.0, high=300.0),
        DeviceColumn("module", "Module", Unit.WATTS, "module_power", low=0.0, high=3000.0),
        DeviceColumn("temperature", "Temperature", Unit.CELSIUS, "temperature", low=30.0,
                     high=90.0),
    ), by_server=True),
    signals=(
        _watts("power", "DCGM_FI_DEV_CPU_POWER_UTIL_CURRENT", help="CPU power utilization"),
        _watts("power_limit", "DCGM_FI_DEV_CPU_POWER_LIMIT", help="CPU power limit"),
        _watts("module_power", "DCGM_FI_DEV_MODULE_POWER_UTIL_CURRENT",
               help="Module power utilization"),
        Signal("temperature", "DCGM_FI_DEV_CPU_TEMP_CURRENT", _CPU, MetricType.GAUGE,
               Unit.CELSIUS, "CPU temperature", decimals=1, low=-40, high=200),
    ),
)  # fmt: skip
