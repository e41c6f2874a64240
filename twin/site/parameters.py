"""What a site is made of: every number of the model, with its unit and its basis.

Each section below is a part of a site's YAML. A number that is not measured is an
engineering estimate (marked *est.*) and can be overridden in the preset by its name.
Where a description names a measurement, it is one of these public sources:

* *MLPerf DC*: MLCommons ``training_results_v4.0``, Supermicro 64x8 H100, GPT-3, power
  of every node in watts DC (the trace that ships with the twin);
* *MLPerf AC*: the same repository, llama2-70b-lora on one node, AC and DC;
* *nvidia-smi*: ``nvidia-smi -q`` of H100 SXM hosts, as published in thamada/nvidia-smi.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Block",
    "Cooling",
    "Facility",
    "Gensets",
    "GpuModel",
    "Grid",
    "Megapacks",
    "Network",
    "Section",
    "Server",
    "Telemetry",
    "Training",
]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of a site: read-only, and no key may be misspelt."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


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
    """Power with a context held and nothing to do in W: 116-125 measured on H100 SXM."""
    power_wait_watts: Positive
    """Power while spinning in an NCCL collective in W: 150-164 measured, at 100 % utilisation."""
    power_training_watts: Positive
    """Power on the plateau of a training step in W, so that a node draws 7.0 kW (MLPerf DC)."""
    power_clock_exponent: Positive = 2.2
    """Exponent of dynamic power over SM clock, est.: 2 to 3 where voltage follows the clock."""
    power_spread_ratio: Fraction = 0.012
    """Standard deviation of the mean power between GPUs (measured: 1.2 %)."""
    power_noise_watts: Amount = 10.0
    """Standard deviation of a GPU's power around its mean in W (measured: 10 W)."""
    power_noise_correlation: Fraction = 0.77
    """Correlation of that noise between the GPUs of a server (measured: 0.77)."""
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
    memory_offset_kelvin: Amount = 9.0
    """Memory above the die at training power, est. 8 to 12 K (A100 fleet: 10 K)."""
    nvlink_bytes_per_second: Positive
    """NVLink bandwidth, both directions, in B/s."""


class Block(Section):
    """Racks of one GPU model; the blocks of a site follow each other in order of racks."""

    racks: Annotated[int, Field(ge=1, le=20_000)]
    """Racks of the block."""
    gpu: GpuModel
    """GPU model of its servers: the name of a shipped one, or a section of its own."""


class Server(Section):
    """An HGX server of the site."""

    gpus: Annotated[int, Field(ge=1, le=16)] = 8
    """GPUs a server."""
    nics: Annotated[int, Field(ge=1, le=32)] = 9
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
    driver_version: str = "570.124.06"
    """NVIDIA driver of the servers."""


class Network(Section):
    """The NICs and how the fabric treats them."""

    bytes_per_second: Positive = 5e10
    """Line rate in B/s: 400 Gb/s."""
    hca_type: str = "MT4129"
    """Adapter type: ConnectX-7."""
    board_id: str = "MT_0000000838"
    """Board of the adapter."""
    firmware_version: str = "28.43.2026"
    """Firmware of the adapter."""
    packet_bytes: Positive = 4170.0
    """RoCEv2 packet in B: 4,096 of payload and its headers."""
    mark_threshold_ratio: Fraction = 0.85
    """Switches mark ECN above this utilisation, est."""
    mark_ratio: Fraction = 2e-4
    """Packets marked at full line rate, est."""
    optic_temperature_celsius: Positive = 42.0
    """Transceiver without traffic in °C, est."""
    optic_temperature_rise_kelvin: Amount = 11.0
    """Rise at line rate in K, est.: 45 to 65 °C in use, alarm at 75 °C."""


class Cooling(Section):
    """The coolant distribution unit of a rack."""

    pumps: Annotated[int, Field(ge=1, le=4)] = 2
    """Pumps a unit, which share the flow."""
    flow_liters_per_minute: Positive = 75.0
    """Flow that the unit holds: 1.0 to 1.5 L/min a kW of a 50 kW rack."""
    pump_nominal_ratio: Fraction = 0.6
    """Speed at which all pumps together give that flow."""
    pump_rated_rpm: Positive = 6000.0
    """Speed at ratio 1."""
    pump_head_pascals: Positive = 840_000.0
    """Head at rated speed without flow, est., so that one pump alone needs 95 % speed; the
    curve is H = H0 n² - a Q²."""
    loop_pressure_pascals: Positive = 150_000.0
    """Pressure drop of the loop at nominal flow (50 to 300 kPa), est."""
    pump_power_watts: Positive = 1850.0
    """Electrical power of a pump at rated speed, est.: 400 W at 60 % speed by the affinity laws."""
    pump_slew_per_second: Positive = 0.06
    """How fast the drive changes the speed ratio, est.: a survivor takes over in 5 to 10 s."""
    static_pressure_pascals: Positive = 200_000.0
    """Pressure at the pump inlet."""
    control_power_watts: Amount = 60.0
    """Controller, valves and sensors."""
    coolant_joules_per_liter_kelvin: Positive = 4010.0
    """Volumetric heat capacity of 25 % propylene glycol: 1.03 kg/L times 3.9 kJ/kg K."""
    supply_celsius: Positive = 32.0
    """Supply temperature that the unit holds."""
    facility_supply_celsius: Positive = 24.0
    """Facility water into the heat exchanger."""
    facility_flow_liters_per_minute: Positive = 110.0
    """Facility water with the valve full open."""
    approach_kelvin: Positive = 4.0
    """Coolest supply above facility water at nominal heat (3 to 5 K)."""
    nominal_heat_watts: Positive = 60_000.0
    """Heat at which the approach holds."""
    loop_seconds: Positive = 60.0
    """Time constant of the return temperature at nominal flow, est. 60 to 120 s."""
    supply_seconds: Positive = 25.0
    """Time constant of the supply temperature, est."""
    liquid_ratio: Fraction = 0.87
    """Share of the servers' heat that the coolant takes, est."""


class Megapacks(Section):
    """The battery units of the site."""

    count: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Units."""
    energy_joules: Positive = 3.9e6 * 3600
    """Energy of one unit: 3.9 MWh (Megapack 2 XL)."""
    power_watts: Positive = 720_000.0
    """Power of one unit: 150 MW over 208 units."""
    round_trip_ratio: Fraction = 0.937
    """AC round trip efficiency (Megapack 2 XL)."""
    response_seconds: Positive = 0.1
    """Time constant of the inverter, est. 50 to 150 ms."""
    smoothing_seconds: Positive = 60.0
    """Time constant of the low pass that the grid sees, est. 30 to 120 s."""
    soc_target_ratio: Fraction = 0.6
    """State of charge that the controller returns to."""
    soc_min_ratio: Fraction = 0.1
    """Lower end of the window."""
    soc_max_ratio: Fraction = 0.9
    """Upper end of the window."""
    soc_restore_seconds: Positive = 3600.0
    """Time constant of the return to the target."""
    voltage: Positive = 480.0
    """AC line voltage at the terminals."""


class Gensets(Section):
    """The generators of the site."""

    count: Annotated[int, Field(ge=0, le=1_000)] = 0
    """Units."""
    power_watts: Positive = 2_500_000.0
    """Rated power of one unit."""
    start_seconds: Positive = 10.0
    """From the start signal to accepting load (NFPA 110: at most 10 s)."""
    ramp_per_second: Positive = 0.05
    """Rise of power a second as a fraction of the rating, est."""
    fuel_liters: Positive = 15_000.0
    """Tank of one unit, est.: a day at full load."""
    fuel_liters_per_joule: Positive = 0.265 / 3.6e6
    """Consumption: 0.265 L/kWh."""
    voltage: Positive = 4160.0
    """Line voltage."""
    rpm: Positive = 1800.0
    """Synchronous speed at 60 Hz with four poles."""


class Grid(Section):
    """The feed of the utility."""

    limit_watts: Positive = 2_000_000.0
    """Contracted import limit."""
    voltage: Positive = 13_800.0
    """Line voltage at the point of common coupling."""
    frequency_hertz: Positive = 60.0
    """Nominal frequency."""
    voltage_drop_ratio: Fraction = 0.015
    """Voltage drop at the import limit, est."""


class Facility(Section):
    """What the building adds to the IT power."""

    chiller_ratio: Amount = 0.12
    """Chiller, tower and facility pump power over heat removed, est."""
    loss_ratio: Amount = 0.02
    """Transformer, cable and PDU loss over IT power, est."""
    fixed_power_watts: Amount = 20_000.0
    """Lights, fans, controls, est."""
    air_celsius: Positive = 24.0
    """Air at the servers' inlets."""


class Training(Section):
    """The shape of the synchronous training job."""

    step_seconds: Positive = 10.64
    """Duration of a step (MLPerf DC: 10.51 to 10.65)."""
    step_jitter_seconds: Amount = 0.05
    """Standard deviation of a step's duration."""
    eval_every_seconds: Positive = 142.0
    """Time between evaluations (MLPerf DC)."""
    eval_seconds: Amount = 13.0
    """Duration of an evaluation (MLPerf DC)."""
    checkpoint_every_seconds: Positive = 900.0
    """Time between checkpoints, est.; frequent-checkpoint runs use 250."""
    checkpoint_seconds: Amount = 16.0
    """Duration of a checkpoint, in which all ranks wait (measured: 16 s)."""
    startup_seconds: Amount = 358.0
    """From launch to the first step (MLPerf DC log)."""
    restart_delay_seconds: Amount = 120.0
    """From the failed device's return until the job is launched again, est. 1 to 10 min."""
    framebuffer_ratio: Fraction = 0.86
    """Framebuffer that the job holds, est."""


class Telemetry(Section):
    """How the site reports."""

    interval_seconds: Positive = 1.0
    """Time between two frames of a unit, in simulated seconds."""
    extra_signals: bool = True
    """Also report what the real exporters have off by default."""
    hostname_label: Annotated[str, Field(pattern=r"^(Hostname|hostname)$")] = "Hostname"
    """dcgm-exporter's host label: releases say ``Hostname``, main since May 2026 ``hostname``."""
