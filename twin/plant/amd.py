"""AMD GPUs, as AMD's Device Metrics Exporter reads them.

The GPUs themselves are :class:`twin.plant.gpu.Gpus`, like every accelerator; this module
only converts their state to another exporter's signals. What is an XID of a memory or of a link
elsewhere is an uncorrectable ECC error of that block here; codes of user code and of NVIDIA's
firmware tell nothing.
"""

from __future__ import annotations

import numpy as np

from twin.catalog import AMD_XGMI_PEERS
from twin.plant.conditions import Conditions
from twin.plant.gpu import Gpus
from twin.plant.host import HostStates
from twin.plant.pcie import PcieTraffic
from twin.plant.units import Floats, silenced
from twin.plant.workload import Demand
from twin.site import Layout

__all__ = ["AmdExporter"]

_LINK_CODES = (74, 145, 149)
"""XIDs of links between GPUs."""
_DEFERRED_CODES = (63,)
"""XIDs of memory that is taken out of use before anything has read it."""
_SAMPLES_PER_SECOND = 1e3
"""The firmware looks once a millisecond whether something holds the clock down."""
_CAUSES = ("processor_hot", "ppt", "socket_thermal", "hbm_thermal")
"""What can hold a clock down: the board's pin, the power limit, heat of the die, of the memory."""
_MEMORY_CLOCK_IDLE_RATIO = 900.0 / 1300.0
"""Memory clock of an idle GPU over its greatest (rocm-smi of MI300X: 900 MHz)."""


class AmdExporter:
    """The counts of all AMD exporters; arrays are (racks, GPUs a rack).

    Args:
        layout: the site.
        gpus: its GPUs.
    """

    def __init__(self, layout: Layout, gpus: Gpus) -> None:
        site = layout.site
        self._gpus = gpus
        self._servers = (site.racks, site.servers_per_rack)
        shape = site.accelerators
        bandwidths = [site.gpu_model(rack).memory_bytes_per_second for rack in range(site.racks)]
        self._bandwidth = np.repeat(np.array(bandwidths)[:, None] / 1e9, shape[1], axis=1)
        self._samples = np.zeros(shape)
        self._held = np.zeros((len(_CAUSES), *shape), dtype=np.bool_)
        """Which of the causes holds each GPU's clock down now."""
        self._held_for = np.zeros((len(_CAUSES), *shape))
        self._moved = np.zeros(shape)
        self._links, self._deferred = np.zeros(shape), np.zeros(shape)
        self._singles_before, self._doubles_before = np.zeros(shape), np.zeros(shape)
        """Errors of the memory until the driver was last loaded."""
        self._failed = np.zeros(shape, dtype=np.bool_)

    def step(self, demand: Demand, conditions: Conditions, dt: float) -> None:
        """Advance by ``dt`` seconds, after the GPUs have.

        Args:
            demand: what the jobs ask.
            conditions: of the site.
            dt: step in s.
        """
        gpus = self._gpus
        self._count()
        self._hold(conditions, dt)
        self._samples += _SAMPLES_PER_SECOND * dt
        used: Floats = gpus.ranks.nvlink * np.asarray(demand.compute) * ~gpus.lost
        self._moved += used * (dt / (2.0 * AMD_XGMI_PEERS * 1024.0))

    def _count(self) -> None:
        """Count errors beside those of the memory; a reset loads the driver anew."""
        errors = self._gpus.errors
        if errors.begun is not None:
            self._links += np.isin(errors.begun, _LINK_CODES)
            self._deferred += np.isin(errors.begun, _DEFERRED_CODES)
        reset = self._failed & ~errors.failed
        self._failed = errors.failed.copy()
        if reset.any():
            counts = errors.outputs()
            self._singles_before[reset] = counts["ecc_sbe_volatile"][reset]
            self._doubles_before[reset] = counts["ecc_dbe_volatile"][reset]
            self._links[reset] = self._deferred[reset] = 0.0

    def _hold(self, conditions: Conditions, dt: float) -> None:
        """Note what holds the clocks down, and for how long."""
        gpus = self._gpus
        braked = np.repeat(~conditions.power_brake_released, gpus.per_server, axis=1)
        hot, hot_memory = gpus.overheated
        self._held = np.stack((braked, gpus.limit.held, hot, hot_memory))
        self._held_for += self._held * (_SAMPLES_PER_SECOND * dt)

    def outputs(
        self, demand: Demand, traffic: PcieTraffic, hosts: HostStates | None
    ) -> dict[str, dict[str, Floats]]:
        """Return all signals of the catalogue's AMD classes, NaN where no device reports.

        Args:
            demand: what the jobs ask.
            traffic: between GPUs and NICs.
            hosts: state of the servers, None while all are well.
        """
        up = self._gpus.exporter_up if hosts is None else self._gpus.exporter_up & hosts.up
        attached = self._gpus.attached.reshape(*self._servers, -1).sum(axis=2, dtype=np.float64)
        return {
            "amd_gpu": silenced(self._gpu_outputs(demand, traffic), self._gpus.reporting),
            "amd_node": silenced({"gpus": attached}, up),
        }

    def _gpu_outputs(self, demand: Demand, traffic: PcieTraffic) -> dict[str, Floats]:
        values = self._gpus.values(demand, traffic)
        busy = values["gpu_util"]
        double = values["ecc_dbe_volatile"] - self._doubles_before
        return {
            "junction_temperature": values["gpu_temp"],
            "memory_temperature": values["memory_temp"],
            "package_power": values["power_usage"],
            "energy": 1e3 * values["energy"],
            "gfx_activity": busy,
            "umc_activity": values["mem_copy_util"],
            "gfx_clock": values["sm_clock"],
            "memory_clock": np.where(busy > 0.0, 1.0, _MEMORY_CLOCK_IDLE_RATIO)
            * values["mem_clock"],
            "used_vram": values["fb_used"] + values["fb_reserved"],
            "free_vram": values["fb_free"],
            "vram_max_bandwidth": self._bandwidth,
            "pcie_bandwidth": 8e-6 * (values["pcie_tx"] + values["pcie_rx"]),
            "pcie_replays": values["pcie_replay"],
            "ecc_correct_umc": values["ecc_sbe_volatile"] - self._singles_before,
            "ecc_uncorrect_umc": double,
            "ecc_uncorrect_xgmi_wafl": self._links,
            "ecc_deferred_umc": self._deferred,
            "health": np.equal(double + self._links, 0.0).astype(np.float64),
            "xgmi_rx": self._moved,
            "xgmi_tx": self._moved,
            "violation_samples": self._samples,
            **self._violations(),
        }

    def _violations(self) -> dict[str, Floats]:
        """Return for how long each cause has held the clocks down, and whether it does now."""
        now, so_far = 100.0 * self._held, self._held_for
        return {
            f"{name}_{part}": values[row]
            for row, name in enumerate(_CAUSES)
            for part, values in (("accumulated", so_far), ("percentage", now))
        }
