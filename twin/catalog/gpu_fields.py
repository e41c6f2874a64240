"""Further fields of GPUs: what dcgm-exporter shows only where a counters file lists it.

Field names and what they mean are those of NVIDIA/DCGM 4.6.0, ``dcgmlib/dcgm_fields.h``. Of the
rows that ``etc/default-counters.csv`` of NVIDIA/dcgm-exporter has commented out, type and help are
those of the row; the file that lists a field says its own. DCGM has the counts of errors on
packets and of recoveries from NVLink 5 on, that is, from Blackwell on.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from twin.catalog.model import Exporter, MetricType, Signal, Unit

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import Site

__all__ = ["NVLINK_5_BYTES_PER_SECOND", "fabric_fields", "further_fields"]

NVLINK_5_BYTES_PER_SECOND = 1.8e12
"""Bandwidth of a GPU with NVLinks of the fifth generation: 18 links of 100 GB/s."""


def _nvlink(site: Site) -> bool:
    return site.has_nvlink


def _nvlink_5(site: Site) -> bool:
    return any(own.nvlink_bytes_per_second >= NVLINK_5_BYTES_PER_SECOND for own in site.models)


def _domain(site: Site) -> bool:
    return site.nvlink.switch_trays > 0


def fabric_fields(family: Exporter) -> tuple[Signal, ...]:
    """Return what DCGM tells of the NVLink domain of a rack: fields 170 to 175 and 1503.

    dcgm-exporter has none of them on by default. Nodes of such a rack run no fabric manager: state
    and partition come from the switch trays.
    """
    gauge = partial(
        Signal, family=family, kind=MetricType.GAUGE, unit=Unit.NONE, extra=True, needs=_domain
    )
    return (
        gauge(
            "fabric_status",
            "DCGM_FI_DEV_FABRIC_MANAGER_STATUS",
            help="The status of the fabric manager",
            high=6,
            codes={0: "not supported", 1: "not started", 2: "in progress", 3: "success",
                   4: "failure", 5: "unrecognized", 6: "NVML too old"},
        ),
        gauge(
            "fabric_clique",
            "DCGM_FI_DEV_FABRIC_CLIQUE_ID",
            help="The ID of the fabric clique to which this GPU belongs",
        ),
        gauge(
            "fabric_mask", "DCGM_FI_DEV_FABRIC_HEALTH_MASK", help="GPU Fabric health Status Mask"
        ),
        gauge(
            "fabric_health",
            "DCGM_FI_DEV_FABRIC_HEALTH_SUMMARY",
            help="GPU Fabric Health Summary",
            high=3,
            codes={0: "not supported", 1: "healthy", 2: "unhealthy", 3: "limited capacity"},
        ),
        gauge(
            "imex_status",
            "DCGM_FI_IMEX_DAEMON_STATUS",
            help="IMEX daemon status (0-7 numeric values)",
            high=7,
            codes={0: "initializing", 1: "starting auth server", 2: "waiting for peers",
                   3: "waiting for recovery", 4: "init GPU", 5: "ready", 6: "shutting down",
                   7: "unavailable"},
        ),
    )  # fmt: skip


def further_fields(family: Exporter) -> tuple[Signal, ...]:
    """Return the fields, as signals of dcgm-exporter."""
    return (*_limits(family), *_states(family), *_errors(family), *_profiling(family))


def _limits(family: Exporter) -> Iterator[Signal]:
    """Yield what a GPU may do at most, and how many there are."""
    gauge = partial(Signal, family=family, kind=MetricType.GAUGE, listed=True)
    watts = partial(gauge, unit=Unit.WATTS, decimals=1, high=5000)
    yield watts(
        "power_limit",
        "DCGM_FI_DEV_POWER_MGMT_LIMIT",
        help="Power limit that is set for the device (in W).",
    )
    yield watts(
        "power_limit_enforced",
        "DCGM_FI_DEV_ENFORCED_POWER_LIMIT",
        help="Power limit that the driver enforces (in W).",
    )
    yield watts(
        "power_limit_default",
        "DCGM_FI_DEV_POWER_MGMT_LIMIT_DEF",
        help="Default power limit of the device (in W).",
    )
    yield watts(
        "power_limit_most",
        "DCGM_FI_DEV_POWER_MGMT_LIMIT_MAX",
        help="Greatest power limit of the device (in W).",
    )
    celsius = partial(gauge, unit=Unit.CELSIUS, high=150)
    yield celsius(
        "gpu_temp_operating",
        "DCGM_FI_DEV_GPU_MAX_OP_TEMP",
        help="Maximum operating temperature for this GPU (in C).",
    )
    yield celsius(
        "memory_temp_operating",
        "DCGM_FI_DEV_MEM_MAX_OP_TEMP",
        help="Maximum operating temperature for the memory of this GPU (in C).",
    )
    yield celsius(
        "gpu_temp_slowdown",
        "DCGM_FI_DEV_SLOWDOWN_TEMP",
        help="Slowdown temperature for the device (in C).",
    )
    yield celsius(
        "gpu_temp_shutdown",
        "DCGM_FI_DEV_SHUTDOWN_TEMP",
        help="Shutdown temperature for the device (in C).",
    )
    clock = partial(gauge, unit=Unit.MEGAHERTZ)
    yield clock(
        "sm_clock_application", "DCGM_FI_DEV_APP_SM_CLOCK", help="SM application clock (in MHz)."
    )
    yield clock(
        "mem_clock_application",
        "DCGM_FI_DEV_APP_MEM_CLOCK",
        help="Memory application clock (in MHz).",
    )
    yield clock(
        "sm_clock_most", "DCGM_FI_DEV_MAX_SM_CLOCK", help="Maximum supported SM clock (in MHz)."
    )
    yield clock(
        "mem_clock_most",
        "DCGM_FI_DEV_MAX_MEM_CLOCK",
        help="Maximum supported memory clock (in MHz).",
    )
    yield gauge(
        "gpus_on_host", "DCGM_FI_DEV_COUNT", unit=Unit.NONE, help="Number of devices on the node."
    )


def _states(family: Exporter) -> Iterator[Signal]:
    """Yield in which state a GPU, its memory and its link to the host are.

    A GPU of a data centre stays at P0 whether it works or not.
    """
    gauge = partial(Signal, family=family, kind=MetricType.GAUGE, listed=True)
    state = partial(gauge, unit=Unit.NONE)
    yield gauge(
        "power_instant",
        "DCGM_FI_DEV_POWER_USAGE_INSTANT",
        unit=Unit.WATTS,
        decimals=1,
        high=5000,
        help="Instantaneous power draw (in W).",
    )
    yield gauge(
        "fb_used_ratio",
        "DCGM_FI_DEV_FB_USED_PERCENT",
        unit=Unit.RATIO,
        decimals=4,
        high=1.0,
        help="Share of the framebuffer in use: used / (total - reserved).",
    )
    yield state("pstate", "DCGM_FI_DEV_PSTATE", constant=0.0, help="Performance state (P0 to P15).")
    yield state(
        "ecc_mode", "DCGM_FI_DEV_ECC_CURRENT", constant=1.0, help="Current ECC mode (1 for on)."
    )
    yield state(
        "persistence_mode",
        "DCGM_FI_DEV_PERSISTENCE_MODE",
        constant=1.0,
        help="Persistence mode (1 for on).",
    )
    generation = partial(state, high=8)
    yield generation(
        "pcie_generation", "DCGM_FI_DEV_PCIE_LINK_GEN", help="PCIe generation of the link."
    )
    yield generation(
        "pcie_generation_most",
        "DCGM_FI_DEV_PCIE_MAX_LINK_GEN",
        help="Greatest PCIe generation that the link can have.",
    )
    for name, field, what in (
        ("pcie_lanes", "LINK_WIDTH", "PCIe lanes of the link."),
        ("pcie_lanes_most", "MAX_LINK_WIDTH", "Greatest number of PCIe lanes of the link."),
    ):
        yield state(name, f"DCGM_FI_DEV_PCIE_{field}", constant=16.0, help=what)


def _errors(family: Exporter) -> Iterator[Signal]:
    """Yield counts of errors, and what slows a GPU that nothing of the twin does."""
    gauge = partial(Signal, family=family, kind=MetricType.GAUGE, listed=True)
    counter = partial(Signal, family=family, kind=MetricType.COUNTER, listed=True)
    yield gauge(
        "row_remap_pending",
        "DCGM_FI_DEV_ROW_REMAP_PENDING",
        unit=Unit.NONE,
        high=1,
        help="Whether remapping of rows is pending",
        codes={0: "no", 1: "pending"},
    )
    slowed = {
        "sync_boost": ("SYNC_BOOST", "sync-boost constraints"),
        "board_limit": ("BOARD_LIMIT", "board limit constraints"),
        "low_util": ("LOW_UTIL", "low utilization"),
        "reliability": ("RELIABILITY", "reliability constraints"),
    }
    for name, (field, cause) in slowed.items():
        yield counter(
            f"{name}_violation",
            f"DCGM_FI_DEV_{field}_VIOLATION",
            unit=Unit.NANOSECONDS,
            constant=0.0,
            help=f"Throttling duration due to {cause} (in ns).",
        )
    link = partial(counter, unit=Unit.NONE)
    yield link(
        "nvlink_crc_data",
        "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL",
        needs=_nvlink,
        help="Total number of NVLink data CRC errors.",
    )
    packets = partial(link, needs=_nvlink_5)
    yield packets(
        "nvlink_rx_errors",
        "DCGM_FI_DEV_NVLINK_COUNT_RX_ERRORS",
        help="Total number of packets with errors received.",
    )
    yield packets(
        "nvlink_integrity_errors",
        "DCGM_FI_DEV_NVLINK_COUNT_LOCAL_LINK_INTEGRITY_ERRORS",
        help="Total number of times that the count of local errors exceeded a threshold.",
    )
    yield packets(
        "nvlink_recoveries",
        "DCGM_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS",
        help="Number of times that a link went from up to recovery.",
    )
    yield packets(
        "nvlink_recovered",
        "DCGM_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_SUCCESSFUL_EVENTS",
        help="Number of times that a link went from up to recovery, and up again.",
    )
    yield packets(
        "nvlink_not_recovered",
        "DCGM_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS",
        help="Number of times that a link went from up to recovery, and down.",
    )
    packets_lost = {
        "tx_discards": ("TX_DISCARDS", "sent packets that were discarded"),
        "rx_malformed": ("RX_MALFORMED_PACKET_ERRORS", "received packets that are malformed"),
        "rx_overruns": ("RX_BUFFER_OVERRUN_ERRORS", "received packets dropped for want of buffers"),
        "rx_remote_errors": ("RX_REMOTE_ERRORS", "received packets with errors of the other end"),
        "rx_general_errors": ("RX_GENERAL_ERRORS", "received packets with other errors"),
    }
    for name, (field, what) in packets_lost.items():
        yield packets(
            f"nvlink_{name}",
            f"DCGM_FI_DEV_NVLINK_COUNT_{field}",
            help=f"Total number of {what}.",
        )


def _profiling(family: Exporter) -> Iterator[Signal]:
    """Yield what the profiling module tells of pipes and links."""
    gauge = partial(Signal, family=family, kind=MetricType.GAUGE, listed=True)
    for width in (64, 32, 16):
        yield gauge(
            f"fp{width}_active",
            f"DCGM_FI_PROF_PIPE_FP{width}_ACTIVE",
            unit=Unit.RATIO,
            decimals=4,
            high=1.0,
            help=f"Ratio of cycles the fp{width} pipes are active.",
        )
    for name, what in (("tx", "sent"), ("rx", "received")):
        yield gauge(
            f"nvlink_{name}",
            f"DCGM_FI_PROF_NVLINK_{name.upper()}_BYTES",
            unit=Unit.BYTES_PER_SECOND,
            needs=_nvlink,
            help=f"The rate of data {what} over NVLink - including both protocol headers "
            "and data payloads - in bytes per second.",
        )
