"""AMD Instinct GPUs, as AMD's Device Metrics Exporter shows them.

Names, types, help and labels follow ROCm/device-metrics-exporter v1.5.1 with the prefix and the
labels of its ``example/config.json``, which its chart ships too; the older ``amd_smi_exporter``,
whose last change is of May 2025, has other names. What a bare-metal MI300X has follows its
``docs/configuration/metrics-support-matrix.yaml``. Some of its oddities are kept:

* everything is declared a gauge, counts as well, so that ``increase()`` is taken of gauges;
* energy is in µJ, PCIe bandwidth in Mb/s, traffic of xGMI links in KB, memory in MB that are MiB;
* violations count samples of a millisecond, beside a counter of all samples;
* a GPU's health is 0 from the first uncorrectable error on, until its driver is loaded anew.

Labels that are empty without a scheduler (``pod``, ``job_id`` and their like) are left out: to
Prometheus they are not there. Fields of the profiler are off in that configuration. Not modelled
are GTT memory, video engines, counts of PCIe packets that nothing in the plant would change, and
AFID lists.
"""

from __future__ import annotations

import uuid
from functools import partial

from twin.catalog.device import DeviceClass
from twin.catalog.gpu import accelerator_rollups, power_rollups, utilization_rollups
from twin.catalog.model import Exporter, MetricType, Signal, Unit
from twin.catalog.page import DEGRADED, SERIOUS, DeviceColumn, FloorValue, PageTable, TroubleSign
from twin.catalog.place import SERVERS, DeviceAddress, Place, UnitKind
from twin.catalog.rollup import Operation, Rollup

__all__ = ["AMD_GPU", "AMD_JOB", "AMD_NODE", "AMD_PORT", "AMD_XGMI_PEERS"]

AMD_JOB, AMD_PORT = "amdgpu", 5000
AMD_XGMI_PEERS = 7
"""Links of a GPU to the others of its board; link 0 is that to itself, which carries nothing."""
_COMPUTE_DIES = 8
_NAMESPACE = uuid.UUID("e1b7a1f2-6a2f-4c54-9f43-0d9bb3a60a3c")
_VENDOR = "Advanced Micro Devices, Inc. [AMD/ATI]"

_amd = partial(Exporter, job=AMD_JOB, port=AMD_PORT, source="ROCm/device-metrics-exporter v1.5.1")


def _identify(place: Place) -> tuple[str, ...]:
    """Return what the exporter calls a GPU."""
    site, rack = place.site, place.names.rack(place.unit)
    model = site.gpu_model(place.unit)
    own = uuid.uuid5(_NAMESPACE, f"{site.name}/{place.unit}/{place.index}")
    return (
        model.board,
        rack.gpu_model,
        _VENDOR,
        site.name,
        "baremetal",
        rack.driver_version,
        "spx",
        str(place.slot),
        "nps1",
        "0",
        f"{own.hex[:2]}ff74a1-0000-1000-80{own.hex[2:4]}-{own.hex[4:16]}",
        place.hostname,
        f"6924{own.int % 10**8:08d}",
        model.firmware,
    )


_GPU = _amd(
    key="amd_gpu",
    labels=(
        "card_model",
        "card_series",
        "card_vendor",
        "cluster_name",
        "deployment_mode",
        "driver_version",
        "gpu_compute_partition_type",
        "gpu_id",
        "gpu_memory_partition_type",
        "gpu_partition_id",
        "gpu_uuid",
        "hostname",
        "serial_number",
        "vbios_version",
    ),
    identify=_identify,
)
_NODE = _amd(
    key="amd_node",
    labels=("cluster_name", "hostname"),
    identify=lambda place: (place.site.name, place.hostname),
)

_gauge = partial(Signal, family=_GPU, kind=MetricType.GAUGE)

_BLOCKS = {
    "sdma": "SDMA",
    "gfx": "GFX",
    "mmhub": "MMHUB",
    "athub": "ATHUB",
    "bif": "BIF",
    "hdp": "HDP",
    "xgmi_wafl": "WAFL",
    "df": "DF",
    "smn": "SMN",
    "sem": "SEM",
    "mp0": "MP0",
    "mp1": "MP1",
    "fuse": "Fuse",
    "umc": "UMC",
    "mca": "MCA",
    "vcn": "VCN",
    "jpeg": "JPEG",
    "ih": "IH",
    "mpio": "MPIO",
}
"""Blocks of a GPU whose ECC errors are counted, as the help texts write them."""
_DEFERRED = {"xgmi_wafl": "XGMI WAFL", "fuse": "FUSE"}
"""The same in the help of deferred errors, where it differs."""
_MOVING = {
    "correct": ("umc",),
    "uncorrect": ("umc", "xgmi_wafl"),
    "deferred": ("umc",),
}
"""Blocks in which the plant has errors, by kind; the counts of all others stay 0."""


def _ecc(kind: str, text: str, of_all: str) -> tuple[Signal, ...]:
    """Return the counts of one kind of ECC error: in all, and of each block."""
    moving = tuple(f"ecc_{kind}_{block}" for block in _MOVING[kind])
    words = _BLOCKS | _DEFERRED if kind == "deferred" else _BLOCKS
    return (
        *(
            _gauge(f"ecc_{kind}_{block}", f"amd_gpu_ecc_{kind}_{block}", unit=Unit.NONE,
                   help=text.format(word),
                   constant=None if f"ecc_{kind}_{block}" in moving else 0.0)
            for block, word in words.items()
        ),
        _gauge(f"ecc_{kind}_total", f"amd_gpu_ecc_{kind}_total", unit=Unit.NONE, help=of_all,
               sum_of=moving),
    )  # fmt: skip


def _clock(index: int, kind: str, name: str, **given: object) -> Signal:
    """Return one of a GPU's clocks."""
    return _gauge(name, "amd_gpu_clock", unit=Unit.MEGAHERTZ, high=10_000,
                  help="List of current GPU clock frequencies in MHz",
                  labels=(("clock_index", str(index)), ("clock_type", kind)),
                  **given)  # type: ignore[arg-type]  # fmt: skip


def _xgmi(way: str, word: str) -> tuple[Signal, ...]:
    """Return what a GPU has moved over each of its xGMI links in one direction."""
    metric, text = f"amd_gpu_xgmi_link_{way}", f"Accumulated XGMI Link Data {word} in KB"

    def link(index: int, **given: object) -> Signal:
        name = f"xgmi_{way}" if index == 1 else f"xgmi_{way}_{index}"
        return _gauge(name, metric, unit=Unit.NONE, help=text,
                      labels=(("link_index", str(index)),), **given)  # type: ignore[arg-type]  # fmt: skip

    same = (f"xgmi_{way}",)
    return (
        link(0, constant=0.0),
        link(1),
        *(link(index, sum_of=same) for index in range(2, AMD_XGMI_PEERS + 1)),
    )


def _violation(name: str, word: str, help_word: str, **given: object) -> tuple[Signal, ...]:
    """Return for how long one cause has held the clock down, and in what share of the time."""
    return (
        _gauge(f"{name}_accumulated", f"amd_gpu_violation_{word}_residency_accumulated",
               unit=Unit.MILLISECONDS, help=f"{help_word} accumulated violation counter",
               **given),  # type: ignore[arg-type]
        _gauge(f"{name}_percentage", f"amd_gpu_violation_{word}_residency_percentage",
               unit=Unit.PERCENT, help=f"{help_word} percentage violation counter",
               **given),  # type: ignore[arg-type]
    )  # fmt: skip


_ROLLUPS = (
    *accelerator_rollups("junction_temperature"),
    *power_rollups("package_power", "energy", 1e-6),
    *utilization_rollups("gfx_activity"),
    Rollup("gpu_junction_temperature_mean_celsius", "junction_temperature", Operation.MEAN,
           Unit.CELSIUS, "Mean temperature of the hottest spots of the GPUs of the {level}."),
    Rollup("gpu_junction_temperature_max_celsius", "junction_temperature", Operation.MAX,
           Unit.CELSIUS, "Temperature of the hottest spot of the GPUs of the {level}."),
    Rollup("gpu_memory_temperature_mean_celsius", "memory_temperature", Operation.MEAN,
           Unit.CELSIUS, "Mean temperature of the GPU memories of the {level}."),
    Rollup("gpu_memory_temperature_max_celsius", "memory_temperature", Operation.MAX,
           Unit.CELSIUS, "Temperature of the hottest GPU memory of the {level}."),
    Rollup("gpu_thermal_throttling_seconds_total", "socket_thermal_accumulated", Operation.TOTAL,
           Unit.SECONDS, "Time that heat slowed GPUs of the {level}, summed over them: its rate "
           "is how many it slows.", scale=1e-3),
    Rollup("gpu_power_throttling_seconds_total", "ppt_accumulated", Operation.TOTAL, Unit.SECONDS,
           "Time that the power limit slowed GPUs of the {level}, summed over them: its rate is "
           "how many it slows.", scale=1e-3),
    Rollup("gpus_unhealthy", "health", Operation.COUNT, Unit.NONE,
           "GPUs of the {level} that their exporter calls unhealthy.", equals=0.0),
)  # fmt: skip

_TABLE = PageTable("GPUs", (
        DeviceColumn("temperature", "Hottest spot", Unit.CELSIUS, "junction_temperature",
                     low=30.0, high=lambda site: site.gpu.temperature_slowdown_celsius),
        DeviceColumn("power", "Power", Unit.WATTS, "package_power", low=0.0,
                     high=lambda site: site.gpu.power_limit_watts),
        DeviceColumn("utilization", "Utilisation", Unit.PERCENT, "gfx_activity", low=0.0,
                     high=100.0),
        DeviceColumn("clock", "Clock", Unit.MEGAHERTZ, "gfx_clock", low=0.0,
                     high=lambda site: site.gpu.sm_clock_max_mhz),
        DeviceColumn("memory", "Memory temperature", Unit.CELSIUS, "memory_temperature",
                     low=30.0, high=105.0),
        DeviceColumn("health", "Healthy", "", "health", states=("no", "yes")),
), by_server=True)  # fmt: skip

_FLOOR = (
    FloorValue("temperature", "Temperature", "hottest spot of a GPU", Unit.CELSIUS, 0,
               "junction_temperature", Operation.MAX,
               lambda site: (30.0, round(site.gpu.temperature_slowdown_celsius)), rank=1),
)  # fmt: skip
_SIGNS = (
    TroubleSign(SERIOUS, ("a GPU is unhealthy", "{} GPUs are unhealthy"), "health", equals=0,
                rank=3),
    TroubleSign(SERIOUS, ("a GPU is too hot", "{} GPUs are too hot"), "junction_temperature",
                above=lambda model: model.temperature_max_operating_celsius, rank=3),
    TroubleSign(DEGRADED, ("a GPU does not report", "{} GPUs do not report"),
                "junction_temperature", rank=4),
)  # fmt: skip


AMD_GPU = DeviceClass(
    name="amd_gpu",
    frame=UnitKind.RACK,
    title="AMD GPU",
    table=_TABLE,
    rollups=_ROLLUPS,
    floor=_FLOOR,
    signs=_SIGNS,
    address=DeviceAddress(
        "gpu", "gpus a server", lambda site: site.server.gpus, first=0, in_server=True
    ),
    hosts=SERVERS,
    per_host=lambda site: site.server.gpus,
    accelerators="amd",
    signals=(
        _gauge("junction_temperature", "amd_gpu_junction_temperature", unit=Unit.CELSIUS,
               help="Current junction/hotspot temperature in Celsius", high=150),
        _gauge("memory_temperature", "amd_gpu_memory_temperature", unit=Unit.CELSIUS,
               help="Current memory temperature in Celsius", high=150),
        _gauge("package_power", "amd_gpu_package_power", unit=Unit.WATTS,
               help="Current socket power in Watts", high=5000),
        _gauge("power_usage", "amd_gpu_power_usage", unit=Unit.WATTS,
               help="GPU Power usage in Watts", sum_of=("package_power",)),
        _gauge("energy", "amd_gpu_energy_consumed", unit=Unit.MICROJOULES,
               help="Accumulated energy consumed by the GPU in uJ"),
        _gauge("gfx_activity", "amd_gpu_gfx_activity", unit=Unit.PERCENT,
               help="Graphics engine usage in Percentage (0-100)", high=100),
        _gauge("umc_activity", "amd_gpu_umc_activity", unit=Unit.PERCENT,
               help="Memory engine usage in Percentage (0-100)", high=100),
        *(
            _gauge(f"gfx_busy_{die}", "amd_gpu_gfx_busy_instantaneous", unit=Unit.PERCENT,
                   help="Gfx busy instantaneous per accelerated compute processor(xcp) per "
                   "compute core (xcc), as per partitioning of the system",
                   labels=(("xcc_index", str(die)),), sum_of=("gfx_activity",))
            for die in range(_COMPUTE_DIES)
        ),
        _clock(0, "system", "gfx_clock"),
        *(_clock(die, "system", f"gfx_clock_{die}", sum_of=("gfx_clock",))
          for die in range(1, _COMPUTE_DIES)),
        _clock(_COMPUTE_DIES, "memory", "memory_clock"),
        _gauge("total_vram", "amd_gpu_total_vram", unit=Unit.MEBIBYTES,
               help="Total VRAM memory of the GPU (in MB)", sum_of=("used_vram", "free_vram")),
        _gauge("used_vram", "amd_gpu_used_vram", unit=Unit.MEBIBYTES,
               help="Used VRAM memory of the GPU (in MB)"),
        _gauge("free_vram", "amd_gpu_free_vram", unit=Unit.MEBIBYTES,
               help="Free VRAM memory of the GPU (in MB)"),
        _gauge("total_visible_vram", "amd_gpu_total_visible_vram", unit=Unit.MEBIBYTES,
               help="Total visible VRAM memory of the GPU (in MB)",
               sum_of=("used_vram", "free_vram")),
        _gauge("used_visible_vram", "amd_gpu_used_visible_vram", unit=Unit.MEBIBYTES,
               help="Used visible VRAM memory of the GPU (in MB)", sum_of=("used_vram",)),
        _gauge("free_visible_vram", "amd_gpu_free_visible_vram", unit=Unit.MEBIBYTES,
               help="Free visible VRAM memory of the GPU (in MB)", sum_of=("free_vram",)),
        _gauge("vram_max_bandwidth", "amd_gpu_vram_max_bandwidth", unit=Unit.NONE,
               help="GPU VRAM maximum bandwidth at max memory clock in GB/s"),
        _gauge("pcie_speed", "amd_pcie_speed", unit=Unit.NONE,
               help="Current PCIe speed in GT/s", constant=32.0),
        _gauge("pcie_max_speed", "amd_pcie_max_speed", unit=Unit.NONE,
               help="Maximum PCIe speed in GT/s", constant=32.0),
        _gauge("pcie_bandwidth", "amd_pcie_bandwidth", unit=Unit.MEGABITS_PER_SECOND,
               help="Current PCIe bandwidth in Mb/s"),
        _gauge("pcie_replays", "amd_pcie_replay_count", unit=Unit.NONE,
               help="Total number of PCIe replays"),
        _gauge("pcie_nacks", "amd_pcie_nack_received_count", unit=Unit.NONE,
               help="PCIe NAK received accumulated count", sum_of=("pcie_replays",)),
        _gauge("pcie_recoveries", "amd_pcie_recovery_count", unit=Unit.NONE,
               help="Total number of PCIe recoveries", constant=0.0),
        *_ecc("correct", "Correctable error count in {} block", "Total Correctable error count"),
        *_ecc("uncorrect", "Uncorrectable error count in {} block",
              "Total Uncorrectable error count"),
        *_ecc("deferred", "Accumulated deferred ECC errors in {} block",
              "Total accumulated deferred ECC errors across all GPU blocks"),
        _gauge("health", "amd_gpu_health", unit=Unit.NONE, high=1,
               help="Health of the GPU (0 = Unhealthy | 1 = Healthy)",
               codes={0: "unhealthy", 1: "healthy"}),
        *_xgmi("rx", "Read"),
        *_xgmi("tx", "Write"),
        _gauge("violation_samples", "amd_gpu_violation_current_accumulated_counter",
               unit=Unit.MILLISECONDS, help="current accumulated violation counter"),
        *_violation("processor_hot", "processor_hot", "process hot residency"),
        *_violation("ppt", "ppt", "package power tracking"),
        *_violation("socket_thermal", "socket_thermal", "socket thermal"),
        *_violation("vr_thermal", "vr_thermal", "voltage rail", constant=0.0),
        *_violation("hbm_thermal", "hbm_thermal", "HBM"),
    ),
)  # fmt: skip

AMD_NODE = DeviceClass(
    name="amd_node",
    frame=UnitKind.RACK,
    title="AMD exporter of a server",
    hosts=SERVERS,
    accelerators="amd",
    signals=(
        Signal("gpus", "amd_gpu_nodes_total", _NODE, MetricType.GAUGE, Unit.NONE,
               "Number of GPUs in the node", high=64),
    ),
)  # fmt: skip
