"""Faults of the coolant distribution units and of the facility water plant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from twin.faults.base import Fault, FaultContext

if TYPE_CHECKING:
    from twin.site import Layout, Target

__all__ = [
    "BothPumpsFailure",
    "CduPsuFailure",
    "ChillerFailure",
    "CoolantFault",
    "CoolantLeak",
    "FacilityWaterWarm",
    "FilterClogging",
    "HeatExchangerFouling",
    "HotDay",
    "PumpDegraded",
    "PumpFailure",
    "ValveStuck",
]


class CoolantFault(Fault):
    """A fault of a rack's coolant unit, which an air-cooled rack has not."""

    @classmethod
    def refusal(cls, layout: Layout, target: Target) -> str | None:
        """Return why the place cannot have this fault, None where it can."""
        if not layout.entire.site.air_racks[target.unit]:
            return None
        return "air cools the rack, so it has no coolant unit; take a fault of the system air"


class PumpFailure(CoolantFault):
    """One pump stops; the other one takes over within seconds."""

    kind = "pump-failure"
    system = "cooling"
    title = "a coolant pump fails"
    target = "pump"
    default_target = "r0001/pump1"
    default_seconds = 600.0
    severity = "warning"
    shows = (
        "The pump's state turns to failed and its speed falls to zero; flow dips for some "
        "seconds until the other pump runs at about 95 % speed. Temperatures hardly move: "
        "redundancy is lost, cooling is not."
    )

    def apply(self, context: FaultContext) -> None:
        """Stop the pump."""
        context.conditions.pump_available[context.place] = False


class BothPumpsFailure(CoolantFault):
    """All pumps of a rack stop; its GPUs throttle and then shut down."""

    kind = "both-pumps-failure"
    system = "cooling"
    title = "all coolant pumps of a rack fail"
    target = "rack"
    default_target = "r0001"
    default_seconds = 300.0
    severity = "critical"
    shows = (
        "Flow goes to zero and the dies heat at about 2.4 K/s. After about 15 s the GPUs throttle "
        "(clock, power and step rate fall), then they shut down at 95 °C and their series "
        "vanish. The job stalls: all other GPUs show 100 % utilisation at about 157 W, and the "
        "Megapacks take up the drop."
    )

    def apply(self, context: FaultContext) -> None:
        """Stop the pumps."""
        context.conditions.pump_available[context.target.unit] = False


class PumpDegraded(CoolantFault):
    """The impeller of a pump is worn: at the same speed it gives less head."""

    kind = "pump-degraded"
    system = "cooling"
    title = "a coolant pump is worn"
    target = "pump"
    default_target = "r0001/pump1"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "The pump gives less flow than its neighbour at the same speed; both run faster and draw "
        "more power to hold the rack's flow, and the worn one vibrates. Should the other pump "
        "fail, this one cannot hold the flow."
    )

    head: Annotated[float, Field(gt=0, lt=1)] = 0.6
    """Head that is left of a new pump's."""

    def apply(self, context: FaultContext) -> None:
        """Take head away."""
        context.conditions.pump_head[context.place] = self.head


class FilterClogging(CoolantFault):
    """The coolant filter clogs more and more until it is replaced."""

    kind = "filter-clogging"
    system = "cooling"
    title = "a coolant filter clogs"
    target = "rack"
    default_target = "r0001"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "The pressure drop of the filter rises and with it the speed and power of both pumps; the "
        "flow holds. Once the pumps run at full speed the flow falls, and the temperature "
        "difference and the GPUs' temperatures rise."
    )

    resistance: Annotated[float, Field(gt=1, le=1000)] = 60.0
    """Resistance in the end, over that of a clean filter."""
    growth: Annotated[float, Field(gt=0, le=1e7)] = 900.0
    """Seconds until then; the resistance grows evenly."""

    def apply(self, context: FaultContext) -> None:
        """Clog as much as the fault is old."""
        grown = min(context.age / self.growth, 1.0)
        context.conditions.filter_resistance[context.target.unit] = (
            1.0 + (self.resistance - 1.0) * grown
        )


class HeatExchangerFouling(CoolantFault):
    """Deposits lie on the plates of the heat exchanger."""

    kind = "heat-exchanger-fouling"
    system = "cooling"
    title = "a heat exchanger is fouled"
    target = "rack"
    default_target = "r0001"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "The facility valve opens ever further, and the facility water comes back cooler. Once the "
        "valve is full open the supply temperature rises above its set point, by about 4 K at "
        "three times the resistance, and the GPUs with it."
    )

    resistance: Annotated[float, Field(gt=1, le=50)] = 3.0
    """Thermal resistance over that of the clean exchanger."""

    def apply(self, context: FaultContext) -> None:
        """Add the deposits."""
        context.conditions.exchanger_fouling[context.target.unit] = self.resistance


class CoolantLeak(CoolantFault):
    """Coolant drips out of the loop."""

    kind = "coolant-leak"
    system = "cooling"
    title = "a rack leaks coolant"
    target = "rack"
    default_target = "r0001"
    default_seconds = 900.0
    severity = "critical"
    shows = (
        "The leak detector says Warning within seconds and Critical within a minute or so; level "
        "and pressures fall. After some six minutes, at a fifth of the level, the pumps stop so as "
        "not to run dry: then the rack overheats as with both pumps failed. At the end of the "
        "fault the make-up pump fills the loop and the pumps start again."
    )

    rate: Annotated[float, Field(gt=0, le=100)] = 1.5
    """Coolant lost in L/min."""

    def apply(self, context: FaultContext) -> None:
        """Open the leak."""
        context.conditions.coolant_leak[context.target.unit] = self.rate


class ValveStuck(CoolantFault):
    """The facility water valve of a rack hangs at one opening."""

    kind = "valve-stuck"
    system = "cooling"
    title = "a facility water valve is stuck"
    target = "rack"
    default_target = "r0001"
    default_seconds = 1800.0
    severity = "critical"
    shows = (
        "The valve's position departs from what the controller asks of it. Nearly closed, it lets "
        "through too little water: supply and return temperature climb for minutes until the "
        "GPUs throttle at 87 °C and the job slows. Open, it cools too much, and the supply "
        "comes nearer to the dew point."
    )

    opening: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Opening at which it hangs; training needs about 0.4."""

    def apply(self, context: FaultContext) -> None:
        """Hold the valve."""
        context.conditions.valve_stuck_at[context.target.unit] = self.opening


class CduPsuFailure(CoolantFault):
    """One power supply of a coolant unit fails; the other one carries it."""

    kind = "cdu-psu-failure"
    system = "cooling"
    title = "a power supply of a coolant unit fails"
    target = "cdu_psu"
    default_target = "r0001/cdu/psu1"
    default_seconds = 1800.0
    severity = "warning"
    shows = (
        "The supply's state turns to failed and its power to zero; the other one carries the unit. "
        "Cooling does not change, redundancy is lost: with both gone the pumps stop."
    )

    def apply(self, context: FaultContext) -> None:
        """Take the supply away."""
        context.conditions.cdu_psu_ok[context.place] = False


class ChillerFailure(Fault):
    """A chiller trips; the spare one starts."""

    kind = "chiller-failure"
    system = "cooling"
    title = "a chiller fails"
    target = "chiller"
    default_target = "ch01"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "The chiller's state turns to failed; the spare one is starting and runs after two "
        "minutes. Until then the others run at full capacity and the facility water warms by less "
        "than a kelvin. With more chillers gone than there are spares it goes on warming, and so "
        "do coolant, air and GPUs."
    )

    def apply(self, context: FaultContext) -> None:
        """Trip the chiller."""
        context.conditions.chiller_available[context.target.device] = False


class FacilityWaterWarm(Fault):
    """The chillers hold a wrong set point."""

    kind = "facility-water-warm"
    system = "cooling"
    title = "the facility water is too warm"
    target = "facility"
    default_target = "facility"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "The facility water warms by the error within some minutes. The valves of all racks open; "
        "from about 4 K on they are full open and the supply temperature of every rack rises, and "
        "the servers' air with it."
    )

    excess: Annotated[float, Field(gt=0, le=40)] = 8.0
    """Set point above what it should be in K."""

    def apply(self, context: FaultContext) -> None:
        """Shift the set point."""
        context.conditions.water_excess[0] = self.excess


class HotDay(Fault):
    """The day is far hotter than the season's."""

    kind = "hot-day"
    system = "cooling"
    title = "a hot day"
    target = "facility"
    default_target = "facility"
    default_seconds = 14_400.0
    severity = "warning"
    shows = (
        "Outdoor temperature and dew point rise; the chillers draw more for the same heat and PUE "
        "rises. Above 35 °C they also lose capacity: with more chillers down than there are "
        "spares the water warms the faster."
    )

    excess: Annotated[float, Field(gt=0, le=40)] = 15.0
    """Outdoor temperature above the season's in K."""

    def apply(self, context: FaultContext) -> None:
        """Warm the outdoor air."""
        context.conditions.outdoor_excess[0] = self.excess
