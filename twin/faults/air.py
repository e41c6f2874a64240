"""Faults of air cooling: fans, filters and recirculation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from twin.faults.base import Fault, FaultContext

if TYPE_CHECKING:
    from twin.site import Layout, Target

__all__ = ["AirFilterClogged", "FanBoardFailure", "FanFailure", "HotAirRecirculation"]


class _AirFault(Fault):
    """A fault that needs air-cooled servers."""

    system = "air"

    @classmethod
    def refusal(cls, layout: Layout, target: Target) -> str | None:
        """Return why the place cannot have this fault, None where it can."""
        if layout.entire.site.air_racks[target.unit]:
            return None
        return "the rack is liquid-cooled; set cooling.medium: air in the site, or use gefion"


class FanFailure(_AirFault):
    """One fan of a server stops; the controller drives the others to full speed."""

    kind = "fan-failure"
    title = "a fan of an air-cooled server fails"
    target = "fan"
    default_target = "r0001/n1/fan1"
    default_seconds = 1800.0
    severity = "warning"
    shows = (
        "The fan's state turns critical and its speed falls to zero; the server's other fans go to "
        "full speed and draw up to twice the power, by the cube law. Its GPUs get no hotter: "
        "redundancy is lost, cooling is not."
    )

    def apply(self, context: FaultContext) -> None:
        """Stop the fan."""
        context.conditions.fan_available[context.place] = False


class FanBoardFailure(_AirFault):
    """The board that feeds the fans of a server fails: all stop, and its GPUs overheat."""

    kind = "fan-board-failure"
    title = "all fans of an air-cooled server fail"
    target = "server"
    default_target = "r0001/n1"
    default_seconds = 600.0
    severity = "critical"
    shows = (
        "All fans of the server stop within seconds. Its dies heat up at about 0.9 K/s: the "
        "downstream GPUs pass 87 °C after about half a minute and throttle, then they shut down "
        "and their series vanish. The job stalls."
    )

    def apply(self, context: FaultContext) -> None:
        """Stop all fans of the server."""
        fans = context.layout.site.fans.per_server
        unit, server = context.place
        own = slice(server * fans, (server + 1) * fans)
        context.conditions.fan_available[unit, own] = False


class AirFilterClogged(_AirFault):
    """Dust or a cable blocks the airflow through a server."""

    kind = "air-filter-clogged"
    title = "the airflow through a server is blocked"
    target = "server"
    default_target = "r0001/n1"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "The server's GPUs get hotter and the controller drives its fans to nearly full speed, "
        "although its inlet air is as cool as its neighbours'. Its exhaust air is hotter."
    )

    resistance: Annotated[float, Field(gt=1, le=100)] = 6.0
    """Resistance of filters and grilles over that of clean ones."""

    def apply(self, context: FaultContext) -> None:
        """Block the airflow."""
        context.conditions.air_resistance[context.place] = self.resistance


class HotAirRecirculation(_AirFault):
    """Hot air recirculates to the inlets of a rack: a blanking panel or a door is missing."""

    kind = "hot-air-recirculation"
    title = "hot air recirculates into a rack"
    target = "rack"
    default_target = "r0001"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "The inlet air of the rack's servers gets about 5 K warmer than the other racks', their "
        "GPUs get hotter by nearly as much, and their fans run faster."
    )

    share: Annotated[float, Field(gt=0, le=0.8)] = 0.25
    """Share of hot air in the servers' intake, beyond the usual."""

    def apply(self, context: FaultContext) -> None:
        """Let hot air recirculate."""
        context.conditions.hot_air_recirculated[context.target.unit] = self.share
