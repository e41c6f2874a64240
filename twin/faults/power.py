"""Faults of the power supply."""

from __future__ import annotations

from twin.faults.base import Fault, Impact

__all__ = ["MegapackTrip"]


class MegapackTrip(Fault):
    """A Megapack's inverter trips."""

    kind = "megapack-trip"
    system = "power"
    title = "a Megapack trips"
    target = "megapack"
    default_target = "mp001"
    default_seconds = 600.0
    severity = "warning"
    shows = (
        "The unit's inverter state turns to FAULT and its power to zero at once; the other units "
        "take its share as far as they can, and the grid import follows the training steps more."
    )

    def strike(self, impact: Impact) -> None:
        """Open the unit's contactor."""
        impact.conditions.megapack_available[impact.target.unit] = False
