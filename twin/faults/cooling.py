"""Faults of the CDUs and of the facility water plant."""

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
    """A fault of a rack's CDU, which an air-cooled rack does not have."""

    @classmethod
    def refusal(cls, layout: Layout, target: Target) -> str | None:
        """Return why the place cannot have this fault, None where it can."""
        if not layout.entire.site.air_racks[target.unit]:
            return None
        return "the rack is air-cooled and has no CDU; use a fault of the system air"


class PumpFailure(CoolantFault):
    """One pump stops; the other takes over within seconds."""

    kind = "pump-failure"
    system = "cooling"
    title = "a coolant pump fails"
    target = "pump"
    default_target = "r0001/pump1"
    default_seconds = 600.0
    severity = "warning"
    shows = (
        "The pump's state turns to failed and its speed falls to zero; flow dips for a few "
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
        "Flow falls to zero and the dies heat up at about 2.4 K/s. After about 15 s the GPUs "
        "throttle (clock, power and step rate fall), then they shut down at 95 °C and their "
        "series vanish. The job stalls: all other GPUs show 100 % utilisation at about 157 W, and "
        "the Megapacks absorb the drop."
    )

    def apply(self, context: FaultContext) -> None:
        """Stop the pumps."""
        context.conditions.pump_available[context.target.unit] = False


class PumpDegraded(CoolantFault):
    """A pump's impeller is worn: it gives less head at the same speed."""

    kind = "pump-degraded"
    system = "cooling"
    title = "a coolant pump is worn"
    target = "pump"
    default_target = "r0001/pump1"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "The pump gives less flow than its neighbour at the same speed; both run faster and draw "
        "more power to hold the rack's flow, and the worn one vibrates. If the other pump fails, "
        "this one cannot hold the flow."
    )

    head: Annotated[float, Field(gt=0, lt=1)] = 0.6
    """Remaining head as a fraction of a new pump's."""

    def apply(self, context: FaultContext) -> None:
        """Reduce the head."""
        context.conditions.pump_head[context.place] = self.head


class FilterClogging(CoolantFault):
    """The coolant filter clogs steadily until it is replaced."""

    kind = "filter-clogging"
    system = "cooling"
    title = "a coolant filter clogs"
    target = "rack"
    default_target = "r0001"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "The filter's pressure drop rises, and with it the speed and power of both pumps; the flow "
        "holds. Once the pumps run at full speed the flow falls, and the coolant's temperature "
        "rise and the GPU temperatures increase."
    )

    resistance: Annotated[float, Field(gt=1, le=1000)] = 60.0
    """Final resistance as a multiple of a clean filter's."""
    growth: Annotated[float, Field(gt=0, le=1e7)] = 900.0
    """Seconds until the final resistance; it grows linearly."""

    def apply(self, context: FaultContext) -> None:
        """Clog the filter in proportion to the fault's age."""
        grown = min(context.age / self.growth, 1.0)
        context.conditions.filter_resistance[context.target.unit] = (
            1.0 + (self.resistance - 1.0) * grown
        )


class HeatExchangerFouling(CoolantFault):
    """Deposits on its plates insulate the heat exchanger."""

    kind = "heat-exchanger-fouling"
    system = "cooling"
    title = "a heat exchanger is fouled"
    target = "rack"
    default_target = "r0001"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "The facility valve opens further and further, and the facility water returns cooler. Once "
        "the valve is fully open, the supply temperature rises above its setpoint, by about 4 K at "
        "three times the resistance, and the GPU temperatures with it."
    )

    resistance: Annotated[float, Field(gt=1, le=50)] = 3.0
    """Thermal resistance as a multiple of a clean exchanger's."""

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
        "The leak detector reports Warning within seconds and Critical within about a minute; "
        "level and pressures fall. After about six minutes, at 20 % of the level, the pumps stop "
        "so that they do not run dry, and the rack overheats as with both pumps failed. When the "
        "fault ends, the make-up pump refills the loop and the pumps start again."
    )

    rate: Annotated[float, Field(gt=0, le=100)] = 1.5
    """Coolant lost in L/min."""

    def apply(self, context: FaultContext) -> None:
        """Open the leak."""
        context.conditions.coolant_leak[context.target.unit] = self.rate


class ValveStuck(CoolantFault):
    """A rack's facility water valve is stuck at one position."""

    kind = "valve-stuck"
    system = "cooling"
    title = "a facility water valve is stuck"
    target = "rack"
    default_target = "r0001"
    default_seconds = 1800.0
    severity = "critical"
    shows = (
        "The valve's position no longer follows the controller's command. Nearly closed, it passes "
        "too little water: supply and return temperatures climb for minutes until the GPUs "
        "throttle at 87 °C and the job slows down. Open, it cools too much, and the supply "
        "temperature approaches the dew point."
    )

    opening: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Position at which it is stuck; training needs about 0.4."""

    def apply(self, context: FaultContext) -> None:
        """Hold the valve."""
        context.conditions.valve_stuck_at[context.target.unit] = self.opening


class CduPsuFailure(CoolantFault):
    """One power supply of a CDU fails; the other carries it."""

    kind = "cdu-psu-failure"
    system = "cooling"
    title = "a power supply of a CDU fails"
    target = "cdu_psu"
    default_target = "r0001/cdu/psu1"
    default_seconds = 1800.0
    severity = "warning"
    shows = (
        "The supply's state turns to failed and its power falls to zero; the other supply carries "
        "the CDU. Cooling does not change but redundancy is lost: if both fail, the pumps stop."
    )

    def apply(self, context: FaultContext) -> None:
        """Fail the supply."""
        context.conditions.cdu_psu_ok[context.place] = False


class ChillerFailure(Fault):
    """A chiller trips; the spare starts."""

    kind = "chiller-failure"
    system = "cooling"
    title = "a chiller fails"
    target = "chiller"
    default_target = "ch01"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "The chiller's state turns to failed; the spare starts and is running after two minutes. "
        "Until then the others run at full capacity and the facility water warms by less than a "
        "kelvin. If more chillers fail than there are spares, it keeps warming, and so do coolant, "
        "air and GPUs."
    )

    def apply(self, context: FaultContext) -> None:
        """Trip the chiller."""
        context.conditions.chiller_available[context.target.device] = False


class FacilityWaterWarm(Fault):
    """The chillers run to a wrong setpoint."""

    kind = "facility-water-warm"
    system = "cooling"
    title = "the facility water is too warm"
    target = "facility"
    default_target = "facility"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "The facility water warms by the error within minutes. The valves of all racks open; from "
        "about 4 K on they are fully open, and the supply temperature of every rack rises, and "
        "the room air with it."
    )

    excess: Annotated[float, Field(gt=0, le=40)] = 8.0
    """Error of the setpoint in K."""

    def apply(self, context: FaultContext) -> None:
        """Shift the setpoint."""
        context.conditions.water_excess[0] = self.excess


class HotDay(Fault):
    """The day is far hotter than normal for the season."""

    kind = "hot-day"
    system = "cooling"
    title = "a hot day"
    target = "facility"
    default_target = "facility"
    default_seconds = 14_400.0
    severity = "warning"
    shows = (
        "Outdoor temperature and dew point rise; the chillers draw more power for the same heat "
        "and PUE rises. Above 35 °C they also lose capacity: with more chillers down than there "
        "are spares, the water warms faster."
    )

    excess: Annotated[float, Field(gt=0, le=40)] = 15.0
    """Outdoor temperature above the seasonal normal in K."""

    def apply(self, context: FaultContext) -> None:
        """Warm the outdoor air."""
        context.conditions.outdoor_excess[0] = self.excess
