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
    """Base of the faults of a rack's gateway: they change telemetry and seldom a condition."""

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
        "No frame of the rack arrives. After some seconds all its series disappear, rather than "
        "freeze, and the aggregator says why: timeout."
    )

    def disturb(self, gateways: Gateways, rack: int) -> None:
        """Silence the gateway."""
        gateways.reporting[rack] = False


class FramesLost(GatewayFault):
    """A rack's gateway loses part of its frames on the way to the broker."""

    kind = "frames-lost"
    system = "telemetry"
    title = "frames of a rack are lost"
    default_target = "r0001"
    default_seconds = 300.0
    severity = "warning"
    shows = (
        "The running numbers of the rack's frames have gaps, which the aggregator counts; values "
        "are older than they should be, but the rack goes on reporting."
    )

    share: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Share of the frames that is lost."""

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
        "The timestamp of the rack's last frame runs ahead of the other racks'. When the clock is "
        "set right its frames are older than what is known and are refused as stale until the "
        "rack counts as silent and is heard anew. The servers follow the same wrong clock: where "
        "the site shows hosts, `node_timex_offset_seconds` of all of them is off."
    )

    offset: Annotated[float, Field(ge=-3600, le=3600)] = 30.0
    """Seconds that the clock is ahead."""

    def apply(self, context: FaultContext) -> None:
        """Put the clocks of the servers wrong."""
        context.conditions.rack_clock_offset[context.target.unit] = self.offset

    def disturb(self, gateways: Gateways, rack: int) -> None:
        """Put the clock of the gateway wrong."""
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
        "Temperature, memory temperature and power of one GPU stand still while its neighbours' "
        "follow the training steps: `changes()` over some minutes is zero."
    )

    def apply(self, context: FaultContext) -> None:
        """Freeze the readings."""
        context.conditions.gpu_sensor_stuck[context.place] = True


class SensorDrift(CoolantFault):
    """A coolant unit's supply thermometer drifts."""

    kind = "sensor-drift"
    system = "telemetry"
    title = "a coolant thermometer drifts"
    target = "rack"
    default_target = "r0001"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "The supply temperature of one rack creeps away from the others' while its GPUs are no "
        "warmer, and heat removed no longer equals flow times the temperatures' difference."
    )

    kelvin_per_minute: Annotated[float, Field(ge=-10, le=10)] = 0.5
    """Drift in K a minute."""

    def apply(self, context: FaultContext) -> None:
        """Let the reading drift."""
        drift = self.kelvin_per_minute * context.age / _SECONDS_PER_MINUTE
        context.conditions.supply_sensor_drift[context.target.unit] = drift


class SensorNoise(CoolantFault):
    """A coolant unit's flow meter becomes noisy."""

    kind = "sensor-noise"
    system = "telemetry"
    title = "a flow meter is noisy"
    target = "rack"
    default_target = "r0001"
    default_seconds = 600.0
    severity = "warning"
    shows = (
        "The flow of one rack jitters around its mean while pump speeds and temperatures stand "
        "still: an alert without a `for` clause fires, one with it does not."
    )

    ratio: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Standard deviation of the noise as a fraction of the flow."""

    def apply(self, context: FaultContext) -> None:
        """Make the reading noisy."""
        context.conditions.flow_noise[context.target.unit] = self.ratio
