"""Faults of the fabric's switches."""

from __future__ import annotations

from twin.faults.base import Fault, FaultContext

__all__ = ["AdaptiveRoutingOff", "LeafDown", "SpineDown"]


class LeafDown(Fault):
    """A leaf switch fails: one rail of an array loses its links."""

    kind = "leaf-down"
    system = "network"
    title = "a leaf switch fails"
    target = "leaf"
    default_target = "a001/leaf1"
    default_seconds = 300.0
    severity = "critical"
    shows = (
        "`up` of the switch is 0 and its other series vanish. Every server of the array loses the "
        "link of the same NIC at the same moment. The job stalls."
    )

    def apply(self, context: FaultContext) -> None:
        """Stop the switch."""
        context.conditions.leaf_available[context.place] = False


class SpineDown(Fault):
    """A spine switch fails: the leaves below it have fewer uplinks."""

    kind = "spine-down"
    system = "network"
    title = "a spine switch fails"
    target = "spine"
    default_target = "p01/spine1"
    default_seconds = 900.0
    severity = "warning"
    shows = (
        "`up` of the switch is 0 and the leaves' uplinks to it go down. The other uplinks carry "
        "more; where they cannot, bursts and steps take longer and leaves discard a few packets. "
        "In a large fabric the loss of one spine is hardly noticeable."
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
        "Nothing is down, but bursts reach only about 60 % of line rate instead of 95 %, and last "
        "correspondingly longer. ECN marks, congestion notifications and pause frames rise, leaves "
        "discard a few packets, and steps take longer: by 1 % where pipelines exchange in a "
        "fortieth of a step, as those of GPT-3 do, by 6 % where it is a tenth."
    )

    def apply(self, context: FaultContext) -> None:
        """Switch adaptive routing off."""
        context.conditions.adaptive_routing[context.target.unit] = False
