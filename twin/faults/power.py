"""Faults of the power supply: grid, Megapacks, generators and PDUs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.faults.base import Fault, FaultContext

__all__ = [
    "GensetStartFailure",
    "GensetTrip",
    "GridFrequency",
    "GridOutage",
    "GridSag",
    "MegapackDerate",
    "MegapackTrip",
    "PduBreakerTrip",
    "PduPhaseImbalance",
]

_PHASES = 3


def _feeds(context: FaultContext) -> slice:
    """Return the affected feeds: the one that the target names, or all."""
    number = context.target.device
    return slice(number - 1, number) if number else slice(None)


class GridOutage(Fault):
    """The utility's feed is lost."""

    kind = "grid-outage"
    system = "power"
    title = "the grid goes dark"
    target = "grid"
    default_target = "grid"
    default_seconds = 300.0
    severity = "critical"
    shows = (
        "The feed's breaker opens, its voltage and import fall to zero, and the Megapacks carry "
        "the site within the same second. The generators start, take over the slow part of the "
        "load as far as they can, and burn fuel. Load that nothing can carry is unserved for a "
        "second; then racks are shed, those of the least important job first, and their job "
        "stalls. A minute after the grid returns the breaker closes again, the import rises "
        "slowly, the generators unload, cool down and stop, and shed racks come back one by one. "
        "If no source is left, water pumps, air handlers and chillers stop too; the chillers need "
        "five minutes after power returns, during which the racks warm the water."
    )

    def apply(self, context: FaultContext) -> None:
        """Disconnect the feed, or all feeds."""
        context.conditions.grid_available[_feeds(context)] = False


class GridSag(Fault):
    """The voltage of the feed is low."""

    kind = "grid-sag"
    system = "power"
    title = "the grid's voltage sags"
    target = "grid"
    default_target = "grid"
    default_seconds = 10.0
    severity = "critical"
    shows = (
        "Voltage falls at the feed and at every PDU, and currents rise, because power supplies "
        "draw constant power. After 2 s below 88 % the Megapacks trip by their IEEE 1547 table and "
        "reconnect 5 min after the voltage recovers: until then the import follows every training "
        "step. Below 75 % the chillers drop out and need five minutes to restart; below 70 % the "
        "site islands itself instead."
    )

    voltage: Annotated[float, Field(ge=0.05, le=1.3)] = 0.8
    """Voltage as a fraction of normal; above 1 it is a swell."""

    def apply(self, context: FaultContext) -> None:
        """Lower the voltage."""
        context.conditions.grid_voltage[_feeds(context)] *= self.voltage


class GridFrequency(Fault):
    """The frequency of the grid is off."""

    kind = "grid-frequency"
    system = "power"
    title = "the grid's frequency is off"
    target = "grid"
    default_target = "grid"
    default_seconds = 60.0
    severity = "warning"
    shows = (
        "The frequency at the feed and at the Megapacks shifts by the offset. Down to 58.5 Hz the "
        "units ride through without limit, below that for 300 s, and below 56.5 Hz not at all: "
        "they trip and reconnect 5 min after the frequency recovers."
    )

    hertz: Annotated[float, Field(ge=-5.0, le=5.0)] = -1.2
    """Offset of the frequency in Hz."""

    def apply(self, context: FaultContext) -> None:
        """Shift the frequency."""
        context.conditions.grid_frequency_offset[:] += self.hertz


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
        "The unit's inverter state turns to FAULT and its power falls to zero at once; the other "
        "units take over its share as far as they can, and the grid import follows the training "
        "steps more closely. Afterwards the state is STARTING for a few seconds."
    )

    def apply(self, context: FaultContext) -> None:
        """Open the unit's contactor."""
        context.conditions.megapack_available[context.target.unit] = False


class MegapackDerate(Fault):
    """A Megapack can deliver only part of its rated power."""

    kind = "megapack-derate"
    system = "power"
    title = "a Megapack is derated"
    target = "megapack"
    default_target = "mp001"
    default_seconds = 1800.0
    severity = "warning"
    shows = (
        "The unit's maximum charge and discharge power fall to the ratio, for example because some "
        "of its inverter modules are out; it keeps running, and the other units take the rest."
    )

    ratio: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    """Power limit as a fraction of rated power."""

    def apply(self, context: FaultContext) -> None:
        """Lower the unit's limits."""
        limits = context.conditions.megapack_power_ratio
        limits[context.target.unit] = min(limits[context.target.unit], self.ratio)


class GensetStartFailure(Fault):
    """A generator's engine does not start."""

    kind = "genset-start-failure"
    system = "power"
    title = "a generator does not start"
    target = "genset"
    default_target = "g01"
    default_seconds = 1800.0
    severity = "warning"
    shows = (
        "Nothing until the generators are called, for example by a grid-outage. Then the unit "
        "cranks three times, its starter battery's voltage sags, and its state turns to failed; "
        "the other generators carry what they can."
    )

    def apply(self, context: FaultContext) -> None:
        """Keep the engine from starting."""
        context.conditions.genset_startable[context.target.unit] = False


class GensetTrip(Fault):
    """A generator's protection trips it."""

    kind = "genset-trip"
    system = "power"
    title = "a generator trips"
    target = "genset"
    default_target = "g01"
    default_seconds = 600.0
    severity = "warning"
    shows = (
        "The unit's state turns to failed, its breaker opens, its power is gone at once and the "
        "engine coasts down. In island operation the Megapacks and the other units take over its "
        "share."
    )

    def apply(self, context: FaultContext) -> None:
        """Stop the unit."""
        context.conditions.genset_available[context.target.unit] = False


class PduBreakerTrip(Fault):
    """The breaker of a rack PDU opens."""

    kind = "pdu-breaker-trip"
    system = "power"
    title = "a PDU's breaker trips"
    target = "pdu"
    default_target = "r0001/pdu1"
    default_seconds = 600.0
    severity = "critical"
    shows = (
        "The PDU's phases show 0 V and 0 A, and those of the rack's other PDU twice their current. "
        "Half of every server's power supplies turn critical; the other half cannot carry full "
        "training load, so the servers lower their GPUs' power limit and the whole job slows "
        "down. The coolant unit's supply on that PDU fails too, and its other one carries it. "
        "A PDU of the default size carries the rack alone; a smaller one, or one with far "
        "more load on one phase, trips on overload after minutes and is closed by hand 15 minutes "
        "after the fault. When the breakers of all PDUs of a rack are open, the rack is dark."
    )

    def apply(self, context: FaultContext) -> None:
        """Open the breaker."""
        context.conditions.pdu_breaker[context.place] = False


class PduPhaseImbalance(Fault):
    """The load of a PDU is spread unevenly over its phases."""

    kind = "pdu-phase-imbalance"
    system = "power"
    title = "a PDU's phases are out of balance"
    target = "pdu"
    default_target = "r0001/pdu1"
    default_seconds = 1800.0
    severity = "warning"
    shows = (
        "The current of the PDU's first phase rises and that of the others falls; the total power "
        "stays the same. The breaker holds while the rack's other PDU carries its share; with a "
        "load of 3 or more it trips minutes after the other PDU is lost, and the rack is dark."
    )

    load: Annotated[float, Field(gt=1.0, le=10.0)] = 1.8
    """Load of the first phase as a multiple of the others'."""

    def apply(self, context: FaultContext) -> None:
        """Load the first phase."""
        first = context.target.device * _PHASES
        context.conditions.pdu_phase_load[context.target.unit, first] = self.load
