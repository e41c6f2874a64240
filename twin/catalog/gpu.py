"""GPUs, as NVIDIA's dcgm-exporter shows them.

Names, types and help follow dcgm-exporter 4.5.3-4.8.2, ``etc/default-counters.csv``
and ``internal/pkg/collector/xid_errors.go`` (Apache-2.0). Some of its oddities are
kept, because rules and dashboards on the real cluster meet them too:

* the framebuffer is in MiB, energy in mJ, clocks in MHz;
* of a partitioned GPU (MIG) only its instances have series: each has the power, the temperature
  and the XID of the whole board, and none has a field of utilisation or of PCIe traffic;
* ``DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL`` is declared a counter but DCGM's field 449
  is the present rate in MB/s, so ``rate()`` over it is meaningless.

Its own ``DCGM_EXP_*`` families of XIDs, clock events, health and peers are commented out in that
file: the aggregator makes them where a counters file lists them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from twin.catalog.device import DeviceClass
from twin.catalog.gpu_events import ExporterEvent
from twin.catalog.gpu_fields import fabric_fields, further_fields
from twin.catalog.gpu_health import HEALTH_WATCHES
from twin.catalog.gpu_jobs import job_labels
from twin.catalog.gpu_smoothing import smoothing_fields
from twin.catalog.mig import MigView
from twin.catalog.model import Exporter, Labels, MetricType, Signal, Unit
from twin.catalog.page import DEGRADED, SERIOUS, DeviceColumn, FloorValue, PageTable, TroubleSign
from twin.catalog.place import SERVERS, DeviceAddress, Place, UnitKind
from twin.catalog.rollup import ABOVE_RACK, Operation, Rollup
from twin.catalog.xids import USERS_XIDS, XID_TEXT

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import Site

__all__ = [
    "DCGM",
    "GPU",
    "accelerator_rollups",
    "power_rollups",
    "utilization_rollups",
]


def _identify(place: Place) -> tuple[str, ...]:
    """Return what dcgm-exporter calls a GPU."""
    rack = place.names.rack(place.unit)
    return (
        str(place.slot),
        rack.gpu_uuids[place.index],
        rack.gpu_pci_addresses[place.index],
        f"nvidia{place.slot}",
        rack.gpu_model,
        place.hostname,
        rack.driver_version,
    )


def _job(place: Place) -> Labels:
    """Return the label that ``--hpc-job-mapping-dir`` adds where the site file has jobs."""
    site = place.site
    job = place.names.rack(place.unit).job if site.jobs and not site.scheduled else None
    return () if job is None else (("hpc_job", job),)


def _instances(place: Place) -> tuple[Labels, ...]:
    """Return what tells apart the instances of a partitioned GPU."""
    return tuple(
        (("GPU_I_PROFILE", own.profile), ("GPU_I_ID", str(own.number)))
        for own in place.names.instances(place.unit)
    )


def _renamed(site: Site) -> Labels:
    """Return what a site calls otherwise than dcgm-exporter does by default."""
    host = site.telemetry.hostname_label
    return () if host is None else (("Hostname", host), ("hostname", host))


def _nvlink(site: Site) -> bool:
    """Whether the site's GPUs have NVLinks; without, dcgm-exporter shows no series of them."""
    return site.has_nvlink


DCGM = Exporter(
    key="dcgm",
    job="dcgm-exporter",
    port=9400,
    labels=(
        "gpu",
        "UUID",
        "pci_bus_id",
        "device",
        "modelName",
        "Hostname",
        "DCGM_FI_DRIVER_VERSION",
    ),
    source="NVIDIA/dcgm-exporter 4.5.3-4.8.2",
    identify=_identify,
    more=_job,
    copies=job_labels,
    instances=_instances,
    instances_at=5,
    renamed=_renamed,
)

_gauge = partial(Signal, family=DCGM, kind=MetricType.GAUGE)
_counter = partial(Signal, family=DCGM, kind=MetricType.COUNTER)
_ratio = partial(_gauge, unit=Unit.RATIO, decimals=4, high=1.0)

_CELSIUS = (25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 100)
"""From a cold GPU to beyond the 95 °C at which an H100 takes itself off the bus."""

_WATTS = (80, 100, 130, 150, 170, 200, 300, 400, 500, 550, 600, 650, 700, 800, 900, 1000, 1200)
"""Close to each other where an H100 idles (76 W), holds a context (125 W), waits in a
collective (157 W) and trains (550 to 700 W); up to a B200's limit."""


def accelerator_rollups(anchor: str) -> tuple[Rollup, ...]:
    """Return the roll-ups of accelerators, whatever exporter shows them.

    Args:
        anchor: a signal that every accelerator reports.
    """
    return (
        Rollup("gpus_reporting", anchor, Operation.COUNT, Unit.NONE,
               "GPUs of the {level} that report."),
        Rollup("gpus_missing", anchor, Operation.MISSING, Unit.NONE,
               "GPUs of the {level} that do not report although their rack does."),
    )  # fmt: skip


def power_rollups(power: str, energy: str, joules: float) -> tuple[Rollup, ...]:
    """Return the roll-ups of what accelerators draw, whatever exporter shows them.

    Args:
        power: signal of their power in W.
        energy: signal of the energy that they have used.
        joules: its unit in J.
    """
    return (
        Rollup("gpu_power_watts", power, Operation.SUM, Unit.WATTS,
               "Power of the GPUs of the {level}."),
        Rollup("gpu_power_min_watts", power, Operation.MIN, Unit.WATTS,
               "Power of the GPU of the {level} that draws least."),
        Rollup("gpu_power_mean_watts", power, Operation.MEAN, Unit.WATTS,
               "Mean power of the GPUs of the {level}."),
        Rollup("gpu_power_max_watts", power, Operation.MAX, Unit.WATTS,
               "Power of the GPU of the {level} that draws most."),
        Rollup("gpu_power_distribution_watts", power, Operation.DISTRIBUTION, Unit.WATTS,
               "GPUs of the {level} by their present power.", ABOVE_RACK, bounds=_WATTS),
        Rollup("gpu_energy_joules_total", energy, Operation.TOTAL, Unit.JOULES,
               "Energy that the GPUs of the {level} used.", ABOVE_RACK, scale=joules),
    )  # fmt: skip


def utilization_rollups(utilization: str) -> tuple[Rollup, ...]:
    """Return the roll-ups of how busy accelerators are.

    Args:
        utilization: signal of it in %.
    """
    return (
        Rollup("gpu_utilization_min_percent", utilization, Operation.MIN, Unit.PERCENT,
               "Utilisation of the GPU of the {level} that does least."),
        Rollup("gpu_utilization_mean_percent", utilization, Operation.MEAN, Unit.PERCENT,
               "Mean GPU utilisation of the {level}."),
        Rollup("gpu_utilization_max_percent", utilization, Operation.MAX, Unit.PERCENT,
               "Utilisation of the GPU of the {level} that does most."),
    )  # fmt: skip


_GPU_ROLLUPS = (
    *accelerator_rollups("gpu_temp"),
    Rollup("gpus_with_xid", "xid", Operation.COUNT, Unit.NONE, "GPUs of the {level} whose last "
           "XID is not 0.", excluding=(0.0,)),
    Rollup("gpus_with_hardware_xid", "xid", Operation.COUNT, Unit.NONE,
           "GPUs of the {level} whose last XID is none that the user's code raises.",
           excluding=(0.0, *USERS_XIDS)),
    *power_rollups("power_usage", "energy", 1e-3),
    Rollup("gpu_temperature_min_celsius", "gpu_temp", Operation.MIN, Unit.CELSIUS,
           "Temperature of the coolest GPU of the {level}."),
    Rollup("gpu_temperature_mean_celsius", "gpu_temp", Operation.MEAN, Unit.CELSIUS,
           "Mean temperature of the GPUs of the {level}."),
    Rollup("gpu_temperature_max_celsius", "gpu_temp", Operation.MAX, Unit.CELSIUS,
           "Temperature of the hottest GPU of the {level}."),
    Rollup("gpu_temperature_distribution_celsius", "gpu_temp", Operation.DISTRIBUTION,
           Unit.CELSIUS, "GPUs of the {level} by their present temperature.", ABOVE_RACK,
           bounds=_CELSIUS),
    Rollup("gpu_memory_temperature_mean_celsius", "memory_temp", Operation.MEAN, Unit.CELSIUS,
           "Mean temperature of the GPU memories of the {level}."),
    Rollup("gpu_memory_temperature_max_celsius", "memory_temp", Operation.MAX, Unit.CELSIUS,
           "Temperature of the hottest GPU memory of the {level}."),
    Rollup("gpu_memory_temperature_distribution_celsius", "memory_temp", Operation.DISTRIBUTION,
           Unit.CELSIUS, "GPU memories of the {level} by their present temperature.", ABOVE_RACK,
           bounds=_CELSIUS),
    *utilization_rollups("gpu_util"),
    Rollup("gpu_tensor_active_mean_ratio", "tensor_active", Operation.MEAN, Unit.RATIO,
           "Mean share of cycles in which the tensor pipes of the {level} are active."),
    Rollup("gpu_sm_clock_min_megahertz", "sm_clock", Operation.MIN, Unit.MEGAHERTZ,
           "SM clock of the slowest GPU of the {level}."),
    Rollup("gpu_sm_clock_mean_megahertz", "sm_clock", Operation.MEAN, Unit.MEGAHERTZ,
           "Mean SM clock of the GPUs of the {level}."),
    Rollup("gpu_sm_clock_max_megahertz", "sm_clock", Operation.MAX, Unit.MEGAHERTZ,
           "SM clock of the fastest GPU of the {level}."),
    Rollup("gpu_thermal_throttling_seconds_total", "thermal_violation", Operation.TOTAL,
           Unit.SECONDS, "Time that heat slowed GPUs of the {level}, summed over them: its rate "
           "is how many it slows.", scale=1e-9),
    Rollup("gpu_power_throttling_seconds_total", "power_violation", Operation.TOTAL, Unit.SECONDS,
           "Time that the power limit slowed GPUs of the {level}, summed over them: its rate is "
           "how many it slows.", scale=1e-9),
    Rollup("gpu_uncorrectable_remapped_rows_total", "uncorrectable_rows", Operation.TOTAL,
           Unit.NONE, "Memory rows of the GPUs of the {level} that were remapped for "
           "uncorrectable errors.", ABOVE_RACK),
    Rollup("gpus_smoothed", "smoothing_enabled", Operation.COUNT, Unit.NONE,
           "GPUs of the {level} whose power smoothing is on.", equals=1.0),
    Rollup("gpu_smoothing_floor_watts", "smoothing_floor", Operation.SUM, Unit.WATTS,
           "Power below which power smoothing lets no GPU of the {level} fall, summed over them."),
)  # fmt: skip

_GPU_TABLE = PageTable("GPUs", (
        DeviceColumn("temperature", "Temperature", Unit.CELSIUS, "gpu_temp",
                     low=30.0, high=lambda site: site.gpu.temperature_slowdown_celsius),
        DeviceColumn("power", "Power", Unit.WATTS, "power_usage", low=0.0,
                     high=lambda site: site.gpu.power_limit_watts),
        DeviceColumn("utilization", "Utilisation", Unit.PERCENT, "gpu_util", low=0.0,
                     high=100.0),
        DeviceColumn("clock", "SM clock", Unit.MEGAHERTZ, "sm_clock", low=0.0,
                     high=lambda site: site.gpu.sm_clock_max_mhz),
        DeviceColumn("memory", "Memory temperature", Unit.CELSIUS, "memory_temp",
                     low=30.0, high=105.0),
        DeviceColumn("xid", "Last XID", "", "xid"),
), by_server=True)  # fmt: skip

_COLDEST_CELSIUS = 30.0
"""Lower end of the temperature scale: about the coolant's temperature to the servers."""
_GPU_FLOOR = (
    FloorValue("temperature", "Temperature", "hottest GPU", Unit.CELSIUS, 0, "gpu_temp",
               Operation.MAX, lambda site: (_COLDEST_CELSIUS,
                                            round(site.gpu.temperature_slowdown_celsius)),
               rank=1),
)  # fmt: skip
_GPU_SIGNS = (
    TroubleSign(SERIOUS, ("a GPU is too hot", "{} GPUs are too hot"), "gpu_temp",
                above=lambda model: model.temperature_max_operating_celsius, rank=3),
    TroubleSign(DEGRADED, ("a GPU does not report", "{} GPUs do not report"), "gpu_temp", rank=4),
)  # fmt: skip


GPU = DeviceClass(
    name="gpu",
    frame=UnitKind.RACK,
    title="GPU",
    table=_GPU_TABLE,
    rollups=_GPU_ROLLUPS,
    address=DeviceAddress(
        "gpu", "gpus a server", lambda site: site.server.gpus, first=0, in_server=True
    ),
    floor=_GPU_FLOOR,
    signs=_GPU_SIGNS,
    hosts=SERVERS,
    per_host=lambda site: site.server.gpus,
    accelerators="dcgm",
    signals=(
        _gauge("sm_clock", "DCGM_FI_DEV_SM_CLOCK", unit=Unit.MEGAHERTZ,
               help="SM clock frequency (in MHz)."),
        _gauge("mem_clock", "DCGM_FI_DEV_MEM_CLOCK", unit=Unit.MEGAHERTZ,
               help="Memory clock frequency (in MHz)."),
        _gauge("memory_temp", "DCGM_FI_DEV_MEMORY_TEMP", unit=Unit.CELSIUS,
               help="Memory temperature (in C).", high=150),
        _gauge("gpu_temp", "DCGM_FI_DEV_GPU_TEMP", unit=Unit.CELSIUS,
               help="GPU temperature (in C).", high=150),
        _gauge("power_usage", "DCGM_FI_DEV_POWER_USAGE", unit=Unit.WATTS, decimals=1,
               help="Power draw (in W).", high=5000),
        _counter("energy", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", unit=Unit.MILLIJOULES,
                 help="Total energy consumption since boot (in mJ)."),
        _counter("pcie_replay", "DCGM_FI_DEV_PCIE_REPLAY_COUNTER", unit=Unit.NONE,
                 help="Total number of PCIe retries."),
        _gauge("gpu_util", "DCGM_FI_DEV_GPU_UTIL", mig=MigView.NONE, unit=Unit.PERCENT,
               help="GPU utilization (in %).", high=100),
        _gauge("mem_copy_util", "DCGM_FI_DEV_MEM_COPY_UTIL", mig=MigView.NONE, unit=Unit.PERCENT,
               help="Memory utilization (in %).", high=100),
        _gauge("enc_util", "DCGM_FI_DEV_ENC_UTIL", mig=MigView.NONE, unit=Unit.PERCENT,
               help="Encoder utilization (in %).", constant=0.0),
        _gauge("dec_util", "DCGM_FI_DEV_DEC_UTIL", mig=MigView.NONE, unit=Unit.PERCENT,
               help="Decoder utilization (in %).", constant=0.0),
        _gauge("xid", "DCGM_FI_DEV_XID_ERRORS", unit=Unit.NONE,
               help="Value of the last XID error encountered.", high=999,
               value_labels={
                   code: (("err_code", str(code)), ("err_msg", text))
                   for code, text in XID_TEXT.items()
               }),
        _gauge("fb_free", "DCGM_FI_DEV_FB_FREE", mig=MigView.MEMORY, unit=Unit.MEBIBYTES,
               help="Framebuffer memory free (in MiB)."),
        _gauge("fb_used", "DCGM_FI_DEV_FB_USED", mig=MigView.MEMORY, unit=Unit.MEBIBYTES,
               help="Framebuffer memory used (in MiB)."),
        _gauge("fb_reserved", "DCGM_FI_DEV_FB_RESERVED", mig=MigView.MEMORY, unit=Unit.MEBIBYTES,
               help="Framebuffer memory reserved (in MiB)."),
        _gauge("fb_capacity", "DCGM_FI_DEV_FB_TOTAL", mig=MigView.MEMORY, unit=Unit.MEBIBYTES,
               help="Framebuffer memory in all (in MiB).", listed=True,
               sum_of=("fb_free", "fb_used", "fb_reserved")),
        _counter("nvlink_bandwidth", "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
                 unit=Unit.MEGABYTES_PER_SECOND,
                 help="Total number of NVLink bandwidth counters for all lanes.",
                 needs=_nvlink),
        _gauge("vgpu_license", "DCGM_FI_DEV_VGPU_LICENSE_STATUS", unit=Unit.NONE,
               help="vGPU License status", constant=0.0),
        _counter("uncorrectable_rows", "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", unit=Unit.NONE,
                 help="Number of remapped rows for uncorrectable errors"),
        _counter("correctable_rows", "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", unit=Unit.NONE,
                 help="Number of remapped rows for correctable errors"),
        _gauge("row_remap_failure", "DCGM_FI_DEV_ROW_REMAP_FAILURE", unit=Unit.NONE,
               help="Whether remapping of rows has failed", high=1,
               codes={0: "no", 1: "failed"}),
        _ratio("gr_engine_active", "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
               help="Ratio of time the graphics engine is active."),
        _ratio("tensor_active", "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
               help="Ratio of cycles the tensor (HMMA) pipe is active."),
        _ratio("dram_active", "DCGM_FI_PROF_DRAM_ACTIVE",
               help="Ratio of cycles the device memory interface is active sending or receiving "
                    "data."),
        _gauge("pcie_tx", "DCGM_FI_PROF_PCIE_TX_BYTES", unit=Unit.BYTES_PER_SECOND,
               mig=MigView.NONE,
               help="The rate of data transmitted over the PCIe bus - including both protocol "
                    "headers and data payloads - in bytes per second."),
        _gauge("pcie_rx", "DCGM_FI_PROF_PCIE_RX_BYTES", unit=Unit.BYTES_PER_SECOND,
               mig=MigView.NONE,
               help="The rate of data received over the PCIe bus - including both protocol "
                    "headers and data payloads - in bytes per second."),
        _counter("power_violation", "DCGM_FI_DEV_POWER_VIOLATION", unit=Unit.NANOSECONDS,
                 help="Throttling duration due to power constraints (in ns).", extra=True),
        _counter("thermal_violation", "DCGM_FI_DEV_THERMAL_VIOLATION", unit=Unit.NANOSECONDS,
                 help="Throttling duration due to thermal constraints (in ns).", extra=True),
        _counter("ecc_sbe_volatile", "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", unit=Unit.NONE,
                 help="Total number of single-bit volatile ECC errors.", extra=True),
        _counter("ecc_dbe_volatile", "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", unit=Unit.NONE,
                 help="Total number of double-bit volatile ECC errors.", extra=True),
        _counter("ecc_sbe_aggregate", "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL", unit=Unit.NONE,
                 help="Total number of single-bit persistent ECC errors.", extra=True),
        _counter("ecc_dbe_aggregate", "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL", unit=Unit.NONE,
                 help="Total number of double-bit persistent ECC errors.", extra=True),
        _counter("nvlink_crc_flit", "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL",
                 unit=Unit.NONE, extra=True, needs=_nvlink,
                 help="Total number of NVLink flow-control CRC errors."),
        _counter("nvlink_replay", "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL",
                 unit=Unit.NONE, extra=True, needs=_nvlink,
                 help="Total number of NVLink retries."),
        _counter("nvlink_recovery", "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL",
                 unit=Unit.NONE, extra=True, needs=_nvlink,
                 help="Total number of NVLink recovery errors."),
        _gauge("clock_reasons", "DCGM_FI_DEV_CLOCKS_EVENT_REASONS", unit=Unit.NONE, listed=True,
               help="Reasons for which the clocks are lowered (bit mask).", high=0x1FF),
        _gauge("xid_events", "DCGM_EXP_XID_ERRORS_COUNT", unit=Unit.NONE, listed=True,
               help="reported XIDs during last window", event=ExporterEvent("xid")),
        _counter("xid_events_total", "DCGM_EXP_XID_ERRORS_TOTAL", unit=Unit.NONE, listed=True,
                 help="reported XIDs", event=ExporterEvent("xid", total=True)),
        _gauge("clock_events", "DCGM_EXP_CLOCK_EVENTS_COUNT", unit=Unit.NONE, listed=True,
               help="reported clock events", event=ExporterEvent("clock_event")),
        _counter("clock_events_total", "DCGM_EXP_CLOCK_EVENTS_TOTAL", unit=Unit.NONE, listed=True,
                 help="reported clock events", event=ExporterEvent("clock_event", total=True)),
        _counter("gpu_health", "DCGM_EXP_GPU_HEALTH_STATUS", unit=Unit.NONE, listed=True,
                 help="DCGM reported health status",
                 event=ExporterEvent("health_watch", count=lambda _: len(HEALTH_WATCHES))),
        _counter("p2p_status", "DCGM_EXP_P2P_STATUS", unit=Unit.NONE, listed=True,
                 help="P2P NvLink status",
                 event=ExporterEvent("peer_gpu", count=lambda site: site.server.gpus - 1)),
        _ratio("sm_active", "DCGM_FI_PROF_SM_ACTIVE", extra=True,
               help="The ratio of cycles an SM has at least 1 warp assigned."),
        _ratio("sm_occupancy", "DCGM_FI_PROF_SM_OCCUPANCY", extra=True,
               help="The ratio of number of warps resident on an SM."),
        *fabric_fields(DCGM),
        *smoothing_fields(DCGM),
        *further_fields(DCGM),
    ),
)  # fmt: skip
