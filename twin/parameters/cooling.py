"""Coolant units, facility water, weather and room."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from twin.parameters.section import Amount, Fraction, Positive, Section

__all__ = ["CoolingParameters", "WaterParameters"]

_LEAST_TURNOVER_MINUTES = 0.25
"""A loop does not go round faster than this."""
_HOT_SPELL = 2.0
"""Standard deviations of a hot spell that chillers are sized for."""


class CoolingParameters(Section):
    """What cools the racks, and the coolant distribution unit of a rack that liquid cools."""

    medium: Literal["liquid", "air"] = "liquid"
    """What cools the servers: `liquid` from a coolant unit in each rack, or `air` by fans, where
    there are no coolant units; `blocks` may differ."""
    pumps: Annotated[int, Field(ge=1, le=4)] = 2
    """Pumps per unit, which share the flow."""
    flow_liters_per_minute: Positive = 75.0
    """Flow that the unit holds: 1.0 to 1.5 L/min per kW of a 50 kW rack."""
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
    loop_liters: Positive = 48.0
    """Coolant in pipes, cold plates and exchanger, est.: with the reservoir 1 L per kW of the rack.
    It is what warms in the loop: at nominal flow it goes round in 38 s."""
    reservoir_liters: Positive = 12.0
    """Coolant in the reservoir, which the loop can lose before its pumps draw air, est."""
    makeup_liters_per_minute: Positive = 6.0
    """Make-up pump once a leak is mended, est."""
    leak_warning_liters: Amount = 0.25
    """Coolant lost at which the leak detector warns, est."""
    leak_critical_liters: Positive = 1.5
    """Coolant lost at which the leak detector is critical, est."""
    low_level_ratio: Fraction = 0.2
    """Level at which the pumps stop so as not to run dry, est."""
    psus: Annotated[int, Field(ge=1, le=4)] = 2
    """Power supplies per unit; one carries it."""
    control_power_watts: Amount = 60.0
    """Controller, valves and sensors."""
    coolant_joules_per_liter_kelvin: Positive = 4010.0
    """Volumetric heat capacity of 25 % propylene glycol: 1.03 kg/L times 3.9 kJ/kg K."""
    supply_celsius: Positive = 32.0
    """Supply temperature that the unit holds."""
    dew_margin_kelvin: Amount = 3.0
    """The supply is kept so far above the dew point of the room (2 to 3 K)."""
    valve_gain_per_kelvin: Positive = 0.03
    """Opening of the facility valve per kelvin of error, est."""
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
    liquid_ratio: Fraction = 0.87
    """Share of the servers' heat that the coolant takes at training power, est.: all of the GPUs'
    and their converters', and a part of the host's, whose air it leaves less when the GPUs idle."""

    @model_validator(mode="after")
    def _coolant_takes_a_while(self) -> CoolingParameters:
        least = _LEAST_TURNOVER_MINUTES * self.flow_liters_per_minute
        if "loop_liters" in self.model_fields_set and self.loop_liters < least:
            raise ValueError(
                f"loop_liters is {self.loop_liters:g}, but with {self.flow_liters_per_minute:g} "
                f"L/min a loop has {least:,.3g} L or more; raise it, or leave it out and it is "
                "sized"
            )
        return self

    @model_validator(mode="after")
    def _pumps_give_the_pressure(self) -> CoolingParameters:
        head = self.pump_head_pascals * self.pump_nominal_ratio**2
        if head <= self.loop_pressure_pascals:
            raise ValueError(
                f"loop_pressure_pascals is {self.loop_pressure_pascals:,.0f}, but at "
                f"pump_nominal_ratio {self.pump_nominal_ratio:g} the pumps give {head:,.0f} Pa "
                "even without flow; raise pump_head_pascals or pump_nominal_ratio"
            )
        return self


class WaterParameters(Section):
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
    restart_seconds: Amount = 300.0
    """From the return of power to full capacity where it was lost, est. 3 to 15 min: the controls
    start, pumps prove the flow, oil and restart timers run. A first compressor starts after 45 s at
    the earliest (Trane RTAF manual)."""
    backed_up: bool = True
    """Whether what carries the site without the grid feeds the chillers too; pumps and air handlers
    are fed in any case."""
    dropout_voltage_ratio: Annotated[float, Field(ge=0, le=1)] = 0.75
    """Voltage over nominal below which the chillers' contactors and drives let go, est. after
    SEMI F47: equipment rides through 80 % for 1 s and 70 % for 0.5 s."""
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
    """Mean outdoor temperature of the day in °C, est.: Memphis between spring and summer; with
    ``season_kelvin`` that of the year, about 17 °C there."""
    outdoor_swing_kelvin: Amount = 6.0
    """Highest outdoor temperature of the day above the mean in K, est."""
    outdoor_peak_hour: Annotated[float, Field(ge=0, lt=24)] = 15.0
    """Local hour of the highest temperature."""
    season_kelvin: Amount = 0.0
    """Mean of the warmest day of the year above that of the year in K; 0 for the same season all
    year. Memphis has 11.7 between January and July (averages of the airport's station)."""
    season_peak_day: Annotated[float, Field(ge=1, le=366)] = 200.0
    """Warmest day of the year."""
    weather_kelvin: Amount = 0.0
    """Standard deviation of warm and cold spells that last some days, in K; 0 for none. Cities of
    middle latitudes have about 2 in summer and 5 in winter, est."""
    weather: Annotated[int, Field(ge=0)] = 0
    """Which weather the dates bring: sites of one number have the same."""
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

    @property
    def hottest_celsius(self) -> float:
        """Outdoor temperature of a hot day's hottest hour in °C."""
        spell = _HOT_SPELL * self.weather_kelvin
        return self.outdoor_celsius + self.season_kelvin + spell + self.outdoor_swing_kelvin

    @property
    def hottest_capacity_ratio(self) -> float:
        """Capacity of the chillers in the hottest hour over that they are rated at."""
        return self.capacity_ratio(self.hottest_celsius)

    def capacity_ratio(self, outdoor: float) -> float:
        """Return the chillers' capacity over the rated one at an outdoor temperature in °C."""
        hot = max(outdoor - self.capacity_reference_celsius, 0.0)
        return max(1.0 - self.capacity_per_kelvin * hot, 0.2)

    @model_validator(mode="after")
    def _some_chillers_are_no_spares(self) -> WaterParameters:
        if self.chillers is not None and self.spare >= self.chillers:
            raise ValueError(
                f"spare is {self.spare}, but there are only {self.chillers} chillers; "
                "at least one has to run"
            )
        return self
