"""Editions of NVIDIA's dcgm-exporter: 4.8.2, 4.8.3, 4.8.4 and 4.9.0.

Sources: ``etc/default-counters.csv`` of NVIDIA/dcgm-exporter at 691c927 (4.5.3-4.8.2), 7ad58324
(4.8.3) and 8dc9e11b (4.8.4); the release notes of 4.9.0; names, ids and units of fields in
``pkg/dcgm/dcgm_fields.h`` of NVIDIA/go-dcgm at b7fa315 (DCGM 4.6.1) and a9ee3d7 (DCGM 4.7).

* 4.8.3 calls the host label ``hostname`` and declares the NVLink rate, the health and the state
  of peers gauges, which they are.
* 4.8.4 says so of the energy's help and calls the NVLink errors by DCGM 4.6's names.
* 4.9.0 renames 23 fields; eleven of them have another unit, too. Old names stay valid in a
  counters file and give the old unit.

DCGM 4.6, of 4.8.3 and 4.8.4, has some of the new names already, as second names of the old
fields: ``DCGM_FI_DEV_GPU_UTIL_RATIO`` is a percentage there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import resources

from twin.catalog.editions.model import Edition, SignalChange
from twin.catalog.gpu import DCGM, GPU
from twin.catalog.gpu_fields import further_fields
from twin.catalog.model import MetricType, Unit

__all__ = ["DCGM_EDITIONS"]

_HERTZ, _BYTES, _JOULES, _PERCENT, _NANOSECOND = 1e6, 1048576.0, 1e-3, 1e-2, 1e-9
_NVLINK_BYTES = 1.024e6
"""DCGM divides a rate in KiB/s by 1,000 and calls it MB/s; the field in bytes takes it by 1,024."""
_SINCE_4_8_3 = frozenset({"xid_events_total", "clock_events_total"})
_PERCENT_IN_4_6 = frozenset({"DCGM_FI_DEV_GPU_UTIL_RATIO"})
_BASE_UNITS_IN_4_6_1 = ("sm_clock", "mem_clock", "energy")
_DRIVER = "DCGM_FI_DRIVER_VERSION"
_NEW_DRIVER = "DCGM_FI_SYSTEM_DRIVER_VERSION"
_COUNTER, _GAUGE = MetricType.COUNTER, MetricType.GAUGE


def _ratio(metric: str, help_text: str) -> SignalChange:
    """Return a utilisation that is a ratio instead of whole percents."""
    return SignalChange(metric, unit=Unit.RATIO, factor=_PERCENT, decimals=2, help=help_text)


def _memory(metric: str, help_text: str, *, listed: bool | None = None) -> SignalChange:
    """Return framebuffer in bytes instead of MiB."""
    return SignalChange(metric, unit=Unit.BYTES, factor=_BYTES, help=help_text, listed=listed)


def _throttled(metric: str, help_text: str) -> SignalChange:
    """Return a throttling duration in seconds instead of nanoseconds."""
    return SignalChange(metric, unit=Unit.SECONDS, factor=_NANOSECOND, decimals=6, help=help_text)


_OF_4_8_3 = {
    "nvlink_bandwidth": SignalChange(kind=_GAUGE),
    "gpu_health": SignalChange(kind=_GAUGE),
    "p2p_status": SignalChange(kind=_GAUGE),
}
_OF_4_8_4 = {
    "energy": SignalChange(help="Total energy consumption since driver reload (in mJ)."),
    "nvlink_crc_flit": SignalChange("DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_TOTAL"),
    "nvlink_replay": SignalChange("DCGM_FI_DEV_NVLINK_REPLAY_ERROR_TOTAL"),
    "nvlink_recovery": SignalChange("DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_TOTAL"),
}
_OF_4_9_0 = {
    "sm_clock": SignalChange("DCGM_FI_DEV_SM_CLOCK_HERTZ", unit=Unit.HERTZ, factor=_HERTZ,
                       help="SM clock frequency (in Hz)."),
    "mem_clock": SignalChange("DCGM_FI_DEV_MEMORY_CLOCK_HERTZ", unit=Unit.HERTZ, factor=_HERTZ,
                        help="Memory clock frequency (in Hz)."),
    "memory_temp": SignalChange("DCGM_FI_DEV_MEMORY_TEMP_CELSIUS"),
    "gpu_temp": SignalChange("DCGM_FI_DEV_GPU_TEMP_CELSIUS"),
    "power_usage": SignalChange("DCGM_FI_DEV_BOARD_POWER_WATTS"),
    "energy": SignalChange("DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL", unit=Unit.JOULES, factor=_JOULES,
                     help="Total energy consumption since driver reload (in J)."),
    "pcie_replay": SignalChange("DCGM_FI_DEV_PCIE_REPLAY_TOTAL"),
    "gpu_util": _ratio("DCGM_FI_DEV_GPU_UTIL_RATIO", "GPU utilization (ratio 0-1)."),
    "mem_copy_util": _ratio("DCGM_FI_DEV_MEMORY_UTIL_RATIO", "Memory utilization (ratio 0-1)."),
    "enc_util": _ratio("DCGM_FI_DEV_ENC_UTIL_RATIO", "Encoder utilization (ratio 0-1)."),
    "dec_util": _ratio("DCGM_FI_DEV_DEC_UTIL_RATIO", "Decoder utilization (ratio 0-1)."),
    "xid": SignalChange("DCGM_FI_DEV_XID_ERROR"),
    "fb_free": _memory("DCGM_FI_DEV_FB_FREE_BYTES", "Framebuffer memory free (in bytes)."),
    "fb_used": _memory("DCGM_FI_DEV_FB_USED_BYTES", "Framebuffer memory used (in bytes)."),
    "fb_reserved": _memory("DCGM_FI_DEV_FB_RESERVED_BYTES",
                           "Framebuffer memory reserved (in bytes)."),
    "fb_capacity": _memory("DCGM_FI_DEV_FB_CAPACITY_BYTES",
                           "Framebuffer memory in all (in bytes).", listed=False),
    "nvlink_bandwidth": SignalChange("DCGM_FI_DEV_NVLINK_THROUGHPUT_BYTES_PER_SECOND", _GAUGE,
                               Unit.BYTES_PER_SECOND, _NVLINK_BYTES,
                               help="NVLink throughput of all links (in bytes per second)."),
    "uncorrectable_rows": SignalChange("DCGM_FI_DEV_ROW_REMAP_UNCORRECTABLE_TOTAL"),
    "correctable_rows": SignalChange("DCGM_FI_DEV_ROW_REMAP_CORRECTABLE_TOTAL"),
    "row_remap_failure": SignalChange("DCGM_FI_DEV_ROW_REMAP_FAILED"),
    "gr_engine_active": SignalChange("DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO"),
    "tensor_active": SignalChange("DCGM_FI_PROF_TENSOR_UTIL_RATIO"),
    "dram_active": SignalChange("DCGM_FI_PROF_DRAM_UTIL_RATIO"),
    "power_violation": _throttled("DCGM_FI_DEV_GPU_POWER_THROTTLE_SECONDS_TOTAL",
                                  "Throttling duration due to power constraints (in s)."),
    "thermal_violation": _throttled("DCGM_FI_DEV_GPU_THERMAL_THROTTLE_SECONDS_TOTAL",
                                    "Throttling duration due to thermal constraints (in s)."),
    "sm_active": SignalChange("DCGM_FI_PROF_SM_UTIL_RATIO"),
    "sm_occupancy": SignalChange("DCGM_FI_PROF_SM_OCCUPANCY_RATIO"),
}  # fmt: skip
"""Where the CSV of 4.9.0 is not public yet, the help is ours: units are DCGM 4.7's."""


def _renamed() -> Mapping[str, tuple[str, float]]:
    """Return what DCGM renamed: old name to new name and the factor between their units."""
    text = resources.files("twin.catalog.editions").joinpath("dcgm-renamed.txt")
    rows = (
        line.split()
        for line in text.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
    return {old: (new, float(*rest or ("1",))) for old, new, *rest in rows}


_RENAMED = _renamed()
_UNITS = {_NANOSECOND: Unit.SECONDS, _HERTZ: Unit.HERTZ}
_OF_4_9_0 |= {
    signal.name: SignalChange(
        new,
        unit=_UNITS.get(factor),
        factor=factor,
        decimals=6 if factor == _NANOSECOND else None,
    )
    for signal in further_fields(DCGM)
    for new, factor in [_RENAMED.get(signal.metric, (signal.metric, 1.0))]
}


def _edition(
    version: str,
    tag: str,
    before: Edition | None = None,
    changes: Mapping[str, SignalChange] | None = None,
    labels: Mapping[str, str] | None = None,
    drivers: tuple[str, ...] = (_DRIVER,),
) -> Edition:
    """Return an edition: what the one before has, and what it changes itself."""
    own = {**(before.changes if before else {}), **(changes or {})}
    names = labels or {}
    fields = dict(before.fields) if before else {}
    for signal in GPU:
        if signal.family.key == DCGM.key and (before or signal.name not in _SINCE_4_8_3):
            change = own.get(signal.name, SignalChange())
            fields[change.applied(signal).metric] = signal.name, change
    fields["DCGM_FI_DEV_CLOCK_THROTTLE_REASONS"] = fields["DCGM_FI_DEV_CLOCKS_EVENT_REASONS"]
    return Edition(
        family=replace(
            DCGM,
            labels=tuple(names.get(label, label) for label in DCGM.labels),
            source=f"NVIDIA/dcgm-exporter {tag}",
        ),
        version=version,
        tag=tag,
        changes=own,
        fields=fields,
        labels=names,
        drivers=drivers,
    )


def _with_second_names(edition: Edition, base_units: tuple[str, ...] = ()) -> Edition:
    """Return an edition with DCGM 4.6's new names, too: most are second names of old fields."""
    second = {
        new: edition.fields[old]
        for old, (new, factor) in _RENAMED.items()
        if old in edition.fields and (factor == 1.0 or new in _PERCENT_IN_4_6)
    }
    base = {
        change.metric: (name, change)
        for name in base_units
        if (change := _OF_4_9_0[name]).metric is not None
    }
    return replace(edition, fields={**second, **base, **edition.fields})


_HOST = {"Hostname": "hostname"}
_V4_8_2 = _edition("4.8.2", "4.5.3-4.8.2")
_V4_8_3 = _edition("4.8.3", "4.6.0-4.8.3", _V4_8_2, _OF_4_8_3, _HOST, (_DRIVER, _NEW_DRIVER))
_V4_8_4 = _edition("4.8.4", "4.8.4", _V4_8_3, _OF_4_8_4, _HOST, (_DRIVER, _NEW_DRIVER))
_V4_9_0 = _edition(
    "4.9.0", "4.9.0", _V4_8_4, _OF_4_9_0, {**_HOST, _DRIVER: _NEW_DRIVER}, (_DRIVER, _NEW_DRIVER)
)

DCGM_EDITIONS = (
    _V4_8_2,
    _with_second_names(_V4_8_3),
    _with_second_names(_V4_8_4, _BASE_UNITS_IN_4_6_1),
    replace(_V4_9_0, renamed=_RENAMED),
)
"""All editions, the oldest first."""
