"""Faults of the switches between the servers."""

from __future__ import annotations

from twin.faults.base import Fault, FaultContext

__all__ = ["AdaptiveRoutingOff", "LeafDown", "SpineDown"]


class LeafDown(Fault):
    """A leaf switch stops: a rail of an array has no link."""

    kind = "leaf-down"
    system = "network"
    title = "a leaf switch fails"
    target = "leaf"
    default_target = "a001/leaf1"
    default_seconds = 300.0
    severity = "critical"
    shows = (
        "`up` of the switch is 0 and its other series vanish. One NIC of every server of the array "
        "loses its link at the same moment, always the same device number. The job stalls."
    )

    def apply(self, context: FaultContext) -> None:
        """Stop the switch."""
        context.conditions.leaf_available[context.place] = False


class SpineDown(Fault):
    """A spine switch stops: the leaves below it have fewer ways up."""

    kind = "spine-down"
    system = "network"
    title = "a spine switch fails"
    target = "spine"
    default_target = "p01/spine1"
    default_seconds = 900.0
    severity = "warning"
    shows = (
        "`up` of the switch is 0 and the leaves' uplinks to it go down. The others carry more; "
        "where they cannot, bursts and steps take longer and leaves discard a little. In a large "
        "fabric one spine of many is hardly felt."
    )

    def apply(self, context: FaultContext) -> None:
        """Stop the switch."""
        context.conditions.spine_available[context.place] = False


class AdaptiveRoutingOff(Fault):
    """The fabric falls back to static routing and flows collide."""

    kind = "adaptive-routing-off"
    system = "network"
    title = "adaptive routing is switched off"
    target = "fabric"
    default_target = "fabric"
    default_seconds = 900.0
    severity = "warning"
    shows = (
        "Nothing is down, but bursts reach about 60 % of line rate where they reached 95 %, and "
        "last as much longer. ECN marks, notifications and pauses rise, leaves discard a little, "
        "and the step rate falls by about 8 %."
    )

    def apply(self, context: FaultContext) -> None:
        """Route statically."""
        context.conditions.adaptive_routing[context.target.unit] = False
