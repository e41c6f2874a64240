"""Faults of the telemetry itself: the plant is well, but nobody hears of it."""

from __future__ import annotations

from twin.faults.base import Fault, Impact

__all__ = ["GatewaySilent"]


class GatewaySilent(Fault):
    """A rack's gateway stops publishing."""

    kind = "gateway-silent"
    system = "telemetry"
    title = "a rack's gateway falls silent"
    target = "rack"
    default_target = "r0001"
    default_seconds = 120.0
    severity = "warning"
    shows = (
        "No frame of the rack arrives. After some seconds all its series disappear, rather than "
        "freeze, and the aggregator says why: timeout."
    )

    def strike(self, impact: Impact) -> None:
        """Silence the gateway."""
        impact.conditions.gateway_reporting[impact.target.unit] = False
