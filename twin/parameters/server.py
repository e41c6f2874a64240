"""Servers, and their place in a cloud."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.parameters.section import Amount, Fraction, Positive, Section

__all__ = ["Ec2Parameters", "ServerParameters"]


class ServerParameters(Section):
    """An HGX server of the site."""

    gpus: Annotated[int, Field(ge=1, le=32)] = 8
    """GPUs a server."""
    nics: Annotated[int, Field(ge=1, le=64)] = 9
    """NIC ports a server: one for each GPU and one for storage and management."""
    psus: Annotated[int, Field(ge=1, le=16)] = 4
    """Power supplies a server, which share the load."""
    base_power_watts: Positive = 1600.0
    """DC power beside the GPUs when they idle, est. from MLPerf DC and AC."""
    base_power_per_gpu_watt: Amount = 0.08
    """Further DC power a watt of GPU power (VRM, CPUs, NVSwitch, NICs), est. as above."""
    psu_rating_watts: Positive = 3000.0
    """Rated output of one supply in W."""
    psu_loss_idle_watts: Amount = 45.0
    """Loss of one supply without load in W: MLPerf AC shows 180 W a node when idle and 165 to
    200 W at 7 kW, so that AC/DC is 1.028 under load and 1.07 when idle."""
    psu_loss_ratio: Fraction = 0.001
    """Loss in proportion to the output, fitted as above."""
    psu_loss_quadratic: Fraction = 0.001
    """Loss at rated output that goes with the square of the output, fitted as above."""
    boot_seconds: Amount = 120.0
    """From power at the supplies to GPUs that answer, est. 2 to 10 min on real hosts."""
    cpu_threads: Annotated[int, Field(ge=32, le=1024)] = 224
    """CPU threads a server: two Xeon 8480C of 56 cores, as in a DGX H100."""
    memory_bytes: Positive = 2.164e12
    """Memory that the kernel has in B: of 2 TiB, what firmware keeps is gone."""
    driver_version: str = "570.124.06"
    """NVIDIA driver of the servers."""

    def output_watts(self, gpu_watts: float, fan_watts: float = 0.0) -> float:
        """Return what the supplies of a server give when each GPU and all fans draw this, in W."""
        gpus = self.gpus * gpu_watts
        return self.base_power_watts + gpus * (1 + self.base_power_per_gpu_watt) + fan_watts

    def ac_power_watts(self, gpu_watts: float, fan_watts: float = 0.0) -> float:
        """Return what a server then draws at its inlets, in W."""
        output = self.output_watts(gpu_watts, fan_watts)
        share = output / self.psus
        loss = (
            self.psu_loss_idle_watts
            + self.psu_loss_ratio * share
            + self.psu_loss_quadratic * share**2 / self.psu_rating_watts
        )
        return output + self.psus * loss


class Ec2Parameters(Section):
    """What EC2 calls the servers; only neuron-monitor tells it."""

    instance_type: str = "trn2.48xlarge"
    """Instance type: a server of an UltraServer is a trn2u.48xlarge."""
    availability_zone: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9][a-z]$")] = (
        "us-east-2a"
    )
    """Availability zone; the region is it without the last letter."""
