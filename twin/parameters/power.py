"""Megapacks, generators, grid feeds, rack PDUs and building loads."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.parameters.section import Amount, Fraction, Positive, Section, Trips

__all__ = [
    "FacilityParameters",
    "GensetParameters",
    "GridParameters",
    "MegapackParameters",
    "PduParameters",
    "SupplyParameters",
    "TurbineParameters",
]


class MegapackParameters(Section):
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
    auxiliary_watts: Amount = 3000.0
    """What a unit takes from its own cells for controls and thermal management, est. 2 to 5 kW:
    93.7 % round trip without it, and about 91 % with it and the transformer (Megapack 3), differ by
    4 kW at a cycle a day."""
    start_seconds: Amount = 20.0
    """From the end of a fault to delivering power again, est."""
    derate_from_celsius: Positive = 45.0
    """Module temperature from which the power limits fall, est."""
    derate_to_celsius: Positive = 60.0
    """Module temperature at which the power limits reach 0, est."""
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


class GensetParameters(Section):
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
    """Tank of one unit, est.: a day at full load. A very large one stands for a pipeline."""
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
    power_factor: Annotated[float, Field(gt=0, le=1)] = 0.96
    """Power factor of the load that the units carry, lagging, est.: 0.986 at the inlets of servers
    under load (MLPerf inference v4.0, DGX H100), some 0.85 at the motors of pumps and chillers."""
    fuel_idle_ratio: Fraction = 0.08
    """Consumption without load over that at full load, est."""


class TurbineParameters(GensetParameters):
    """The gas turbines of the site: generators that start slowly and burn gas from a pipeline.

    They are numbered after the generators and have the same telemetry; what a piston engine has
    as coolant is their lubricating oil, and litres of fuel are those of gas at normal conditions.
    """

    power_watts: Positive = 16_500_000.0
    """Rated power of one unit: a Solar SMT-130; 15 with 247 MW were permitted in Memphis."""
    start_seconds: Positive = 420.0
    """From the start signal to accepting load, est. 5 to 10 min: purge, ignition, warming up."""
    ramp_per_second: Positive = 0.0025
    """Rise of power a second as a fraction of the rating, est. 10 to 20 % a minute."""
    fuel_liters: Positive = 1e15
    """As for the generators; the pipeline does not run empty."""
    fuel_liters_per_joule: Positive = 286.0 / 3.6e6
    """Consumption, est.: 35 % of the heat of natural gas of 36 MJ a cubic metre."""
    voltage: Positive = 13_800.0
    """Line voltage."""
    rpm: Positive = 11_220.0
    """Speed of the shaft at nominal frequency (Titan 130, from memory); a gear is between."""
    synchronise_seconds: Amount = 30.0
    """From rated speed to the closed breaker, est."""
    cooldown_seconds: Amount = 300.0
    """Running without load before it stops, est."""
    fuel_idle_ratio: Fraction = 0.25
    """Consumption without load over that at full load, est.: the compressor takes its part."""


class GridParameters(Section):
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


class SupplyParameters(Section):
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


class PduParameters(Section):
    """The breakers of the rack PDUs, which open by overload."""

    breaker_amperes: Positive | None = None
    """Rated current of a PDU's breaker; None for the next standard size (IEC 60059) that carries
    all power supplies on the PDU at their rated output, and the whole coolant unit: what a PDU may
    have to carry when the others are lost."""
    continuous_ratio: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Load of a breaker that is sized so over its rated current (NEC 210.20: 125 % of a continuous
    load)."""
    hold_ratio: Annotated[float, Field(gt=1, le=1.3)] = 1.15
    """Current over rated current that just does not open it, est.: it holds 1.05 and opens at
    1.30 (IEC 60947-2); 1.13 and 1.45 (IEC 60898-1); 1.00 and 1.35 (UL 489)."""
    thermal_seconds: Positive = 300.0
    """Time constant of the bimetal, est., so that a cold one opens within an hour at 1.45 times and
    within 1 to 120 s at 2.55 times the rated current (IEC 60898-1)."""
    magnetic_ratio: Annotated[float, Field(ge=3, le=50)] = 7.0
    """Current over rated current that opens it at once, est. 5 to 10: curve C (IEC 60898-1)."""
    reset_seconds: Amount = 900.0
    """From the end of what is wrong with the rack's PDUs until a technician has closed a breaker
    that opened by overload, est."""


class FacilityParameters(Section):
    """What the building adds to the IT power."""

    loss_ratio: Amount = 0.02
    """Transformer, cable and PDU loss over IT power, est."""
    fixed_power_watts: Amount = 20_000.0
    """Lights, fans, controls, est."""
    air_celsius: Positive = 24.0
    """Air at the servers' inlets."""
