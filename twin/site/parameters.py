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

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "Block",
    "Cooling",
    "Ec2",
    "Facility",
    "Gensets",
    "GpuModel",
    "Grid",
    "Megapacks",
    "Network",
    "Section",
    "Server",
    "Storage",
    "Supply",
    "Telemetry",
    "Training",
    "Water",
]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Trips = tuple[tuple[Positive, Positive], ...]
"""Rows of a trip table: a level and the seconds beyond it after which a unit trips."""


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
    memory_offset_kelvin: Amount = 9.0
    """Memory above the die at training power, est. 8 to 12 K (A100 fleet: 10 K)."""
    memory_temperature_max_celsius: Positive = 95.0
    """The clock is lowered from this memory temperature on in °C (H100 product brief)."""
    nvlink_bytes_per_second: Positive
    """NVLink bandwidth, both directions, in B/s."""
    exporter: Literal["dcgm", "neuron"] = "dcgm"
    """What tells of it: dcgm-exporter, or neuron-monitor for the chips of AWS."""
    logical_cores: Annotated[int, Field(ge=1, le=16)] = 1
    """Cores that neuron-monitor shows of a chip; dcgm-exporter shows a GPU as a whole."""


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
    boot_seconds: Amount = 120.0
    """From power at the supplies to GPUs that answer, est. 2 to 10 min on real hosts."""
    driver_version: str = "570.124.06"
    """NVIDIA driver of the servers."""


class Ec2(Section):
    """What EC2 calls the servers; only neuron-monitor tells it."""

    instance_type: str = "trn2.48xlarge"
    """Instance type: a server of an UltraServer is a trn2u.48xlarge."""
    availability_zone: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9][a-z]$")] = (
        "us-east-2a"
    )
    """Availability zone; the region is it without the last letter."""


class Network(Section):
    """The NICs and how the fabric treats them."""

    bytes_per_second: Positive = 5e10
    """Line rate in B/s: 400 Gb/s."""
    hca_type: str = "MT4129"
    """Adapter type: MT4129 is a ConnectX-7, MT41692 a BlueField-3."""
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
    optic_light_lost_dbm: float = -7.0
    """Received light below which a link falls now and then in dBm, est."""
    retransmit_window_packets: Amount = 200.0
    """Packets that are sent again for each that is lost (go-back-N), est."""
    uplink_bytes_per_second: Positive = 1e11
    """Rate of a link between leaf and spine in B/s: 800 Gb/s (SN5600)."""
    spine_ports: Annotated[int, Field(ge=4, le=512)] = 64
    """Such links that a spine has ports for (SN5600)."""
    spine_ratio: Fraction = 0.9
    """Share of the compute traffic that crosses the spines, est.: peers in other arrays or on
    other rails."""
    adaptive_routing: bool = True
    """Whether the fabric spreads flows over all ways."""
    adaptive_throughput_ratio: Positive = 0.95
    """Share of line rate that collectives reach with it (NVIDIA, of Spectrum-X at Colossus)."""
    static_throughput_ratio: Positive = 0.6
    """The same without it: flows collide (NVIDIA, of ordinary Ethernet)."""
    discard_ratio: Fraction = 1e-4
    """Share of the traffic that a leaf drops when a burst needs twice its time, est.: flow control
    holds back most."""
    switch_idle_watts: Positive = 720.0
    """Switch without traffic in W, est.: its ASIC alone draws about 500 W."""
    switch_traffic_watts: Amount = 400.0
    """Further power at full traffic in W, optics included, est."""


class Storage(Section):
    """The service racks: NVMe servers for checkpoints and data, CPU servers for the rest."""

    servers_per_thousand_gpus: Positive = 4.0
    """NVMe servers for each 1,000 GPUs, est."""
    servers_per_rack: Annotated[int, Field(ge=1, le=64)] = 16
    """NVMe servers in a service rack."""
    cpu_servers_per_thousand_gpus: Positive = 2.0
    """CPU servers for each 1,000 GPUs, est.: scheduler, data preparation, monitoring."""
    write_bytes_per_second: Positive = 2e10
    """What an NVMe server writes in B/s, est.: a checkpoint of 16 s is 1.9 GB a GPU."""
    read_bytes_per_second: Positive = 4e10
    """What an NVMe server reads in B/s, est."""
    capacity_bytes: Positive = 3.6e14
    """Disks of an NVMe server in B, est.: 24 of 15 TB."""
    memory_bytes: Positive = 5.5e11
    """Memory of a server in B, est.: 512 GiB."""
    server_idle_watts: Positive = 620.0
    """NVMe server without traffic in W, est."""
    server_busy_watts: Amount = 480.0
    """Further power when its disks are busy in W, est."""
    cpu_server_idle_watts: Positive = 320.0
    """CPU server without load in W, est."""
    cpu_server_busy_watts: Amount = 480.0
    """Further power at full load in W, est."""


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
    pump_vibration_meters_per_second: Positive = 0.0035
    """Vibration velocity (RMS) of a new pump at rated speed, est.; ISO 10816 calls 4.5 mm/s
    unsatisfactory."""
    pump_slew_per_second: Positive = 0.06
    """How fast the drive changes the speed ratio, est.: a survivor takes over in 5 to 10 s."""
    static_pressure_pascals: Positive = 200_000.0
    """Pressure at the pump inlet with a full reservoir."""
    filter_pressure_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.13
    """Clean filter's share of the loop's pressure drop, est.: 20 kPa across 50 µm."""
    reservoir_liters: Positive = 12.0
    """Coolant that the loop can lose before it is dry, est."""
    makeup_liters_per_minute: Positive = 6.0
    """Make-up pump once a leak is mended, est."""
    leak_warning_liters: Amount = 0.25
    """Coolant lost at which the leak detector warns, est."""
    leak_critical_liters: Positive = 1.5
    """Coolant lost at which the leak detector is critical, est."""
    low_level_ratio: Fraction = 0.2
    """Level at which the pumps stop so as not to run dry, est."""
    psus: Annotated[int, Field(ge=1, le=4)] = 2
    """Power supplies a unit; one carries it."""
    control_power_watts: Amount = 60.0
    """Controller, valves and sensors."""
    coolant_joules_per_liter_kelvin: Positive = 4010.0
    """Volumetric heat capacity of 25 % propylene glycol: 1.03 kg/L times 3.9 kJ/kg K."""
    supply_celsius: Positive = 32.0
    """Supply temperature that the unit holds."""
    dew_margin_kelvin: Amount = 3.0
    """The supply is kept so far above the dew point of the room (2 to 3 K)."""
    valve_gain_per_kelvin: Positive = 0.03
    """Opening of the facility valve a kelvin of error, est."""
    valve_integral_seconds: Positive = 60.0
    """Integral time of that controller, est."""
    valve_slew_per_second: Positive = 0.02
    """How fast the actuator moves, est.: 50 s from closed to open."""
    valve_minimum_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """Opening below which the controller does not go, est."""
    facility_supply_celsius: Positive = 24.0
    """Facility water into the heat exchanger, which the chillers hold."""
    facility_flow_liters_per_minute: Positive = 110.0
    """Facility water with the valve full open."""
    approach_kelvin: Positive = 4.0
    """Coolest supply above facility water at nominal heat (3 to 5 K)."""
    nominal_heat_watts: Positive = 60_000.0
    """Heat at which the approach holds."""
    loop_seconds: Positive = 60.0
    """Time constant of the return temperature at nominal flow, est. 60 to 120 s."""
    supply_seconds: Annotated[float, Field(ge=5, allow_inf_nan=False)] = 25.0
    """Time constant of the supply temperature, est."""
    liquid_ratio: Fraction = 0.87
    """Share of the servers' heat that the coolant takes, est."""


class Water(Section):
    """The facility water plant, the air handlers and the weather."""

    chillers: Annotated[int, Field(ge=1, le=999)] | None = None
    """Chillers of the site, each with its tower; None for as many as full load needs, at least
    three, and the spare ones."""
    chiller_watts: Positive = 5_000_000.0
    """Greatest capacity of one chiller where their number follows from the load, est."""
    spare: Annotated[int, Field(ge=0, le=100)] = 1
    """Chillers that are not needed at full load: 1 is N+1."""
    margin_ratio: Amount = 0.2
    """Capacity of the others beyond the power of all servers at work, est.: switches, storage and
    pumps give off heat too."""
    start_seconds: Positive = 120.0
    """From the start signal to full capacity, est. 2 to 5 min."""
    stage_ratio: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Mean load of the running chillers above which another one starts, est."""
    control_seconds: Positive = 60.0
    """Time constant of the control of the supply temperature, est."""
    liters_per_kilowatt: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 10.0
    """Water in pipes and buffer a kilowatt of servers, est.: 1 K in 42 s without chillers."""
    cop: Positive = 8.6
    """Heat over power of chillers, towers and pumps at the reference temperature, est.: 24 °C
    water is made by the towers for much of the year."""
    cop_reference_celsius: float = 22.0
    """Outdoor temperature at which that holds in °C."""
    cop_per_kelvin: Amount = 0.025
    """Loss of it a kelvin of outdoor temperature, est."""
    capacity_reference_celsius: float = 35.0
    """Outdoor temperature above which capacity falls in °C, est."""
    capacity_per_kelvin: Amount = 0.015
    """Loss of capacity a kelvin above that, est."""
    outdoor_celsius: float = 22.0
    """Mean outdoor temperature of the day in °C, est.: Memphis between spring and summer."""
    outdoor_swing_kelvin: Amount = 6.0
    """Highest outdoor temperature of the day above the mean in K, est."""
    outdoor_peak_hour: Annotated[float, Field(ge=0, lt=24)] = 15.0
    """Local hour of the highest temperature."""
    utc_offset_hours: Annotated[float, Field(ge=-12, le=14)] = -6.0
    """Local time against UTC: Memphis."""
    outdoor_dew_celsius: float = 14.0
    """Outdoor dew point in °C, est."""
    room_dew_celsius: float = 11.0
    """Dew point that the air handlers hold in the halls in °C, est."""
    room_infiltration_ratio: Fraction = 0.3
    """Share of a higher outdoor dew point that comes through, est."""
    air_kilograms_per_second: Positive = 0.08
    """Air through a server, est.: 11 K warmer with 0.9 kW."""
    air_margin_ratio: Amount = 0.6
    """Capacity of the air handlers beyond the heat that the coolant leaves to the air, est.: that
    of switches, storage and pumps comes on top."""
    air_seconds: Positive = 300.0
    """Time constant of the air in the halls, est."""
    air_water_rise_kelvin: Positive = 6.0
    """Rise of the facility water in the air handlers at full load, est."""

    @model_validator(mode="after")
    def _some_chillers_are_no_spares(self) -> Water:
        if self.chillers is not None and self.spare >= self.chillers:
            raise ValueError(
                f"spare is {self.spare}, but there are only {self.chillers} chillers; "
                "at least one has to run"
            )
        return self


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
    grid_forming: bool = True
    """Whether the units can carry the site without grid and without generators."""
    start_seconds: Amount = 20.0
    """From the end of a fault to delivering power again, est."""
    derate_from_celsius: Positive = 45.0
    """Module temperature from which the power limits fall, est."""
    derate_to_celsius: Positive = 60.0
    """Module temperature at which nothing is left of them, est."""
    undervoltage_trips: Trips = ((0.88, 2.0), (0.60, 1.0), (0.45, 0.16))
    """Voltage over nominal and the seconds below it after which a unit trips (IEEE 1547 defaults,
    from the manual of a grid-tied inverter)."""
    overvoltage_trips: Trips = ((1.10, 1.0), (1.20, 0.16))
    """The same above nominal."""
    underfrequency_trips: Trips = ((58.5, 300.0), (56.5, 0.16))
    """Frequency in Hz and the seconds below it after which a unit trips (IEEE 1547-2018 defaults,
    from memory); the values are for 60 Hz."""
    overfrequency_trips: Trips = ((61.2, 300.0), (62.0, 0.16))
    """The same above nominal."""
    reconnect_seconds: Amount = 300.0
    """Time within the normal range after which a tripped unit connects again (IEEE 1547-2018
    default, from memory)."""


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
    start_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """Attempts to start, each of ``start_seconds``, before a unit gives up."""
    synchronise_seconds: Amount = 5.0
    """From rated speed to the closed breaker, est."""
    cooldown_seconds: Amount = 120.0
    """Running without load before it stops, est. 1 to 5 min."""
    fuel_idle_ratio: Fraction = 0.08
    """Consumption without load over that at full load, est."""


class Grid(Section):
    """The feeds of the utility."""

    feeds: Annotated[int, Field(ge=1, le=2)] = 1
    """Feeds, which share the load; one alone may carry it all."""
    limit_watts: Positive = 2_000_000.0
    """Contracted import limit of one feed."""
    ramp_ratio_per_second: Positive = 0.05
    """Greatest change of the import that the Megapacks leave to the grid, as a fraction of the
    limit a second, est."""
    voltage: Positive = 13_800.0
    """Line voltage at the point of common coupling."""
    frequency_hertz: Positive = 60.0
    """Nominal frequency."""
    voltage_drop_ratio: Fraction = 0.015
    """Voltage drop at the import limit, est."""


class Supply(Section):
    """The energy management: when the site separates from the grid, and what it sheds."""

    enforce_limit: bool = False
    """Whether the import limit is held, by Megapacks, generators and then by shedding; otherwise
    the site imports what it needs."""
    separation_voltage_ratio: Fraction = 0.7
    """A feed whose voltage is below this is disconnected at once, est. from the ITIC curve."""
    return_seconds: Amount = 60.0
    """A feed is connected again after so long within the normal range, est."""
    reserve_seconds: Amount = 300.0
    """On an island, racks are shed when the Megapacks would be empty in so long, est."""
    margin_ratio: Fraction = 0.05
    """Share of the lasting capacity that is kept free on an island, est."""
    restore_ratio_per_second: Positive = 0.01
    """Share of the racks that is switched on again a second, est."""


class Facility(Section):
    """What the building adds to the IT power."""

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
    eval_every_seconds: Positive = 142.36
    """From the start of one evaluation to the next, rounded to whole steps (MLPerf DC)."""
    eval_seconds: Amount = 14.7
    """Duration of an evaluation with the change to it and back: what is left of that time
    beside twelve steps (MLPerf DC)."""
    checkpoint_every_seconds: Positive = 900.0
    """From the start of one checkpoint to the next, est.; frequent-checkpoint runs use 250."""
    checkpoint_seconds: Amount = 16.0
    """Duration of a checkpoint, in which all ranks wait (measured: 16 s)."""
    startup_seconds: Amount = 358.0
    """From launch to the first step (MLPerf DC log)."""
    detect_seconds: Amount = 180.0
    """From a rank that no longer answers to the time-out that ends the job, est. 1 to 10 min; until
    then all other ranks wait in a collective."""
    restart_delay_seconds: Amount = 120.0
    """Least time from the end of a job's processes to its next launch, est. 1 to 10 min."""
    replace_seconds: Amount = 450.0
    """Longest wait for a failed device, after which the job is launched without it, est."""
    reload_seconds: Amount = 120.0
    """Loading the last checkpoint, est. 2 to 10 min."""
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
