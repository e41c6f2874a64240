"""GPU models and the racks that hold them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twin.parameters.section import Amount, Fraction, Positive, Section

__all__ = ["BlockParameters", "GpuModel"]


class GpuModel(Section):
    """A GPU model: data, not code."""

    key: str
    """Name that a site refers to."""
    name: str
    """Product name, as NVML gives it (``modelName``)."""
    framebuffer_mib: Annotated[int, Field(gt=0)]
    """Total framebuffer in MiB (nvidia-smi)."""
    framebuffer_reserved_mib: Annotated[int, Field(ge=0)]
    """Framebuffer held back by the driver in MiB (nvidia-smi)."""
    sm_clock_idle_mhz: Positive
    """SM clock of an idle GPU in MHz (nvidia-smi)."""
    sm_clock_max_mhz: Positive
    """Highest SM clock in MHz (nvidia-smi)."""
    mem_clock_mhz: Positive
    """Memory clock in MHz (nvidia-smi)."""
    power_limit_watts: Positive
    """Default and greatest power limit in W (nvidia-smi)."""
    power_idle_watts: Positive
    """Power without a CUDA context in W: 70-76 measured on H100 SXM."""
    power_context_watts: Positive
    """Power with an idle context in W: 116-125 measured on H100 SXM."""
    power_wait_watts: Positive
    """Power while spinning in an NCCL collective in W: 150-164 measured, at 100 % utilisation."""
    power_training_watts: Positive
    """Power on the plateau of a training step in W, so that a node draws 7.0 kW (MLPerf DC)."""
    power_clock_exponent: Positive = 2.2
    """Exponent of dynamic power over SM clock, est.: 2 to 3 where voltage follows the clock."""
    power_unlimited_ratio: Annotated[float, Field(ge=1.0, le=4.0)] = 1.5
    """Dynamic power that training would draw at the greatest clock without a power limit, over what
    it draws, est.: H100 train at 1,400 to 1,900 MHz, held by SwPowerCap; 1 for a fixed clock."""
    power_silicon_spread_ratio: Fraction = 0.025
    """Standard deviation of that ratio between GPUs, est.: silicon that leaks more reaches the
    limit at a lower clock."""
    power_spread_ratio: Fraction = 0.012
    """Standard deviation of the mean power between GPUs (measured: 1.2 %)."""
    power_noise_watts: Amount = 10.0
    """Standard deviation of a GPU's power around its mean in W (measured: 10 W)."""
    power_noise_correlation: Fraction = 0.77
    """Correlation of that noise between the GPUs of a server (measured: 0.77)."""
    power_leakage_ratio_per_kelvin: Amount = 0.0005
    """Dynamic power that a die warmer by 1 K draws more, est.: leakage of a 4 nm die."""
    temperature_max_operating_celsius: Positive
    """Software slows the clock from here in °C (nvidia-smi, T.Limit)."""
    temperature_slowdown_celsius: Positive
    """Hardware slowdown in °C (nvidia-smi)."""
    temperature_shutdown_celsius: Positive
    """The GPU takes itself off the bus in °C (nvidia-smi)."""
    thermal_resistance_kelvin_per_watt: Positive = 0.035
    """Die to coolant at nominal flow, est.: 53 °C at 600 W and 32 °C coolant."""
    thermal_resistance_spread_ratio: Fraction = 0.06
    """Standard deviation of that resistance between GPUs, est."""
    thermal_flow_exponent: Positive = 0.6
    """The conductance goes with flow to this power, est. 0.5 to 0.8."""
    heat_capacity_joules_per_kelvin: Positive = 250.0
    """Die and cold plate, est.: 2.4 K/s at 600 W without flow."""
    air_resistance_kelvin_per_watt: Positive = 0.053
    """Die to the air of its heat sink at the fans' nominal speed, est.: 54 to 72 °C in training, as
    published of air-cooled servers of 8 H100."""
    air_heat_capacity_joules_per_kelvin: Positive = 700.0
    """Die and heat sink in air, est."""
    memory_offset_kelvin: Annotated[float, Field(ge=-60, le=60)] = 9.0
    """Memory above the die at training power, est. 8 to 12 K (A100 fleet: 10 K); negative where
    what is shown of the die is its hottest spot."""
    memory_offset_power_ratio: Fraction = 0.4
    """Share of that which goes with power, est."""
    memory_temperature_max_celsius: Positive = 95.0
    """The clock is lowered from this memory temperature on in °C (H100 product brief)."""
    nvlink_bytes_per_second: Amount
    """NVLink bandwidth, both directions, in B/s; 0 for a card without NVLink, of which
    dcgm-exporter has no NVLink series."""
    pcie_generation: Annotated[int, Field(ge=1, le=8)] = 5
    """PCIe generation of its link to the host, of 16 lanes (nvidia-smi of an H100)."""
    smoothing_tmp_watts: Amount = 0.0
    """Power in W of which the floor of power smoothing is a share (Redfish: TMPWatts); 0 for a
    model without power smoothing."""
    mig_profiles: tuple[Annotated[str, Field(pattern=r"^[1-7]g\.[1-9][0-9]{0,3}gb$")], ...] = ()
    """Profiles of instances that it can be partitioned into (NVIDIA's MIG user guide), the last of
    them all of it; none for a model without MIG."""
    bf16_flops_per_second: Positive = 9.89e14
    """Dense 16-bit matrix operations a second (data sheet of the H100 SXM)."""
    fp8_flops_per_second: Positive = 1.979e15
    """Dense 8-bit matrix operations a second (data sheet of the H100 SXM)."""
    memory_bytes_per_second: Positive = 3.35e12
    """Bandwidth of the memory in B/s (data sheet of the H100 SXM)."""
    multiprocessors: Annotated[int, Field(ge=1, le=1024)] = 132
    """Streaming multiprocessors (data sheet of the H100 SXM)."""
    exporter: str = "dcgm"
    """Exporter of its metrics: `dcgm` for dcgm-exporter, `neuron` for AWS' neuron-monitor, `amd`
    for AMD's Device Metrics Exporter."""
    board: str = "N/A"
    """Part number of its board; only AMD's exporter tells it (`card_model`)."""
    firmware: str = "N/A"
    """Version of its VBIOS; only AMD's exporter tells it (`vbios_version`)."""
    logical_cores: Annotated[int, Field(ge=1, le=16)] = 1
    """Cores that neuron-monitor shows of a chip; dcgm-exporter shows a GPU as a whole."""

    def flops_per_second(self, precision: str) -> float:
        """Return the dense matrix operations a second in ``fp8`` or ``bf16``."""
        return self.fp8_flops_per_second if precision == "fp8" else self.bf16_flops_per_second


class BlockParameters(Section):
    """Racks of one GPU model; the blocks of a site follow each other in order of racks."""

    racks: Annotated[int, Field(ge=1, le=20_000)]
    """Racks of the block."""
    gpu: GpuModel
    """GPU model of its servers: the name of a shipped one, or a section of its own."""
    medium: Literal["liquid", "air"] | None = None
    """What cools its servers, where that is not `cooling.medium`."""
