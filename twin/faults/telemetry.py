"""Faults of the telemetry itself: the plant is healthy, but its reported values are wrong."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated

from pydantic import Field

from twin.faults.base import Fault, FaultContext
from twin.faults.cooling import CoolantFault
from twin.faults.gateways import Gateways

__all__ = [
    "ClockSkew",
    "FramesLost",
    "GatewayFault",
    "GatewaySilent",
    "SensorDrift",
    "SensorNoise",
    "SensorStuck",
]

_SECONDS_PER_MINUTE = 60.0


class GatewayFault(Fault):
    """Base of the faults of a rack's gateway, most of which change only telemetry."""

    target = "rack"

    def apply(self, context: FaultContext) -> None:
        """Leave the plant unchanged: only its telemetry is affected."""

    @abstractmethod
    def disturb(self, gateways: Gateways, rack: int) -> None:
        """Write this fault into the gateway of a rack."""


class GatewaySilent(GatewayFault):
    """A rack's gateway stops publishing."""

    kind = "gateway-silent"
    system = "telemetry"
    title = "a rack's gateway falls silent"
    default_target = "r0001"
    default_seconds = 120.0
    severity = "warning"
    shows = (
        "No frames of the rack arrive. After a few seconds all its series disappear instead of "
        "freezing, and the aggregator gives the reason: timeout."
    )

    def disturb(self, gateways: Gateways, rack: int) -> None:
        """Silence the gateway."""
        gateways.reporting[rack] = False


class FramesLost(GatewayFault):
    """Some frames of a rack's gateway are lost on the way to the broker."""

    kind = "frames-lost"
    system = "telemetry"
    title = "frames of a rack are lost"
    default_target = "r0001"
    default_seconds = 300.0
    severity = "warning"
    shows = (
        "The sequence numbers of the rack's frames have gaps, which the aggregator counts; values "
        "are older than they should be, but the rack keeps reporting."
    )

    share: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Share of the frames that are lost."""

    def disturb(self, gateways: Gateways, rack: int) -> None:
        """Lose the frames."""
        gateways.frame_loss[rack] = self.share


class ClockSkew(GatewayFault):
    """The clock that a rack's gateway and servers follow is wrong."""

    kind = "clock-skew"
    system = "telemetry"
    title = "a rack's clock is wrong"
    default_target = "r0001"
    default_seconds = 300.0
    severity = "warning"
    shows = (
        "The timestamp of the rack's last frame is ahead of the other racks'. When the clock is "
        "corrected, new frames are older than the last known one and are refused as stale until "
        "the rack counts as silent and is accepted afresh. The servers follow the same wrong "
        "clock: where the site shows hosts, `node_timex_offset_seconds` of all of them is off."
    )

    offset: Annotated[float, Field(ge=-3600, le=3600)] = 30.0
    """Seconds that the clock is ahead."""

    def apply(self, context: FaultContext) -> None:
        """Set the servers' clocks wrong."""
        context.conditions.rack_clock_offset[context.target.unit] = self.offset

    def disturb(self, gateways: Gateways, rack: int) -> None:
        """Set the gateway's clock wrong."""
        gateways.clock_skew[rack] = self.offset


class SensorStuck(Fault):
    """A GPU's temperature and power readings freeze."""

    kind = "sensor-stuck"
    system = "telemetry"
    title = "a GPU's sensors are stuck"
    target = "gpu"
    default_target = "r0001/n1/gpu0"
    default_seconds = 600.0
    severity = "warning"
    shows = (
        "Temperature, memory temperature and power of one GPU are frozen while its neighbours' "
        "follow the training steps: `changes()` over a few minutes is zero."
    )

    def apply(self, context: FaultContext) -> None:
        """Freeze the readings."""
        context.conditions.gpu_sensor_stuck[context.place] = True


class SensorDrift(CoolantFault):
    """The supply temperature sensor of a CDU drifts."""

    kind = "sensor-drift"
    system = "telemetry"
    title = "a coolant temperature sensor drifts"
    target = "rack"
    default_target = "r0001"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "The supply temperature of one rack drifts away from the others' while its GPUs are no "
        "warmer, and the heat removed no longer matches flow times temperature difference."
    )

    kelvin_per_minute: Annotated[float, Field(ge=-10, le=10)] = 0.5
    """Drift in K a minute."""

    def apply(self, context: FaultContext) -> None:
        """Let the reading drift."""
        drift = self.kelvin_per_minute * context.age / _SECONDS_PER_MINUTE
        context.conditions.supply_sensor_drift[context.target.unit] = drift


class SensorNoise(CoolantFault):
    """The flow meter of a CDU becomes noisy."""

    kind = "sensor-noise"
    system = "telemetry"
    title = "a flow meter is noisy"
    target = "rack"
    default_target = "r0001"
    default_seconds = 600.0
    severity = "warning"
    shows = (
        "The flow of one rack jitters around its mean while pump speeds and temperatures are "
        "steady: an alert without a `for` clause fires, one with it does not."
    )

    ratio: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Standard deviation of the noise as a fraction of the flow."""

    def apply(self, context: FaultContext) -> None:
        """Make the reading noisy."""
        context.conditions.flow_noise[context.target.unit] = self.ratio
