"""Rows of NVIDIA's GPUs: what their baseboard's controller says of each.

Ids are those of an HGX H100 baseboard's controller: ``HGX_GPU_SXM_1`` with ``TEMP_0`` of the die
and ``TEMP_1``, the margin up to the limit that slows it. Names of the OEM parts are those of
NVIDIA's bmcweb (``NvidiaProcessor.v1_4_0.NvidiaGPU``, ``NvidiaProcessorMetrics.v1_4_0``,
``NvidiaMemory``, ``NvidiaMemoryMetrics``, ``NvidiaPortMetrics.v1_7_0.NvidiaNVLinkPortMetrics``);
only those whose value is a signal are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from twin.catalog import GPU, NVLINK
from twin.redfish.rows import MetricRow, SensorRow
from twin.redfish.table import ChassisRow, PortRow, ProcessorRow

if TYPE_CHECKING:
    from twin.redfish.view import BmcView

__all__ = ["NVLINKS", "SMOOTHING", "gpu_chassis", "gpu_processors"]

_NANOSECOND = 1e-9
_GIGABITS = 8e-9
"""Gbit/s of a B/s."""
_HUNDRED = 100.0

_METRICS = (
    MetricRow("OperatingSpeedMHz", GPU["sm_clock"], whole=True),
    MetricRow("BandwidthPercent", GPU["gpu_util"]),
    MetricRow("PowerLimitThrottleDuration", GPU["power_violation"], _NANOSECOND, duration=True),
    MetricRow("ThermalLimitThrottleDuration", GPU["thermal_violation"], _NANOSECOND,
              duration=True),
    MetricRow("PCIeErrors/ReplayCount", GPU["pcie_replay"], whole=True),
    MetricRow("Oem/Nvidia/SMUtilizationPercent", GPU["gpu_util"]),
    MetricRow("Oem/Nvidia/SMActivityPercent", GPU["sm_active"], _HUNDRED),
    MetricRow("Oem/Nvidia/SMOccupancyPercent", GPU["sm_occupancy"], _HUNDRED),
    MetricRow("Oem/Nvidia/GraphicsEngineActivityPercent", GPU["gr_engine_active"], _HUNDRED),
    MetricRow("Oem/Nvidia/TensorCoreActivityPercent", GPU["tensor_active"], _HUNDRED),
    MetricRow("Oem/Nvidia/FP64ActivityPercent", GPU["fp64_active"], _HUNDRED),
    MetricRow("Oem/Nvidia/FP32ActivityPercent", GPU["fp32_active"], _HUNDRED),
    MetricRow("Oem/Nvidia/FP16ActivityPercent", GPU["fp16_active"], _HUNDRED),
    MetricRow("Oem/Nvidia/PCIeRawTxBandwidthGbps", GPU["pcie_tx"], _GIGABITS),
    MetricRow("Oem/Nvidia/PCIeRawRxBandwidthGbps", GPU["pcie_rx"], _GIGABITS),
    MetricRow("Oem/Nvidia/NVLinkRawTxBandwidthGbps", GPU["nvlink_tx"], _GIGABITS),
    MetricRow("Oem/Nvidia/NVLinkRawRxBandwidthGbps", GPU["nvlink_rx"], _GIGABITS),
)  # fmt: skip
_MEMORY = (MetricRow("Oem/Nvidia/RowRemappingFailed", GPU["row_remap_failure"], flag=True),)
_MEMORY_METRICS = (
    MetricRow("OperatingSpeedMHz", GPU["mem_clock"], whole=True),
    MetricRow("BandwidthPercent", GPU["mem_copy_util"]),
    MetricRow("CurrentPeriod/CorrectableECCErrorCount", GPU["ecc_sbe_volatile"], whole=True),
    MetricRow("CurrentPeriod/UncorrectableECCErrorCount", GPU["ecc_dbe_volatile"], whole=True),
    MetricRow("LifeTime/CorrectableECCErrorCount", GPU["ecc_sbe_aggregate"], whole=True),
    MetricRow("LifeTime/UncorrectableECCErrorCount", GPU["ecc_dbe_aggregate"], whole=True),
    MetricRow("Oem/Nvidia/RowRemapping/CorrectableRowRemappingCount", GPU["correctable_rows"],
              whole=True),
    MetricRow("Oem/Nvidia/RowRemapping/UncorrectableRowRemappingCount", GPU["uncorrectable_rows"],
              whole=True),
)  # fmt: skip
_MILLI = 1e-3
SMOOTHING = (
    MetricRow("Enabled", GPU["smoothing_enabled"], flag=True),
    MetricRow("ImmediateRampDown", GPU["smoothing_immediate"], flag=True),
    MetricRow("TMPWatts", GPU["smoothing_ceiling"]),
    MetricRow("TMPFloorWatts", GPU["smoothing_floor"]),
    MetricRow("TMPFloorPercent", GPU["smoothing_floor_percent"]),
    MetricRow("MaxAllowedTMPFloorPercent", GPU["smoothing_floor_most"]),
    MetricRow("MinAllowedTMPFloorPercent", GPU["smoothing_floor_least"]),
    MetricRow("RampUpWattsPerSecond", GPU["smoothing_ramp_up"], _MILLI),
    MetricRow("RampDownWattsPerSecond", GPU["smoothing_ramp_down"], _MILLI),
    MetricRow("RampDownHysteresisSeconds", GPU["smoothing_hysteresis"], _MILLI),
    MetricRow("RemainingLifetimeCircuitryPercent", GPU["smoothing_lifetime"]),
)
"""Of ``NvidiaPowerSmoothing.v1_1_0``, as NVIDIA's bmcweb has it."""
NVLINKS = PortRow(
    id="NVLink_{n}",
    name="NVLink {n}",
    protocol="NVLink",
    device=NVLINK,
    state=NVLINK["opcode"],
    count=lambda site: site.nvlink.links,
    metrics=(
        MetricRow("Oem/Nvidia/EffectiveBER", NVLINK["effective_ber"], exact=True),
        MetricRow("Oem/Nvidia/SymbolErrors", NVLINK["symbol_errors"], whole=True),
        MetricRow("Oem/Nvidia/LinkDownedCount", NVLINK["link_down"], whole=True),
        MetricRow("Oem/Nvidia/LinkErrorRecoveryCount", NVLINK["recoveries"], whole=True),
    ),
    oem="#NvidiaPortMetrics.v1_7_0.NvidiaNVLinkPortMetrics",
)


def _die_limits(view: BmcView) -> Mapping[str, float]:
    model = view.gpu_model
    return {
        "UpperCaution": model.temperature_max_operating_celsius,
        "UpperCritical": model.temperature_slowdown_celsius,
        "UpperFatal": model.temperature_shutdown_celsius,
    }


def _power_limits(view: BmcView, _slot: int) -> tuple[float, float, float]:
    model = view.gpu_model
    return 0.0, model.power_limit_watts, model.power_limit_watts


def gpu_chassis(chassis: str, within: str, first: int) -> ChassisRow:
    """Return the row of the chassis that each GPU has.

    Args:
        chassis: id of it, with ``{n}``.
        within: id of that of the baseboard.
        first: number of the first GPU.
    """

    def sensor(part: str, name: str, signal: str, context: str, **more: object) -> SensorRow:
        return SensorRow(f"{chassis}_{part}", f"GPU {{n}} {name}", GPU, GPU[signal], context,
                         first, **more)  # type: ignore[arg-type]  # fields of the row  # fmt: skip

    return ChassisRow(
        id=chassis,
        name="GPU {n}",
        type="Module",
        device=GPU,
        first=first,
        within=within,
        sensors=(
            sensor("TEMP_0", "die temperature", "gpu_temp", "GPU", limits=_die_limits),
            sensor("TEMP_1", "margin up to the operating limit", "gpu_temp", "GPU",
                   margin_to=lambda model: model.temperature_max_operating_celsius),
            sensor("DRAM_0_Temp_0", "memory temperature", "memory_temp", "Memory"),
            sensor("Power_0", "power", "power_usage", "GPU"),
            sensor("Energy_0", "energy", "energy", "GPU"),
        ),
        temperature=f"{chassis}_TEMP_0",
        power=f"{chassis}_Power_0",
        energy=f"{chassis}_Energy_0",
        power_limits=_power_limits,
        manufacturer="NVIDIA",
        model=lambda view: view.identity.gpu_model,
    )  # fmt: skip


def gpu_processors(
    processor: str,
    chassis: str,
    first: int,
    ports: PortRow | None = None,
    smoothing: tuple[MetricRow, ...] = (),
) -> ProcessorRow:
    """Return the row of the GPUs as processors.

    Args:
        processor: id of one, with ``{n}``.
        chassis: id of its chassis, with ``{n}``.
        first: number of the first GPU.
        ports: of each, None where the bus says nothing of them.
        smoothing: properties of its power smoothing, none where it has none.
    """
    return ProcessorRow(
        id=processor,
        name="GPU {n}",
        type="GPU",
        device=GPU,
        anchor=(GPU, GPU["gpu_temp"]),
        first=first,
        chassis=chassis,
        manufacturer="NVIDIA",
        model=lambda view: view.identity.gpu_model,
        metrics=_METRICS,
        oem=("#NvidiaProcessor.v1_4_0.NvidiaGPU",
             "#NvidiaProcessorMetrics.v1_4_0.NvidiaGPUProcessorMetrics"),
        memory=f"{processor}_DRAM_0",
        memory_state=_MEMORY,
        memory_metrics=_MEMORY_METRICS,
        memory_oem=("#NvidiaMemory.v1_0_0.NvidiaMemory",
                    "#NvidiaMemoryMetrics.v1_2_0.NvidiaGPUMemoryMetrics"),
        temperature=f"{chassis}_TEMP_0",
        ports=ports,
        smoothing=smoothing,
    )  # fmt: skip
