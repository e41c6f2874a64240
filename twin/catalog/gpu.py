"""GPUs, as NVIDIA's dcgm-exporter shows them.

Names, types and help follow dcgm-exporter 4.5.3-4.8.2, ``etc/default-counters.csv``
and ``internal/pkg/collector/xid_errors.go`` (Apache-2.0). Two of its oddities are
kept, because rules and dashboards on the real cluster meet them too:

* the framebuffer is in MiB, energy in mJ, clocks in MHz;
* ``DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL`` is declared a counter but DCGM's field 449
  is the present rate in MB/s, so ``rate()`` over it means nothing.

The exporter's own ``DCGM_EXP_*`` counters are left out. They are commented out in that file,
and those of XIDs and clock events have a series for each code seen within a window of time:
written down as signals, they would be a column a code, nearly all of it empty.
"""

from __future__ import annotations

from functools import partial

from twin.catalog.model import DeviceClass, Exporter, MetricType, Signal, Unit, UnitKind

__all__ = ["DCGM", "GPU", "XID_TEXT"]

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
)

XID_TEXT = {
    0: "No Error",
    13: "Graphics Engine Exception",
    31: "GPU memory page fault",
    43: "GPU stopped processing",
    45: "Preemptive cleanup, due to previous errors -- Most likely to see when running multiple "
    "cuda",
    48: "Double Bit ECC Error",
    63: "ECC page retirement or row remapping recording event",
    64: "ECC page retirement or row remapper recording failure",
    74: "NVLINK Error",
    79: "GPU has fallen off the bus",
    92: "High single-bit ECC error rate",
    94: "Contained ECC error",
    95: "Uncontained ECC error",
    119: "GSP RPC Timeout",
    120: "GSP Error",
    140: "Unrecovered ECC Error",
    145: "NVLINK: RLW Error",
    149: "NVLINK: NETIR Error",
}
"""XID codes that the twin can raise, with dcgm-exporter's text."""

_gauge = partial(Signal, family=DCGM, kind=MetricType.GAUGE)
_counter = partial(Signal, family=DCGM, kind=MetricType.COUNTER)
_ratio = partial(_gauge, unit=Unit.RATIO, decimals=4, high=1.0)

GPU = DeviceClass(
    name="gpu",
    frame=UnitKind.RACK,
    title="GPU",
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
        _gauge("gpu_util", "DCGM_FI_DEV_GPU_UTIL", unit=Unit.PERCENT,
               help="GPU utilization (in %).", high=100),
        _gauge("mem_copy_util", "DCGM_FI_DEV_MEM_COPY_UTIL", unit=Unit.PERCENT,
               help="Memory utilization (in %).", high=100),
        _gauge("enc_util", "DCGM_FI_DEV_ENC_UTIL", unit=Unit.PERCENT,
               help="Encoder utilization (in %).", constant=0.0),
        _gauge("dec_util", "DCGM_FI_DEV_DEC_UTIL", unit=Unit.PERCENT,
               help="Decoder utilization (in %).", constant=0.0),
        _gauge("xid", "DCGM_FI_DEV_XID_ERRORS", unit=Unit.NONE,
               help="Value of the last XID error encountered.", high=999,
               value_labels={
                   code: (("err_code", str(code)), ("err_msg", text))
                   for code, text in XID_TEXT.items()
               }),
        _gauge("fb_free", "DCGM_FI_DEV_FB_FREE", unit=Unit.MEBIBYTES,
               help="Framebuffer memory free (in MiB)."),
        _gauge("fb_used", "DCGM_FI_DEV_FB_USED", unit=Unit.MEBIBYTES,
               help="Framebuffer memory used (in MiB)."),
        _gauge("fb_reserved", "DCGM_FI_DEV_FB_RESERVED", unit=Unit.MEBIBYTES,
               help="Framebuffer memory reserved (in MiB)."),
        _counter("nvlink_bandwidth", "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
                 unit=Unit.MEGABYTES_PER_SECOND,
                 help="Total number of NVLink bandwidth counters for all lanes."),
        _gauge("vgpu_license", "DCGM_FI_DEV_VGPU_LICENSE_STATUS", unit=Unit.NONE,
               help="vGPU License status", constant=0.0),
        _counter("uncorrectable_rows", "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", unit=Unit.NONE,
                 help="Number of remapped rows for uncorrectable errors"),
        _counter("correctable_rows", "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", unit=Unit.NONE,
                 help="Number of remapped rows for correctable errors"),
        _gauge("row_remap_failure", "DCGM_FI_DEV_ROW_REMAP_FAILURE", unit=Unit.NONE,
               help="Whether remapping of rows has failed", high=1),
        _ratio("gr_engine_active", "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
               help="Ratio of time the graphics engine is active."),
        _ratio("tensor_active", "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
               help="Ratio of cycles the tensor (HMMA) pipe is active."),
        _ratio("dram_active", "DCGM_FI_PROF_DRAM_ACTIVE",
               help="Ratio of cycles the device memory interface is active sending or receiving "
                    "data."),
        _gauge("pcie_tx", "DCGM_FI_PROF_PCIE_TX_BYTES", unit=Unit.BYTES_PER_SECOND,
               help="The rate of data transmitted over the PCIe bus - including both protocol "
                    "headers and data payloads - in bytes per second."),
        _gauge("pcie_rx", "DCGM_FI_PROF_PCIE_RX_BYTES", unit=Unit.BYTES_PER_SECOND,
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
                 unit=Unit.NONE, extra=True,
                 help="Total number of NVLink flow-control CRC errors."),
        _counter("nvlink_replay", "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL",
                 unit=Unit.NONE, extra=True, help="Total number of NVLink retries."),
        _counter("nvlink_recovery", "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL",
                 unit=Unit.NONE, extra=True, help="Total number of NVLink recovery errors."),
        _ratio("sm_active", "DCGM_FI_PROF_SM_ACTIVE", extra=True,
               help="The ratio of cycles an SM has at least 1 warp assigned."),
        _ratio("sm_occupancy", "DCGM_FI_PROF_SM_OCCUPANCY", extra=True,
               help="The ratio of number of warps resident on an SM."),
    ),
)  # fmt: skip
