"""Faults of NICs, their links and their optics."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.faults.base import Fault, FaultContext

__all__ = ["NicDegradedRate", "NicDown", "NicFlap", "OpticAgeing", "PacketLoss", "PfcStorm"]


class _OfNic(Fault):
    """Base of the faults of a NIC port."""

    system = "network"
    target = "nic"
    default_target = "r0001/n1/nic0"
    severity = "warning"


class NicFlap(_OfNic):
    """A link repeatedly goes down and comes up again."""

    kind = "nic-flap"
    title = "a NIC's link flaps"
    default_seconds = 300.0
    shows = (
        "link_downed rises by one and carrier_changes by two with each flap; the port's state goes "
        "from 4 (active) to 1 (down) and back. The job stalls while the link is down."
    )

    period: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Seconds from one loss of the link to the next."""
    down: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """Seconds without a link in each period; at ``period`` or more the link stays down."""

    def apply(self, context: FaultContext) -> None:
        """Take the link down for the first part of each period."""
        if context.age % self.period < self.down:
            context.conditions.nic_link[context.place] = False


class NicDown(_OfNic):
    """A link goes down and stays down."""

    kind = "nic-down"
    title = "a NIC's link is down"
    default_seconds = 300.0
    severity = "critical"
    shows = (
        "The port's state is 1 (down) and its physical state 2 (polling), no light is received, "
        "and the leaf's port shows ifOperStatus 2. The job stalls until the collective times out."
    )

    def apply(self, context: FaultContext) -> None:
        """Take the link down."""
        context.conditions.nic_link[context.place] = False


class NicDegradedRate(_OfNic):
    """A link is negotiated below its nominal rate."""

    kind = "nic-degraded-rate"
    title = "a link runs at a reduced rate"
    default_seconds = 900.0
    shows = (
        "node_infiniband_rate_bytes_per_second and node_network_speed_bytes of the port fall, and "
        "so does ifHighSpeed of the leaf's port. Nothing is down, but every step takes longer: the "
        "collective waits for the slowest link."
    )

    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Rate over nominal: 0.5 is 200 Gb/s on a 400 Gb/s port."""

    def apply(self, context: FaultContext) -> None:
        """Lower the rate."""
        context.conditions.nic_rate[context.place] = self.ratio


class OpticAgeing(_OfNic):
    """A transceiver's received light fades until the link flaps."""

    kind = "optic-ageing"
    title = "a transceiver ages"
    default_seconds = 1800.0
    shows = (
        "The received light falls steadily. Corrected bits rise tenfold for each 2 dB, symbol "
        "errors begin below -5 dBm, and below -7 dBm the link flaps at random."
    )

    decibels: Annotated[float, Field(gt=0, le=40)] = 9.0
    """Light lost in the end, in dB."""
    seconds: Annotated[float, Field(gt=0, le=1e7)] = 600.0
    """Time until all of it is lost, in s; months on real optics."""

    def apply(self, context: FaultContext) -> None:
        """Dim the light in proportion to the time."""
        lost = self.decibels * min(1.0, context.age / self.seconds)
        context.conditions.nic_dimming[context.place] = lost


class PacketLoss(_OfNic):
    """A bad cable corrupts packets on their way to a port."""

    kind = "packet-loss"
    title = "packets are lost on a cable"
    default_seconds = 600.0
    shows = (
        "Receive errors and out-of-sequence packets of the port rise, and NAKs and retransmits at "
        "the sender. RoCE resends a whole window for each lost packet, so 0.1 % loss costs about "
        "17 % of the throughput: steps take longer."
    )

    ratio: Annotated[float, Field(gt=0, le=0.5)] = 1e-3
    """Share of the packets that are lost."""

    def apply(self, context: FaultContext) -> None:
        """Lose packets."""
        context.conditions.nic_loss[context.place] = self.ratio


class PfcStorm(_OfNic):
    """A NIC sends pause frames without end and blocks its switch."""

    kind = "pfc-storm"
    title = "a NIC floods its leaf with pause frames"
    default_seconds = 300.0
    severity = "critical"
    shows = (
        "The port transmits thousands of priority-3 pause frames a second, and all other ports of "
        "its rail in the array receive them. No link is down, but throughput falls and steps take "
        "much longer."
    )

    share: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Share of the time in which the port passes no packets."""

    def apply(self, context: FaultContext) -> None:
        """Pause the switch."""
        context.conditions.nic_pause[context.place] = self.share
