"""Faults of NICs and their links."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.faults.base import Fault, Impact

__all__ = ["NicFlap"]


class NicFlap(Fault):
    """A link goes down and comes up again, over and over."""

    kind = "nic-flap"
    system = "network"
    title = "a NIC's link flaps"
    target = "nic"
    default_target = "r0001/n1/nic0"
    default_seconds = 300.0
    severity = "warning"
    shows = (
        "link_downed rises by one and carrier_changes by two a flap; the port's state goes from "
        "4 (active) to 1 (down) and back. While the link is down the job stalls."
    )

    period: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Seconds from one loss of the link to the next."""
    down: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """Seconds without link in each period; with ``period`` or more the link stays down."""

    def strike(self, impact: Impact) -> None:
        """Take the link down for the first part of each period."""
        if impact.age % self.period < self.down:
            impact.conditions.nic_link[impact.target.unit, impact.target.device] = False
