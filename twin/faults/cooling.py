"""Faults of the coolant distribution units."""

from __future__ import annotations

from twin.faults.base import Fault, Impact

__all__ = ["BothPumpsFailure", "PumpFailure"]


class PumpFailure(Fault):
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

    def strike(self, impact: Impact) -> None:
        """Stop the pump."""
        impact.conditions.pump_available[impact.target.unit, impact.target.device] = False


class BothPumpsFailure(Fault):
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

    def strike(self, impact: Impact) -> None:
        """Stop the pumps."""
        impact.conditions.pump_available[impact.target.unit] = False
