"""Fans and heat sinks of servers that are cooled by air."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from twin.parameters.section import Fraction, Positive, Section

__all__ = ["FanParameters"]


class FanParameters(Section):
    """The fans of an air-cooled server, which its board controller drives."""

    per_server: Annotated[int, Field(ge=1, le=32)] = 10
    """Fans per server, all in one stream of air, est."""
    rated_rpm: Positive = 16_000.0
    """Speed at ratio 1, est."""
    power_watts: Positive = 175.0
    """Electrical power of one fan at rated speed, est.: at work they take the 1 kW by which an
    air-cooled server of 8 H100 (8.2 kW AC, Dell XE9680, published) draws more than one in a tank
    (7.2 kW, MLPerf AC)."""
    nominal_ratio: Fraction = 0.8
    """Speed at the training power of the GPUs and the usual air."""
    least_ratio: Fraction = 0.35
    """Speed below which the controller does not go, est."""
    slew_per_second: Positive = 0.03
    """How fast the controller changes the speed, est."""
    control_seconds: Positive = 10.0
    """Time constant of speeding up, est."""
    falling_seconds: Positive = 60.0
    """Time constant of slowing down, est.: controllers do so slowly, so as not to hunt."""
    cool_celsius: Positive = 45.0
    """Temperature of a server's hottest GPU up to which the fans turn slowest, est."""
    hot_celsius: Positive = 80.0
    """The same from which they turn at full speed, est."""
    air_kilograms_per_second: Positive = 0.75
    """Air through a server with all fans at rated speed, est.: 1,100 ft³/min at 80 %."""
    gpu_air_ratio: Annotated[float, Field(gt=0, le=1)] = 0.32
    """Share of it that goes through the heat sinks of the GPUs, est., so that the second GPU of a
    stream runs 12 to 14 K hotter (nvidia-smi of eight air-cooled B200)."""
    backflow_ratio: Fraction = 0.3
    """Air that comes back through a fan that stands, over what its neighbours move, est."""
    filter_ratio: Fraction = 0.2
    """Share of filters and grilles in the resistance to the air, est."""
    recirculation_ratio: Annotated[float, Field(ge=0, lt=0.9)] = 0.08
    """Share of hot air in what a server takes in, est.: blanking panels and doors are not tight."""

    @model_validator(mode="after")
    def _speeds_rise_with_temperature(self) -> FanParameters:
        if self.hot_celsius <= self.cool_celsius:
            raise ValueError(
                f"hot_celsius is {self.hot_celsius:g} and cool_celsius {self.cool_celsius:g}; "
                "fans turn faster for hotter GPUs, so raise hot_celsius"
            )
        if not self.least_ratio <= self.nominal_ratio or not self.nominal_ratio:
            raise ValueError(
                f"nominal_ratio is {self.nominal_ratio:g}, but the fans never turn slower than "
                f"least_ratio {self.least_ratio:g}; raise nominal_ratio"
            )
        return self

    @property
    def nominal_kilograms_per_second(self) -> float:
        """Air through a server at the nominal speed."""
        return self.nominal_ratio * self.air_kilograms_per_second

    @property
    def nominal_power_watts(self) -> float:
        """Power of all fans of a server at the nominal speed: with its cube."""
        return self.per_server * self.power_watts * self.nominal_ratio**3
