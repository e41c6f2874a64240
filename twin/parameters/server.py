"""Servers, and their place in a cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import Field

from twin.parameters.section import Amount, Fraction, Positive, Section

if TYPE_CHECKING:  # what lists sites needs no arrays
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["PSU_LOSSES", "Ec2Parameters", "ServerParameters", "supply_loss"]

Watts = TypeVar("Watts", float, "NDArray[np.floating[Any]]")

PSU_LOSSES = {
    "measured": (0.015, 0.001, 0.001),
    "platinum": (0.0115, 0.012, 0.040),
    "titanium": (0.0095, 0.005, 0.030),
    "shelf": (0.005, 0.008, 0.016),
}
"""Losses of a power supply by its class, over its rated output: without load, in proportion to
load, and with its square. `measured`: 180 W per server when idle and 165 to 200 W at 7 kW (MLPerf
training v4.0, the same runs at the inlets and behind the supplies), 97.3 % under load. The classes
keep what 80 PLUS asks at 230 V, est. above it: Platinum 92.8, 94.8 and 94.0 % at 20, 50 and 100 %
load (asked: 90, 94, 91), Titanium 94.5, 96.2 and 95.7 % (asked: 94, 96, 91). `shelf`: 97.5 % at
half load, of a 48 V shelf of the Open Rack V3 (asked: 97.5 % at its best)."""


def supply_loss(output: Watts, rating_watts: float, losses: tuple[float, float, float]) -> Watts:
    """Return the loss of one supply that gives so much, in W.

    Args:
        output: what it gives in W.
        rating_watts: what it is rated for in W.
        losses: over its rated output: without load, per load and load squared.
    """
    idle, linear, square = losses
    return idle * rating_watts + output * (linear + output * (square / rating_watts))


class ServerParameters(Section):
    """An HGX server of the site."""

    gpus: Annotated[int, Field(ge=1, le=32)] = 8
    """GPUs per server."""
    nics: Annotated[int, Field(ge=1, le=64)] = 9
    """NIC ports per server: one for each GPU and one for storage and management."""
    psus: Annotated[int, Field(ge=1, le=16)] = 4
    """Power supplies per server, which share the load."""
    base_power_watts: Positive = 1600.0
    """DC power beside the GPUs when they idle, est. from MLPerf DC and AC."""
    base_power_per_gpu_watt: Amount = 0.08
    """Further DC power per watt of GPU power (VRM, CPUs, NVSwitch, NICs), est. as above."""
    psu_rating_watts: Positive = 3000.0
    """Rated output of one supply in W."""
    psu_class: Literal["measured", "platinum", "titanium", "shelf"] = "measured"
    """Losses of a supply: as `measured` on a server of 8 H100, of the 80 PLUS class `platinum` or
    `titanium`, or of a rack's 48 V power `shelf`; a `psu_loss_…` that is given goes before."""
    psu_loss_idle_ratio: Fraction | None = None
    """Loss of one supply without load over its rated output; None for that of its class."""
    psu_loss_ratio: Fraction | None = None
    """Loss in proportion to the output; None for that of its class."""
    psu_loss_quadratic: Fraction | None = None
    """Loss at rated output that goes with the square of the output; None for that of its class."""
    boot_seconds: Amount = 120.0
    """From power at the supplies to GPUs that answer, est. 2 to 10 min on real hosts."""
    cpu_threads: Annotated[int, Field(ge=32, le=1024)] = 224
    """CPU threads per server: two Xeon 8480C of 56 cores, as in a DGX H100."""
    memory_bytes: Positive = 2.164e12
    """Memory that the kernel has in B: of 2 TiB, what firmware keeps is gone."""
    driver_version: str = "570.124.06"
    """NVIDIA driver of the servers."""

    def output_watts(self, gpu_watts: float, fan_watts: float = 0.0) -> float:
        """Return what the supplies of a server give when each GPU and all fans draw this, in W."""
        return self.output_for(self.gpus * gpu_watts, fan_watts)

    def output_for(self, gpus_watts: Watts, fan_watts: Watts | float = 0.0) -> Watts:
        """Return what they give when all GPUs together and all fans draw this, in W."""
        output: Watts = (
            self.base_power_watts + (1.0 + self.base_power_per_gpu_watt) * gpus_watts + fan_watts
        )
        return output

    def accelerated_watts(self, gpu_watts: float) -> float:
        """Return what the GPUs of a server and their converters then take of it, in W."""
        return self.gpus * gpu_watts * (1 + self.base_power_per_gpu_watt)

    @property
    def psu_losses(self) -> tuple[float, float, float]:
        """Loss of a supply over its rated output: without load, and per load and load squared."""
        own = (self.psu_loss_idle_ratio, self.psu_loss_ratio, self.psu_loss_quadratic)
        usual = PSU_LOSSES[self.psu_class]
        idle, linear, square = (
            known if given is None else given for given, known in zip(own, usual, strict=True)
        )
        return idle, linear, square

    def supply_loss(self, output: Watts) -> Watts:
        """Return the loss of one supply that gives so much, in W."""
        return supply_loss(output, self.psu_rating_watts, self.psu_losses)

    def ac_power_watts(self, gpu_watts: float, fan_watts: float = 0.0) -> float:
        """Return what a server then draws at its inlets, in W."""
        output = self.output_watts(gpu_watts, fan_watts)
        return output + self.psus * self.supply_loss(output / self.psus)


class Ec2Parameters(Section):
    """What EC2 calls the servers; only neuron-monitor tells it."""

    instance_type: str = "trn2.48xlarge"
    """Instance type: a server of an UltraServer is a trn2u.48xlarge."""
    availability_zone: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9][a-z]$")] = (
        "us-east-2a"
    )
    """Availability zone; the region is it without the last letter."""
