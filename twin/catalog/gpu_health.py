"""Health of GPUs as DCGM judges it: its watches, and which XIDs and counts are incidents.

``modules/health/DcgmHealthWatch.cpp`` and ``common/DcgmGPUHardwareLimits.h`` of NVIDIA/DCGM 4.6.0;
the words are those of ``internal/pkg/collector/gpu_health_collector.go`` and
``p2p_status_collector.go`` of NVIDIA/dcgm-exporter d5e5f51. An XID stays an incident until the
host engine restarts; a count is one while it rises.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = [
    "COUNT_RULES",
    "FAIL",
    "HEALTH_OK",
    "HEALTH_SIGNALS",
    "HEALTH_WATCHES",
    "P2P_NOT_SUPPORTED",
    "P2P_OK",
    "PASS",
    "WARN",
    "XID_INCIDENTS",
    "CountRule",
    "Incident",
]

PASS, WARN, FAIL = 0, 10, 20
HEALTH_OK = "DCGM_FR_OK"
HEALTH_WATCHES = (
    "PCIE", "NVLINK", "PMU", "MCU", "MEM", "SM", "INFOROM", "THERMAL", "POWER", "DRIVER", "ALL",
)  # fmt: skip
"""In the exporter's order; an XID that concerns the GPU as a whole is one of ``ALL``."""


class Incident(NamedTuple):
    """What a watch found wrong.

    Attributes:
        watch: that found it.
        result: :data:`WARN` or :data:`FAIL`.
        error: its code, as the exporter writes it.
    """

    watch: str
    result: int
    error: str


_XID = "DCGM_FR_XID_ERROR"
XID_INCIDENTS: Mapping[int, Incident] = MappingProxyType(
    {
        31: Incident("MEM", WARN, _XID),
        43: Incident("MEM", WARN, _XID),
        63: Incident("MEM", WARN, "DCGM_FR_PENDING_PAGE_RETIREMENTS"),
        64: Incident("MEM", FAIL, "DCGM_FR_ROW_REMAP_FAILURE"),
        48: Incident("ALL", FAIL, _XID),
        74: Incident("ALL", FAIL, _XID),
        79: Incident("ALL", FAIL, "DCGM_FR_FALLEN_OFF_BUS"),
        94: Incident("ALL", WARN, "DCGM_FR_UNKNOWN(131)"),
        95: Incident("ALL", FAIL, "DCGM_FR_UNCONTAINED_ERROR"),
        119: Incident("ALL", FAIL, _XID),
        120: Incident("ALL", FAIL, _XID),
        140: Incident("ALL", FAIL, _XID),
    }
)
"""Of the XIDs that the twin can raise, those that are incidents. The exporter has no word for
DCGM's errors 131, a contained error, and 132, too many remapped rows."""

_REPLAYS = 31
"""A minute: what a link of generation 5 and 16 lanes may have by PCIe's bit error rate."""
_CRC_ERRORS = 6_000
"""A minute, on the NVLinks of a GPU; fewer are a warning, replays and recoveries fail at once."""
_REMAPPED_ROWS = 512
"""Rows remapped for uncorrectable errors."""


class CountRule(NamedTuple):
    """A count that is an incident.

    Attributes:
        signal: of the GPU.
        least: value from which on it is one.
        rising: whether its rise in the last minute is meant, instead of what it is.
        incident: that it is.
    """

    signal: str
    least: float
    rising: bool
    incident: Incident


COUNT_RULES = (
    CountRule("pcie_replay", _REPLAYS + 1, True,
              Incident("PCIE", WARN, "DCGM_FR_PCI_REPLAY_RATE")),
    CountRule("nvlink_crc_flit", 1, True,
              Incident("NVLINK", WARN, "DCGM_FR_NVLINK_ERROR_THRESHOLD")),
    CountRule("nvlink_crc_flit", _CRC_ERRORS, True,
              Incident("NVLINK", FAIL, "DCGM_FR_NVLINK_CRC_ERROR_THRESHOLD")),
    CountRule("nvlink_replay", 1, True, Incident("NVLINK", FAIL, "DCGM_FR_NVLINK_ERROR_CRITICAL")),
    CountRule("nvlink_recovery", 1, True,
              Incident("NVLINK", FAIL, "DCGM_FR_NVLINK_ERROR_CRITICAL")),
    CountRule("ecc_dbe_volatile", 1, False,
              Incident("MEM", FAIL, "DCGM_FR_VOLATILE_DBE_DETECTED")),
    CountRule("row_remap_failure", 1, False, Incident("MEM", FAIL, "DCGM_FR_ROW_REMAP_FAILURE")),
    CountRule("uncorrectable_rows", _REMAPPED_ROWS, False,
              Incident("MEM", WARN, "DCGM_FR_UNKNOWN(132)")),
    CountRule("thermal_violation", 1, True,
              Incident("THERMAL", WARN, "DCGM_FR_CLOCK_THROTTLE_THERMAL")),
    CountRule("power_violation", 1, True, Incident("POWER", WARN, "DCGM_FR_CLOCK_THROTTLE_POWER")),
)  # fmt: skip
"""In DCGM's order: if a watch has several incidents, the last one is shown."""
HEALTH_SIGNALS = tuple(dict.fromkeys(rule.signal for rule in COUNT_RULES))
"""What DCGM watches for it, whether or not the exporter shows it."""

P2P_OK, P2P_NOT_SUPPORTED = (0, "OK"), (5, "NotSupported")
"""Whether two GPUs reach each other by NVLink: value and ``link_status``."""
