"""Faults of servers and their power supplies."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.faults.base import Fault, FaultContext

__all__ = ["PsuFailure", "ServerDown", "ServerPowerCap"]


class PsuFailure(Fault):
    """A power supply of a server fails; the others share its load."""

    kind = "psu-failure"
    system = "server"
    title = "a power supply fails"
    target = "psu"
    default_target = "r0001/n1/psu1"
    default_seconds = 1800.0
    severity = "warning"
    shows = (
        "The supply's sensor turns critical (2) and its input and output power fall to zero; the "
        "server's other supplies carry a third more each. With two lost, the rest cannot carry "
        "full load: the GPUs' power limit falls and the job slows down. With none left, the server "
        "is off."
    )

    def apply(self, context: FaultContext) -> None:
        """Fail the supply."""
        context.conditions.psu_available[context.place] = False


class ServerPowerCap(Fault):
    """A server's power is capped."""

    kind = "server-power-cap"
    system = "server"
    title = "a server's power is capped"
    target = "server"
    default_target = "r0001/n1"
    default_seconds = 900.0
    severity = "warning"
    shows = (
        "The server's power stays below the cap; the clocks of its GPUs fall and their "
        "power-violation counters rise. All other GPUs wait for them at every step: the step time "
        "of the whole job rises."
    )

    watts: Annotated[float, Field(ge=3000.0, le=20_000.0)] = 5000.0
    """Maximum power at the server's inlets in W."""

    def apply(self, context: FaultContext) -> None:
        """Cap the server."""
        caps = context.conditions.server_cap
        caps[context.place] = min(caps[context.place], self.watts)


class ServerDown(Fault):
    """A server is off."""

    kind = "server-down"
    system = "server"
    title = "a server goes down"
    target = "server"
    default_target = "r0001/n1"
    default_seconds = 600.0
    severity = "critical"
    shows = (
        "`up` of the server's exporters is 0 and all their other series vanish, the links of its "
        "NICs go down at the switches, and the job stalls without its eight GPUs. Afterwards the "
        "server boots for two minutes before its exporters answer again, and the counters of its "
        "kernel, GPUs and NICs begin anew."
    )

    def apply(self, context: FaultContext) -> None:
        """Switch the server off."""
        context.conditions.server_available[context.place] = False
