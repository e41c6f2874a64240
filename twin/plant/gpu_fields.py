"""Further fields of GPUs: computed only where a counters file lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twin.catalog import GPU
from twin.catalog.gpu_fields import NVLINK_5_BYTES_PER_SECOND
from twin.plant.gpu_errors import GpuErrors
from twin.plant.gpu_model import ModelValues
from twin.plant.nvlink import NvLinks
from twin.plant.units import Floats
from twin.site import Layout

__all__ = ["FurtherFields"]

_FP32_SHARE, _FP16_SHARE = 0.06, 0.01
"""Cycles with these pipes over those with a warp on the SM, est.: a transformer multiplies in the
tensor pipe, and its norms, its softmax and its optimizer are the rest."""


@dataclass(frozen=True, slots=True)
class FurtherFields:
    """What the fields of a site's GPUs follow from.

    Attributes:
        model: the numbers of the GPU models.
        on_host: GPUs of a server.
    """

    model: ModelValues
    on_host: int

    @classmethod
    def of(cls, layout: Layout, model: ModelValues) -> FurtherFields | None:
        """Return them for a site, None where no counters file lists any."""
        listed = any(signal.listed and signal.on_wire for signal in layout.reported[GPU.name])
        return cls(model, layout.site.server.gpus) if listed else None

    def values(
        self, known: Mapping[str, Floats], limit: Floats, errors: GpuErrors, links: NvLinks
    ) -> dict[str, Floats]:
        """Return the fields.

        Args:
            known: the default fields.
            limit: power limit in force in W.
            errors: of the GPUs.
            links: NVLinks of the GPUs.
        """
        model, shape = self.model, known["gpu_temp"].shape
        each_way = known["nvlink_bandwidth"] * 1e6 / 2.0
        fixed: dict[str, Floats | float] = {
            "power_limit": limit,
            "power_limit_enforced": limit,
            "power_limit_default": model.power_limit_watts,
            "power_limit_most": model.power_limit_watts,
            "gpu_temp_operating": model.temperature_max_operating_celsius,
            "memory_temp_operating": model.memory_temperature_max_celsius,
            "gpu_temp_slowdown": model.temperature_slowdown_celsius,
            "gpu_temp_shutdown": model.temperature_shutdown_celsius,
            "sm_clock_application": model.sm_clock_max_mhz,
            "mem_clock_application": model.mem_clock_mhz,
            "sm_clock_most": model.sm_clock_max_mhz,
            "mem_clock_most": model.mem_clock_mhz,
            "gpus_on_host": float(self.on_host),
            "pcie_generation": model.pcie_generation,
            "pcie_generation_most": model.pcie_generation,
            "fp64_active": 0.0,
        }
        return {
            **{name: np.broadcast_to(value, shape) for name, value in fixed.items()},
            "power_instant": known["power_usage"],
            "fb_used_ratio": known["fb_used"] / (known["fb_used"] + known["fb_free"]),
            "row_remap_pending": errors.remap_pending.astype(np.float64),
            "fp32_active": _FP32_SHARE * known["sm_active"],
            "fp16_active": _FP16_SHARE * known["sm_active"],
            "nvlink_tx": each_way,
            "nvlink_rx": each_way,
            **self._of_links(links),
        }

    def _of_links(self, links: NvLinks) -> dict[str, Floats]:
        """Return the counts of links; those of NVLink 5 are blank on a GPU with an older one."""
        counts = links.further_outputs()
        new = self.model.nvlink_bytes_per_second >= NVLINK_5_BYTES_PER_SECOND
        blank = {name: np.where(new, own, np.nan) for name, own in counts.items()}
        return {**blank, "nvlink_crc_data": counts["nvlink_crc_data"]}
