"""Racks that are one machine: NVLink switch trays, power shelves and compute trays.

Where a description names a capture, it is one of these public sources: *nvidia-smi*,
``nvidia-smi -q -x`` of an idle GB300 tray in NVIDIA/k8s-test-infra (August 2026); *Redfish*, the
board controller of an idle GB300 tray in spyroot/redfish_ctl (July 2026).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field

from twin.parameters.section import Amount, Fraction, Positive, Section
from twin.parameters.server import PSU_LOSSES, supply_loss

if TYPE_CHECKING:  # what lists sites needs no arrays
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["NvlinkParameters", "ShelfParameters", "TrayParameters"]

Watts = TypeVar("Watts", float, "NDArray[np.floating[Any]]")


class NvlinkParameters(Section):
    """The NVLink switch trays of a rack, which make all its GPUs one domain."""

    switch_trays: Annotated[int, Field(ge=0, le=32)] = 0
    """Switch trays of a rack; 0 where each server has NVLink switches of its own, as an HGX has."""
    chips_per_tray: Annotated[int, Field(ge=1, le=4)] = 2
    """Switch chips of a tray; every GPU has a link to each chip of the rack, an NVL72's GPU 18."""
    tray_idle_watts: Positive = 290.0
    """Switch tray without traffic in W, est."""
    tray_watts: Positive = 400.0
    """Switch tray whose links are full in W, est.: nine of them take 3.6 kW."""
    exposed_ratio: Fraction = 0.3
    """Share of a step that waits for NVLink alone, est.: it grows as links are lost."""
    recovery_seconds: Amount = 0.02
    """Time that one recovery of a link costs all GPUs that wait for it, est."""
    clique: Annotated[int, Field(ge=0, le=65_535)] = 32_766
    """Partition of the domain: 32766 is the default one of the factory (nvidia-smi)."""

    fec: bool = False
    """Also report the raw bit error rate and the histogram of corrected symbols of every link, 17
    series each: NVOS through NICo."""

    @property
    def links(self) -> int:
        """NVLinks of a GPU, each to another switch chip of the rack."""
        return self.switch_trays * self.chips_per_tray

    @property
    def rack_watts(self) -> float:
        """Power of all switch trays of a rack whose links are full, in W."""
        return self.switch_trays * self.tray_watts


class ShelfParameters(Section):
    """The power shelves of a rack, all on one bus."""

    count: Annotated[int, Field(ge=0, le=16)] = 0
    """Shelves of a rack; 0 where each server has power supplies of its own."""
    psus: Annotated[int, Field(ge=1, le=12)] = 6
    """Power supplies of a shelf (LiteOn PF-1333-7R)."""
    psu_rating_watts: Positive = 5500.0
    """Rated output of one supply in W (LiteOn PF-1333-7R): 33 kW a shelf, 264 kW with eight."""
    volts: Positive = 50.0
    """Voltage that the supplies hold at no load in V: trays see 49.9 V when idle (Redfish)."""
    bus_ohms: Amount = 1.8e-4
    """Resistance of bus bar and connectors, together with the supplies' droop, est.: 0.1 V less at
    an idle rack's 560 A."""

    @property
    def supplies(self) -> int:
        """Power supplies of a rack."""
        return self.count * self.psus

    @property
    def rating_watts(self) -> float:
        """What all supplies of a rack can deliver, in W."""
        return self.supplies * self.psu_rating_watts

    def supply_loss(self, output: Watts) -> Watts:
        """Return the loss of one supply that gives so much, in W."""
        return supply_loss(output, self.psu_rating_watts, PSU_LOSSES["shelf"])

    def input_watts(self, output: float) -> float:
        """Return what the shelves of a rack draw when they give so much together, in W."""
        return output + self.supplies * self.supply_loss(output / self.supplies)


class TrayParameters(Section):
    """What a compute tray has beside the parts of any server."""

    cpus: Annotated[int, Field(ge=0, le=4)] = 0
    """Grace CPUs, which DCGM shows beside the GPUs; 0 where the CPUs are x86."""
    cpu_idle_watts: Positive = 88.0
    """Grace CPU without load in W: 87 to 90 W (Redfish)."""
    cpu_limit_watts: Positive = 300.0
    """Power limit of a Grace CPU in W (Redfish)."""
    cpu_ratio: Fraction = 0.3
    """Share of `server.base_power_per_gpu_watt` that is the CPUs', est."""
    module_watts: Amount = 47.0
    """Power of a superchip beside its CPU and its GPUs in W: 486 to 500 W with two GPUs of 178 W
    each and its CPU of 88 W (nvidia-smi)."""
    hot_swaps: Annotated[int, Field(ge=0, le=4)] = 0
    """Hot-swap controllers through which the tray hangs on the bus."""
    leak_detectors: Annotated[int, Field(ge=0, le=8)] = 0
    """Leak detectors: under the cold plates and at the manifold."""
    leak_volts: Positive = 1.73
    """Voltage of a dry detector in V (Redfish)."""
    leak_liters: Positive = 0.05
    """Coolant under a detector that wets all of it in L, est."""
